"""From a case to a problem that can be run: the only room that knows every other."""

from typing import Any

from mpi4py import MPI

from app import flow
from app.case import BaseCase, Case, ReductionCase, RegressionCase, RitzCase
from app.mesh import JointOrder, NodeOrder
from app.parallel import Clock
from app.problem.base import Problem, WorkMeter
from app.problem.convex import problem_of
from app.problem.inversion import Inversion, evaluated_at_start, read_inversion, start_of
from app.problem.inversion_report import InversionReport
from app.problem.models import builder_of, candidate_of, selection_of
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
            given = read_inversion(comm, case, allow_code=allow_code)
            return _inversion(given, method, clock)
        return problem_of(READ[type(case)](comm, case, clock), method, clock)


def _inversion(given: Inversion, method: flow.Method, clock: Clock) -> Problem:
    """The minimisation of an inverse problem."""
    case, comm = given.case, given.domain.comm
    at_start = evaluated_at_start(given)
    notes = tuple(notes_of(given, at_start))
    start = start_of(given, method)
    chosen, most = case.regularisation[given.name], case.flow.max_iterations
    first = candidate_of(given, "h1" if chosen.kind == "auto" else chosen.kind, "riesz")
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
    minimisation = flow.Minimisation(
        energy=given.energy,
        reference=given.reference,
        start=start.own,
        step=start.step,
        builder=builder,
        stopping=stopping,
        max_iterations=most,
        selection=selection,
        state=start.state,
        meter=WorkMeter(clock, given.forward, given.solvers.riesz),
        truth=report,
        target=given.target,
        owned=given.owned,
    )
    spaces = list(given.spaces.values())
    parts = [NodeOrder(comm, space.coordinates) for space in spaces]
    points = {name: space.coordinates for name, space in given.spaces.items()}
    order = JointOrder(parts, [space.owned for space in spaces])
    built = minimisation.meter.read()
    return Problem(case, comm, minimisation, method, report, clock, order, points, at_start, built)
