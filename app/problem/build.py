"""From a case to a problem that can be run: the only room that knows every other."""

from dataclasses import replace
from functools import partial
from typing import Any

from mpi4py import MPI

from app import flow
from app.case import BaseCase, Case, ReductionCase, RegressionCase, RitzCase
from app.energy import Misfit
from app.mesh import JointOrder, NodeOrder
from app.mesh.transfer import Transfer
from app.parallel import Clock
from app.problem.base import Level, Problem, WorkMeter
from app.problem.convex import problem_of
from app.problem.inversion import Inversion, evaluated_at_start, read_inversion, start_of
from app.problem.inversion_report import InversionReport
from app.problem.levels import FinerMesh, LevelsReport, read_levels
from app.problem.models import builder_of, candidate_of, candidate_with, selection_of
from app.problem.reduction import read_reduction
from app.problem.regression import read_regression
from app.problem.ritz import read_ritz
from app.problem.sensitivity import notes_of

READ: dict[type[BaseCase], Any] = {
    RegressionCase: read_regression,
    RitzCase: read_ritz,
    ReductionCase: read_reduction,
}
"""Of the energies other than the misfit of observations."""


def check(case: BaseCase, comm: MPI.Comm = MPI.COMM_WORLD, *, allow_code: bool = False) -> list[str]:
    """Read mesh and data, compile, assemble and solve for the first time, and no more; what is to be known of
    mesh and data, a line each. Collective.

    A case with code of its own is refused unless that is allowed. Raises InputError on all ranks alike.
    """
    if isinstance(case, Case):
        given = read_inversion(comm, case, allow_code=allow_code)
        notes = notes_of(given, evaluated_at_start(given))
        return [*(f"mesh: {line}" for line in given.domain.contents()), *notes]
    READ[type(case)](comm, case, Clock())
    return []


def build(
    case: BaseCase,
    comm: MPI.Comm = MPI.COMM_WORLD,
    *,
    method: flow.Method | None = None,
    clock: Clock | None = None,
    allow_code: bool = False,
) -> Problem:
    """The problem of a case, checked as `check` does, before anything is written; collective.

    Raises InputError on all ranks alike.
    """
    method, clock = method or flow.Method(), clock or Clock()
    with clock.running():
        if isinstance(case, Case):
            levels, at_start = read_levels(comm, case, allow_code=allow_code)
            return _inversion(levels, at_start, method, clock)
        return problem_of(READ[type(case)](comm, case, clock), method, clock)


def _inversion(levels: list[Inversion], at_start: Misfit[Any], method: flow.Method, clock: Clock) -> Problem:
    """The minimisation of an inverse problem, on the coarsest of its meshes and on each finer one."""
    coarsest, own = levels[0], levels[-1]
    notes = tuple(notes_of(coarsest, at_start))
    meter = WorkMeter(clock, [level.forward for level in levels], [level.riesz for level in levels])
    first, minimisation = _minimisation(coarsest, method, meter, notes)
    reports, finer, order = [first], [], order_of(coarsest)
    for number, given in enumerate(levels[1:], 1):
        if coarsest.nodes:
            report = InversionReport(given, first.first, method.stopping.unmet, notes)
            after = partial(_seen_on, number, FinerMesh(coarsest, given), report)
            finer.append(Level(after, order))
        else:
            report, there = _minimisation(given, method, meter, notes)
            transfer = Transfer(levels[number - 1].coefficient, given.coefficient)
            coarsest.owned.callback(transfer.close)
            there = replace(there, level=number, prolonged=transfer.prolonged)
            finer.append(Level(partial(_with_nodes_on, given, there), order_of(given)))
        reports.append(report)
    whole = LevelsReport(tuple(reports)) if finer else first
    points = {name: space.coordinates for name, space in coarsest.spaces.items()}
    return Problem(
        own.case, own.domain.comm, minimisation, method, whole, clock, order, points, at_start,
        meter.read(), finer,
    )  # fmt: skip


def _seen_on(
    number: int, energy: FinerMesh, report: InversionReport, before: flow.Minimisation
) -> flow.Minimisation:
    """What is minimised on a finer mesh, over networks that are seen at the nodes of the coarsest."""
    return replace(before, level=number, coarser=before, finer_energy=energy, truth=report)


def _with_nodes_on(
    given: Inversion, there: flow.Minimisation, before: flow.Minimisation
) -> flow.Minimisation:
    """What is minimised on a finer mesh over nodal values there, with what a run took over of an earlier
    one."""
    selection = before.selection
    if selection is not None and selection.weight is not None:
        (only,) = selection.candidates
        own = candidate_with(given, only.kind, only.length, only.parameters)
        selection = replace(selection, candidates=[own])
    else:
        selection = there.selection
    return replace(there, coarser=before, selection=selection)


def order_of(given: Inversion) -> JointOrder:
    """Of the values at the nodes of all unknowns."""
    spaces = list(given.spaces.values())
    parts = [NodeOrder(given.domain.comm, space.coordinates) for space in spaces]
    return JointOrder(parts, [space.owned for space in spaces])


def _minimisation(
    given: Inversion, method: flow.Method, meter: WorkMeter, notes: tuple[str, ...]
) -> tuple[InversionReport, flow.Minimisation]:
    """What is minimised on one mesh, and what is told of it."""
    case = given.case
    start = start_of(given, method)
    chosen, most = case.regularisation[given.name], case.flow.max_iterations
    first = candidate_of(given, "h1" if chosen.kind == "auto" else chosen.kind, "riesz_")
    builder = builder_of(given, first.regularisation, method, creeps=start.step.creeps)
    # An explicit flow creeps by nature, and a given weight has no target to come to.
    to_target = case.flow.inner_product == "gauss_newton" and isinstance(chosen.weight, str)
    pace = method.stopping.pace if to_target else 0.0
    stopping: flow.Stopping = flow.AtTarget(given.target, most, method.stopping, pace)
    selection = None
    if chosen.weight == "cross_validation":
        selection = selection_of(given, first, method)
        stopping = flow.NearTarget(given.target, most, method.stopping, pace)
    report = InversionReport(given, first, method.stopping.unmet, notes)
    return report, flow.Minimisation(
        energy=given.energy,
        reference=given.reference,
        start=start.own,
        step=start.step,
        builder=builder,
        stopping=stopping,
        max_iterations=most,
        selection=selection,
        state=start.state,
        meter=meter,
        truth=report,
        target=given.target,
        owned=given.owned,
        measured=True,
    )
