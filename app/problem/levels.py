"""A problem on several meshes: decided on the coarsest, confirmed on each finer one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app import flow, output
from app.case import Case, CaseError, InputError
from app.case.levels import coarser
from app.energy import Misfit
from app.energy.restricted import Restricted
from app.mesh import JointOrder
from app.mesh.transfer import Transfer
from app.method import LevelsMethod
from app.posterior import Posterior
from app.problem.inversion import Inversion, evaluated_at_start, read_inversion
from app.problem.inversion_report import InversionReport, reading_place
from app.problem.minimisation import minimisation_of, order_of
from app.problem.models import candidate_with
from app.problem.work import done_on, work_units
from app.types import Summary, Untyped

ENOUGH = 0.5
"""Root mean square of the change from the last mesh but one to the last, in standard deviations, above which
the case's mesh is too coarse for its data."""


def read_levels(
    comm: MPI.Comm, case: Case, method: flow.Method, *, allow_code: bool = False
) -> tuple[list[Inversion], Misfit[Untyped]]:
    """The inverse problem on each mesh of its case, the coarsest first, and the misfit at the start there;
    collective. Raises InputError on all ranks for what is wrong on the case's own mesh.

    The coarsest mesh is as coarse as the case's `levels` say. With auto it resolves the equation: at the
    reference the readings on it and on the next mesh differ by little against the noise. A mesh on which the
    case cannot be read, or has other readings, is not used.
    """
    asked = case.levels != "auto"
    coarse = None if case.levels == 1 else coarser(case, asked=asked)
    found = [read_inversion(comm, case, method, allow_code=allow_code, confirms=coarse is not None)]
    coarse = None if coarse is None else _referred(coarse, found[0])
    while coarse is not None and len(found) != case.levels:
        try:
            level = read_inversion(comm, coarse, method, allow_code=allow_code, confirms=True)
        except InputError:
            break
        if not alike(level, found[-1]):
            level.owned.close()
            break
        found.append(level)
        coarse = coarser(coarse, asked=asked)
    if case.levels != "auto" and len(found) < case.levels:
        why = "no coarser mesh has the parts and readings of the case"
        raise CaseError(
            [f"{case.where('levels')}: found {case.levels}, expected at most {len(found)}: {why}"]
        )
    found.reverse()
    at_start = evaluated_at_start(found[0])
    while len(found) > 1 and not asked:
        finer = evaluated_at_start(found[1])
        if _resolves(found[0], at_start, finer, method.levels):
            break
        found.pop(0).owned.close()
        at_start = finer
    if any(choice.kind == "iterative" for choice in found[0].solvers.chosen):  # for the few solves foreseen
        found[0].owned.close()
        found[0] = read_inversion(comm, found[0].case, method, allow_code=allow_code)
        at_start = evaluated_at_start(found[0])
    for level in found[1:]:
        found[0].owned.callback(level.owned.close)
    return found, at_start


class MeshLevel:
    """A finer mesh of an inverse problem, see app.problem.base.Level."""

    def __init__(
        self,
        levels: Sequence[Inversion],
        number: int,
        method: flow.Method,
        meter: flow.Meter,
        first: Callable[[int], flow.Candidate],
        report: InversionReport,
    ) -> None:
        """Of all levels the one of this number; what it makes is closed with the coarsest."""
        self._levels, self._number, self._given = levels, number, levels[number]
        self._method, self._meter, self._first, self._report = method, meter, first, report
        self._transfers: dict[int, Transfer] = {}

    @cached_property
    def order(self) -> JointOrder:
        """See Problem."""
        return order_of(self._given)

    def seen(self, before: flow.Minimisation) -> flow.Minimisation:
        """See Level."""
        base = before.base
        return replace(
            before,
            level=self._number,
            coarser=before,
            finer_energy=FinerMesh(self._given, self.transfer(base)),
            truth=self._report,
            rooted=lambda: self.own(before),
            arrival=None,
        )

    def own(self, before: flow.Minimisation) -> flow.Minimisation:
        """See Level; with what a run took over of an earlier one."""
        arrival = NodesOf(self._given, self._levels[self._number - 1], self.transfer(self._number - 1))
        return replace(
            self._there,
            start=arrival.representation(before.start),
            selection=self._selection(before.selection),
            level=self._number,
            base=self._number,
            coarser=before,
            arrival=arrival,
        )

    @cached_property
    def _there(self) -> flow.Minimisation:
        return minimisation_of(
            self._given, self._first(self._number), self._method, self._meter, self._report
        )

    def _selection(self, before: flow.Selection | None) -> flow.Selection | None:
        """What the data select among here; where an earlier run has selected, that."""
        if before is None or before.weight is None:
            return self._there.selection
        (only,) = before.candidates
        taken_over = candidate_with(self._given, only.kind, only.length, only.parameters)
        return replace(before, candidates=[taken_over])

    def transfer(self, base: int) -> Transfer:
        """From a coarser mesh; made once."""
        if base not in self._transfers:
            made = Transfer(self._levels[base].coefficient, self._given.coefficient)
            self._levels[0].owned.callback(made.close)
            self._transfers[base] = made
        return self._transfers[base]


