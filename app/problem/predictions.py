"""What a case predicts, on a mesh of its problem."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import cast

import numpy as np
from ufl import dx

from app.case import CaseError, InputError
from app.case.predictions import IntegralPrediction, Prediction, StatePrediction
from app.energy.restricted import on_its_mesh
from app.flow import FlowState
from app.mesh import MeshError
from app.mesh.rows import over_cells, over_facets
from app.observe import ObservedState
from app.observe.entries import Entry
from app.observe.unmeasured import Unmeasured, together, unmeasured
from app.parallel import SolveFailed
from app.pde import Experiments, ForwardModel
from app.pde.functionals import CoefficientIntegral, Functionals, JointFunctionals, StateFunctionals
from app.posterior import Posterior, Predictions
from app.posterior.predictions import Label, predictions_of, pushed
from app.problem import physics
from app.problem.inversion import Inversion
from app.schema.section import part_names
from app.types import Measure


@dataclass(frozen=True, eq=False)
class Predicted:
    """What is predicted: a map from coefficients to numbers, and what each of them is called."""

    labels: tuple[Label, ...]
    functionals: Functionals


class PredictionsOf:
    """Works out the predictions of a case for states of its problem on one or several meshes."""

    def __init__(self, levels: Sequence[Inversion]) -> None:
        """The coarsest first; reads what is predicted on the last. Collective, raises InputError."""
        self._levels = levels
        self._made: dict[int, Predicted | None] = {}
        self.on(len(levels) - 1)

    def on(self, level: int) -> Predicted | None:
        """What is predicted, on a mesh by its number: q(m) by `functionals.values(m)`; None where the case
        predicts nothing, or a coarser mesh has not the places. Collective."""
        if level not in self._made:
            try:
                self._made[level] = predicted(self._levels[level])
            except InputError:
                if level == len(self._levels) - 1:
                    raise
                self._made[level] = None
        return self._made[level]

    def __call__(self, state: FlowState, posterior: Posterior | None) -> Predictions | None:
        """At the result of a complete state, with its posterior if it has one; collective."""
        found = self.on(state.level)
        if found is None:
            return None
        given, at = self._levels[state.level], on_its_mesh(state.evaluation)
        values = partial(found.functionals.values, near=at.forward)
        if posterior is None:
            value = values(at.m)
            told = predictions_of(found.labels, value, np.zeros((len(at.m), len(value))), None)
        else:
            value, rows = found.functionals.linearised(at.m, at.forward)
            count = given.case.posterior.samples
            draws = pushed(values, posterior.sample(count), len(value)) if count else None
            told = predictions_of(found.labels, value, rows, posterior, draws)
        return replace(told, truth=_truth(given, values))


def _truth(given: Inversion, values: Callable[[np.ndarray], np.ndarray]) -> np.ndarray | None:
    """The predictions of the true coefficients, None where one is not known; collective."""
    if len(given.errors) < len(given.spaces):
        return None
    true = [space.interpolate(given.truths[name]) for name, space in given.spaces.items()]
    try:
        return values(np.concatenate(true))
    except SolveFailed:
        return None


def predicted(given: Inversion) -> Predicted | None:
    """The predictions of a case, None where there are none; collective.

    What is made is closed with the problem. Raises InputError on all ranks alike.
    """
    predictions = cast("Mapping[str, Prediction]", given.case.predictions)
    reads: dict[str | None, list[Unmeasured]] = {}
    numbers: dict[str | None, list[int]] = {}
    integrals: list[tuple[int, Functionals]] = []
    labels: list[Label] = []
    for name, each in predictions.items():
        first = len(labels)
        if isinstance(each, StatePrediction):
            read = _unmeasured(given, each, name)
            places = read.places
            reads.setdefault(each.experiment, []).append(read)
            numbers.setdefault(each.experiment, []).extend(range(first, first + len(places)))
        else:
            integral, places = _integral(given, each, name)
            integrals.append((first, integral))
        labels += [Label(name, place) for place in places]
    if not labels:
        return None
    states = [_of_state(given, experiment, own) for experiment, own in reads.items()]
    found = np.array([*chain(*numbers.values()), *(first for first, _ in integrals)])
    joint = JointFunctionals([*states, *(integral for _, integral in integrals)], np.argsort(found))
    return Predicted(tuple(labels), joint)


def _unmeasured(given: Inversion, prediction: StatePrediction, name: str) -> Unmeasured:
    """What one entry reads, closed with the problem; collective. Raises InputError on all ranks alike."""
    path = ("predictions", name)
    entry = Entry(given.case, path, prediction.section(), prediction.places(given.case, *path))
    found = unmeasured(entry, observed(given, prediction.experiment)[1])
    given.owned.callback(found.close)
    return found


def _of_state(given: Inversion, experiment: str | None, reads: Sequence[Unmeasured]) -> StateFunctionals:
    """All that is read of one state, by one solve for it; collective."""
    model, _ = observed(given, experiment)
    found = together(reads)
    given.owned.callback(found.close)
    return functionals_of(model, found, experiment)


def _integral(given: Inversion, said: IntegralPrediction, name: str) -> tuple[CoefficientIntegral, list[str]]:
    unknown = said.unknown or given.name
    index = list(given.spaces).index(unknown)
    role = given.case.unknowns[unknown].role if said.of == "term" else ""
    try:
        measure, place = _measure(given, said, unknown)
    except MeshError as error:
        raise CaseError([f"{given.case.where('predictions', name, 'on')}: {error}"]) from None
    return CoefficientIntegral(given.coefficient, index, role, measure, mean=said.mean), [place]


def _measure(given: Inversion, said: IntegralPrediction, unknown: str) -> tuple[Measure, str]:
    """Where an integral is taken, and what that is called. Raises MeshError on all ranks."""
    domain, own = given.domain, given.case.unknowns[unknown].on
    on = said.on or own
    parts = None if on is None else part_names(on)
    if own is not None:
        names = parts or ("all",)
        return over_facets(domain, domain.boundary(names)), ", ".join(names)
    if parts is None:
        return dx(domain.mesh), "all"
    return over_cells(domain, domain.region(parts)), ", ".join(parts)


def observed(given: Inversion, experiment: str | None) -> tuple[ForwardModel, ObservedState]:
    """The forward model of an experiment, or the only one, and its state as observations see it."""
    forward = given.forward
    if isinstance(forward, Experiments):
        assert experiment is not None
        forward = forward.models[experiment]
    assert isinstance(forward, ForwardModel)
    return forward, physics.observed_state(given.case.parts[experiment or ""], forward)


def functionals_of(model: ForwardModel, found: Unmeasured, experiment: str | None) -> StateFunctionals:
    """What is read of a model's state there, or its logarithms."""
    operator = found.operator
    return StateFunctionals(
        model, operator.matrix, operator.weights, found.times, found.logarithmic, experiment or ""
    )
