"""Expansion: the gain of new neurons against dense least squares, their greedy choice, and what growth
keeps."""

import numpy as np
import pytest
from flow_toys import Dense, LinearNetwork, h1_on_interval, network_on_interval, rank_deficient, spd
from hypothesis import given, settings
from hypothesis import strategies as st

from app.flow.expansion import STRATEGIES, GainExpansion
from app.flow.matrix import FlowMatrix
from app.flow.pool import greedy, outside_tangent
from app.method import FlowMatrixMethod, GrowthMethod
from app.network import Identity, Network, Nodes

SCALES = (1.0, 60.0)
CUT, FEWEST, MOST = FlowMatrixMethod().cut, GrowthMethod().fewest, GainExpansion.most


def decrease(basis: np.ndarray, K: np.ndarray, dual: np.ndarray, cut: float = np.sqrt(CUT)) -> float:
    """Largest decrease of dualᵀδ + ½δᵀKδ over δ in the range of `basis`: ½‖P L⁻¹ dual‖² with K = LLᵀ and P
    the projection on range Lᵀ basis, by an SVD that drops singular values below `cut`."""
    L = np.linalg.cholesky(K)
    left, s, _ = np.linalg.svd(L.T @ basis, full_matrices=False)
    left = left[:, s > cut * s[0]]
    return 0.5 * float(np.sum((left.T @ np.linalg.solve(L, dual)) ** 2))


def kept(D: np.ndarray, K: np.ndarray) -> np.ndarray:
    """A K-orthonormal basis of the directions of range D that G⁺ keeps, the columns scaled to unit norm."""
    L = np.linalg.cholesky(K)
    columns = L.T @ D
    norms = np.linalg.norm(columns, axis=0)
    left, s, _ = np.linalg.svd(columns / np.where(norms > 0, norms, 1.0), full_matrices=False)
    return np.linalg.solve(L.T, left[:, s**2 > CUT * s[0] ** 2])


KINDS = ["linear", "low_rank", "start", "interval", "plane"]
"""Linear toys of full and of low rank, a network at its start (where D is rank-deficient), one in general
position, and one of two layers in the plane."""

ACCURACY = {"interval": 1e-5, "plane": 1e-5}
"""Relative; 1e-8 for the others. G⁺ inverts eigenvalues down to 1e-10 of the largest, which rounding (1e-16
of the largest) leaves good to 1e-6 only; Jacobians in general position have such eigenvalues."""


