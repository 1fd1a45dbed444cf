"""Laws of effective sample sizes and R̂."""

import numpy as np
import pytest

from app.posterior.chains import effective_samples, split_rhat

pytestmark = pytest.mark.serial

CHAINS, LENGTH = 4, 20000


def autoregressive(correlation: float, seed: int = 1) -> np.ndarray:
    """AR(1) series of variance 1."""
    rng = np.random.default_rng(seed)
    noise = np.sqrt(1 - correlation**2) * rng.standard_normal((CHAINS, LENGTH))
    noise[:, 0] = rng.standard_normal(CHAINS)
    for step in range(1, LENGTH):
        noise[:, step] += correlation * noise[:, step - 1]
    return noise


@pytest.mark.parametrize("ranked", [False, True])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 0.97])
def test_effective_samples_of_a_known_autocorrelation(correlation: float, ranked: bool) -> None:
    """N(1 − φ)/(1 + φ) of an AR(1) series."""
    expected = CHAINS * LENGTH * (1 - correlation) / (1 + correlation)
    found = effective_samples(autoregressive(correlation), ranked=ranked)
    assert found == pytest.approx(expected, rel=0.12)


def test_ranks_do_not_depend_on_the_scale() -> None:
    """Of a quantity or of its exponential."""
    draws = autoregressive(0.5)[:, :500]
    assert effective_samples(np.exp(draws)) == pytest.approx(effective_samples(draws))
    assert split_rhat(np.exp(draws)) == pytest.approx(split_rhat(draws), abs=0.01)


def test_chains_that_agree() -> None:
    """R̂ is 1 but for chance."""
    assert split_rhat(autoregressive(0.5)) == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize("apart", ["place", "width", "drift"])
def test_chains_that_do_not(apart: str) -> None:
    """One that is elsewhere, one that is wider, all that are on their way."""
    draws = autoregressive(0.5)[:, :2000]
    if apart == "place":
        draws[0] += 2.0
    elif apart == "width":
        draws[0] *= 4.0
    else:
        draws += np.linspace(0, 3, draws.shape[1])
    assert split_rhat(draws) > 1.05


def test_too_little_says_nothing() -> None:
    """Few draws, or constant ones."""
    assert np.isnan(effective_samples(np.zeros((4, 5)))) and np.isnan(split_rhat(np.zeros((4, 5))))
    assert np.isnan(effective_samples(np.ones((4, 100)))) and np.isnan(split_rhat(np.ones((4, 100))))
