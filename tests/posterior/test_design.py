"""Laws of the design of measurements, against the posteriors that the chosen readings make."""

from itertools import combinations

import numpy as np
import pytest
from elliptic import COMM
from posteriors import NAMES, NOISE, READINGS, Setting, setting_of
from test_predictions import posterior_of

from app.posterior import GaussianPosterior
from app.posterior.design import Aim, Design, designed, functional_variance, greedy, mean_variance

ROUNDING = 1e-9

SIGMA = np.linspace(0.5, 1.5, READINGS)
"""Of the noise of the candidates."""


def weights_of(setting: Setting) -> np.ndarray:
    """Some, other at each node, the same on any number of ranks."""
    return 1.0 + np.cos(setting.mean) ** 2


def aims(setting: Setting, posterior: GaussianPosterior) -> dict[str, Aim]:
    return {
        "mean": mean_variance(posterior, weights_of(setting)),
        "functionals": functional_variance(posterior, setting.rows[:, :2]),
    }


def value_of(setting: Setting, posterior: GaussianPosterior, name: str, start: GaussianPosterior) -> float:
    """The aim of a posterior, in units of what it is at the start where it is relative."""
    if name == "mean":
        return COMM.allreduce(float(weights_of(setting) @ posterior.linearised.variance()))
    rows = setting.rows[:, :2]
    left, before = (np.diag(each.functional_covariances(rows)[1]) for each in (posterior, start))
    return float(np.mean(left / before))


def measured(setting: Setting, posterior: GaussianPosterior, chosen: np.ndarray) -> GaussianPosterior:
    """With readings of these candidates."""
    rows = setting.rows[:, chosen] * np.sqrt(NOISE) / SIGMA[chosen]
    at = posterior.linearised.with_rows(np.asfortranarray(rows))
    return GaussianPosterior(at, at.mean, None, posterior.stream)


def design(setting: Setting, posterior: GaussianPosterior, aim: Aim, number: int) -> Design:
    return designed(posterior, setting.rows, SIGMA**2, aim, number)


@pytest.mark.parametrize("name", ["mean", "functionals"])
def test_the_readings_leave_what_was_promised(setting: Setting, name: str) -> None:
    """After each choice, of the aim and of the deviations at the nodes."""
    posterior = posterior_of(setting, readings=2)
    found = design(setting, posterior, aims(setting, posterior)[name], 4)
    assert found.before == pytest.approx(value_of(setting, posterior, name, posterior), rel=ROUNDING)
    for count, left in enumerate(found.left, 1):
        after = measured(setting, posterior, found.order[:count])
        assert left == pytest.approx(value_of(setting, after, name, posterior), rel=ROUNDING)
    np.testing.assert_allclose(found.std_after, after.std, rtol=1e-7)
    assert (found.share <= 1).all() and (np.diff(found.left) <= 0).all()


@pytest.mark.parametrize("name", ["mean", "functionals"])
def test_the_first_is_the_best_of_all(setting: Setting, name: str) -> None:
    """By trying each; the first two are no better than the best pair, and nearly as good."""
    posterior = posterior_of(setting, readings=1)
    found = design(setting, posterior, aims(setting, posterior)[name], 2)

    def tried(*chosen: int) -> float:
        return value_of(setting, measured(setting, posterior, np.array(chosen)), name, posterior)

    alone = [tried(number) for number in range(READINGS)]
    assert found.order[0] == int(np.argmin(alone))
    best = min(tried(*pair) for pair in combinations(range(READINGS), 2))
    assert best * (1 - ROUNDING) <= found.left[1] <= 1.1 * best


def test_the_order_of_the_candidates_does_not_matter(setting: Setting) -> None:
    """The same ones are chosen, with the same left."""
    posterior = posterior_of(setting, readings=2)
    aim = aims(setting, posterior)["mean"]
    found, other = design(setting, posterior, aim, 3), np.random.default_rng(1).permutation(READINGS)
    rows = np.asfortranarray(setting.rows[:, other])
    again = designed(posterior, rows, SIGMA[other] ** 2, aim, 3)
    np.testing.assert_array_equal(other[again.order], found.order)
    np.testing.assert_allclose(again.left, found.left, rtol=ROUNDING)


@pytest.mark.parametrize("name", NAMES)
def test_units(name: str) -> None:
    """m in another unit, and lengths, which weights are a power of: the same choice and shares."""
    with setting_of(name) as setting, setting_of(name, 100.0) as scaled:
        one, other = (posterior_of(each, readings=2) for each in (setting, scaled))
        found = design(setting, one, functional_variance(one, setting.rows[:, :2]), 3)
        again = design(scaled, other, functional_variance(other, scaled.rows[:, :2]), 3)
        np.testing.assert_array_equal(again.order, found.order)
        np.testing.assert_allclose(again.share, found.share, rtol=ROUNDING)
        found, again = (design(each, at, mean_variance(at, length**2 * weights_of(setting)), 3)
                        for each, at, length in ((setting, one, 1.0), (scaled, other, 1e3)))  # fmt: skip
        np.testing.assert_array_equal(again.order, found.order)
        np.testing.assert_allclose(again.share, found.share, rtol=ROUNDING)


def test_one_place_twice_is_a_repeated_reading() -> None:
    """Two readings of variance v are one of v/2; of equal ones the first is chosen first."""
    covariance = np.array([[2.0, 2.0], [2.0, 2.0]])
    order, left = greedy(covariance, covariance**2, np.full(2, 0.5), 2.0, 2)
    np.testing.assert_array_equal(order, [0, 1])
    np.testing.assert_allclose(left, [2.0 - 4.0 / 2.5, 2.0 - 4.0 / 2.25])


def test_a_blind_candidate_is_the_last(setting: Setting) -> None:
    """What sees no coefficient changes nothing, and another candidate never worsens the choice."""
    posterior = posterior_of(setting, readings=2)
    aim = aims(setting, posterior)["mean"]
    rows = np.asfortranarray(np.hstack([0 * setting.rows[:, :1], setting.rows]))
    found = designed(posterior, rows, np.append(1.0, SIGMA**2), aim, READINGS + 1)
    assert found.order[-1] == 0 and found.left[-1] == found.left[-2]
    fewer = designed(posterior, np.asfortranarray(rows[:, :-1]), np.append(1.0, SIGMA[:-1] ** 2), aim, 1)
    assert found.left[0] <= fewer.left[0]
