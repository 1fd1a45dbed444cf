"""What the energies without observations have in common: their minimisation, start, and what is told of
it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from app import flow, output
from app.case import ConvexCase
from app.mesh import CoefficientSpace, NodeOrder
from app.network import Nodes, Transform
from app.parallel import Clock, SolveFailed, gram
from app.problem.base import Problem, Report, WorkMeter
from app.problem.factories import Start, network_of, network_start, nodal_start, split, transform_of


def start_of(
    case: ConvexCase,
    nodes: Callable[[Transform], Nodes],
    method: flow.Method,
    *,
    size: int,
    reference: np.ndarray,
) -> Start:
    """The network or the nodal values of a case at its nodes, starting from the reference."""
    chosen: Any = case.approximant[1].representation
    if chosen.kind == "nodal":
        return nodal_start(reference, size, method)
    start = network_start(case, network_of(chosen, nodes(transform_of(chosen))), method)
    return Start(start.own, start.step, start.step.following_closely(start.own, start.state))


def problem_of(
    comm: MPI.Comm,
    case: ConvexCase,
    energy: Any,
    start: Start,
    plain: flow.InnerProduct | None,
    half_square: Callable[[Any], float],
    report: Report,
    points: np.ndarray,
    meter: WorkMeter,
    method: flow.Method,
    clock: Clock,
) -> Problem:
    """The minimisation of a convex energy (see app.flow.protocols.Convex).

    `plain` is the inner product of the flow, where it is not the energy's own; `half_square` gives ½‖m‖²_K of
    an evaluation in K of the energy. `points`, shape (owned, inputs), are where the nodal values are.
    """
    most = case.flow.max_iterations
    minimisation = flow.Minimisation(
        energy=energy,
        reference=np.zeros_like(start.own.values()),
        start=start.own,
        step=start.step,
        builder=flow.ConvexBuilder(plain, method),
        stopping=flow.AtTolerance(case.flow.tolerance, half_square, most, method.stopping),
        max_iterations=most,
        state=start.state,
        meter=meter,
        truth=report,
    )
    return Problem(case, comm, minimisation, method, report, clock, NodeOrder(comm, points), None)


def by_product(at: Any) -> float:
    """½‖m‖²_K of an evaluation by its own product, alike on all ranks; collective."""
    K = at.hessian()
    return 0.5 * float(gram(K.comm, at.m, K.apply(at.m)))


class ConvexReport:
    """What is said of every run of a convex energy; those of the energies add what is theirs, see Report."""

    target: float | None = None

    def __init__(
        self, comm: MPI.Comm, case: ConvexCase, size: int, half_square: Callable[[Any], float]
    ) -> None:
        """`size` is the number of nodal values over all ranks."""
        self._comm, self._case, self._size, self._half_square = comm, case, size, half_square

    @property
    def names(self) -> list[str]:
        """See Report; there is one unknown."""
        return []

    def opening(self) -> list[str]:
        """See Report."""
        return [f"{self._case.name}: {self._size} nodal values, {self._comm.size} rank(s)"]

    def error(self, m: np.ndarray) -> float | None:
        """See Report."""
        return None

    def told(self, state: flow.FlowState) -> dict[str, Any]:
        """What the summary says of the coefficient beside what it says of every run; collective."""
        return {}

    def summary(self, state: flow.FlowState, reason: flow.StopReason) -> dict[str, Any]:
        """See Report."""
        case, last, at = self._case, state.records[-1], state.evaluation
        if reason == "no_accepted_step" and self._has_arrived(at):
            reason = "tolerance"
        square = self._half_square(at)
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
            "coefficient_dofs": self._size,
            "seed": case.seed,
        }

    def _has_arrived(self, at: Any) -> bool:
        """Whether the minimiser is within the tolerance of an evaluation that no step leads away from, as of
        a start that is exact; by what the energy's own model says is missing, ½rᵀK⁻¹r. Collective."""
        try:
            derivative = at.derivative()
            gradient = at.hessian().riesz(derivative)
        except SolveFailed:
            return False
        missing = 0.5 * float(gram(self._comm, derivative, gradient))
        return missing <= self._case.flow.tolerance**2 * self._half_square(at)


def function_of(
    title: str, name: str, space: CoefficientSpace, state: flow.FlowState, *, by_network: bool
) -> output.Coefficient:
    """The function of a run, by its network or on the mesh."""
    own, at = state.representation, state.evaluation
    assert at is not None
    networks, thetas = split(own)
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


def write_functions(space: CoefficientSpace, panels: dict[str, np.ndarray], folder: Path) -> str | None:
    """Fields and a picture of functions by their values at all owned nodes, of which one may be an `error`.

    Returns why there is no picture, if so. Collective.
    """
    fields = {name: space.everywhere(values, name) for name, values in panels.items()}
    output.write_fields(folder / "fields.pvd", space.space, fields)
    rows = [dict(panels)]
    if space.domain.dimension == 1 and "error" in panels:  # a small one shows on axes of its own
        rows.append({"error": rows[0].pop("error")})
    nowhere = np.empty((0, space.domain.dimension))
    return output.draw_fields(folder / "coefficient.png", space.space, rows, nowhere)
