"""What the energies without observations have in common: their minimisation, start, and what is told of
it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app import flow, output
from app.case import ConvexCase
from app.mesh import CoefficientSpace
from app.network import Nodes, Transform
from app.parallel import SolveFailed, gram
from app.posterior import Posterior
from app.problem.base import Uncertainty, WorkMeter
from app.problem.factories import Start, network_of, network_start, nodal_start, transform_of
from app.problem.quantities import look_of, named
from app.problem.solvers import Solvers
from app.types import Summary, Untyped


def nodes_of(case: ConvexCase, nodes: Callable[[Transform], Nodes]) -> Nodes | None:
    """What a case's network is evaluated at, None of nodal values."""
    chosen: Untyped = case.approximant[1].representation
    return None if chosen.kind == "nodal" else nodes(transform_of(chosen))


@dataclass(frozen=True, eq=False)
class Approximation:
    """A convex energy (see app.flow.protocols.Convex) with what its minimisation needs."""

    comm: MPI.Comm
    case: ConvexCase
    energy: Untyped
    nodes: Nodes | None
    """What the network is evaluated at; None of nodal values."""
    points: np.ndarray
    """Where the nodal values are, shape (owned, inputs)."""
    reference: np.ndarray
    """Where the minimisation starts, shape (owned,)."""
    plain: flow.InnerProduct | None
    """The inner product of the flow, where it is not the energy's own."""
    report: "ConvexReport"
    meter: WorkMeter
    owned: ExitStack
    """Closes what was made."""
    space: CoefficientSpace | None = None
    """Of the function, where it is one on the mesh."""
    minimiser: Callable[[], np.ndarray] | None = None
    """The minimiser among all functions of the space, where that is known or easily found; raises
    SolveFailed."""


def start_of(given: Approximation, method: flow.Method) -> Start:
    """The network or the nodal values of a case, starting from the reference."""
    if given.nodes is None:
        return nodal_start(given.reference, given.comm.allreduce(len(given.reference)), method)
    network = network_of(given.case.approximant[1].representation, given.nodes)
    start = network_start(given.case, network, method)
    return Start(start.own, start.step, start.step.following_closely(start.own, start.state))


def on_nodes(given: Approximation, own: flow.Representation) -> flow.Representation:
    """A network at the nodes of a mesh."""
    (network,), (theta,) = own.split()
    assert given.nodes is not None
    return flow.Representation.of(network.at(given.nodes.rescaled(network.box)), theta)


def minimisation_of(given: Approximation, method: flow.Method, meter: WorkMeter) -> flow.Minimisation:
    """The minimisation of a convex energy on a mesh."""
    case, report, start = given.case, given.report, start_of(given, method)
    most = case.flow.max_iterations
    return flow.Minimisation(
        energy=given.energy,
        reference=np.zeros_like(start.own.values()),
        start=start.own,
        step=start.step,
        builder=flow.ConvexBuilder(given.plain, method),
        stopping=flow.AtTolerance(case.flow.tolerance, report.half_square, most, method.stopping),
        max_iterations=most,
        state=start.state,
        meter=meter,
        truth=report,
        owned=given.owned,
    )


