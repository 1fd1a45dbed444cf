"""Pruning: removed neurons change the coefficient by as little as least squares allows, and by no more than
is said."""

from dataclasses import replace

import numpy as np
import pytest
from flow_toys import Dense, LinearNetwork, growing, h1_on_interval, network_on_interval, spd
from run_toys import network_way

from app.flow.models import MetricModel, Model
from app.flow.protocols import Network as AnyNetwork
from app.flow.pruning import eliminated, pruned, refitted
from app.flow.retraction import Fit, quadratic, start_fit
from app.flow.steps import Base, Proposal
from app.network import ACTIVATIONS, TRANSFORMS, Bounded, Identity, Network, Networks, Nodes

NODES = 60
ANY = 1e300
"""A bound that does not bind."""

FORMS = {"identity": Identity(), "bounded": Bounded(-3.0, 4.0)}
all_activations = pytest.mark.parametrize("activation", ACTIVATIONS)
all_transforms = pytest.mark.parametrize("transform", TRANSFORMS)


def network(activation: str = "tanh", transform: str = "identity", hidden: tuple[int, ...] = (6,)) -> Network:
    """At equidistant nodes of [0, 1], reference 0.3."""
    x, form = np.linspace(0.0, 1.0, NODES)[:, None], FORMS[transform]
    nodes = Nodes.of(x, (np.zeros(1), np.ones(1)), np.full(NODES, 0.3), form)
    return Network(hidden, nodes, activation, form)


