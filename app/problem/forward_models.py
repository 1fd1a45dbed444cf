"""From a case to its forward model and what is measured of its state."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.case import Case, CaseError, ElectricalTomography, ExpressionError
from app.data import PointData
from app.electrical import ElectricalModel, Survey, read_survey
from app.mesh import CoefficientSpace, CoefficientSpaces, SharpSpaces, TaggedMesh
from app.observe.left_out import LeftOut
from app.observe.measurements import Measurements, measurements, together
from app.observe.readings import ReadingObservations
from app.parallel import on_root
from app.parallel.solver_cost import System
from app.pde import CustomError, Experiments, ForwardModel, TooLittleMemory, TransientModel, components
from app.problem import physics
from app.problem.solvers import Solvers, unknowns
from app.types import Untyped


@dataclass(frozen=True, eq=False)
class Observed:
    """A forward model and what is measured of its states."""

    forward: ForwardModel | Experiments | ElectricalModel
    data: PointData
    sigma: np.ndarray
    """Standard deviations of the readings, or what stands in for them until a factor is found."""
    files: tuple[tuple[Path, int], ...]
    """Those of the readings, and how many each has."""
    compared: dict[str, np.ndarray]
    """How readings are compared, by the names that InverseProblem has for it."""
    left_out: tuple[LeftOut, ...] = ()
    """Readings that were left out because no coefficient changes them."""
    guess: bool = False
    """Whether some of the standard deviations are a guess."""


def survey_of(comm: MPI.Comm, case: Case) -> Survey | None:
    """The electrical survey of a case, of which it is the only observation."""
    if not isinstance(case.equation, ElectricalTomography):
        return None
    (observation,) = case.observations.values()
    if not isinstance(observation, ReadingObservations):
        raise TypeError(f"found {type(observation).__name__}, which Case refuses with this equation")
    return read_survey(comm, case, case.equation, observation)


def observed_of(
    case: Case,
    coefficient: CoefficientSpace | CoefficientSpaces,
    survey: Survey | None,
    solvers: Solvers,
    owned: ExitStack,
) -> Observed:
    """The forward model of a case, with its survey where it has one, and its measurements.

    What has to be closed, the model among it, is `owned`. Raises InputError on all ranks alike.
    """
    if survey is not None:
        assert isinstance(coefficient, CoefficientSpace | SharpSpaces)
        found = _electrical(case, coefficient, survey, solvers)
    else:
        forward, measured = _experiments(case, coefficient, solvers, owned)
        compared = {
            "logarithmic": measured.logarithmic,
            "threshold": measured.threshold,
            "groups": measured.groups,
        }
        found = Observed(
            forward,
            measured.data,
            measured.sigma,
            measured.files,
            compared,
            measured.left_out,
            any(section.guessed for part in case.parts.values() for section in part.observations.values()),
        )
    owned.callback(found.forward.close)
    return found


def _electrical(
    case: Case, coefficient: CoefficientSpace | SharpSpaces, survey: Survey, solvers: Solvers
) -> Observed:
    """Four-electrode readings."""
    domain, degree = coefficient.domain, case.equation.degree
    sources = len(survey.readings.electrodes)
    system = System(domain.dimension, unknowns(domain, degree), degree, solves=sources)
    solver = solvers.of(case.equation.solver, "state", system)
    forward = survey.forward_model(coefficient, solver)
    data = on_root(coefficient.comm, lambda: survey.data(forward))
    assert data.sigma is not None
    files = ((survey.file, len(data.values)),)
    return Observed(forward, data, data.sigma, files, {"groups": survey.groups}, guess=survey.guessed)


def _experiments(
    case: Case, coefficient: CoefficientSpace | CoefficientSpaces, solvers: Solvers, owned: ExitStack
) -> tuple[ForwardModel | Experiments, Measurements]:
    """Forward model and measurements of the only experiment or of all together."""
    parts = {
        name: _observed(part, coefficient, solvers, len(case.parts), owned)
        for name, part in case.parts.items()
    }
    if not case.experiments:
        return parts[""]
    forward = Experiments({name: model for name, (model, _) in parts.items()})
    return forward, together([measured for _, measured in parts.values()], case.where("experiments"))


def _observed(
    case: Case,
    coefficient: CoefficientSpace | CoefficientSpaces,
    solvers: Solvers,
    held: int,
    owned: ExitStack,
) -> tuple[ForwardModel, Measurements]:
    """Forward model, one of `held`, and what is measured of its state."""
    try:
        forward = forward_of(case, coefficient.domain, coefficient, solvers, solvers.state_solves, held)
        physics.feed(case, forward)
    except ExpressionError as refused:
        raise CaseError([f"{case.where('equation')}: {refused}"]) from None
    except CustomError as refused:
        raise CaseError([f"{case.where('equation', 'file')}: {refused}"]) from None
    measured = measurements(case, case.observations, physics.observed_state(case, forward))
    owned.callback(measured.close)
    physics.check_driven(case)
    assert measured.operator is not None
    if isinstance(forward, TransientModel):
        assert measured.data.times is not None
        forward.observe_at(measured.operator.matrix, measured.data.times)
    else:
        operator = measured.operator
        forward.observe_with(operator.matrix, operator.weights, operator.direct)
    return forward, measured


def forward_of(
    case: Case,
    domain: TaggedMesh,
    coefficient: CoefficientSpace | CoefficientSpaces,
    solvers: Solvers,
    solves: int,
    held: int = 1,
) -> ForwardModel:
    """The model of a case's equation, with which so many solves are expected for each coefficient, one of
    `held` models like it.

    Raises CaseError on all ranks alike.
    """
    equation: Untyped = physics.equation(case, domain)
    degree = case.equation.degree
    times = physics.time_steps(case)
    count = max(1, len(components(equation, domain.dimension)))
    solves *= 1 if times is None else times.steps
    size = unknowns(domain, degree) * count
    system = System(domain.dimension, size, degree, count, equation.symmetric, solves, held)
    solver = solvers.of(case.equation.solver, "state", system)
    if times is None:
        return ForwardModel(equation, coefficient, degree, solver)
    try:
        return TransientModel(equation, coefficient, degree, solver, times)
    except TooLittleMemory as refused:
        raise CaseError([f"{case.where('equation', 'time', 'memory_limit')}: {refused}"]) from None
