"""Neurons with several outgoing weights, and the ascent of their gain, against dense algebra."""

import numpy as np
import pytest
from flow_toys import Dense, spd
from test_expansion import SCALES, decrease, kept

from app.flow.expansion import STRATEGIES, GainExpansion
from app.flow.matrix import FlowMatrix
from app.flow.polishing import polished
from app.flow.pool import Neurons, greedy, outside_tangent
from app.method import GrowthMethod
from app.network import Candidates, Identity, Network, Nodes

ARCHITECTURES = {"one": ((5,), ()), "two": ((4, 3), ()), "blocks": ((2, 4, 3), (0, 2))}
"""Widths, and which layers are residual blocks."""

ACCURACY = 1e-5
"""See test_expansion: G⁺ inverts eigenvalues down to 1e-10 of the largest."""

all_architectures = pytest.mark.parametrize("architecture", ARCHITECTURES)
NODES = 150


class Scene:
    """A network in the plane in general position, K, a dual, and a pool of each place."""

    def __init__(
        self, architecture: str, features: str = "quadratic", order: np.ndarray | None = None
    ) -> None:
        rng = np.random.default_rng(0)
        hidden, blocks = ARCHITECTURES[architecture]
        x, order = rng.uniform(0.0, 2.0, (NODES, 2)), np.arange(NODES) if order is None else order
        nodes = Nodes.of(x[order], (np.zeros(2), np.full(2, 2.0)), np.sin(x[order, 0]), Identity())
        self.network = Network(hidden, nodes, features=features, blocks=blocks)
        self.theta = self.network.start(rng) + 0.3 * rng.standard_normal(self.network.size)
        self.K = spd(rng, NODES)[np.ix_(order, order)]
        self.dual = rng.standard_normal(NODES)[order]
        self.D = self.network.jacobian(self.theta)
        self.G = FlowMatrix(self.D, Dense(self.K))
        places = self.network.places(deep=True)
        self.pools = [self.network.candidates(self.theta, 24, SCALES, rng, place) for place in places]

    def gains(self, pool: Candidates) -> np.ndarray:
        """By the program."""
        return Neurons.of([pool]).gains(*outside_tangent(self.G, pool.tangent, self.dual))

    def dense(self, pool: Candidates) -> np.ndarray:
        """By dense least squares: what q falls by over span[D, columns of one neuron] and not over span D,
        without the directions that are in span D but for a share of 1e-8 of their square norm."""
        V, L = kept(self.D, self.K), np.linalg.cholesky(self.K)
        ideal, found = np.linalg.solve(L, self.dual), []
        for block in np.split(pool.tangent, len(pool.incoming), axis=1):
            block = block / np.sqrt(np.sum(block * (self.K @ block), axis=0))
            left, values, _ = np.linalg.svd(L.T @ (block - V @ (V.T @ self.K @ block)), full_matrices=False)
            found.append(0.5 * np.sum((left[:, values > GrowthMethod().dependent ** 0.5].T @ ideal) ** 2))
        return np.array(found)


@all_architectures
def test_gain_of_a_block_is_what_the_projected_quadratic_falls_by(architecture: str) -> None:
    """½sᵀH⁺s of a neuron with several outgoing weights, at every place."""
    scene = Scene(architecture)
    for pool in scene.pools:
        expected = scene.dense(pool)
        np.testing.assert_allclose(scene.gains(pool), expected, rtol=0, atol=ACCURACY * expected.max())


@all_architectures
def test_greedy_gains_of_blocks_add_up(architecture: str) -> None:
    """The gains of neurons of all places, one after the other, sum to ½sᵀH⁺s of all their columns; each is
    charged with its parameters, and no place takes more than it has room for."""
    scene = Scene(architecture)
    neurons = Neurons.of(scene.pools)
    s, H, norms = outside_tangent(scene.G, np.hstack([pool.tangent for pool in scene.pools]), scene.dual)
    chosen, gains = greedy(s, H, norms, np.inf, 4, neurons=neurons)
    own = np.concatenate([neurons.of_neuron(index) for index in chosen])
    part = H[np.ix_(own, own)]
    assert len(set(chosen)) == 4
    assert gains.sum() == pytest.approx(0.5 * s[own] @ np.linalg.solve(part, s[own]), rel=1e-4)
    alone = neurons.gains(s, H, norms) / neurons.cost
    assert alone[chosen[0]] == pytest.approx(alone.max(), rel=1e-5)
    narrow = Neurons(neurons.columns, neurons.places, np.ones_like(neurons.room), neurons.cost)
    places = neurons.places[greedy(s, H, norms, np.inf, 8, neurons=narrow)[0]]
    assert len(set(places)) == len(places) == min(8, len(scene.pools))