def parameters(network: AnyNetwork, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return network.start(rng) + 0.7 * rng.standard_normal(network.size)


def model(seed: int = 0, size: int = NODES) -> Model:
    """Any derivative; K of H1."""
    rng = np.random.default_rng(seed)
    return MetricModel(Dense(h1_on_interval(size)), rng.standard_normal(size), 0.0, 1.0)


def fit_at(network: AnyNetwork, theta: np.ndarray, model: Model) -> Fit:
    """At parameters that are some way from m_k."""
    values = network.values(theta)
    fit = start_fit(network, theta, values, model)
    delta = 0.1 * np.sin(np.arange(len(values)))
    q, dual = quadratic(model, delta)
    return replace(fit, delta=delta, q=q, dual=dual)


def distance(K: Model, one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt((one - other) @ K.inner.apply(one - other)))


def doubled(network: AnyNetwork, theta: np.ndarray, rows: np.ndarray) -> tuple[AnyNetwork, np.ndarray]:
    """The network with these incoming rows and weights other than zero for them."""
    larger, more = network.grown(theta, rows)
    groups = larger.outgoing
    more[groups[0][-len(rows) :]] = np.linspace(0.4, -0.7, len(rows))
    return larger, more


def test_every_transform_is_tried() -> None:
    """A new one needs its arguments here."""
    assert set(FORMS) == set(TRANSFORMS)


@all_activations
@pytest.mark.parametrize("hidden", [(5,), (4, 5)], ids=str)
def test_a_copy_of_a_neuron_goes_and_nothing_changes(activation: str, hidden: tuple[int, ...]) -> None:
    """Exact copies are removed and m stays to 1e-12 relative: their weights are added up."""
    one = network(activation, hidden=hidden)
    theta = parameters(one)
    last = one.size - 2 * hidden[-1] - 1
    inner = (1, *hidden)[-2]
    W = theta[last - hidden[-1] * inner : last].reshape(hidden[-1], inner)
    rows = np.hstack([W, theta[last : last + hidden[-1], None]])[[1, 3, 1]]
    larger, more = doubled(one, theta, rows)
    K = model()
    start = fit_at(larger, more, K)
    fewer = pruned(start, K, 3e-6, ANY)  # not far above what the ridge makes of nothing
    assert fewer.network.widths == one.widths
    scale = np.abs(more[larger.outgoing[0]]).max() + np.abs(start.values).max()
    np.testing.assert_allclose(fewer.values, start.values, rtol=0, atol=1e-12 * scale)


@all_activations
@all_transforms
@pytest.mark.parametrize("tolerance", [1e-6, 1e-3, 1e-1])
def test_the_coefficient_changes_within_the_tolerance(
    activation: str, transform: str, tolerance: float
) -> None:
    """In the norm of K and as the network with the fewer neurons says itself; all that a fit knows is that
    of the network it has."""
    one = network(activation, transform, (14,))
    theta = parameters(one)
    K = model()
    start = fit_at(one, theta, K)
    change = tolerance * distance(K, start.values, np.full(NODES, 0.3))
    fewer = pruned(start, K, change, ANY)
    assert distance(K, fewer.values, start.values) <= change
    assert fewer.network.widths <= one.widths and len(fewer.theta) == fewer.network.size
    np.testing.assert_array_equal(fewer.values, fewer.network.values(fewer.theta))
    q, dual = quadratic(K, start.delta + fewer.values - start.values)
    assert fewer.q == pytest.approx(q, rel=1e-12)
    np.testing.assert_allclose(fewer.dual, dual, rtol=0, atol=1e-12 * np.abs(dual).max())
    if tolerance == 1e-1:
        assert fewer.network.widths < one.widths


def test_the_model_rises_by_no_more_than_is_allowed() -> None:
    """Whatever the change: q(after) − q(before) is bounded by the loss."""
    one = network(hidden=(14,))
    K = model(3)
    start = fit_at(one, parameters(one), K)
    widths = []
    for loss in [0.0, 1e-6, 1e-3, 1e0, 1e3]:
        fewer = pruned(start, K, ANY, loss)
        assert fewer.q - start.q <= loss
        widths.append(fewer.network.widths[0])
    assert widths[0] == 14 and widths[-1] < widths[0] and widths == sorted(widths, reverse=True)


def test_nothing_is_removed_where_nothing_may_change() -> None:
    """A change or loss of 0 leaves the fit as it is, the same object."""
    one = network()
    start = fit_at(one, parameters(one), model())
    assert pruned(start, model(), 0.0, ANY) is start and pruned(start, model(), ANY, 0.0) is start


@pytest.mark.parametrize("seed", range(4))
def test_costs_are_those_of_least_squares(seed: int) -> None:
    """The first cost is the least over all neurons of min ‖ΨΔ‖²_K with Δⱼ = −cⱼ; the costs so far add up to
    the square change after the weights are fitted anew; both by dense least squares."""
    rng = np.random.default_rng(seed)
    psi, K, c = rng.standard_normal((30, 8)), spd(rng, 30), rng.standard_normal(8)
    L = np.linalg.cholesky(K).T @ psi
    order, costs = eliminated(psi.T @ K @ psi, c, [7])

    def least(removed: list[int]) -> float:
        kept = np.setdiff1d(np.arange(8), removed)
        target = L[:, removed] @ c[removed]
        solution, *_ = np.linalg.lstsq(L[:, kept], target, rcond=None)
        return float(np.sum((target - L[:, kept] @ solution) ** 2))

    assert len(order) == 6 and 7 not in order
    assert costs[0] == pytest.approx(min(least([j]) for j in range(7)), rel=1e-9)
    for count in range(1, 7):
        assert sum(costs[:count]) == pytest.approx(least(order[:count]), rel=1e-9)
        moved = refitted(psi.T @ K @ psi, c, order[:count]) - c
        assert float(np.sum((L @ moved) ** 2)) == pytest.approx(least(order[:count]), rel=1e-9)
        following = [j for j in range(7) if j not in order[:count]]
        if count < 6:
            best = min(least([*order[:count], j]) for j in following)
            assert sum(costs[: count + 1]) == pytest.approx(best, rel=1e-9)


def test_one_neuron_of_each_network_stays() -> None:
    """However much may change; neurons of several unknowns compete."""
    both = Networks([network(hidden=(5,)), network("sine", "bounded", (3, 4))])
    K = model(size=2 * NODES)
    start = fit_at(both, parameters(both), K)
    fewer = pruned(start, K, ANY, ANY)
    assert isinstance(fewer.network, Networks)
    assert [part.widths for part in fewer.network.parts] == [(1,), (3, 1)]
    assert len(fewer.theta) == fewer.network.size


def proposed(
    name: str, network: AnyNetwork, theta: np.ndarray, K: Model, prune: float, closely: bool
) -> Proposal:
    """By a step that does not grow."""
    way = network_way(name, network, theta, growing(5, (1.0, 9.0), rounds=0, prune=prune))
    state = way.step.following_closely(way.start, way.state) if closely else way.state
    return way.step.propose(Base(way.start, way.start.values(), state), K, 1.0)


def test_a_step_proposes_the_smaller_network() -> None:
    """With columns that are given twice: the proposal has them once, says so and predicts what its own
    values mean to the model; should it be rejected, the next one starts from all of them."""
    x = np.linspace(0.0, 1.0, NODES)
    waves = np.cos(np.pi * np.outer(x, np.arange(5)))
    twice = LinearNetwork(np.hstack([waves, waves]), waves, np.zeros(NODES))
    theta, K = np.random.default_rng(0).standard_normal(10), model(1)
    proposal = proposed("retracted", twice, theta, K, 1e-6, closely=True)
    assert (proposal.pruned, proposal.representation.widths) == (5, (5,))
    q, _ = quadratic(K, proposal.values - twice.values(theta))
    assert proposal.predicted == pytest.approx(-q, rel=1e-9)
    np.testing.assert_array_equal(proposal.representation.values(), proposal.values)
    assert proposal.base.representation.network is twice


@pytest.mark.parametrize(
    ("name", "prune", "closely"), [("retracted", 0, True), ("retracted", 0.1, False), ("plain", 0.1, True)]
)
def test_nothing_is_pruned_unless_asked_for(name: str, prune: float, closely: bool) -> None:
    """Without `prune`, for models that hold nearby only, and by plain steps: copies are kept."""
    one = network_on_interval(NODES, (3,))
    larger, theta = doubled(one, parameters(one), np.array([[2.0, 0.3], [2.0, 0.3]]))
    proposal = proposed(name, larger, theta, model(), prune, closely=closely)
    assert proposal.pruned == 0 and proposal.representation.network is larger