class FinerMesh:
    """The misfit on a finer mesh at networks of a coarser one, see app.flow.problem.FinerEnergy."""

    def __init__(self, given: Inversion, transfer: Transfer) -> None:
        self._given, self._transfer = given, transfer

    def at(self, own: flow.Representation, values: np.ndarray, near: Restricted | None = None) -> Restricted:
        """See FinerEnergy; collective, raises SolveFailed."""
        fine = on_nodes(self._given, own).values()
        found = self._given.energy.at(fine, None if near is None else near.fine)
        return Restricted(values, found, self._transfer)

    def whole(self, at: Restricted) -> Misfit[Untyped]:
        """See FinerEnergy."""
        found: Misfit[Untyped] = at.fine
        return found


class NodesOf:
    """From a coarser mesh to the nodes of a finer one, see app.flow.problem.Arrival."""

    def __init__(self, given: Inversion, before: Inversion, transfer: Transfer) -> None:
        self._given, self._before, self._transfer = given, before, transfer

    def representation(self, own: flow.Representation) -> flow.Representation:
        """See Arrival."""
        if own.network is not None:
            return on_nodes(self._given, own)
        return flow.Representation(None, self.coefficient(own.theta), self._given.coefficient.size)

    def coefficient(self, values: np.ndarray) -> np.ndarray:
        """See Arrival."""
        own: np.ndarray = self._given.reference + self._transfer.prolonged(values - self._before.reference)
        return own


def on_nodes(given: Inversion, own: flow.Representation) -> flow.Representation:
    """Networks at the nodes of a problem's mesh."""
    from app.network import joint_network

    references = given.coefficient.split(given.reference)
    nodes = zip((space.coordinates for space in given.spaces.values()), references, strict=True)
    parts = [network.at(network.nodes_at(*each)) for network, each in zip(own.split()[0], nodes, strict=True)]
    return flow.Representation.of(joint_network(parts), own.theta)


@dataclass(frozen=True, eq=False)
class LevelsReport:
    """What is said, written and drawn of a run on several meshes: that of the mesh where it is."""

    levels: tuple[InversionReport, ...]
    """The coarsest first."""

    @property
    def target(self) -> float | None:
        """See Report."""
        return self.levels[-1].target

    @property
    def names(self) -> list[str]:
        """See Report."""
        return self.levels[-1].names

    def opening(self) -> list[str]:
        """See Report."""
        first, *rest = self.levels[-1].opening()
        sizes = ", ".join(str(level.given.forward.size) for level in self.levels)
        return [first, f"{len(self.levels)} meshes, with {sizes} state dofs", *rest]

    def error(self, at: Untyped) -> float | dict[str, float] | None:
        """See Report; of the case's own mesh."""
        return self.levels[-1].error(at)

    def summary(self, state: flow.FlowState, reason: flow.StopReason) -> Summary:
        """See Report."""
        units = work_units(state.spent, [level.given for level in self.levels])
        return self.levels[state.level].summary(state, reason) | {
            "work_units": sum(units),
            "solvers": [each for level in self.levels for each in level.given.solvers.summary()],
            "levels": _levels(self.levels, state, units),
            "discretisation": self._discretisation(state),
        }

    def refined(self, state: flow.FlowState) -> str:
        """What is said of the step to the mesh where the run is."""
        given = self.levels[state.level].given
        told = discretisation(given, state)
        return (
            f"mesh {state.level + 1} of {len(self.levels)}, {given.forward.size} state dofs: predicted "
            f"readings move by {told['moved']:.2g} standard deviations (root mean square), at most by "
            f"{told['most']:+.2g} at {told['file']}:{told['line']}"
        )

    def coefficient(self, state: flow.FlowState) -> output.Coefficient:
        """See Report."""
        return self.levels[state.level].coefficient(state)

    def write(
        self, state: flow.FlowState, folder: Path, lost: output.Losses, posterior: Posterior | None
    ) -> None:
        """See Report."""
        self.levels[state.level].write(state, folder, lost, posterior)

    def _discretisation(self, state: flow.FlowState) -> Summary | None:
        """How far the readings moved from the last mesh but one to the last."""
        if state.level < len(self.levels) - 1 or not state.refinements:
            return None
        return discretisation(self.levels[-1].given, state)