class Scene:
    """A network somewhere in a run, a model's r and K, a step δ and candidates."""

    def __init__(self, kind: str, at_rest: bool, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.accuracy = ACCURACY.get(kind, 1e-8)
        self.network: Network | LinearNetwork
        if kind in ("linear", "low_rank"):
            A = rank_deficient(rng, 50, 9, 9 if kind == "linear" else 5)
            self.network, K = LinearNetwork(A, rng.standard_normal((50, 40)), np.zeros(50)), spd(rng, 50)
        elif kind == "plane":
            x = rng.uniform(0.0, 2.0, (120, 2))
            nodes = Nodes.of(x, (np.zeros(2), np.full(2, 2.0)), np.sin(x[:, 0]), Identity())
            self.network, K = Network((5, 6), nodes), spd(rng, 120)
        else:
            self.network, K = network_on_interval(60, (5,)), h1_on_interval(60)
        self.theta = 0.3 * rng.standard_normal(self.network.size)
        if isinstance(self.network, Network):
            self.theta = self.network.start(rng) + (0.0 if kind == "start" else self.theta)
        self.inner = Dense(K)
        self.D = self.network.jacobian(self.theta)
        self.r = rng.standard_normal(len(K))
        if kind == "interval":  # as readings that average over a tenth of the interval leave it
            distance = np.subtract.outer(np.linspace(0, 1, 60), np.linspace(0, 1, 12))
            self.r = np.exp(-0.5 * (distance / 0.05) ** 2) @ rng.standard_normal(12)
        delta = np.zeros(len(K)) if at_rest else 0.1 * K[:, rng.integers(len(K))] / np.abs(K).max()
        self.dual = self.r + K @ delta
        self.G = FlowMatrix(self.D, self.inner)
        self.pool = self.network.candidates(self.theta, 60, SCALES, rng)


all_kinds = pytest.mark.parametrize("kind", KINDS)
networks = pytest.mark.parametrize("kind", KINDS[2:])
at_and_off_rest = pytest.mark.parametrize("at_rest", [True, False], ids=["at delta 0", "at delta != 0"])


@all_kinds
@at_and_off_rest
def test_outside_tangent_is_the_projected_block(kind: str, at_rest: bool) -> None:
    """s = Ψ⊥ᵀ(r + Kδ) and H = Ψ⊥ᵀKΨ⊥ with Ψ⊥ = Ψ − DG⁺DᵀKΨ formed densely; the norms are those of Ψ."""
    scene = Scene(kind, at_rest)
    K, Psi = scene.inner.matrix, scene.pool.tangent
    s, H, norms = outside_tangent(scene.G, Psi, scene.dual)
    V = kept(scene.D, K)
    outside = Psi - V @ (V.T @ K @ Psi)
    np.testing.assert_allclose(s, outside.T @ scene.dual, rtol=0, atol=scene.accuracy * np.abs(s).max())
    np.testing.assert_allclose(H, outside.T @ K @ outside, rtol=0, atol=scene.accuracy * np.abs(H).max())
    np.testing.assert_allclose(norms, np.diag(Psi.T @ K @ Psi), rtol=1e-12)
    assert np.array_equal(H, H.T)


@all_kinds
@at_and_off_rest
@pytest.mark.parametrize("count", [1, 2, 7])
def test_gain_is_exactly_what_the_best_tangent_step_improves_by(kind: str, at_rest: bool, count: int) -> None:
    """The best tangent step with the chosen block is better than without by ½sᵀH⁺s, and that is the sum of
    the greedy gains: to 1e-8 (see ACCURACY) against dense least squares of q over span[D, chosen]."""
    scene = Scene(kind, at_rest)
    K = scene.inner.matrix
    s, H, norms = outside_tangent(scene.G, scene.pool.tangent, scene.dual)
    chosen, gains = greedy(s, H, norms, np.inf, count)
    assert len(chosen) == count
    V = kept(scene.D, K)
    without = decrease(V, K, scene.dual)
    block = scene.pool.tangent[:, chosen]
    block = block - V @ (V.T @ K @ block)
    block /= np.sqrt(np.sum(block * (K @ block), axis=0))
    better = decrease(np.hstack([V, block]), K, scene.dual, 1e-9) - without
    at = np.ix_(chosen, chosen)
    formula = 0.5 * s[chosen] @ np.linalg.pinv(H[at], rcond=1e-12, hermitian=True) @ s[chosen]
    assert formula == pytest.approx(better, rel=scene.accuracy)
    assert np.sum(gains) == pytest.approx(better, rel=scene.accuracy)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 15), rank=st.integers(1, 15))
