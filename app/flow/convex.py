"""Models of convex energies, q(δ) = rᵀδ + δᵀKδ/(2t): in the energy's own product or in one that is given."""

import numpy as np

from app.flow.builders import Built
from app.flow.krylov import Point
from app.flow.models import MetricModel, Model
from app.flow.protocols import Convex, InnerProduct
from app.flow.stopping import BELIEVED
from app.parallel import SolveFailed, gram

HALVINGS = 40
"""Time steps that are looked at before a step is tried, at most."""

GOOD_RATIO = 0.5
"""Of true to predicted decrease, above which a time step is not too long."""


class ConvexBuilder:
    """The flow of a convex energy in its own inner product K(m), or in a `plain` one to compare with.

    The own product is the energy's Hessian, so that with the time step t = 1 the model is Newton's. Where the
    step before was shorter or not as predicted, t is 1, 1/2, 1/4, … until the energy falls along the ideal
    step −tK⁻¹r as it should: that takes an evaluation each, and no work of the network's. A plain product
    starts from the t that minimises along the first gradient. Rejection halves t, a good ratio doubles it.
    """

    def __init__(self, plain: InnerProduct | None = None) -> None:
        self._plain = plain
        self._time: float | None = None
        self._believed = False

    def build(self, energy: Convex, coefficient: np.ndarray, point: Point) -> Built:
        """See ModelBuilder."""
        own = energy.product(coefficient)
        K = self._plain or own
        if self._time is None:
            self._time = 1.0 if self._plain is None else _best_time(own, K, point.derivative)
        if self._plain is None and (self._time < 1.0 or not self._believed):
            self._time = _longest_time(energy, own, coefficient, point)
        return Built(MetricModel(K, point.derivative, 0.0, self._time, self._plain is None), K)

    def learn(self, ratio: float, model: Model) -> None:
        """See ModelBuilder."""
        assert isinstance(model, MetricModel)
        self._believed = BELIEVED[0] <= ratio <= BELIEVED[1]
        longer = self._plain is not None and ratio > GOOD_RATIO
        self._time = 2.0 * model.time if longer else model.time

    def look_closely(self) -> bool:
        """See ModelBuilder; the model is exact or meant to be as it is."""
        return False


def _best_time(own: InnerProduct, K: InnerProduct, derivative: np.ndarray) -> float:
    """The t that minimises the energy's own model along the gradient K⁻¹r."""
    gradient = K.riesz(derivative)
    curvature = float(gram(K.comm, gradient, own.apply(gradient)))
    return float(gram(K.comm, derivative, gradient)) / curvature if curvature > 0 else 1.0


def _longest_time(energy: Convex, K: InnerProduct, coefficient: np.ndarray, point: Point) -> float:
    """The first t of 1, 1/2, 1/4, … at which the energy falls along −tK⁻¹r by a good share of the model's
    decrease ½t‖K⁻¹r‖²_K; 1 where none does, as at the minimum, where rounding tells."""
    gradient = K.riesz(point.derivative)
    square = float(gram(K.comm, point.derivative, gradient))
    time = 1.0
    for _ in range(HALVINGS):
        try:
            misfit = energy.misfit(energy.residual(coefficient - time * gradient))
        except SolveFailed:
            misfit = np.inf
        if point.misfit - misfit >= GOOD_RATIO * 0.5 * time * square:
            return time
        time /= 2
    return 1.0
