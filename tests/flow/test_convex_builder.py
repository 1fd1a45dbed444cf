"""The time step of the flow of a convex energy in its own product, and when its account is believed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from flow_toys import Dense

from app.flow import AtTolerance, ConvexBuilder
from app.flow.convex import ConvexMemory
from app.flow.models import MetricModel
from app.flow.records import Record
from app.parallel import SolveFailed


@dataclass(frozen=True)
class Quartic:
    """E(m) = Σ ½εm² + ¼m⁴ − fm, with f = 1: from zero Newton's step is 1/ε, the minimum about 1."""

    epsilon: float
    limit: float = np.inf

    def at(self, m: np.ndarray, near: "Known | None" = None) -> "Known":
        if np.abs(m).max() > self.limit:
            raise SolveFailed("too far")
        return Known(self, m)


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a Quartic at one m."""

    energy: Quartic
    m: np.ndarray

    @property
    def value(self) -> float:
        return float(np.sum(0.5 * self.energy.epsilon * self.m**2 + 0.25 * self.m**4 - self.m))

    @property
    def residual(self) -> np.ndarray:
        return self.energy.epsilon * self.m + self.m**3 - 1.0

    def derivative(self) -> np.ndarray:
        return self.residual

    def hessian(self) -> Dense:
        return Dense(np.diag(self.energy.epsilon + 3 * self.m**2))


def model_at(
    energy: Quartic, m: np.ndarray, builder: ConvexBuilder, memory: ConvexMemory | None = None
) -> MetricModel:
    built = builder.build(energy, energy.at(m), m, memory or builder.first())
    assert isinstance(built.model, MetricModel)
    return built.model


def time_of(energy: Quartic, m: np.ndarray, memory: ConvexMemory | None = None) -> float:
    return model_at(energy, m, ConvexBuilder(), memory).time


@pytest.mark.parametrize("limit", [np.inf, 20.0])
@pytest.mark.parametrize("epsilon", [1e-1, 1e-3, 1e-6])
def test_first_step_is_as_long_as_the_energy_allows(epsilon: float, limit: float) -> None:
    """Along the ideal step, on the way to the minimum and not past it by much, whatever the Hessian is."""
    time = time_of(Quartic(epsilon, limit), np.zeros(3))
    assert 0.5 <= time / epsilon <= 1.6


def test_quadratic_energies_take_whole_steps() -> None:
    assert time_of(Quartic(1e6), np.zeros(3)) == 1.0


def test_time_is_looked_for_anew_after_a_shorter_step() -> None:
    """And the step near the minimum is Newton's."""
    energy, builder = Quartic(1e-3), ConvexBuilder()
    model = model_at(energy, np.zeros(3), builder)
    assert model.time < 1.0
    assert time_of(energy, np.full(3, 1.01), builder.learned(builder.first(), 1.0, model)) == 1.0


def test_whole_steps_that_went_as_predicted_are_not_looked_for() -> None:
    """Then the next one is whole too, whatever lies there: no evaluation is spent on it."""
    builder = ConvexBuilder()
    memory = builder.learned(builder.first(), 1.0, model_at(Quartic(1e6), np.zeros(3), builder))
    assert memory == ConvexMemory(1.0, believed=True)
    assert time_of(Quartic(1e-3, limit=0.0), np.zeros(3), memory) == 1.0
    doubted = builder.learned(builder.first(), 0.5, model_at(Quartic(1e6), np.zeros(3), builder))
    assert time_of(Quartic(1e-3), np.zeros(3), doubted) < 1.0


def test_a_plain_product_has_a_time_step_of_its_own() -> None:
    """It starts where the energy's own model is least along the gradient, 1/λ of K = I; a good ratio doubles
    it, and a poor one leaves it as the model had it."""
    builder = ConvexBuilder(plain=Dense(np.eye(3)))
    model = model_at(Quartic(4.0), np.zeros(3), builder)
    assert model.time == pytest.approx(0.25) and not model.newton
    assert builder.learned(builder.first(), 0.9, model).time == 2.0 * model.time
    halved = model.rejected()
    assert builder.learned(builder.first(), 0.1, halved).time == halved.time == 0.5 * model.time


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
    record = Record(1, None, -1.0, None, 3, (1,), **known)  # type: ignore[arg-type]
    nowhere: Any = None
    assert AtTolerance(1e-2, lambda at: 1.0, 10)([record], nowhere) == reason
