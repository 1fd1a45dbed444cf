"""Laws of the transition kernels: detailed balance, exactly, and what they leave as it is."""

import numpy as np
import pytest
from gaussians import SIZE, Script, covariance, log_density, noise_for, target_of

from app.posterior.chains import (
    KERNELS,
    CrankNicolson,
    DelayedAcceptance,
    DelayedRejection,
    Langevin,
    Point,
    Target,
)

pytestmark = pytest.mark.serial

SIZES = [0.2, 0.5, 0.9]
NEVER = 1.0 - 1e-16


def log_normal(target: Target, y: np.ndarray, mean: np.ndarray, scale: float) -> float:
    """Log density of N(mean, scale² C), but for a constant that all of one scale share."""
    away = (y - mean) / scale
    return -0.5 * float(away @ np.linalg.solve(covariance(target), away))


def proposed_from(target: Target, x: Point, size: float, *, langevin: bool) -> np.ndarray:
    """The mean of a proposal."""
    kept = np.sqrt(1 - size**2)
    mean = target.mean + kept * (x.m - target.mean)
    return mean - (1 - kept) * covariance(target) @ x.derivative if langevin else mean


def points(target: Target, seed: int, count: int) -> list[Point]:
    rng = np.random.default_rng(seed)
    trials = [target.at(target.mean + target.draw(rng)) for _ in range(count)]
    return [trial.point(derivative=True) for trial in trials if trial is not None]


def probability(target: Target, kernel: object, x: Point, y: Point, size: float, langevin: bool) -> float:
    """Of accepting the proposal of y at x."""
    xi = (y.m - proposed_from(target, x, size, langevin=langevin)) / size
    move = kernel.step(target, x, size, Script([noise_for(target, xi)], [NEVER]))
    assert move.probability is not None
    return move.probability


@pytest.mark.parametrize("readings", [1, 3])
def test_density_is_that_of_the_posterior(readings: int) -> None:
    """−Ψ with the reference measure is the log likelihood with the prior, but for one constant."""
    target = target_of(readings=readings)
    found = [
        -point.energy + log_normal(target, point.m, target.mean, 1.0) - log_density(target, point.m)
        for point in points(target, 3, 5)
    ]
    np.testing.assert_allclose(found, found[0], rtol=0, atol=1e-10)


def test_derivative_is_that_of_differences() -> None:
    """Ψ′ by central differences, and CΨ′."""
    target = target_of(readings=3)
    (point,) = points(target, 4, 1)
    step = 1e-5
    for direction in np.eye(SIZE):
        ahead, behind = (target.at(point.m + sign * step * direction) for sign in (1, -1))
        slope = (ahead.energy - behind.energy) / (2 * step)
        assert slope == pytest.approx(float(point.derivative @ direction), rel=1e-6, abs=1e-7)
    np.testing.assert_allclose(point.gradient, covariance(target) @ point.derivative, rtol=1e-10)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel, langevin", [(CrankNicolson(), False), (Langevin(), True)])
def test_detailed_balance(kernel: object, langevin: bool, size: float) -> None:
    """π(x) q(x, y) α(x, y) = π(y) q(y, x) α(y, x) with the densities of dense algebra."""
    target = target_of(bend=0.05, readings=3)
    for x, y in zip(points(target, 6, 8), points(target, 7, 8), strict=True):
        flows = [
            log_density(target, a.m)
            + log_normal(target, b.m, proposed_from(target, a, size, langevin=langevin), size)
            + np.log(probability(target, kernel, a, b, size, langevin))
            for a, b in ((x, y), (y, x))
        ]
        assert flows[0] == pytest.approx(flows[1], abs=1e-8)


@pytest.mark.parametrize("size", SIZES)
def test_detailed_balance_of_delayed_rejection(size: float) -> None:
    """The same of x, the rejected y₁, y₂ and of y₂, y₁, x, where the first is not sure to be accepted."""
    target, tried = target_of(bend=0.05, readings=3), 0
    for first, x, y in zip(*(points(target, seed, 30) for seed in (8, 9, 10)), strict=True):
        rejected = [1 - min(1.0, np.exp(a.energy - first.energy)) for a in (x, y)]
        if min(rejected) <= 0:
            continue
        tried += 1
        flows = []
        for (a, b), left in zip(((x, y), (y, x)), rejected, strict=True):
            mean = proposed_from(target, a, size, langevin=True)
            noises = [noise_for(target, each) for each in (first.m - target.mean, (b.m - mean) / size)]
            move = DelayedRejection().step(target, a, size, Script(noises, [NEVER, NEVER]))
            moved = log_density(target, a.m) + log_normal(target, b.m, mean, size)
            flows.append(moved + np.log(left) + np.log(move.probability))
        assert flows[0] == pytest.approx(flows[1], abs=1e-7)
    assert tried >= 3


def test_delayed_acceptance_compares_what_the_screen_got_wrong() -> None:
    """Accepted by min(1, π(y)π*(x)/(π(x)π*(y))), after the screen."""
    target, screen = target_of(bend=0.3, readings=3), target_of(bend=0.5, readings=3)
    kernel = DelayedAcceptance(CrankNicolson(), screen, 1)
    for start, aim in zip(points(target, 11, 10), points(target, 12, 10), strict=True):
        x = kernel.started(target, start.m)
        screened = screen.at(aim.m)
        log_ratio = x.energy - aim.energy + screened.energy - x.screened.energy
        if log_ratio >= 0:
            continue
        xi = (aim.m - proposed_from(target, x, 0.5, langevin=False)) / 0.5
        for factor, moved in ((0.999, True), (1.001, False)):
            noise = noise_for(target, xi)
            stream = Script([noise], [0.0 if moved else 1e-300, min(NEVER, factor * np.exp(log_ratio))])
            with np.errstate(divide="ignore"):
                assert kernel.step(target, x, 0.5, stream).moved == moved


@pytest.mark.parametrize("kernel", [each() for each in KERNELS.values()])
def test_all_is_accepted_where_the_problem_is_linear(kernel: object) -> None:
    """The reference measure is the posterior then, and there is nothing to correct."""
    target, rng = target_of(bend=0.0, readings=3), np.random.default_rng(13)
    point = kernel.started(target, target.mean + target.draw(rng))
    for _ in range(20):
        move = kernel.step(target, point, 0.8, rng)
        assert move.moved and (move.probability is None or move.probability == pytest.approx(1.0))
        point = move.point


@pytest.mark.parametrize("screened", [False, True])
@pytest.mark.parametrize("name", KERNELS)
def test_where_the_state_fails_is_never_gone(name: str, screened: bool) -> None:
    """Proposals beyond it are rejected; of a screen that does not know, likewise."""
    target, kernel, rng = target_of(bend=0.05, wall=0.0), KERNELS[name](), np.random.default_rng(14)
    kernel = DelayedAcceptance(kernel, target_of(bend=0.05), 2) if screened else kernel
    point = None
    while point is None:
        point = kernel.started(target, target.mean + target.draw(rng))
    means = []
    for _ in range(100):
        point = kernel.step(target, point, 0.5, rng).point
        means.append(point.m.mean())
    assert max(means) <= 0.0 and len(set(means)) > 5
