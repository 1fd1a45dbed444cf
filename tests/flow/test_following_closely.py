"""The Gauss–Newton builder when it is asked to look at all of J, and when the loop asks."""

from dataclasses import replace

import numpy as np
import pytest
from flow_toys import Dense, FixedR, Readings, Silent, point_at, rank_deficient, spd, toy

from app.flow import AtTarget, GaussNewtonBuilder, IdealStep, run_flow
from app.flow.builders import AIM
from app.flow.look import MOST_ROWS
from app.flow.models import ExactModel
from app.flow.smoother import Smoother
from app.flow.steps import Proposal

SIZE, READINGS = 20, 12


class Setting:
    """A toy with more unknowns than readings, at its reference."""

    def __init__(self, weight: float | None = None, target: float | None = 6.0) -> None:
        rng = np.random.default_rng(5)
        B = rank_deficient(rng, READINGS, SIZE, READINGS)
        self.energy = Readings(B, 20.0 * rng.standard_normal(READINGS), bend=0.0)
        self.R = Dense(spd(rng, SIZE))
        self.reference = rng.standard_normal(SIZE)
        self.builder = GaussNewtonBuilder(FixedR(self.R), weight, target, creeps=True)

    def build(self, coefficient: np.ndarray) -> ExactModel | object:
        point = point_at(self.energy, coefficient, self.reference)
        return self.builder.build(self.energy, coefficient, point).model

    def linear_misfit(self, model: ExactModel, coefficient: np.ndarray) -> float:
        moved = coefficient - model.inner.riesz(model.derivative)
        return 0.5 * float(np.sum(self.energy.residual(moved) ** 2))


def test_a_closer_look_is_new_once() -> None:
    """Asked twice, the builder says so; the model is a Krylov one before and exact after."""
    setting = Setting(weight=0.5)
    assert not isinstance(setting.build(setting.reference), ExactModel)
    assert [setting.builder.look_closely() for _ in range(2)] == [True, False]
    model = setting.build(setting.reference)
    assert isinstance(model, ExactModel)
    J = setting.energy.jacobian()
    K = model.inner.apply(np.eye(SIZE)) - (0.5 * setting.R.matrix + J.T @ J)
    assert np.linalg.norm(K, 2) <= 0.01 * np.linalg.norm(0.5 * setting.R.matrix, 2)


@pytest.mark.parametrize("target", [6.0, 2e3])
def test_the_weight_meets_the_discrepancy_of_the_linear_problem(target: float) -> None:
    """The exact step ends at the share AIM of the target, or at a quarter of the misfit while that is more;
    an earlier weight bounds the later ones."""
    setting = Setting(target=target)
    setting.build(setting.reference)
    setting.builder.look_closely()
    setting.builder._upper = np.inf
    model = setting.build(setting.reference)
    assert isinstance(model, ExactModel)
    misfit = 0.5 * float(np.sum(setting.energy.residual(setting.reference) ** 2))
    level = max(0.25 * misfit, AIM * target)
    assert setting.linear_misfit(model, setting.reference) == pytest.approx(level, rel=0.02)
    setting.builder._upper = 0.1 * model.weight
    bounded = setting.build(setting.reference)
    assert isinstance(bounded, ExactModel) and bounded.weight == pytest.approx(0.1 * model.weight)


def test_a_network_that_settled_above_the_aim_lowers_the_next_one() -> None:
    """While the misfit falls the aim stays; then it falls by as much as the misfit is above it."""
    setting = Setting(target=6.0)
    setting.build(setting.reference)
    setting.builder.look_closely()
    point = point_at(setting.energy, setting.reference, setting.reference)
    levels = [setting.builder._level(replace(point, misfit=misfit)) for misfit in (20.0, 10.0, 9.9, 6.1)]
    lower = AIM * 6.0 * (AIM * 6.0 / 9.9)
    np.testing.assert_allclose(levels, [AIM * 6.0, AIM * 6.0, lower, lower])


def test_very_many_readings_are_not_looked_at() -> None:
    """A block of more than MOST_ROWS right-hand sides is never asked for."""
    setting = Setting(weight=0.5)
    setting.builder._readings = MOST_ROWS + 1
    assert not setting.builder.look_closely()


class Straying(IdealStep):
    """Goes a little of the way, and says so; remembers being asked to follow closely."""

    asked = 0
    share = 0.3

    def propose(self, model: object, scale: float) -> Proposal:
        ideal = super().propose(model, scale)  # type: ignore[arg-type]
        moved = self.theta + self.share * (ideal.values - self.theta)
        return replace(ideal, theta=moved, values=moved, predicted=0.5 * ideal.predicted, capture=self.share)

    def strayed(self, proposal: Proposal) -> bool:
        return True

    def follow_closely(self) -> None:
        self.asked += 1


@pytest.mark.parametrize("rejections, asked", [(0, 0), (1, 1)])
def test_a_network_that_strays_and_is_rejected_gets_the_exact_model(rejections: int, asked: int) -> None:
    """A step that strayed gets exact models if a trial was rejected; without rejection nothing changes."""
    problem = toy(sigma=0.5)

    def spoil(evaluation: int, e: np.ndarray) -> np.ndarray:
        return 1e3 * e if 1 <= evaluation <= rejections else e

    problem.energy.spoil = spoil
    step = Straying(problem.reference.copy(), len(problem.reference))
    builder = GaussNewtonBuilder(FixedR(problem.R), None, problem.target, creeps=True)
    residual = problem.energy.residual(problem.reference)
    run_flow(
        problem.energy, residual, problem.reference, builder, step, AtTarget(problem.target, 4), Silent()
    )
    assert step.asked == asked


@pytest.mark.parametrize("level", [1e-3, 0.5, 4.0])
def test_weight_for_a_level(level: float) -> None:
    """Half of the squared residual is the level, unless the bound is lower or no weight is low enough."""
    rng = np.random.default_rng(1)
    J = rng.standard_normal((6, 9))
    problem = Smoother(J @ J.T, np.eye(6), 3.0 * rng.standard_normal(6))
    weight, met = problem.weight_for(level, np.inf)
    assert met and problem.fit(np.array([weight]))[0][0] == pytest.approx(level, rel=1e-6)
    bounded, met = problem.weight_for(level, 0.1 * weight)
    assert met and bounded == pytest.approx(0.1 * weight)
    blind = Smoother(np.diag([1.0, 0, 0, 0, 0, 0]), np.eye(6), np.full(6, 3.0))
    assert not blind.weight_for(level, np.inf)[1]
