"""Models of convex energies, q(δ) = rᵀδ + δᵀKδ/(2t): in the energy's own product or in one that is given."""

import numpy as np

from app.flow.builders import Built
from app.flow.krylov import Point
from app.flow.models import MetricModel, Model
from app.flow.protocols import Convex, InnerProduct
from app.parallel import gram


class ConvexBuilder:
    """The flow of a convex energy in its own inner product K(m), or in a `plain` one to compare with.

    The own product is the energy's Hessian, so that with the time step t = 1 the model is Newton's. A plain
    one starts from the t that minimises along the first gradient. Rejection halves t, a good ratio doubles
    it, the own one's up to 1.
    """

    def __init__(self, plain: InnerProduct | None = None) -> None:
        self._plain = plain
        self._time: float | None = None

    def build(self, energy: Convex, coefficient: np.ndarray, point: Point) -> Built:
        """See ModelBuilder."""
        own = energy.product(coefficient)
        K = self._plain or own
        if self._time is None:
            self._time = 1.0 if self._plain is None else _best_time(own, K, point.derivative)
        return Built(MetricModel(K, point.derivative, 0.0, self._time), K)

    def learn(self, ratio: float, model: Model) -> None:
        """See ModelBuilder."""
        assert isinstance(model, MetricModel)
        self._time = 2.0 * model.time if ratio > 0.5 else model.time
        if self._plain is None:
            self._time = min(1.0, self._time)

    def look_closely(self) -> bool:
        """See ModelBuilder; the model is exact or meant to be as it is."""
        return False


def _best_time(own: InnerProduct, K: InnerProduct, derivative: np.ndarray) -> float:
    """The t that minimises the energy's own model along the gradient K⁻¹r."""
    gradient = K.riesz(derivative)
    curvature = float(gram(K.comm, gradient, own.apply(gradient)))
    return float(gram(K.comm, derivative, gradient)) / curvature if curvature > 0 else 1.0