def test_greedy_gains_add_up(seed: int, size: int, rank: int) -> None:
    """The gains sum to ½sᵀH⁺s of the chosen, each is the best there was, and none is chosen twice."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((min(rank, size), size))
    H, s = factor.T @ factor, factor.T @ rng.standard_normal(min(rank, size))
    chosen, gains = greedy(s, H, np.diag(H).copy(), np.inf, size)
    assert len(set(chosen)) == len(chosen) <= min(rank, size)
    part = H[np.ix_(chosen, chosen)]
    assert gains.sum() == pytest.approx(0.5 * s[chosen] @ np.linalg.solve(part, s[chosen]), rel=1e-6)
    assert gains[0] == pytest.approx(np.max(0.5 * s**2 / np.diag(H)), rel=1e-5)
    assert np.all(gains > 0)


def test_greedy_chooses_by_what_is_left() -> None:
    """A candidate parallel to a better one is worth nothing after it: the second choice is the orthogonal
    one.

    ψ = (1,0), (1, 0.01), (0,1) and r = (−1, −0.1) in the plane: scores ½(1, ≈1, 0.01); after the first the
    second has the same remainder as the third, and ties go to the lowest index.
    """
    Psi = np.array([[1.0, 1.0, 0.0], [0.0, 0.01, 1.0]])
    r = np.array([-1.0, -0.1])
    chosen, gains = greedy(Psi.T @ r, Psi.T @ Psi, np.diag(Psi.T @ Psi).copy(), np.inf, 3)
    assert chosen == [1, 0] and gains.sum() == pytest.approx(0.5 * 1.01)
    Psi[1, 1] = 0.0
    chosen, _ = greedy(Psi.T @ r, Psi.T @ Psi, np.diag(Psi.T @ Psi).copy(), np.inf, 3)
    assert chosen == [0, 2]


@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_ties_go_to_the_lowest_index(noise: float) -> None:
    """Scores that agree to six digits count as equal, so that rounding on other rank counts changes no
    choice."""
    s = np.array([1.0, 2.0, 2.0 * (1 + noise), 2.0 * (1 + 2 * noise), 0.5])
    chosen, _ = greedy(s, np.eye(5), np.ones(5), np.inf, 4)
    assert chosen == [1, 2, 3, 0]


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e30])
def test_rounding_of_scores_is_relative(scale: float) -> None:
    """Scores that differ in the fifth digit are told apart at every magnitude."""
    s = np.sqrt(scale) * np.array([1.0, np.sqrt(1.0 + 4e-5), 1.0])
    assert greedy(s, np.eye(3), np.ones(3), np.inf, 1)[0] == [1]


def test_limit_and_wanted_are_respected() -> None:
    """As many as the wanted decrease asks for, at least FEWEST and at most the limit; never for no gain."""
    s, H, norms = np.full(30, np.sqrt(2.0)), np.eye(30), np.ones(30)
    assert (FEWEST, MOST) == (2, 24)  # docs/method.md: as many as the missing decrease asks for (2 to 24)
    for wanted, limit, expected in [(0.1, 24, 2), (2.0, 24, 2), (2.5, 24, 3), (100.0, 24, 24), (9.0, 4, 4)]:
        assert len(greedy(s, H, norms, wanted, limit)[0]) == expected
    assert greedy(s, H, norms, 9.0, 1)[0] == [0]
    assert greedy(s, H, norms, 9.0, 0)[0] == []
    assert greedy(np.zeros(30), H, norms, 9.0, 24)[0] == []


def test_greedy_leaves_its_arguments_alone() -> None:
    """s and H are the caller's."""
    s, H = np.array([1.0, 2.0]), np.array([[2.0, 0.5], [0.5, 1.0]])
    greedy(s, H, np.diag(H).copy(), np.inf, 2)
    assert s.tolist() == [1.0, 2.0] and H.tolist() == [[2.0, 0.5], [0.5, 1.0]]


@networks
@pytest.mark.parametrize("seed", range(5))
def test_copies_of_existing_neurons_are_never_chosen(kind: str, seed: int) -> None:
    """A candidate that is a neuron of the network already lies in its tangent space and is left out,
    whatever it promises by rounding."""
    scene = Scene(kind, at_rest=False, seed=seed)
    copies = scene.D[:, -1 - scene.network.widths[-1] : -1]
    block = np.hstack([copies, scene.pool.tangent[:, :3]])
    s, H, norms = outside_tangent(scene.G, block, scene.dual)
    chosen, _ = greedy(s, H, norms, np.inf, block.shape[1])
    assert min(chosen) >= copies.shape[1]


@all_kinds
def test_a_candidate_twice_in_the_pool_is_chosen_once(kind: str) -> None:
    """After a candidate is in, its copy lies in the tangent space."""
    scene = Scene(kind, at_rest=True)
    block = np.hstack([scene.pool.tangent[:, :4]] * 2)
    s, H, norms = outside_tangent(scene.G, block, scene.dual)
    chosen, _ = greedy(s, H, norms, np.inf, 8)
    assert sorted(chosen) == [0, 1, 2, 3]


@networks
@pytest.mark.parametrize("seed", range(10))
def test_choice_does_not_depend_on_the_order_of_summation(kind: str, seed: int) -> None:
    """With the nodes in another order, as another number of ranks would sum them, the same neurons are
    chosen in the same order, also when little is left to gain."""
    scene = Scene(kind, at_rest=False, seed=seed)
    order = np.random.default_rng(1).permutation(len(scene.r))
    shuffled = FlowMatrix(np.asfortranarray(scene.D[order]), Dense(scene.inner.matrix[np.ix_(order, order)]))
    choices = [
        greedy(
            *outside_tangent(G, np.asfortranarray(scene.pool.tangent[rows]), scene.dual[rows]), np.inf, MOST
        )
        for G, rows in [(scene.G, np.arange(len(order))), (shuffled, order)]
    ]
    assert len(choices[0][0]) == MOST
    assert choices[0][0] == choices[1][0]


@all_kinds
@pytest.mark.parametrize("seed", range(10))
def test_gains_do_not_exceed_what_is_missing(kind: str, seed: int) -> None:
    """No block gains more than the ideal decrease ½ dualᵀK⁻¹dual less what the tangent space holds
    already."""
    scene = Scene(kind, at_rest=False, seed=seed)
    _, gains = greedy(*outside_tangent(scene.G, scene.pool.tangent, scene.dual), np.inf, MOST)
    ideal = 0.5 * float(scene.dual @ scene.inner.riesz(scene.dual))
    missing = ideal - decrease(scene.D, scene.inner.matrix, scene.dual)
    assert np.sum(gains) <= missing * (1 + 1e-6)


