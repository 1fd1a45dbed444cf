"""Several networks side by side as one: what the flow relies on."""

import numpy as np
import pytest
from unknown_toys import coordinates, network_at, reference_at

from app.unknowns import Networks, together

PLACES = coordinates(30), coordinates(20, seed=5)

SCALES = (1.0, 60.0)


def networks(max_width: int = 256) -> Networks:
    """Two of different depths, features and transforms."""
    one = network_at(PLACES[0], (5, 3), transform="bounded", max_width=max_width)
    other = network_at(PLACES[1], (4,), "sine", features="quadratic", max_width=max_width)
    return Networks([one, other])


def parameters(network: Networks, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return network.start(rng) + 0.3 * rng.standard_normal(network.size)


def test_start_is_every_reference_exactly() -> None:
    """m = m_ref to the last bit."""
    both = networks()
    expected = np.concatenate([reference_at(x) for x in PLACES])
    np.testing.assert_array_equal(both.values(both.start(np.random.default_rng(1))), expected)


def test_each_network_moves_its_own_unknown_alone() -> None:
    """Values, and the Jacobian's blocks, are those of the single networks; all else is zero, also in memory
    that held another Jacobian."""
    both = networks()
    theta = parameters(both)
    one, other = both.parts
    single = [one.jacobian(theta[: one.size]), other.jacobian(theta[one.size :])]
    fresh = both.jacobian(theta)
    used = both.jacobian(theta, np.full(fresh.shape, 7.0, order="F"))
    for D in (fresh, used):
        np.testing.assert_array_equal(D[:30, : one.size], single[0])
        np.testing.assert_array_equal(D[30:, one.size :], single[1])
        assert not D[:30, one.size :].any() and not D[30:, : one.size].any()
    values = [one.values(theta[: one.size]), other.values(theta[one.size :])]
    np.testing.assert_array_equal(both.values(theta), np.concatenate(values))
    assert together([one]) is one


def test_candidates_of_all_networks_compete() -> None:
    """Each has a derivative by its outgoing weight at its own unknown's nodes only, a column of the larger
    network's Jacobian."""
    both = networks()
    theta = parameters(both)
    pool = both.candidates(theta, 12, SCALES, np.random.default_rng(3))
    owner = pool.incoming[:, 0]
    assert sorted(owner) == [0] * 6 + [1] * 6
    assert not pool.tangent[30:, owner == 0].any() and not pool.tangent[:30, owner == 1].any()
    larger, more = both.grown(theta, pool.incoming)
    D = larger.jacobian(more)
    for column in pool.tangent.T:
        assert np.abs(D - column[:, None]).max(axis=0).min() <= 1e-12 * np.abs(column).max()


@pytest.mark.parametrize("rows", [slice(None), slice(6), slice(6, None)], ids=["both", "one", "other"])
def test_growth_leaves_all_unknowns_as_they_are(rows: slice) -> None:
    """m is unchanged to rounding, whichever network grows."""
    both = networks()
    theta = parameters(both)
    incoming = both.candidates(theta, 12, SCALES, np.random.default_rng(3)).incoming[rows]
    larger, more = both.grown(theta, incoming)
    np.testing.assert_allclose(larger.values(more), both.values(theta), rtol=0, atol=1e-14)
    assert sum(larger.widths) == sum(both.widths) + len(incoming)
    assert both.widths == (5, 7) and both.room == 2 * 256 - 7


def test_a_full_network_leaves_the_room_to_the_others() -> None:
    """No candidates of a network without room; neurons beyond a network's room do not join."""
    both = networks(max_width=5)
    theta = parameters(both)
    assert both.room == 3
    pool = both.candidates(theta, 20, SCALES, np.random.default_rng(3))
    both, theta = both.grown(theta, pool.incoming)
    assert [part.room for part in both.parts] == [0, 0] == [both.room] * 2
    half = Networks([network_at(PLACES[0], (5,), max_width=5), network_at(PLACES[1], (4,))])
    pool = half.candidates(half.start(np.random.default_rng(0)), 20, SCALES, np.random.default_rng(3))
    assert len(pool.incoming) == 20 and (pool.incoming[:, 0] == 1).all()