def test_a_neuron_is_charged_with_its_parameters() -> None:
    """Of two neurons that gain as much the cheaper one is chosen, of a dearer one that gains more in
    proportion the dearer one."""
    columns = [np.array([[0, 1]]), np.array([[2]])]
    for share, expected in [(1.0, 1), (1.9, 1), (2.1, 0)]:
        neurons = Neurons(columns, np.array([0, 1]), np.array([9, 9]), np.array([2.0, 1.0]))
        s = np.array([np.sqrt(share), np.sqrt(share), np.sqrt(2.0)])
        assert greedy(s, np.eye(3), np.ones(3), np.inf, 1, neurons=neurons)[0] == [expected]


@all_architectures
@pytest.mark.parametrize("features", ["linear", "quadratic"])
def test_polishing_never_lowers_a_gain(architecture: str, features: str) -> None:
    """Of any candidate at any place, whatever the number of steps; ten raise half of them or more."""
    scene = Scene(architecture, features)
    for pool in scene.pools:
        before = scene.gains(pool)
        for steps in (1, 10):
            after = scene.gains(polished(scene.G, pool, scene.dual, steps))
            assert np.all(after >= before * (1 - 1e-6))
        assert np.mean(after > 1.01 * before) >= 0.5
        np.testing.assert_array_equal(polished(scene.G, pool, scene.dual, 0).incoming, pool.incoming)


@all_architectures
def test_polishing_follows_the_slope_of_the_gain(architecture: str) -> None:
    """The first step goes along the derivative of the gain by the rows: by central differences."""
    scene = Scene(architecture)
    for pool in scene.pools:
        pool = pool.moved(np.clip(pool.incoming[:2], -3.0, 3.0))
        moved = polished(scene.G, pool, scene.dual, 1).incoming - pool.incoming
        for index, direction in enumerate(moved):
            if not direction.any():
                continue
            slopes = []
            for entry in np.eye(len(direction)):
                h = 1e-3 * np.outer(np.arange(2) == index, entry)
                up, down = (scene.gains(pool.moved(pool.incoming + sign * h))[index] for sign in (1, -1))
                slopes.append((up - down) / 2e-3)
            slope, length = np.array(slopes), np.linalg.norm(direction)
            assert slope @ direction == pytest.approx(np.linalg.norm(slope) * length, rel=1e-4)


@all_architectures
def test_growth_does_not_depend_on_the_order_of_summation(architecture: str) -> None:
    """With the nodes in another order, as another number of ranks would sum them, deep and polished growth
    is the same to 1e-5 of the steepest row (see ACCURACY)."""
    order = np.random.default_rng(1).permutation(NODES)
    found = []
    for scene in (Scene(architecture), Scene(architecture, order=order)):
        strategy = GainExpansion(candidates=90, scales=SCALES, most=3, deep=True, polish=5)
        given = (scene.network, scene.theta, scene.G, scene.dual, np.inf)
        found.append(strategy.choose(*given, np.random.default_rng(2)))
    assert len(found[0]) == len(found[1]) > 1
    for one, other in zip(*found, strict=True):
        assert [place for place, _ in one.joining] == [place for place, _ in other.joining]
        for (_, rows), (_, same) in zip(one.joining, other.joining, strict=True):
            np.testing.assert_allclose(rows, same, rtol=0, atol=ACCURACY * np.abs(rows).max())


@pytest.mark.parametrize("name", STRATEGIES)
@all_architectures
def test_proposals_keep_the_coefficient_and_promise_what_they_gain(name: str, architecture: str) -> None:
    """m stays to 1e-13 whichever proposal joins, which adds the parameters it says (and weights between
    neurons of several places), and the larger network's tangent space holds what it promises at least."""
    scene = Scene(architecture)
    strategy = STRATEGIES[name](candidates=90, scales=SCALES, most=3, deep=True, polish=3)
    given = (scene.network, scene.theta, scene.G, scene.dual, np.inf)
    proposals = strategy.choose(*given, np.random.default_rng(3))
    m = scene.network.values(scene.theta)
    before = decrease(scene.D, scene.K, scene.dual)
    for growth in proposals:
        larger, theta = growth.join(scene.network, scene.theta)
        between = larger.size - scene.network.size - growth.parameters
        assert between == 0 if len(growth.joining) == 1 else between >= 0
        np.testing.assert_allclose(larger.values(theta), m, rtol=0, atol=1e-13 * np.abs(m).max())
        after = decrease(larger.jacobian(theta), scene.K, scene.dual, 1e-7)
        assert after - before >= growth.gains.sum() * (1 - 1e-3)