def alignment(D: np.ndarray, K: Dense, r: np.ndarray) -> float:
    return FlowMatrix(D, K).alignment(r, K.riesz(r))


@pytest.mark.parametrize("name", STRATEGIES)
@all_kinds
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wanted", [0.0, np.inf], ids=["few", "many"])
def test_growth_keeps_the_coefficient_and_does_not_lower_the_alignment(
    name: str, kind: str, seed: int, wanted: float
) -> None:
    """A strategy's neurons leave m as it is to 1e-13 relative, and alignment after ≥ alignment
    before.

    The alignment rises by at most the promised gain over ½rᵀK⁻¹r: G⁺ of the larger network may cut what is
    left of neurons that nearly depend on one another. The loss allowed is rounding's.
    """
    scene = Scene(kind, at_rest=True, seed=seed)
    strategy = STRATEGIES[name](candidates=60, scales=SCALES)
    (grown,) = strategy.choose(
        scene.network, scene.theta, scene.G, scene.dual, wanted, np.random.default_rng(seed)
    )
    ((_, incoming),) = grown.joining
    assert FEWEST <= len(incoming) == len(grown.gains) <= MOST
    larger, theta = grown.join(scene.network, scene.theta)
    before, after = scene.network.values(scene.theta), larger.values(theta)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-13 * np.abs(before).max())
    old = alignment(scene.D, scene.inner, scene.r)
    new = alignment(larger.jacobian(theta), scene.inner, scene.r)
    promised = np.sum(grown.gains) / (0.5 * scene.r @ scene.inner.riesz(scene.r))
    assert old * (1 - scene.accuracy) <= new <= (old + promised) * (1 + scene.accuracy)
    if kind in ("linear", "low_rank"):  # nothing is near the cut
        assert new == pytest.approx(old + promised, rel=1e-8)


@pytest.mark.parametrize("name", STRATEGIES)
def test_growth_stays_within_the_room(name: str) -> None:
    """No strategy chooses more neurons than the network has room for."""
    scene = Scene("interval", at_rest=True)
    narrow = network_on_interval(60, (5,), max_width=8)
    strategy = STRATEGIES[name](candidates=60, scales=SCALES)
    (grown,) = strategy.choose(narrow, scene.theta, scene.G, scene.dual, np.inf, np.random.default_rng(0))
    assert len(grown.gains) == 3


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategies_follow_their_random_stream(name: str) -> None:
    """The same stream gives the same neurons, bit for bit: what makes all ranks choose alike."""
    scene = Scene("plane", at_rest=True)
    strategy = STRATEGIES[name](candidates=60, scales=SCALES)
    given = (scene.network, scene.theta, scene.G, scene.dual, np.inf)
    first, again, other = (strategy.choose(*given, np.random.default_rng(seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first[0].joining[0][1], again[0].joining[0][1])
    assert not np.array_equal(first[0].joining[0][1], other[0].joining[0][1])


@all_kinds
def test_random_expansion_takes_neurons_in_the_order_drawn(kind: str) -> None:
    """Not by gain the first candidates that are independent of the tangent space join, as many as bring the
    gain that is wanted; the gain is that of the block all the same."""
    scene = Scene(kind, at_rest=True)
    K = scene.inner.matrix
    s, H, norms = outside_tangent(scene.G, scene.pool.tangent, scene.dual)
    everything = float(greedy(s, H, norms, np.inf, 60)[1].sum())
    by_gain, _ = greedy(s, H, norms, 0.5 * everything, 60)
    drawn, gains = greedy(s, H, norms, 0.5 * everything, 60, by_gain=False)
    assert drawn == sorted(drawn) and len(by_gain) <= len(drawn)
    assert gains.sum() >= 0.5 * everything
    V, block = kept(scene.D, K), scene.pool.tangent[:, drawn]
    both = np.hstack([V, block - V @ (V.T @ K @ block)])
    norms_K = np.sqrt(np.einsum("ij,ij->j", both, K @ both))
    more = decrease(both / norms_K, K, scene.dual) - decrease(V, K, scene.dual)
    assert gains.sum() == pytest.approx(more, rel=1e-3)
