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
