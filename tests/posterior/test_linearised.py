"""Laws of the posterior of the linearised problem, against dense algebra."""

import numpy as np
import pytest
from elliptic import COMM
from posteriors import NAMES, NOISE, READINGS, WEIGHT, Setting, setting_of

ROUNDING = 1e-10


def covariance(setting: Setting, readings: int = READINGS) -> np.ndarray:
    """s² (wR + JᵀJ)⁻¹, dense."""
    J = setting.whole(setting.rows[:, :readings]).T
    return NOISE * np.linalg.inv(WEIGHT * setting.dense(setting.R.apply) + J.T @ J)


def test_covariance_is_that_of_dense_algebra(setting: Setting) -> None:
    """Covariance @ block, and the precision undoes it."""
    posterior, dense = setting.posterior(), covariance(setting)
    scale = np.abs(dense).max()
    np.testing.assert_allclose(setting.dense(posterior.covariance), dense, rtol=0, atol=ROUNDING * scale)
    dual = setting.rows[:, 0]
    np.testing.assert_allclose(posterior.precision(posterior.covariance(dual)), dual, rtol=0, atol=1e-8)


def test_variances_are_its_diagonal(setting: Setting) -> None:
    """Posterior and prior, and what the data take of the one is left by the other."""
    posterior, dense = setting.posterior(), covariance(setting)
    prior = NOISE / WEIGHT * np.diag(setting.dense(setting.R.riesz))
    left, before = np.diag(dense), setting.whole(posterior.prior_variance())
    np.testing.assert_allclose(setting.whole(posterior.variance()), left, rtol=ROUNDING)
    np.testing.assert_allclose(before, prior, rtol=ROUNDING)
    np.testing.assert_allclose(setting.whole(posterior.resolved()), 1 - left / prior, atol=ROUNDING)


def test_samples_have_that_covariance(setting: Setting) -> None:
    """What takes draws of the prior to draws of the posterior does so of a square root of R⁻¹."""
    posterior, dense = setting.posterior(), covariance(setting)
    root = np.linalg.cholesky(setting.dense(setting.R.riesz))
    first = sum(COMM.allgather(len(setting.mean))[: COMM.rank])
    own = np.asfortranarray(root[first : first + len(setting.mean)])
    draws = setting.whole(posterior.transformed(own) - posterior.mean[:, None])
    np.testing.assert_allclose(draws @ draws.T, dense, rtol=0, atol=ROUNDING * np.abs(dense).max())


def test_without_readings_it_is_the_prior(setting: Setting) -> None:
    """Covariance, draws and all that is told."""
    posterior = setting.posterior(readings=0)
    block = setting.rows
    np.testing.assert_array_equal(posterior.covariance(block), posterior.prior_covariance(block))
    assert not posterior.resolved().any() and posterior.freedom == 0.0
    np.testing.assert_array_equal(posterior.variance(), posterior.prior_variance())


def test_rows_of_nothing_change_nothing(setting: Setting) -> None:
    """Readings that see no coefficient."""
    blind = setting.posterior(readings=0).with_rows(0 * setting.rows)
    np.testing.assert_array_equal(blind.variance(), blind.prior_variance())


def test_another_reading_never_raises_a_variance(setting: Setting) -> None:
    """Reading after reading, and the same posterior as with all at once."""
    posterior = setting.posterior(readings=0)
    before = posterior.variance()
    for number in range(READINGS):
        posterior = posterior.with_rows(setting.rows[:, [number]])
        after = posterior.variance()
        assert (after <= before * (1 + 1e-12)).all() and (after > 0).all()
        before = after
    np.testing.assert_allclose(before, setting.posterior().variance(), rtol=ROUNDING)


@pytest.mark.parametrize("unit", [1e-3, 100.0])
@pytest.mark.parametrize("name", NAMES)
def test_units(name: str, unit: float) -> None:
    """m in another unit has its deviation in that unit; what is told without units stays."""
    with setting_of(name) as setting, setting_of(name, unit) as scaled:
        one, other = setting.posterior(), scaled.posterior()
        np.testing.assert_allclose(np.sqrt(other.variance()), unit * np.sqrt(one.variance()), rtol=ROUNDING)
        np.testing.assert_allclose(other.resolved(), one.resolved(), atol=ROUNDING)
        assert other.freedom == pytest.approx(one.freedom, rel=ROUNDING)
        assert other.information == pytest.approx(one.information, rel=ROUNDING)


def test_what_the_data_tell(setting: Setting) -> None:
    """Degrees of freedom tr(J Cov Jᵀ)/s² and the divergence from the prior, by dense algebra."""
    posterior, dense = setting.posterior(), covariance(setting)
    J, R = setting.whole(setting.rows).T, setting.dense(setting.R.apply)
    assert posterior.freedom == pytest.approx(np.trace(J @ dense @ J.T) / NOISE, rel=ROUNDING)
    precision, moved = WEIGHT / NOISE * R, setting.whole(setting.mean - setting.reference)
    ratio = precision @ dense
    divergence = np.trace(ratio) - len(dense) + moved @ precision @ moved - np.linalg.slogdet(ratio)[1]
    assert posterior.information == pytest.approx(0.5 * divergence, rel=1e-8)


def test_distance_is_that_of_the_density(setting: Setting) -> None:
    """(x − m)ᵀ covariance⁻¹ (x − m)."""
    posterior = setting.posterior()
    away = setting.whole(setting.rows)
    expected = np.einsum("ij,ij->j", away, np.linalg.solve(covariance(setting), away))
    found = posterior.square_distance(posterior.mean[:, None] + setting.rows)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_the_noise_scales_it(setting: Setting) -> None:
    """Covariances are proportional to s², variances that are known already too; the eigenpairs stay."""
    posterior = setting.posterior()
    before = posterior.variance()
    after = posterior.with_noise(4 * NOISE)
    np.testing.assert_allclose(after.variance(), 4 * before, rtol=ROUNDING)
    np.testing.assert_allclose(after.covariance(setting.rows), 4 * posterior.covariance(setting.rows))
    assert after.freedom == posterior.freedom


def test_draws_are_those_of_the_prior_moved(setting: Setting) -> None:
    """One stream gives one set of draws, of the posterior and of the prior, whose laws app.prior has."""
    posterior = setting.posterior()
    plain = setting.R.sample(np.random.default_rng(3), 4)
    draws = posterior.sample(np.random.default_rng(3), 4)
    np.testing.assert_array_equal(draws, posterior.transformed(plain))
    before = posterior.prior_sample(np.random.default_rng(3), 4)
    np.testing.assert_allclose(before, 0.2 + np.sqrt(NOISE / WEIGHT) * plain, rtol=ROUNDING)


def test_estimated_variances_are_consistent(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """On meshes too large for exact ones they lie within some standard errors of them, those after the data
    are positive and smaller than those before, by what the data take."""
    exact = setting.posterior()
    monkeypatch.setattr("app.posterior.unseen.FEW", 0)
    monkeypatch.setattr("app.posterior.unseen.EXACT", 0)
    found = setting.posterior()
    away = np.abs(found.variance() - exact.variance())
    assert (found.variance() > 0).all() and (found.resolved() < 1).all()
    assert (away <= 5 * found.variance_error() + ROUNDING * exact.variance()).all()
    taken = found.prior_variance() - found.variance()
    np.testing.assert_allclose(taken, exact.variance_taken(), rtol=0, atol=ROUNDING * taken.max())
