"""A problem on several meshes: decided on the coarsest, confirmed on each finer one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from mpi4py import MPI

from app import flow
from app.case import Case, CaseError, InputError
from app.case.levels import coarser
from app.energy import Misfit
from app.energy.restricted import Restricted
from app.mesh import JointOrder
from app.mesh.transfer import Transfer
from app.method import LevelsMethod
from app.problem.inversion import Inversion, evaluated_at_start, read_inversion
from app.problem.inversion_report import InversionReport
from app.problem.minimisation import minimisation_of, order_of
from app.problem.models import candidate_with
from app.types import Untyped


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
        coarser, there = self._number - 1, self._there
        arrival = NodesOf(self._given, self._levels[coarser], self.transfer(coarser), there.phases)
        return replace(
            there,
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
            self._given,
            self._first(self._number),
            self._method,
            self._meter,
            self._report,
            finest=self._number == len(self._levels) - 1,
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

    def __init__(
        self, given: Inversion, before: Inversion, transfer: Transfer, phases: flow.PhasesOf | None
    ) -> None:
        self._given, self._before, self._transfer, self._phases = given, before, transfer, phases

    def representation(self, own: flow.Representation) -> flow.Representation:
        """See Arrival."""
        if isinstance(own.network, flow.PhaseNetwork):
            assert self._phases is not None
            return self._phases.here(own)
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
