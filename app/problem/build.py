"""From a case to a problem that can be run: the only room that knows every other."""

from functools import cache
from typing import Any

from mpi4py import MPI

from app import flow
from app.case import BaseCase, Case, ConvexCase, ReductionCase, RegressionCase, RitzCase
from app.energy import Misfit
from app.parallel import Clock
from app.problem.base import Problem, WorkMeter
from app.problem.convex_levels import problem_of, read_approximations
from app.problem.design import DesignOf
from app.problem.inversion import Inversion, evaluated_at_start, read_inversion
from app.problem.inversion_report import InversionReport
from app.problem.levels import MeshLevel, read_levels
from app.problem.levels_report import LevelsReport
from app.problem.minimisation import first_of, minimisation_of, order_of
from app.problem.plan import Plan, plan_of
from app.problem.plausible import unlikely
from app.problem.predictions import PredictionsOf, predicted
from app.problem.reduction import read_reduction
from app.problem.regression import read_regression
from app.problem.ritz import read_ritz
from app.problem.sensitivity import notes_of
from app.problem.uncertainty import UncertaintyOf

READ: dict[type[BaseCase], Any] = {
    RegressionCase: read_regression,
    RitzCase: read_ritz,
    ReductionCase: read_reduction,
}
"""Of the energies other than the misfit of observations."""


def check(case: BaseCase, comm: MPI.Comm = MPI.COMM_WORLD, *, allow_code: bool = False) -> Plan:
    """Read mesh and data, compile, assemble and solve for the first time, and no more; what a run would do,
    and what is to be known of mesh and data. Collective.

    A case with code of its own is refused unless that is allowed. Raises InputError on all ranks alike.
    """
    if isinstance(case, Case):
        given = read_inversion(comm, case, case.method.over(flow.Method()), allow_code=allow_code)
        with given.owned:
            at_start = evaluated_at_start(given)
            notes = [*notes_of(given, at_start), *unlikely(given, at_start)]
            predicted(given)
            return plan_of(given, notes)
    READ[type(case)](comm, case, Clock())
    return Plan()


def build(
    case: BaseCase,
    comm: MPI.Comm = MPI.COMM_WORLD,
    *,
    method: flow.Method | None = None,
    clock: Clock | None = None,
    allow_code: bool = False,
) -> Problem:
    """The problem of a case, checked as `check` does, before anything is written; collective.

    What the case's section `method` sets holds over `method`. Raises InputError on all ranks alike.
    """
    method, clock = case.method.over(method or flow.Method()), clock or Clock()
    with clock.running():
        if isinstance(case, Case):
            levels, at_start = read_levels(comm, case, method, allow_code=allow_code)
            return _inversion(levels, at_start, method, clock)
        assert isinstance(case, ConvexCase)
        approximations = read_approximations(comm, case, clock, READ[type(case)], method.levels)
        return problem_of(approximations, method, clock)


def _inversion(levels: list[Inversion], at_start: Misfit[Any], method: flow.Method, clock: Clock) -> Problem:
    """The minimisation of an inverse problem, on the coarsest of its meshes and on each finer one."""
    coarsest, own = levels[0], levels[-1]
    notes = (*notes_of(coarsest, at_start), *unlikely(coarsest, at_start))
    meter = WorkMeter(clock, [level.forward for level in levels], [level.solvers.riesz for level in levels])
    first = cache(lambda number: first_of(levels[number]))
    reports = [InversionReport(level, first, notes) for level in levels]
    finer = [
        MeshLevel(levels, number, method, meter, first, reports[number]) for number in range(1, len(levels))
    ]
    points = {name: space.coordinates for name, space in coarsest.spaces.items()}
    predictions_of = PredictionsOf(levels)
    uncertainty_of = UncertaintyOf(levels, first, method)
    return Problem(
        case=own.case,
        comm=own.domain.comm,
        minimisation=minimisation_of(coarsest, first(0), method, meter, reports[0], finest=len(levels) == 1),
        method=method,
        report=LevelsReport(tuple(reports)) if finer else reports[0],
        clock=clock,
        order=order_of(coarsest),
        points=points,
        at_start=at_start,
        built=meter.read(),
        finer=finer,
        uncertainty_of=uncertainty_of,
        predictions_of=predictions_of,
        design_of=DesignOf(levels, predictions_of),
    )
