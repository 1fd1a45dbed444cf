"""The time step of the flow of a convex energy in its own product, and when its account is believed."""

import numpy as np
import pytest
from flow_toys import Dense

from app.flow import AtTolerance, ConvexBuilder
from app.flow.krylov import Point
from app.flow.models import MetricModel
from app.flow.records import Record
from app.parallel import SolveFailed


class Quartic:
    """E(m) = Σ ½εm² + ¼m⁴ − fm, with f = 1: from zero Newton's step is 1/ε, the minimum about 1."""

    def __init__(self, epsilon: float, limit: float = np.inf) -> None:
        self.epsilon, self.limit = epsilon, limit
        self.last = np.zeros(3)

    def residual(self, m: np.ndarray) -> np.ndarray:
        if np.abs(m).max() > self.limit:
            raise SolveFailed("too far")
        self.last = m
        return self.epsilon * m + m**3 - 1.0

    def misfit(self, residual: np.ndarray) -> float:
        m = self.last
        return float(np.sum(0.5 * self.epsilon * m**2 + 0.25 * m**4 - m))

    def derivative(self, residual: np.ndarray) -> np.ndarray:
        return residual

    def product(self, m: np.ndarray) -> Dense:
        return Dense(np.diag(self.epsilon + 3 * m**2))


def time_of(energy: Quartic, m: np.ndarray, builder: ConvexBuilder) -> float:
    residual = energy.residual(m)
    model = builder.build(energy, m, Point(energy.misfit(residual), residual, residual, m)).model
    assert isinstance(model, MetricModel)
    return model.time


@pytest.mark.parametrize("limit", [np.inf, 20.0])
@pytest.mark.parametrize("epsilon", [1e-1, 1e-3, 1e-6])
def test_first_step_is_as_long_as_the_energy_allows(epsilon: float, limit: float) -> None:
    """Along the ideal step, on the way to the minimum and not past it by much, whatever the Hessian is."""
    time = time_of(Quartic(epsilon, limit), np.zeros(3), ConvexBuilder())
    assert 0.5 <= time / epsilon <= 1.6


def test_quadratic_energies_take_whole_steps() -> None:
    assert time_of(Quartic(1e6), np.zeros(3), ConvexBuilder()) == 1.0


def test_time_is_looked_for_anew_after_a_shorter_step() -> None:
    """And the step near the minimum is Newton's."""
    energy, builder = Quartic(1e-3), ConvexBuilder()
    assert time_of(energy, np.zeros(3), builder) < 1.0
    builder.learn(1.0, MetricModel(Dense(np.eye(3)), np.ones(3), 0.0, 1e-3, newton=True))
    assert time_of(energy, np.full(3, 1.01), builder) == 1.0


def test_model_of_a_whole_step_is_not_damped() -> None:
    K = Dense(np.eye(3))
    assert not MetricModel(K, np.ones(3), 0.0, 1.0, newton=True).damped
    assert MetricModel(K, np.ones(3), 0.0, 0.5, newton=True).damped
    assert MetricModel(K, np.ones(3), 0.0, 1.0).damped


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "tolerance"),
        ({"damped": True}, None),
        ({"gained": 1.0, "ratio": 0.9}, None),  # a tenth of what was predicted may be missing still
        ({"gained": 1e-4, "ratio": 0.9}, "tolerance"),
        ({"missing": 1e-3}, None),
    ],
    ids=str,
)
def test_distance_is_believed_of_a_whole_step_that_went_as_predicted(
    change: dict[str, float], reason: str | None
) -> None:
    known = {"missing": 1e-5, "ratio": 1.0, "gained": 1.0, **change}
    record = Record(1, np.ones(3), None, -1.0, None, 3, (1,), **known)  # type: ignore[arg-type]
    assert AtTolerance(1e-2, lambda m: 1.0, 10)([record]) == reason
