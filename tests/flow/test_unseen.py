"""Directions of the data that a sketch left out and a step needs."""

import numpy as np
import pytest
from flow_toys import Dense, Readings, nodal, spd
from run_toys import Exactly, Way, minimisation, run

from app.flow import IdealStep
from app.flow.exact import ExactBuilder
from app.flow.models import ExactModel, exact_factors
from app.flow.sketch import Sketch, take_sketch
from app.flow.stopping import AtMinimum
from app.flow.unseen import unseen_directions
from app.method import SketchMethod

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
        self.R, self.reference = Dense(spd(rng, SIZE)), np.zeros(SIZE)
        self.at = self.energy.at(np.zeros(SIZE))
        self.J = self.at.jacobian()
        _, vectors = np.linalg.eigh(self.J @ np.linalg.solve(self.R.matrix, self.J.T))
        self.Q = vectors[:, -SEEN:]
        self.rows = np.asfortranarray(self.J.T @ self.Q)
        self.energy.forget()

    def model(self, rows: np.ndarray) -> ExactModel:
        return ExactModel(self.R, WEIGHT, exact_factors(self.R, WEIGHT, rows), self.at.derivative())

    def unseen(
        self, negligible: float = 0.0, small: float = SketchMethod.small
    ) -> tuple[np.ndarray, np.ndarray]:
        K = self.model(self.rows).inner
        given = (self.rows, self.Q, self.at.derivative(), negligible, SketchMethod(small=small))
        return unseen_directions(self.at, self.R, WEIGHT, K, *given)

    def excess(self, rows: np.ndarray) -> float:
        """By how much the step with these rows stays above the minimum of the true quadratic."""
        A = WEIGHT * self.R.matrix + self.J.T @ self.J
        g = self.at.derivative()
        step = -self.model(rows).inner.riesz(g)
        return float(g @ step + 0.5 * step @ A @ step + 0.5 * g @ np.linalg.solve(A, g))


@pytest.mark.parametrize("small", [1e-1, 1e-3, 1e-6])
def test_the_step_comes_as_near_to_the_minimum_as_asked_for(small: float) -> None:
    """What is left is at most the share `small` of the first promise, which bounds the decrease from
    above."""
    setting = Setting()
    g = setting.at.derivative()
    promise = 0.5 * float(g @ setting.model(setting.rows).inner.riesz(g))
    _, rows = setting.unseen(small=small)
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
    setting.energy.forget()
    new, rows = setting.unseen(negligible=1e9)
    assert new.shape == (READINGS, 0) and rows.shape == (SIZE, 0)
    assert setting.energy.tangents == setting.energy.adjoints == 0


def reached(setting: Setting, sketch: Sketch) -> tuple[int, float]:
    """Iterations and the energy where nodal steps with the exact model end."""
    stopping, zeros = AtMinimum(0, 60, 0.0), np.zeros(SIZE)
    builder = ExactBuilder(setting.R, WEIGHT, stopping)
    exactly = Exactly(builder, builder.from_sketch(sketch, nodal(zeros)))
    last = run(minimisation(setting, Way(IdealStep(), nodal(zeros)), exactly, stopping))[-1]
    assert last.stop_reason == "minimum"
    return last.iteration, last.records[-1].energy


def test_a_sketch_that_left_much_out_ends_at_the_same_minimum() -> None:
    """Within what the stopping rule calls negligible, and in about as many iterations."""
    setting = Setting(bend=0.02)
    data = -setting.at.residual
    partial = Sketch(setting.rows, setting.Q, data, complete=False, blocks=(SEEN,))
    everything = Sketch(np.asfortranarray(setting.J.T), np.eye(READINGS), data, blocks=(READINGS,))
    some, energy = reached(setting, partial)
    full, least = reached(setting, everything)
    assert energy == pytest.approx(least, rel=1e-3)
    assert some <= full + 2


def test_a_sketch_at_its_limit_pursues_the_residual() -> None:
    """It is not complete, has `pursued` directions more, and leaves less of the residual than as many
    random ones."""
    setting = Setting()

    def left(limit: int, pursued: int) -> tuple[Sketch, float]:
        method = SketchMethod(most_rows=10, columns=4, most_columns=limit, pursued=pursued)
        sketch = take_sketch(setting.at, setting.R, np.zeros(SIZE), np.random.default_rng(0), method)
        Q, e = sketch.directions, setting.at.residual
        np.testing.assert_allclose(sketch.rows, setting.J.T @ Q, rtol=0, atol=1e-10)
        return sketch, float(np.linalg.norm(e - Q @ (Q.T @ e)))

    sketch, pursued = left(12, 8)
    assert not sketch.complete and sketch.directions.shape[1] == 20
    _, random = left(20, 0)
    assert pursued < 0.3 * random
