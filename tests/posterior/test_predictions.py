"""Laws of predictions: their covariance is that of dense algebra, and draws of them have it."""

import numpy as np
from elliptic import COMM
from posteriors import NOISE, READINGS, WEIGHT, Setting

from app.parallel import SolveFailed
from app.posterior import GaussianPosterior
from app.posterior.predictions import Label, predictions_of, pushed

ROUNDING = 1e-10


def posterior_of(setting: Setting, readings: int = READINGS) -> GaussianPosterior:
    """At the nodes where R and J are."""
    at = setting.posterior(readings)
    return GaussianPosterior(at, at.mean, None, lambda: np.random.default_rng(5))


def labels(count: int) -> list[Label]:
    return [Label("q", str(number)) for number in range(count)]


def test_deviations_are_those_of_dense_algebra(setting: Setting) -> None:
    """√(q′ s²(wR + JᵀJ)⁻¹ q′ᵀ), and before the data without JᵀJ; quantiles are those of the Gaussian."""
    J, rows = setting.whole(setting.rows[:, :3]).T, setting.rows[:, 2:]
    whole, value = setting.whole(rows), np.arange(rows.shape[1], dtype=float)
    found = predictions_of(labels(len(value)), value, rows, posterior_of(setting, readings=3))
    precision = WEIGHT * setting.dense(setting.R.apply)
    for std, matrix in ((found.std, precision + J.T @ J), (found.std_prior, precision)):
        dense = NOISE * whole.T @ np.linalg.solve(matrix, whole)
        np.testing.assert_allclose(std, np.sqrt(np.diag(dense)), rtol=ROUNDING)
    np.testing.assert_array_equal(found.quantiles[:, 1], value)
    np.testing.assert_allclose(found.quantiles[:, 2] - value, 1.6448536269514722 * found.std, rtol=ROUNDING)


def test_what_repeats_a_reading_is_no_less_sure_than_it(setting: Setting) -> None:
    """Its variance is at most that of the reading's noise."""
    found = predictions_of(labels(READINGS), np.zeros(READINGS), setting.rows, posterior_of(setting))
    assert (found.std <= np.sqrt(NOISE) * (1 + ROUNDING)).all() and (found.std > 0).all()


def test_draws_of_linear_functionals_have_the_deviations(setting: Setting) -> None:
    """Within what 2000 draws tell."""
    posterior, rows = posterior_of(setting), setting.rows

    def sums(m: np.ndarray) -> np.ndarray:
        return COMM.allreduce(rows.T @ m)

    draws = pushed(sums, posterior.sample(2000), READINGS)
    found = predictions_of(labels(READINGS), sums(posterior.mean), rows, posterior, draws)
    np.testing.assert_allclose(draws.std(axis=1), found.std, rtol=0.1)
    gaussian = predictions_of(labels(READINGS), sums(posterior.mean), rows, posterior)
    spread = np.abs(found.quantiles - gaussian.quantiles) / found.std[:, None]
    assert spread.max() < 0.2


def test_draws_without_a_state_are_left_out(setting: Setting) -> None:
    """Of three one."""
    posterior, seen = posterior_of(setting), []

    def values(m: np.ndarray) -> np.ndarray:
        seen.append(m)
        if len(seen) == 2:
            raise SolveFailed("none here")
        return np.full(1, float(len(seen)))

    draws = pushed(values, posterior.sample(3), 1)
    found = predictions_of(labels(1), np.zeros(1), setting.rows[:, :1], posterior, draws)
    assert found.lost == 1
    np.testing.assert_allclose(found.quantiles, [[1.1, 2.0, 2.9]])


def test_without_a_posterior_values_remain(setting: Setting) -> None:
    """Deviations are not a number."""
    found = predictions_of(labels(2), np.array([1.0, 2.0]), setting.rows[:, :2], None)
    np.testing.assert_array_equal(found.value, [1.0, 2.0])
    assert np.isnan(found.std).all() and np.isnan(found.quantiles).all()
