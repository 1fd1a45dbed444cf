"""Laws of whole chains: the distribution they draw from, and that they go on where they stopped."""

from dataclasses import replace

import numpy as np
import pytest
from gaussians import SIZE, covariance, log_density, target_of

from app.posterior.chains import KERNELS, Chain, DelayedAcceptance, Moments, Sampler, Target, together
from app.posterior.chains.kernels import Kernel

pytestmark = pytest.mark.serial

STEPS = 2000


def sampled(target: Target, kernel: Kernel, steps: int = STEPS, number: int = 0) -> Chain:
    sampler = Sampler(target, kernel, 100, (1,))
    return sampler.advance(sampler.begun(number), 100 + steps)


def by_quadrature(target: Target) -> tuple[float, float]:
    """Mean and deviation of the only coordinate that the data bend, along which the density is that of the
    posterior and across which it is the reference's."""
    at = target.reference
    direction = at.W[:, 0] / np.sqrt((at.eigenvalues[0] + at.weight) / at.noise)
    places = np.linspace(-9, 9, 2001)
    logs = np.array([log_density(target, at.mean + place * direction) for place in places])
    density = np.exp(logs - logs.max())
    density /= density.sum()
    mean = float(density @ places)
    return mean, float(np.sqrt(density @ (places - mean) ** 2))


@pytest.mark.parametrize("name", KERNELS)
def test_a_linear_problem_has_the_linearised_posterior(name: str) -> None:
    """Mean and covariance within Monte Carlo error."""
    target = target_of(bend=0.0, readings=3)
    chain = sampled(target, KERNELS[name]())
    dense = covariance(target)
    error = np.sqrt(np.diag(dense) / STEPS)
    assert (np.abs(chain.moments.mean - target.mean) <= 5 * error).all()
    np.testing.assert_allclose(chain.moments.variance, np.diag(dense), rtol=0.2)
    assert chain.kept.moved == chain.kept.steps == STEPS


@pytest.mark.parametrize("screen", [None, 0.15, 0.4])
@pytest.mark.parametrize("name", KERNELS)
def test_a_bent_problem_has_its_own(name: str, screen: float | None) -> None:
    """Along the coordinate that is not Gaussian mean and deviation are those of quadrature, also where the
    screen is wrong."""
    target, kernel = target_of(bend=0.3), KERNELS[name]()
    if screen is not None:
        kernel = DelayedAcceptance(kernel, target_of(bend=screen), 2)
    chain = sampled(target, kernel)
    mean, deviation = by_quadrature(target)
    found = chain.draws[:, 1]
    assert abs(deviation - 1) > 0.2  # the reference measure would not do
    assert found.mean() == pytest.approx(mean, abs=0.12 * deviation)
    assert found.std() == pytest.approx(deviation, rel=0.1)


def test_a_screen_spares_evaluations() -> None:
    """One at most for all steps with the screen."""
    target, screen = target_of(), target_of(bend=0.28)
    chain = sampled(target, DelayedAcceptance(KERNELS["pcn"](), screen, 5), 100)
    assert len(target.likelihood.asked) <= 1 + 200
    assert chain.kept.solves <= 100 and chain.kept.screened == 500


@pytest.mark.parametrize("name", KERNELS)
def test_steps_are_the_same_however_they_are_portioned(name: str) -> None:
    """To the last bit, in and after the burn-in, with and without a screen."""
    target = target_of()
    for kernel in (KERNELS[name](), DelayedAcceptance(KERNELS[name](), target_of(bend=0.2), 2)):
        sampler = Sampler(target, kernel, 20, (3,))
        whole = portioned = sampler.begun(2)
        whole = sampler.advance(whole, 60)
        for steps in (7, 20, 33):
            portioned = sampler.advance(portioned, steps)
        np.testing.assert_array_equal(whole.draws, portioned.draws)
        np.testing.assert_array_equal(whole.moments.square, portioned.moments.square)
        assert whole.kept == portioned.kept and whole.size == portioned.size


def test_the_size_is_adapted_in_the_burn_in_only() -> None:
    """Towards what is to be accepted, and fixed after it."""
    target = target_of(bend=2.0, readings=3)
    sampler = Sampler(target, KERNELS["pcn"](), 300, (4,))
    burnt = sampler.advance(sampler.begun(0), 300)
    after = sampler.advance(burnt, 300)
    assert after.size == burnt.size != sampler.begun(0).size
    assert after.kept.moved / after.kept.steps == pytest.approx(0.234, abs=0.1)


def test_chains_differ_by_their_numbers_alone() -> None:
    """Each has a random stream of its own."""
    target = target_of()
    one, other, again = (sampled(target, KERNELS["pcn"](), 20, number) for number in (0, 1, 0))
    assert (one.draws != other.draws).any()
    np.testing.assert_array_equal(one.draws, again.draws)


def test_moments_are_those_of_all_vectors() -> None:
    """One at a time and several streams together."""
    vectors = np.random.default_rng(6).standard_normal((30, SIZE))
    parts = []
    for first, last in ((0, 0), (0, 11), (11, 30)):
        moments = Moments.none(SIZE)
        for vector in vectors[first:last]:
            moments = moments.with_one(vector)
        parts.append(moments)
    found = together(parts)
    np.testing.assert_allclose(found.mean, vectors.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.variance, vectors.var(axis=0, ddof=1), rtol=1e-12)
    assert replace(found, count=0).count == 0