class ConvexReport(ABC):
    """What is said of every run of a convex energy; those of the energies add what is theirs, see Report."""

    target: float | None = None

    def __init__(self, solvers: Solvers, case: ConvexCase, size: int) -> None:
        """`size` is the number of nodal values over all ranks."""
        self._comm, self._solvers, self._case, self.size = solvers.comm, solvers, case, size

    def half_square(self, at: Untyped) -> float:
        """½‖m‖²_K of an evaluation by its own product, alike on all ranks; collective."""
        K = at.hessian()
        return 0.5 * float(gram(K.comm, at.m, K.apply(at.m)))

    @property
    def names(self) -> list[str]:
        """See Report; there is one unknown."""
        return []

    def opening(self) -> list[str]:
        """See Report."""
        return [f"{self._case.name}: {self.size} nodal values, {self._comm.size} rank(s)"]

    def error(self, at: flow.Evaluation) -> float | None:
        """See Report."""
        return None

    def refined(self, state: flow.FlowState) -> str:
        """See Report; there is one mesh only."""
        return ""

    def told(self, state: flow.FlowState) -> Summary:
        """What the summary says of the coefficient beside what it says of every run; collective."""
        return {}

    @abstractmethod
    def coefficient(self, state: flow.FlowState) -> output.Coefficient:
        """See Report."""

    @abstractmethod
    def write(
        self, state: flow.FlowState, folder: Path, lost: output.Losses, posterior: Posterior | None
    ) -> None:
        """See Report."""

    def summary(self, state: flow.FlowState, reason: flow.StopReason) -> Summary:
        """See Report."""
        case, last, at = self._case, state.records[-1], state.evaluation
        if reason == "no_accepted_step" and self._has_arrived(at):
            reason = "tolerance"
        square = self.half_square(at)
        distance = None
        if last.missing is not None and not last.damped and square > 0:
            distance = float(np.sqrt(max(last.missing, 0.0) / square))
        return {
            "name": case.name,
            "status": output.status(reason, target_known=True),
            "stop_reason": reason,
            **output.records_summary(state.records),
            "energy": last.misfit,
            "misfit_target": None,
            "regularisation_kind": None,
            "candidates": None,
            "distance": distance,
            **self.told(state),
            **output.work_summary(state.spent),
            "solvers": self._solvers.summary(),
            "coefficient_dofs": self.size,
            "seed": case.seed,
        }

    def verdict(self, state: flow.FlowState, reason: flow.StopReason, sure: Uncertainty) -> Summary:
        """See Report; there are no readings."""
        return {}

    def _has_arrived(self, at: Untyped) -> bool:
        """Whether the minimiser is within the tolerance of an evaluation that no step leads away from, as of
        a start that is exact; by what the energy's own model says is missing, ½rᵀK⁻¹r. Collective."""
        try:
            derivative = at.derivative()
            gradient = at.hessian().riesz(derivative)
        except SolveFailed:
            return False
        missing = 0.5 * float(gram(self._comm, derivative, gradient))
        return missing <= self._case.flow.tolerance**2 * self.half_square(at)


def function_of(
    title: str, name: str, space: CoefficientSpace, state: flow.FlowState, *, by_network: bool
) -> output.Coefficient:
    """The function of a run, by its network or on the mesh."""
    own, at = state.representation, state.evaluation
    assert at is not None
    networks, thetas = own.split()
    part = output.Part(
        name,
        "value",
        "",
        space,
        space.nodal(space.function(at.m)),
        networks[0] if networks else None,
        thetas[0] if networks else np.empty(0),
        by_network=by_network and bool(networks),
    )
    return output.Coefficient(title, (part,))


def write_functions(
    case: ConvexCase,
    space: CoefficientSpace,
    panels: dict[str, np.ndarray],
    folder: Path,
    lost: output.Losses,
) -> None:
    """Fields and a picture of functions by their values at all owned nodes, first the approximation and
    perhaps last an `error`; collective."""
    fields = {name: space.everywhere(values, name) for name, values in panels.items()}
    path = folder / "fields.pvd"
    lost.attempt(path, lambda: output.write_fields(path, space.space, fields))
    name, approximant = case.approximant
    alike = {"approximation" if key == name else key: values for key, values in panels.items()}
    different = {"error": alike.pop("error")} if "error" in alike else {}
    rows = [output.Row(named(name, approximant), alike, different)]
    nowhere, look = output.Readings.nowhere(space.domain.dimension), look_of(case)
    picture = folder / "coefficient.png"
    lost.draw(picture, lambda: output.draw_fields(picture, space.space, rows, nowhere, look))
