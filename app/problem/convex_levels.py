"""A convex energy on several meshes: a network grows on the coarsest and goes on at the finer ones' nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from mpi4py import MPI

from app import flow
from app.case import CaseError, ConvexCase, InputError
from app.case.levels import coarser
from app.mesh import NodeOrder
from app.mesh.transfer import Transfer
from app.method import LevelsMethod
from app.parallel import Clock, SolveFailed, gram
from app.problem.base import Problem, WorkMeter
from app.problem.convex import Approximation, ConvexReport, minimisation_of, on_nodes
from app.problem.levels_report import MeshesReport, ended_on_meshes
from app.types import Summary, Untyped

type Read = Callable[[MPI.Comm, Untyped, Clock], Approximation]
"""Reads a case on its own mesh."""


def read_approximations(
    comm: MPI.Comm, case: ConvexCase, clock: Clock, read: Read, method: LevelsMethod
) -> list[Approximation]:
    """A case on each of its meshes, the coarsest first; collective.

    With auto a coarser mesh is used if its finite-element functions show the minimiser: theirs is near that
    of the next finer mesh. Raises InputError on all ranks for what is wrong on the case's own mesh, and for
    levels that there are not.
    """
    asked, found = case.levels != "auto", [read(comm, case, clock)]
    serves = found[0].minimiser is not None and found[0].nodes is not None
    coarse = coarser(case, asked=asked) if serves and case.levels != 1 else None
    while coarse is not None and len(found) != case.levels:
        try:
            level = read(comm, coarse, clock)
        except InputError:
            break
        if not asked and not _shown(level, found[-1], method):
            level.owned.close()
            break
        found.append(level)
        coarse = coarser(coarse, asked=asked)
    if case.levels != "auto" and len(found) < case.levels:
        why = "no coarser mesh has the parts of the case"
        if not serves:
            why = "only the networks of regression and variational problems grow on coarser meshes"
        raise CaseError(
            [f"{case.where('levels')}: found {case.levels}, expected at most {len(found)}: {why}"]
        )
    found.reverse()
    for level in found[1:]:
        found[0].owned.callback(level.owned.close)
    return found


def problem_of(levels: Sequence[Approximation], method: flow.Method, clock: Clock) -> Problem:
    """The minimisation of a convex energy, on the coarsest of its meshes and on each finer one."""
    coarsest, own = levels[0], levels[-1]
    forward = [each for level in levels for each in level.meter.forward]
    meter = WorkMeter(clock, forward, [each for level in levels for each in level.meter.riesz])
    reports = tuple(level.report for level in levels)
    return Problem(
        case=own.case,
        comm=own.comm,
        minimisation=minimisation_of(coarsest, method, meter),
        method=method,
        report=ConvexLevelsReport(reports) if len(levels) > 1 else own.report,
        clock=clock,
        order=NodeOrder(own.comm, coarsest.points),
        points={own.case.approximant[0]: coarsest.points},
        at_start=None,
        built=meter.read(),
        finer=[ConvexLevel(number, level, method, meter) for number, level in enumerate(levels)][1:],
        moves_on=True,
    )


class ConvexLevel:
    """A finer mesh of a convex energy, see app.problem.base.Level."""

    def __init__(self, number: int, given: Approximation, method: flow.Method, meter: WorkMeter) -> None:
        self._number, self._given, self._method, self._meter = number, given, method, meter

    @cached_property
    def order(self) -> NodeOrder:
        """See Problem."""
        return NodeOrder(self._given.comm, self._given.points)

    def seen(self, before: flow.Minimisation) -> flow.Minimisation:
        """See Level; what is approximated is so at the nodes of its own mesh only."""
        return self.own(before)

    def own(self, before: flow.Minimisation) -> flow.Minimisation:
        """See Level; with what a run took over of an earlier one."""
        arrival = NodesOf(self._given)
        there = minimisation_of(self._given, self._method, self._meter)
        return replace(
            there,
            start=arrival.representation(before.start),
            level=self._number,
            base=self._number,
            coarser=before,
            arrival=arrival,
        )


class NodesOf:
    """To the nodes of a finer mesh, see app.flow.problem.Arrival."""

    def __init__(self, given: Approximation) -> None:
        self._given = given

    def representation(self, own: flow.Representation) -> flow.Representation:
        """See Arrival; of a network."""
        return on_nodes(self._given, own)

    def coefficient(self, values: np.ndarray) -> np.ndarray:
        """See Arrival; no product of a convex energy is made from an earlier coefficient."""
        raise TypeError("found nodal values of a coarser mesh, which no convex energy keeps")


@dataclass(frozen=True, eq=False)
class ConvexLevelsReport(MeshesReport[ConvexReport]):
    """Of a convex energy."""

    def opening(self) -> list[str]:
        """See Report."""
        sizes = ", ".join(str(level.size) for level in self.levels)
        return [*self.levels[-1].opening(), f"{len(self.levels)} meshes, with {sizes} nodal values"]

    def refined(self, state: flow.FlowState) -> str:
        """See Report."""
        size = self.levels[state.level].size
        return f"mesh {state.level + 1} of {len(self.levels)}, {size} nodal values"

    def summary(self, state: flow.FlowState, reason: flow.StopReason) -> Summary:
        """See Report; with what came of the iterations on each mesh, the coarsest first."""
        told = [
            {
                "coefficient_dofs": level.size,
                "iterations": iterations,
                "energy": last.misfit,
                "parameters": last.parameters,
            }
            for level, (last, iterations) in zip(self.levels, ended_on_meshes(state), strict=False)
        ]
        return self.levels[state.level].summary(state, reason) | {"levels": told}


def _shown(coarse: Approximation, fine: Approximation, method: LevelsMethod) -> bool:
    """Whether the minimiser among the functions of the coarse mesh is near that among the fine mesh's, in the
    energy's own norm there."""
    assert coarse.minimiser is not None and fine.minimiser is not None
    assert coarse.space is not None and fine.space is not None
    try:
        low, high = coarse.minimiser(), fine.minimiser()
    except SolveFailed:
        return False
    transfer = Transfer(coarse.space, fine.space)
    apart = fine.reference + transfer.prolonged(low - coarse.reference) - high
    transfer.close()
    at = fine.energy.at(high)
    K = at.hessian()
    return 0.5 * float(gram(K.comm, apart, K.apply(apart))) <= method.shown**2 * fine.report.half_square(at)
