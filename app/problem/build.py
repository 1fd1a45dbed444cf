"""From a case to a problem that can be run: the only room that knows every other."""

from typing import Any

from mpi4py import MPI

from app import flow
from app.case import BaseCase, Case, ReductionCase, RegressionCase, RitzCase
from app.mesh import JointOrder, NodeOrder
from app.parallel import Clock
from app.problem.base import Problem, WorkMeter
from app.problem.inversion import evaluated_at_start, read_inversion
from app.problem.inversion_report import InversionReport
from app.problem.models import builder_of, contender_of, contest_of
from app.problem.reduction import build_reduction
from app.problem.regression import build_regression
from app.problem.ritz import build_ritz

BUILD: dict[type[BaseCase], Any] = {
    RegressionCase: build_regression,
    RitzCase: build_ritz,
    ReductionCase: build_reduction,
}
"""Of the energies other than the misfit of observations."""


def build(
    case: BaseCase,
    comm: MPI.Comm = MPI.COMM_WORLD,
    *,
    method: flow.Method | None = None,
    clock: Clock | None = None,
    allow_code: bool = False,
) -> Problem:
    """Read, compile, assemble and solve for the first time, before anything is written; collective.

    A case with code of its own is refused unless that is allowed. Raises InputError on all ranks alike.
    """
    method, clock = method or flow.Method(), clock or Clock()
    with clock.running():
        if isinstance(case, Case):
            return build_inversion(comm, case, method, clock, allow_code=allow_code)
        return BUILD[type(case)](comm, case, method, clock)


def build_inversion(
    comm: MPI.Comm, case: Case, method: flow.Method, clock: Clock, *, allow_code: bool = False
) -> Problem:
    """An inverse problem, see build."""
    given = read_inversion(comm, case, method, allow_code=allow_code)
    at_start = evaluated_at_start(given)
    chosen, most = case.regularisation[given.name], case.flow.max_iterations
    first = contender_of(given, "h1" if chosen.kind == "auto" else chosen.kind, "riesz_")
    builder = builder_of(given, first.regularisation, method)
    stopping: flow.Stopping = flow.AtTarget(given.target, most, method.stopping)
    contest = None
    if chosen.weight == "cross_validation":
        contest = contest_of(given, first)
        stopping = flow.NearTarget(given.target, most, method.stopping)
    report = InversionReport(given, first)
    minimisation = flow.Minimisation(
        energy=given.energy,
        reference=given.reference,
        start=given.start.own,
        step=given.start.step,
        builder=builder,
        stopping=stopping,
        max_iterations=most,
        contest=contest,
        state=given.start.state,
        meter=WorkMeter(clock, given.forward, given.riesz_solvers),
        truth=report,
    )
    spaces = list(given.spaces.values())
    parts = [NodeOrder(comm, space.coordinates) for space in spaces]
    order = JointOrder(parts, [space.owned for space in spaces])
    return Problem(case, comm, minimisation, method, report, clock, order, at_start)
