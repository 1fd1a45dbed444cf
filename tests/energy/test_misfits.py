"""What the misfit makes of residuals: Huber's loss and logarithms."""

from dataclasses import dataclass

import numpy as np
import pytest

from app.energy import InverseProblem, huber


class Given:
    """A forward map that reads its coefficient."""

    def at(self, values: np.ndarray, near: "Read | None" = None) -> "Read":
        return Read(values)


@dataclass(frozen=True)
class Read:
    """What it reads there."""

    values: np.ndarray

    @property
    def readings(self) -> np.ndarray:
        return self.values

    def tangent(self, block: np.ndarray) -> np.ndarray:
        return block

    def adjoint(self, data: np.ndarray, *, incremental: bool = True) -> np.ndarray:
        return data


RESIDUALS = np.array([-50.0, -1.3451, -1.3449, 0.0, 0.7, 1.345, 4.0])


def test_half_the_square_of_the_pseudo_residual_is_hubers_loss() -> None:
    """½e² = ½r² within the threshold and c|r| − ½c² beyond, e of the sign of r."""
    c = np.full(len(RESIDUALS), 1.345)
    e, size = huber.pseudo_residual(RESIDUALS, c), np.abs(RESIDUALS)
    loss = np.where(size <= c, 0.5 * size**2, c * size - 0.5 * c**2)
    np.testing.assert_allclose(0.5 * e**2, loss, rtol=1e-14)
    assert (np.sign(e) == np.sign(RESIDUALS)).all()


def test_an_infinite_threshold_is_the_gaussian_misfit() -> None:
    """Without a limit nothing changes."""
    c = np.full(len(RESIDUALS), np.inf)
    np.testing.assert_array_equal(huber.pseudo_residual(RESIDUALS, c), RESIDUALS)
    np.testing.assert_array_equal(huber.slope(RESIDUALS, c), 1.0)
    np.testing.assert_array_equal(huber.expectation(c), 1.0)


@pytest.mark.parametrize("threshold", [0.3, 1.345, 3.0])
def test_the_expectation_is_the_mean_under_the_normal_density(threshold: float) -> None:
    """By the trapezoidal rule, which for the density's tails is exact to rounding but for the kink of e²."""
    r = np.linspace(-12, 12, 200_001)
    c = np.full(len(r), threshold)
    density = np.exp(-0.5 * r**2) / np.sqrt(2 * np.pi)
    mean = np.trapezoid(huber.pseudo_residual(r, c) ** 2 * density, r)
    assert huber.expectation(np.array([threshold]))[0] == pytest.approx(mean, rel=1e-8)


def test_logarithms_are_compared_and_have_their_slope() -> None:
    """e = (ln y − ln d)/σ and ∂e/∂y = 1/(yσ), for those readings only."""
    data, y, sigma = np.array([2.0, 2.0]), np.array([3.0, 3.0]), np.array([0.1, 0.5])
    energy = InverseProblem(Given(), data, sigma, logarithmic=np.array([True, False]))
    at = energy.at(y)
    np.testing.assert_allclose(at.residual, [np.log(1.5) / 0.1, 2.0])
    np.testing.assert_allclose(at.jvp(np.ones(2)), [1 / 0.3, 2.0])


def test_a_reading_without_a_logarithm_has_an_infinite_misfit() -> None:
    """Which every trial of a step refuses."""
    energy = InverseProblem(Given(), np.ones(2), np.ones(2), logarithmic=np.array([True, True]))
    assert np.isinf(energy.at(np.array([-1.0, 2.0])).residual[0])


GROUPS = np.array([0, 1, 0, 2, 0])
"""Three readings of one place."""

NOISE = np.array([0.1, 0.5, 0.2, 0.3, 0.1])


class Places:
    """y of three places, of which the first is read thrice."""

    def at(self, values: np.ndarray, near: object = None) -> "Places":
        self.values, self.readings = values, values[GROUPS]
        return self

    def tangent(self, block: np.ndarray) -> np.ndarray:
        return block[GROUPS]

    def adjoint(self, data: np.ndarray, *, incremental: bool = True) -> np.ndarray:
        return np.array([data[place == GROUPS].sum(axis=0) for place in range(3)])


def test_readings_of_a_group_have_the_likelihood_of_their_mean() -> None:
    """½‖e‖² and all of them apart differ by a constant, half of what they scatter about their mean; e, J and
    Jᵀ are those of the weighted mean with 1/σ² = Σ1/σ_i²."""
    data = np.array([1.0, 2.0, 1.3, 0.5, 0.9])
    own, weights = InverseProblem(Places(), data, NOISE, groups=GROUPS), NOISE**-2.0
    apart = InverseProblem(Places(), data, NOISE)
    first, kept = GROUPS == 0, [0, 1, 3]
    mean, sigma = np.average(data[first], weights=weights[first]), weights[first].sum() ** -0.5
    means = InverseProblem(Places(), np.array([mean, 2, mean, 0.5, mean]), np.array([sigma, 0.5, 1, 0.3, 1]))
    (square, freedom), rng = own.scatter, np.random.default_rng(0)
    assert freedom == 2 and own.expectation == 3.0
    assert square == pytest.approx(np.sum(weights[first] * (data[first] - mean) ** 2))
    for y in rng.standard_normal((3, 3)):
        found, expected = own.at(y), means.at(y)
        assert apart.at(y).value - found.value == pytest.approx(0.5 * square)
        np.testing.assert_allclose(found.residual, expected.residual[kept])
        np.testing.assert_allclose(found.derivative(), apart.at(y).derivative(), atol=1e-9)
        block, back = rng.standard_normal((3, 2)), rng.standard_normal(3)
        np.testing.assert_allclose(found.jvp(block), expected.jvp(block)[kept])
        assert back @ found.jvp(block[:, 0]) == pytest.approx(found.vjp(back) @ block[:, 0])


def test_groups_of_one_change_nothing_and_outliers_are_not_averaged() -> None:
    """To the last bit; readings whose large residuals count less stay apart and are known as repeats."""
    data, y = np.array([1.0, 2.0, 1.3, 0.5, 0.9]), np.array([1.1, 1.9, 0.4])
    alone = InverseProblem(Places(), data, NOISE, groups=np.arange(5))
    assert alone.pooling is None and alone.repeats is None
    np.testing.assert_array_equal(alone.at(y).residual, InverseProblem(Places(), data, NOISE).at(y).residual)
    robust = InverseProblem(Places(), data, NOISE, threshold=np.full(5, 1.3), groups=GROUPS)
    assert robust.pooling is None and robust.repeats is not None
    assert robust.repeats.tolist() == GROUPS.tolist()
