"""Retraction: Levenberg–Marquardt on q(m(θ) − m_k), for a linear toy, real networks and one that
overflows."""

from dataclasses import dataclass

import numpy as np
import pytest
from flow_toys import Dense, LinearNetwork, ideal_decrease, network_on_interval, spd

from app.flow.models import MetricModel, Model
from app.flow.protocols import Network
from app.flow.retraction import Fit, quadratic, retract, start_fit
from app.method import Limits, Retraction

NODES = 40
COARSE = Retraction().coarse


class Watched:
    """A network that remembers where its Jacobian was asked for: the accepted parameters."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.visited: list[np.ndarray] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._network, name)

    def jacobian(self, theta: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        self.visited.append(theta)
        return self._network.jacobian(theta)


@dataclass(frozen=True)
class Walled:
    """m = −log(1 − θ), not a number beyond θ = 1, where the Gauss–Newton step from 0 leads."""

    size: int = NODES
    widths: tuple[int, ...] = (NODES,)
    room: int = 0

    def values(self, theta: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return -np.log(1.0 - theta)

    def jacobian(self, theta: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        return np.diag(1.0 / (1.0 - theta))


@dataclass(frozen=True)
class Overflowing(Walled):
    """m = exp(200θ) − 1, which is infinite after the Gauss–Newton step from −0.02."""

    def values(self, theta: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.exp(200.0 * theta) - 1.0

    def jacobian(self, theta: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        return np.diag(200.0 * np.exp(200.0 * theta))


def metric_model(seed: int, nodes: int = NODES, condition: float = 30.0) -> Model:
    rng = np.random.default_rng(seed)
    return MetricModel(Dense(spd(rng, nodes, condition)), rng.standard_normal(nodes), 0.0, 1.0)


def started(network: Network, theta: np.ndarray, model: Model) -> Fit:
    return start_fit(network, theta, network.values(theta), model)


def real_network(seed: int, hidden: tuple[int, ...]) -> tuple[Network, np.ndarray]:
    """A network with parameters in general position, not at its start."""
    rng = np.random.default_rng(seed)
    network = network_on_interval(NODES, hidden)
    return network, network.start(rng) + 0.3 * rng.standard_normal(network.size)


HIDDEN = pytest.mark.parametrize("hidden", [(4,), (6,), (3, 4)], ids=str)
SEEDS = pytest.mark.parametrize("seed", range(3))


@HIDDEN
@SEEDS
def test_retraction_decreases_q_monotonically(hidden: tuple[int, ...], seed: int) -> None:
    """q falls at every accepted inner step, and what is returned is the last and lowest."""
    network, theta = real_network(seed, hidden)
    model, watched = metric_model(seed), Watched(network)
    fit = retract(started(watched, theta, model), model)
    start = network.values(theta)
    path = [quadratic(model, network.values(t) - start)[0] for t in [*watched.visited, fit.theta]]
    if np.array_equal(watched.visited[-1], fit.theta):  # its last look found nothing better
        path.pop()
    assert len(path) >= 3
    assert np.all(np.diff(path) < 0)


@HIDDEN
@SEEDS
def test_fit_is_consistent(hidden: tuple[int, ...], seed: int) -> None:
    """values = m(θ), δ = m(θ) − m_k, q and r + Kδ of that δ; the steps counted are at least those
    accepted."""
    network, theta = real_network(seed, hidden)
    model, watched = metric_model(seed), Watched(network)
    fit = retract(started(watched, theta, model), model)
    start = network.values(theta)
    np.testing.assert_array_equal(fit.values, network.values(fit.theta))
    np.testing.assert_allclose(fit.delta, fit.values - start, atol=1e-14)
    q, dual = quadratic(model, fit.delta)
    assert fit.q == pytest.approx(q, rel=1e-12)
    np.testing.assert_allclose(fit.dual, dual, atol=1e-12 * np.abs(dual).max())
    assert len(watched.visited) <= COARSE.steps
    assert fit.inner_steps >= len(watched.visited)


@HIDDEN
@SEEDS
def test_capture_is_at_most_one(hidden: tuple[int, ...], seed: int) -> None:
    """q(δ) ≥ −½rᵀK⁻¹r for every δ, so a network never does better than the ideal step."""
    network, theta = real_network(seed, hidden)
    model = metric_model(seed)
    fit = retract(started(network, theta, model), model)
    assert 0.0 < -fit.q <= ideal_decrease(model) * (1 + 1e-12)


@HIDDEN
@pytest.mark.parametrize("few", [1, 3])
@pytest.mark.parametrize(
    "gain, least, slow", [(0.05, 0, 0), (0, 0.02, 0), (0, 0, 0.02), (0.001, 0.001, 0.02)]
)
def test_inner_steps_end_when_they_gain_little(
    hidden: tuple[int, ...], few: int, gain: float, least: float, slow: float
) -> None:
    """The last step is the first that gains too little of the decrease so far, too little, or with those
    before it too little for each parameter."""
    network, theta = real_network(1, hidden)
    model, watched = metric_model(1), Watched(network)
    least, slow = least * ideal_decrease(model), slow * ideal_decrease(model)
    limits = Limits(gain=gain, steps=60, least=least, slow=slow / network.size, slow_most=1.0, few=few)
    fit = retract(started(watched, theta, model), model, None, limits)
    start = network.values(theta)
    q = np.array([quadratic(model, network.values(t) - start)[0] for t in [*watched.visited, fit.theta]])
    ends = [
        q[step - 1] - q[step] < max(gain * -q[step], least)
        or (step >= few and (q[step - few] - q[step]) / few < slow)
        for step in range(1, len(q))
    ]
    assert len(ends) > 1
    assert ends == [False] * (len(ends) - 1) + [True]


@pytest.mark.parametrize(
    "gains, ended",
    [([4, 1, 1], False), ([3, 1, 1], True), ([1, 1], False), ([1, 1, 9, 1], False), ([0.1], True)],
)
def test_many_parameters_have_to_gain_more(gains: list[float], ended: bool) -> None:
    """Three steps of 200 parameters gain 0.01 for each in the mean, unless the last alone gains too little;
    those of 2000 no more than the most that is asked for; a single parameter hardly anything."""
    limits = Limits(gain=0.0, steps=100, least=0.5, slow=0.01, slow_most=2.0)
    assert limits.ended(gains, 100.0, 200) == limits.ended(gains, 100.0, 2000) == ended
    assert limits.ended(gains, 100.0, 1) == (gains[-1] < 0.5)


@SEEDS
def test_a_retraction_goes_on_from_an_earlier_one(seed: int) -> None:
    """Retracting a fit again never loses: m_k stays, q does not rise, inner steps add up."""
    network, theta = real_network(seed, (6,))
    model = metric_model(seed)
    start, fit = network.values(theta), started(network, theta, model)
    for _ in range(4):
        again = retract(fit, model)
        assert again.q <= fit.q
        assert again.inner_steps > fit.inner_steps
        np.testing.assert_allclose(again.values - again.delta, start, atol=1e-13)
        fit = again


@SEEDS
def test_linear_network_reaches_the_exact_minimiser(seed: int) -> None:
    """For m = Aθ the minimum of q over θ is a linear system; repeated retraction finds it to 1e-8 and one
    retraction, which stops at 1 % of its decrease, to twice that share."""
    rng = np.random.default_rng(seed)
    A, model = rng.standard_normal((NODES, 7)), metric_model(seed)
    network = LinearNetwork(A, A[:, :0], rng.standard_normal(NODES))
    theta = rng.standard_normal(7)
    K = model.inner.apply(np.eye(NODES))
    step = -np.linalg.solve(A.T @ K @ A, A.T @ model.derivative)
    least = quadratic(model, A @ step)[0]
    once = retract(started(network, theta, model), model)
    assert least <= once.q * (1 + 1e-12)
    assert once.q <= (1 - 2 * COARSE.gain) * least
    fit = once
    for _ in range(6):
        fit = retract(fit, model)
    assert fit.q == pytest.approx(least, rel=1e-12)
    np.testing.assert_allclose(fit.theta - theta, step, atol=1e-8 * np.abs(step).max())


def test_orthonormal_linear_network_needs_two_steps() -> None:
    """With AᵀKA = I the first step misses by the damping 1e-3 only and the second gains less than 1 %."""
    model = metric_model(1)
    K = model.inner.apply(np.eye(NODES))
    A = np.linalg.solve(np.linalg.cholesky(K).T, np.eye(NODES)[:, :5])
    network = LinearNetwork(A, A[:, :0], np.zeros(NODES))
    fit = retract(started(network, np.zeros(5), model), model)
    assert fit.inner_steps == 2
    np.testing.assert_allclose(fit.theta, -A.T @ model.derivative, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul")
@pytest.mark.parametrize("network, at, pull", [(Walled(), 0.0, 2.0), (Overflowing(), -0.02, 1000.0)])
def test_values_that_are_not_finite_are_rejected_inner_steps(
    network: Network, at: float, pull: float
) -> None:
    """Values of nan or inf on the way are rejected steps, counted as such; q falls and all that is kept is
    finite."""
    theta = np.full(NODES, at)
    rng = np.random.default_rng(0)
    model = MetricModel(Dense(np.eye(NODES)), -pull * rng.uniform(0.8, 1.2, NODES), 0.0, 1.0)
    first = np.linalg.solve(network.jacobian(theta), -model.derivative)
    assert not np.isfinite(network.values(theta + first)).all()  # the toy does what it is for
    watched = Watched(network)
    fit = retract(started(watched, theta, model), model)
    assert np.isfinite(fit.theta).all() and np.isfinite(fit.values).all()
    assert fit.inner_steps > len(watched.visited)
    assert np.isfinite(fit.q) and fit.q < 0


def test_nothing_to_gain_leaves_the_fit_where_it_is() -> None:
    """With Dᵀr = 0 no step is taken: θ, values and q stay."""
    model = metric_model(2)
    A = np.random.default_rng(2).standard_normal((NODES, 4))
    A -= np.outer(model.derivative, model.derivative @ A) / np.sum(model.derivative**2)
    network = LinearNetwork(A, A[:, :0], np.zeros(NODES))
    fit = retract(started(network, np.zeros(4), model), model)
    assert ideal_decrease(model) > 1.0
    assert abs(fit.q) < 1e-20
    np.testing.assert_allclose(fit.values, 0.0, atol=1e-10)


def test_growth_after_nothing_to_gain_is_not_held_back() -> None:
    """A fit whose network could not move (Dᵀr = 0) and then gets the right neuron follows it at once.

    The rejections of the first retraction must not leave their damping to the second.
    """
    model = metric_model(2)
    gradient = model.inner.riesz(model.derivative)
    A = np.random.default_rng(2).standard_normal((NODES, 4))
    A -= np.outer(gradient, model.derivative @ A) / (model.derivative @ gradient)
    network = LinearNetwork(A, gradient[:, None], np.zeros(NODES))
    stuck = retract(started(network, np.zeros(4), model), model)
    larger, theta = network.grown(stuck.theta, np.array([[0]]))
    grown = Fit(
        larger, theta, stuck.values, stuck.delta, stuck.dual, stuck.q, stuck.inner_steps, stuck.damping
    )
    fit = retract(grown, model)
    assert -fit.q > 0.99 * ideal_decrease(model)
