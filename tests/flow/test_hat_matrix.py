"""The linearised problem in the data's space against dense normal equations and refits."""

import numpy as np
import pytest
from choice_toys import residuals_left_out, ridge
from flow_toys import spd
from hypothesis import given, settings
from hypothesis import strategies as st

from app.flow.hat_matrix import HatMatrix, interior_minimum
from app.method import SelectionMethod

SIZE, READINGS = 15, 24

SHARES = np.array([10.0, 1.0, 1e-2, 1e-4])
"""Weights of these tests, relative to the largest eigenvalue; far smaller ones lose digits in 1 − H_ii."""

DIRECTIONS = {"Q = I": READINGS, "Q tall": 9, "one direction": 1}


class Setting:
    """J = QĴ, R, data, and their hat matrix."""

    def __init__(self, columns: int, rank: int | None = None) -> None:
        rng = np.random.default_rng(columns)
        self.rows = rng.standard_normal((columns, SIZE))
        if rank is not None:
            self.rows = self.rows[:, :rank] @ rng.standard_normal((rank, SIZE))
        whole = columns == READINGS
        self.Q = np.eye(READINGS) if whole else np.linalg.qr(rng.standard_normal((READINGS, columns)))[0]
        self.J, self.R = self.Q @ self.rows, spd(rng, SIZE)
        self.y = rng.standard_normal(READINGS)
        S = self.rows @ np.linalg.solve(self.R, self.rows.T)
        self.hat = HatMatrix(S, self.Q, self.y)
        self.weights = SHARES * self.hat.values[-1]


@pytest.fixture(params=DIRECTIONS.values(), ids=DIRECTIONS.keys())
def setting(request: pytest.FixtureRequest) -> Setting:
    return Setting(request.param)


def test_readings_left_out_are_those_of_refits(setting: Setting) -> None:
    """r_i / (1 − H_ii) is the residual of reading i by the solution of all others, to 1e-10."""
    found = setting.hat.left_out(setting.weights)
    expected = [residuals_left_out(setting.J, setting.y, setting.R, w) for w in setting.weights]
    np.testing.assert_allclose(found, np.column_stack(expected), rtol=0, atol=1e-10)


def test_coefficients_are_those_of_the_normal_equations(setting: Setting) -> None:
    """R⁻¹Ĵᵀα solves (JᵀJ + wR)x = Jᵀy, to 1e-10."""
    alpha = setting.hat.coefficients(setting.weights)
    found = np.linalg.solve(setting.R, setting.rows.T @ alpha)
    expected = [ridge(setting.J, setting.y, setting.R, w) for w in setting.weights]
    np.testing.assert_allclose(found, np.column_stack(expected), rtol=0, atol=1e-10)


def test_fit_is_misfit_and_trace_of_the_hat_matrix(setting: Setting) -> None:
    """½‖y − Jx‖² and tr J(JᵀJ + wR)⁻¹Jᵀ, to 1e-10."""
    misfit, freedom = setting.hat.fit(setting.weights)
    J, R, y = setting.J, setting.R, setting.y
    for i, w in enumerate(setting.weights):
        hat = J @ np.linalg.solve(J.T @ J + w * R, J.T)
        assert misfit[i] == pytest.approx(0.5 * np.sum((y - hat @ y) ** 2), rel=1e-10)
        assert freedom[i] == pytest.approx(np.trace(hat), rel=1e-10)


def test_degrees_of_freedom_count_directions(setting: Setting) -> None:
    """They fall with the weight, from the rank of J to nothing."""
    weights = setting.hat.weights
    freedom = setting.hat.fit(weights)[1]
    rank = np.linalg.matrix_rank(setting.J)
    assert np.all(np.diff(freedom) > 0) and np.all(np.diff(weights) < 0)
    assert len(weights) == SelectionMethod().weights
    assert 0 < freedom[0] <= rank / SelectionMethod().largest and freedom[-1] <= rank * (1 + 1e-3)


@pytest.mark.parametrize("columns, rank", [(READINGS, 3), (9, 2)])
def test_directions_without_rows_do_no_harm(columns: int, rank: int) -> None:
    """Where ĴR⁻¹Ĵᵀ is singular its rounding, of either sign, stays rounding."""
    setting = Setting(columns, rank)
    found = setting.hat.left_out(setting.weights)
    expected = [residuals_left_out(setting.J, setting.y, setting.R, w) for w in setting.weights]
    np.testing.assert_allclose(found, np.column_stack(expected), rtol=0, atol=1e-9)
    assert setting.hat.values[0] >= 0.0


def test_best_weight_predicts_best(setting: Setting) -> None:
    """No other weight of the range, its edges aside, has a smaller mean square of readings left out."""
    weights = setting.hat.weights
    scores = np.mean(setting.hat.left_out(weights) ** 2, axis=0)
    best = setting.hat.best_weight()
    assert best in weights[1:-1]
    assert scores[weights == best].item() == scores[1:-1].min()


def test_data_that_see_nothing_have_a_weight_all_the_same() -> None:
    """With J = 0 all is finite, and each reading left out is the reading."""
    y = np.array([1.0, -2.0, 3.0])
    hat = HatMatrix(np.zeros((3, 3)), np.eye(3), y)
    weights = np.array([hat.best_weight()])
    assert weights[0] > 0
    np.testing.assert_array_equal(hat.left_out(weights)[:, 0], y)
    np.testing.assert_array_equal(hat.fit(weights)[1], 0.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=60))
@settings(max_examples=100, deadline=None)
def test_interior_minimum_is_never_at_an_edge(scores: list[float]) -> None:
    """Of all but the first and the last score the least."""
    index = interior_minimum(np.array(scores))
    assert 0 < index < len(scores) - 1
    assert scores[index] == min(scores[1:-1])