def _levels(
    levels: Sequence[InversionReport], state: flow.FlowState, units: Sequence[float]
) -> list[Summary]:
    """What was done on each mesh, the coarsest first: solves and factorisations there, whenever that was, and
    what came of the iterations that ended there, with their seconds."""
    firsts = [0, *(each.iteration for each in state.refinements), len(state.records)]
    told: list[Summary] = []
    before: Mapping[str, float] = {}
    for number, (first, end) in enumerate(pairwise(firsts)):
        last, given = state.records[end - 1], levels[number].given
        done = done_on(number, state.spent)
        spent = state.spent if end == len(state.records) else last.spent
        work = {name: value - before.get(name, 0) for name, value in spent.items()}
        before = spent
        told.append({
            "state_dofs": given.forward.size,
            "coefficient_dofs": given.coefficient.size,
            "iterations": last.iteration - (first - 1 if number else 0),
            "energy": last.energy,
            "misfit": last.misfit,
            "parameters": last.parameters,
            **{name: done.get(name, 0) for name in ("state_solves", "linear_solves", "riesz_solves")},
            "work_units": units[number],
            "seconds": sum(each for name, each in work.items() if name.startswith("seconds_")),
        })  # fmt: skip
    return told


def discretisation(given: Inversion, state: flow.FlowState) -> Summary:
    """How far the readings moved with the last refinement, in standard deviations of the noise: root mean
    square, and the most with its file and line."""
    last, choice = state.refinements[-1], state.choice
    found = 0.0 if choice is None or given.data.sigma is not None else choice.spread
    spread = found or 1.0
    moved = [each.moved / spread for each in state.refinements]
    return {
        "moved": moved[-1],
        "most": last.most / spread,
        **reading_place(given, last.reading),
        "halvings": _halvings(moved),
    }


def _halvings(moved: Sequence[float]) -> int:
    """How often the last mesh's cells are to be halved until a further halving moves the readings by ENOUGH,
    by the order that the last refinements show; of one refinement, or none to speak of, by the first."""
    if moved[-1] <= ENOUGH:
        return 0
    order = float(np.log2(moved[-2] / moved[-1])) if len(moved) > 1 else 1.0
    return int(np.ceil(np.log2(moved[-1] / ENOUGH) / max(order, 1.0)))


def alike(one: Inversion, other: Inversion) -> bool:
    """Whether both have the same readings."""
    return one.data.values.shape == other.data.values.shape and np.array_equal(
        one.data.points, other.data.points, equal_nan=True
    )


def _referred(coarse: Case, finest: Inversion) -> Case:
    """The case on a coarser mesh with m_ref as it is on the finest, where the data tell it: readings of
    electrodes are of resistivities by the geometric factors of the mesh."""
    unknowns = {
        name: given.model_copy(update={"reference": finest.reference_of(name)})
        for name, given in coarse.unknowns.items()
    }
    return coarse.model_copy(update={"unknowns": unknowns})


def _resolves(given: Inversion, coarse: Misfit[Untyped], fine: Misfit[Untyped], method: LevelsMethod) -> bool:
    """Whether the coarser of two meshes predicts what the finer one does, to within the noise."""
    change = fine.residual - coarse.residual
    if not np.isfinite(change).all():
        return False
    moved, whole = (float(np.sqrt(np.mean(each**2))) for each in (change, fine.residual))
    return moved <= (method.resolved if given.data.sigma is not None else method.unknown * whole)
