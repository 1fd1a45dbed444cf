"""Models of convex energies, q(δ) = rᵀδ + δᵀKδ/(2t): in the energy's own product or in one that is given."""

from dataclasses import dataclass, field, replace

import numpy as np

from app.flow.builders import Built
from app.flow.models import MetricModel, Model
from app.flow.protocols import AnyEnergy, Convex, InnerProduct
from app.method import Method
from app.parallel import SolveFailed, gram


@dataclass(frozen=True)
class ConvexMemory:
    """What the model of a convex energy remembers."""

    time: float | None = None
    """The time step; None before the first iteration."""
    believed: bool = False
    """Whether the last step turned out as predicted."""


@dataclass(frozen=True)
class ConvexBuilder:
    """The flow of a convex energy in its own inner product K(m), or in a `plain` one to compare with.

    The own product is the energy's Hessian, so that with the time step t = 1 the model is Newton's. Where the
    step before was shorter or not as predicted, t is 1, 1/2, 1/4, … until the energy falls along the ideal
    step −tK⁻¹r as it should: that takes an evaluation each, and no work of the network's. A plain product
    starts from the t that minimises along the first gradient. Rejection halves t, a good ratio doubles it.
    """

    plain: InnerProduct | None = None
    method: Method = field(default_factory=Method)

    def first(self) -> ConvexMemory:
        """See ModelBuilder."""
        return ConvexMemory()

    def build(self, energy: AnyEnergy, at: Convex, departure: np.ndarray, memory: ConvexMemory) -> Built:
        """See ModelBuilder."""
        own, derivative = at.hessian(), at.derivative()
        K = self.plain or own
        time = memory.time
        if time is None:
            time = 1.0 if self.plain is None else _best_time(own, K, derivative)
        if self.plain is None and (time < 1.0 or not memory.believed):
            time = self._longest_time(energy, own, at)
        model = MetricModel(K, derivative, 0.0, time, self.plain is None)
        return Built(model, K, replace(memory, time=time))

    def learned(self, memory: ConvexMemory, ratio: float, model: Model) -> ConvexMemory:
        """See ModelBuilder."""
        assert isinstance(model, MetricModel)
        least, most = self.method.stopping.believed
        longer = self.plain is not None and ratio > self.method.time_step.good
        return ConvexMemory(2.0 * model.time if longer else model.time, least <= ratio <= most)

    def closely(self, memory: ConvexMemory, at: Convex) -> None:
        """See ModelBuilder; the model is exact or meant to be as it is."""
        return None

    def _longest_time(self, energy: AnyEnergy, K: InnerProduct, at: Convex) -> float:
        """The first t of 1, 1/2, 1/4, … at which the energy falls along −tK⁻¹r by a good share of the model's
        decrease ½t‖K⁻¹r‖²_K; 1 where none does, as at the minimum, where rounding tells."""
        rule, derivative = self.method.time_step, at.derivative()
        gradient = K.riesz(derivative)
        square = float(gram(K.comm, derivative, gradient))
        time = 1.0
        for _ in range(rule.halvings):
            try:
                value = energy.at(at.m - time * gradient, at).value
            except SolveFailed:
                value = np.inf
            if at.value - value >= rule.good * 0.5 * time * square:
                return time
            time /= 2
        return 1.0


def _best_time(own: InnerProduct, K: InnerProduct, derivative: np.ndarray) -> float:
    """The t that minimises the energy's own model along the gradient K⁻¹r."""
    gradient = K.riesz(derivative)
    curvature = float(gram(K.comm, gradient, own.apply(gradient)))
    return float(gram(K.comm, derivative, gradient)) / curvature if curvature > 0 else 1.0
