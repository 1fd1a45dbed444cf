"""Which quadratic model an iteration uses: the Gauss–Newton model of the energy, or an explicit metric."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from app.flow.krylov import Point, build_basis, build_basis_by_discrepancy
from app.flow.look import MOST_ROWS, Look
from app.flow.models import ExactModel, GaussNewtonModel, MetricModel, Model, exact_factors
from app.flow.protocols import InnerProduct, LeastSquares, Regularisation
from app.flow.smoother import Smoother
from app.flow.stopping import Stopping
from app.flow.unseen import unseen_directions
from app.parallel import gram, timed

AIM, CLOSE_AIM, CLOSE = 0.94, 0.85, 1.2
"""Shares of the target that the linearised misfit aims at: AIM, or CLOSE_AIM for a network whose misfit is
within CLOSE targets, since a capture below 1 approaches the target from above."""

SETTLED = 0.9
"""A network whose misfit was above this share of it an iteration ago follows no further; what is aimed at is
then lowered in proportion as the misfit is above AIM."""

STALE, STEEP = 0.3, 10.0
"""A ratio of true to predicted decrease below STALE, or damping that had to rise by STEEP (and to that
multiple of the weight), says that J is no longer true."""

EXCESS = 1.5
"""So does a promise of more than this multiple of all of the energy."""

GOOD, LESSEN, SLIGHT = 0.7, 0.1, 0.1
"""A ratio above GOOD lessens the damping by a factor, and below a SLIGHT share of the weight to none."""


@dataclass(frozen=True)
class Built:
    """A model with what the history tells of it."""

    model: Model
    R: InnerProduct
    vectors: int = 0


class ModelBuilder(Protocol):
    """Builds one model an iteration and learns from the ratio of true to predicted decrease.

    Each kind of model needs its kind of energy: LeastSquares, or Convex.
    """

    def build(self, energy: Any, coefficient: np.ndarray, point: Point) -> Built: ...
    def learn(self, ratio: float, model: Model) -> None: ...
    def look_closely(self) -> bool:
        """Build exact models from now on; whether that is new."""


class GaussNewtonBuilder:
    """The Krylov model, with the weight given or by discrepancy (`weight` None).

    Without a target the weight by discrepancy aims at a quarter of the misfit, or what is within reach.
    A network that strays far from the ideal direction leaves the few vectors that the basis knows; when asked
    to, the builder looks at all of J (a block of right-hand sides, one a reading) in place of a basis.
    """

    def __init__(
        self,
        regularisation: Regularisation,
        weight: float | None,
        target: float | None,
        creeps: bool,
    ) -> None:
        self._regularisation, self._given, self._target = regularisation, weight, target
        self._creeps = creeps
        self._upper = np.inf
        self._caution = 1.0
        self._closely = False
        self._readings = 0
        self._aimed = AIM * (target or 0.0)
        self._before = np.inf

    def build(self, energy: LeastSquares, coefficient: np.ndarray, point: Point) -> Built:
        """See ModelBuilder."""
        R = self._regularisation.at(coefficient)
        self._readings = len(point.residual)
        if self._closely:
            return Built(self._exact(energy, R, point), R)
        with timed("krylov"):
            if self._given is not None:
                basis = build_basis(energy, R, point, self._level(point), self._given)
            else:
                level = self._level(point)
                known = self._target is not None
                basis = build_basis_by_discrepancy(energy, R, point, level, self._upper, reachable=known)
                # A level out of reach gives the least weight there is, which must not bind later ones.
                if self._regularisation.fixed and basis.linear_misfit <= (1 + 1e-9) * level:
                    self._upper = basis.weight
            weight = basis.weight
            derivative = point.derivative + weight * R.apply(point.departure)
        model = GaussNewtonModel(R, basis, derivative, caution=self._caution)
        return Built(model, R, basis.size)

    def learn(self, ratio: float, model: Model) -> None:
        """A poor ratio makes the complement more cautious, a good one less; an exact model has none."""
        if ratio < 0.2:
            self._caution *= 4.0
        elif ratio > 0.5:
            self._caution = max(1.0, 0.5 * self._caution)

    def look_closely(self) -> bool:
        """See ModelBuilder; not for very many readings."""
        new = not self._closely and self._readings <= MOST_ROWS
        self._closely = self._closely or new
        return new

    def _exact(self, energy: LeastSquares, R: InnerProduct, point: Point) -> ExactModel:
        """The model with all of J, and its weight by the rule of the basis."""
        with timed("krylov"):
            rows = energy.adjoint(np.eye(self._readings))
            weight = self._given
            if weight is None:
                linearised = gram(R.comm, rows, point.departure) - point.residual
                S = gram(R.comm, rows, R.riesz(rows))
                problem, level = Smoother(S, np.eye(self._readings), linearised), self._level(point)
                weight, met = problem.weight_for(level, self._upper)
                if self._regularisation.fixed and met:
                    self._upper = weight
            derivative = point.derivative + weight * R.apply(point.departure)
            return ExactModel(R, weight, exact_factors(R, weight, rows), derivative)

    def _level(self, point: Point) -> float:
        """The linearised misfit to aim at: a quarter of the misfit (Hanke), or a little below the target."""
        if self._target is None:
            return 0.25 * point.misfit
        if self._closely:
            if point.misfit > SETTLED * self._before:
                self._aimed *= min(1.0, AIM * self._target / point.misfit)
            self._before = point.misfit
            return max(0.25 * point.misfit, self._aimed)
        close = self._creeps and point.misfit <= CLOSE * self._target
        return max(0.25 * point.misfit, (CLOSE_AIM if close else AIM) * self._target)


class MetricBuilder:
    """An explicit gradient flow in a fixed inner product; `plain` None takes the regularisation's own R.

    Without a given weight nothing is added to the misfit: stopping at the target is then the regularisation.
    """

    def __init__(
        self, regularisation: Regularisation, plain: InnerProduct | None, weight: float | None
    ) -> None:
        self._regularisation, self._plain, self._weight = regularisation, plain, weight or 0.0
        self._time: float | None = None

    def build(self, energy: LeastSquares, coefficient: np.ndarray, point: Point) -> Built:
        """See ModelBuilder; the first time step lets the linear model halve the misfit at least."""
        R = self._regularisation.at(coefficient)
        K = self._plain or R
        derivative = point.derivative + self._weight * R.apply(point.departure)
        if self._time is None:
            steepness = float(gram(K.comm, derivative, K.riesz(derivative)))
            self._time = point.misfit / steepness if steepness > 0 else 1.0
        return Built(MetricModel(K, derivative, self._weight, self._time), R)

    def learn(self, ratio: float, model: Model) -> None:
        """A good ratio doubles the time step of the next iteration."""
        assert isinstance(model, MetricModel)
        self._time = 2.0 * model.time if ratio > 0.5 else model.time

    def look_closely(self) -> bool:
        """See ModelBuilder; a metric is what it is."""
        return False


class ExactBuilder:
    """K = wR + JᵀJ with the J of a look, for a chosen R and w; two right-hand sides an iteration.

    Where true and predicted decrease disagree, or the model promises more than there is, J is taken
    anew, along the directions of the data that matter.
    """

    def __init__(self, R: InnerProduct, weight: float, look: Look, stopping: Stopping | None = None) -> None:
        """Where the look left something out, the models are completed to what `stopping` calls negligible."""
        self._R, self._weight = R, weight
        with timed("krylov"):
            self._factors = exact_factors(R, weight, look.rows)
        self._directions = look.directions @ self._factors.combinations
        self._complete, self._stopping = look.complete, stopping
        self._old = self._stale = False
        self._damping = 0.0

    def build(self, energy: LeastSquares, coefficient: np.ndarray, point: Point) -> Built:
        """See ModelBuilder."""
        R, weight = self._R, self._weight
        with timed("krylov"):
            pull = weight * R.apply(point.departure)
            derivative = point.derivative + pull
            before = point.misfit + 0.5 * float(gram(R.comm, point.departure, pull))
            model = ExactModel(R, weight, self._factors, derivative, self._damping)
            if self._old and not self._stale:
                promised = 0.5 * float(gram(R.comm, derivative, model.inner.riesz(derivative)))
                self._stale = promised > EXCESS * before
            if self._stale:
                self._factors = exact_factors(R, weight, energy.adjoint(self._directions))
            if self._stopping is not None and not self._complete and (self._stale or not self._old):
                if self._stale:
                    self._directions = self._directions @ self._factors.combinations
                negligible = self._stopping.least_gain * self._stopping.scale(before)
                self._complete_for(energy, derivative, negligible)
            model = replace(model, factors=self._factors)
            self._old, self._stale = True, False
        return Built(model, R)

    def _complete_for(self, energy: LeastSquares, derivative: np.ndarray, negligible: float) -> None:
        """See as much more of J as a step from this derivative needs."""
        R, weight, seen = self._R, self._weight, self._factors.C
        K = ExactModel(R, weight, self._factors, derivative).inner
        new, rows = unseen_directions(energy, R, weight, K, seen, self._directions, derivative, negligible)
        if new.shape[1]:
            self._factors = exact_factors(R, weight, np.asfortranarray(np.hstack([seen, rows])))
            self._directions = np.hstack([self._directions, new]) @ self._factors.combinations

    def learn(self, ratio: float, model: Model) -> None:
        """A good ratio lessens the damping; a poor one, or a steep rise of it, says that J is out of date."""
        assert isinstance(model, ExactModel)
        if ratio < STALE or model.damping >= STEEP * max(self._damping, self._weight):
            self._stale = True
        lessened = model.damping * (LESSEN if ratio > GOOD else 1.0)
        self._damping = lessened if lessened >= SLIGHT * self._weight else 0.0

    def look_closely(self) -> bool:
        """See ModelBuilder; its models are exact."""
        return False
