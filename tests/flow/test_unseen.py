"""Directions of the data that a look left out and a step needs."""

import numpy as np
import pytest
from flow_toys import Dense, Readings, Silent, point_at, spd

from app.flow import IdealStep, run_flow
from app.flow import look as look_module
from app.flow import unseen as module
from app.flow.builders import ExactBuilder
from app.flow.look import Look, take_look
from app.flow.models import ExactModel, exact_factors
from app.flow.stopping import AtMinimum
from app.flow.unseen import unseen_directions

SIZE, READINGS, SEEN = 60, 80, 10
WEIGHT = 1e-6


class Setting:
    """A toy whose singular values fall slowly, of which the SEEN strongest directions of J are known."""

    def __init__(self, bend: float = 0.0) -> None:
        rng = np.random.default_rng(3)
        left = np.linalg.qr(rng.standard_normal((READINGS, SIZE)))[0]
        right = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
        B = (left * np.arange(1.0, SIZE + 1) ** -1.5) @ right.T
        self.truth = right @ np.arange(1.0, SIZE + 1) ** -0.5
        clean = Readings(B, np.zeros(READINGS), bend=bend).residual(self.truth)
        self.energy = Readings(B, clean, bend=bend)
        self.R = Dense(spd(rng, SIZE))
        self.point = point_at(self.energy, np.zeros(SIZE), np.zeros(SIZE))
        self.J = self.energy.jacobian()
        _, vectors = np.linalg.eigh(self.J @ np.linalg.solve(self.R.matrix, self.J.T))
        self.Q = vectors[:, -SEEN:]
        self.rows = np.asfortranarray(self.J.T @ self.Q)
        self.energy.tangents = self.energy.adjoints = 0

    def model(self, rows: np.ndarray) -> ExactModel:
        return ExactModel(self.R, WEIGHT, exact_factors(self.R, WEIGHT, rows), self.point.derivative)

    def unseen(self, negligible: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        K = self.model(self.rows).inner
        given = (self.rows, self.Q, self.point.derivative, negligible)
        return unseen_directions(self.energy, self.R, WEIGHT, K, *given)

    def excess(self, rows: np.ndarray) -> float:
        """By how much the step with these rows stays above the minimum of the true quadratic."""
        A = WEIGHT * self.R.matrix + self.J.T @ self.J
        g = self.point.derivative
        step = -self.model(rows).inner.riesz(g)
        return float(g @ step + 0.5 * step @ A @ step + 0.5 * g @ np.linalg.solve(A, g))


@pytest.mark.parametrize("small", [1e-1, 1e-3, 1e-6])
def test_the_step_comes_as_near_to_the_minimum_as_asked_for(
    monkeypatch: pytest.MonkeyPatch, small: float
) -> None:
    """What is left is at most the share SMALL of the first promise, which bounds the decrease from above."""
    monkeypatch.setattr(module, "SMALL", small)
    setting = Setting()
    g = setting.point.derivative
    promise = 0.5 * float(g @ setting.model(setting.rows).inner.riesz(g))
    _, rows = setting.unseen()
    assert setting.excess(setting.rows) > small * promise
    assert setting.excess(np.hstack([setting.rows, rows])) <= small * promise


def test_new_directions_are_orthonormal_to_all() -> None:
    """[Q, Q'] has orthonormal columns and the rows are JᵀQ'."""
    setting = Setting()
    new, rows = setting.unseen()
    whole = np.hstack([setting.Q, new])
    np.testing.assert_allclose(whole.T @ whole, np.eye(whole.shape[1]), rtol=0, atol=1e-9)
    np.testing.assert_allclose(rows, setting.J.T @ new, rtol=0, atol=1e-9)
    assert rows.flags.f_contiguous


def test_a_direction_costs_two_right_hand_sides() -> None:
    """And nothing is spent where what is unseen is negligible."""
    setting = Setting()
    new, _ = setting.unseen()
    assert setting.energy.tangents == setting.energy.adjoints == new.shape[1] > 1
    setting.energy.tangents = setting.energy.adjoints = 0
    new, rows = setting.unseen(negligible=1e9)
    assert new.shape == (READINGS, 0) and rows.shape == (SIZE, 0)
    assert setting.energy.tangents == setting.energy.adjoints == 0


def reached(setting: Setting, look: Look) -> tuple[int, float]:
    """Iterations and the energy where the flow ends."""
    stopping = AtMinimum(0, 60, 0.0)
    builder = ExactBuilder(setting.R, WEIGHT, look, stopping)
    start = np.zeros(SIZE)
    residual = setting.energy.residual(start)
    outcome = run_flow(setting.energy, residual, start, builder, IdealStep(start, SIZE), stopping, Silent())
    assert outcome.stop_reason == "minimum"
    return outcome.records[-1].iteration, outcome.records[-1].energy


def test_a_look_that_left_much_out_ends_at_the_same_minimum() -> None:
    """Within what the stopping rule calls negligible, and in about as many iterations."""
    setting = Setting(bend=0.02)
    data = -setting.point.residual
    partial = Look(setting.rows, setting.Q, data, complete=False)
    everything = Look(np.asfortranarray(setting.J.T), np.eye(READINGS), data)
    some, energy = reached(setting, partial)
    full, least = reached(setting, everything)
    assert energy == pytest.approx(least, rel=1e-3)
    assert some <= full + 2


def test_a_look_at_its_limit_pursues_the_residual(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not complete, has PURSUED directions more, and leaves less of the residual than as many
    random ones."""
    monkeypatch.setattr(look_module, "MOST_ROWS", 10)
    monkeypatch.setattr(look_module, "SKETCH", 4)
    monkeypatch.setattr(look_module, "PURSUED", 8)
    setting = Setting()

    def left(limit: int) -> tuple[Look, float]:
        monkeypatch.setattr(look_module, "SKETCH_LIMIT", limit)
        given = (setting.point.residual, setting.point.departure, np.random.default_rng(0))
        look = take_look(setting.energy, setting.R, *given)
        Q, e = look.directions, setting.point.residual
        np.testing.assert_allclose(look.rows, setting.J.T @ Q, rtol=0, atol=1e-10)
        return look, float(np.linalg.norm(e - Q @ (Q.T @ e)))

    look, pursued = left(12)
    assert not look.complete and look.directions.shape[1] == 20
    monkeypatch.setattr(look_module, "PURSUED", 0)
    _, random = left(20)
    assert pursued < 0.3 * random
