"""Several networks side by side as one: what the flow relies on."""

import numpy as np
import pytest
from unknown_toys import coordinates, network_at, reference_at

from app.network import Networks, joint_network

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
    assert joint_network([one]) is one


@pytest.mark.parametrize("deep", [False, True])
def test_candidates_of_all_networks_compete(deep: bool) -> None:
    """Each has derivatives by its outgoing weights at its own unknown's nodes only, columns of the larger
    network's Jacobian, whichever networks grow, and in which layers."""
    both = networks()
    theta = parameters(both)
    places = both.places(deep=deep)
    assert [place.unknown for place in places] == ([0] * 5 + [1] * 3 if deep else [0, 1])
    pools = [both.candidates(theta, 6, SCALES, np.random.default_rng(3), place) for place in places]
    larger, more = both, theta
    for pool in pools:
        one, other = pool.tangent[:30], pool.tangent[30:]
        assert not (other if pool.place.unknown == 0 else one).any()
        larger, more = larger.grown(more, pool.incoming, pool.place)
    D = larger.jacobian(more)
    for column in np.hstack([pool.tangent for pool in pools]).T:
        assert np.abs(D - column[:, None]).max(axis=0).min() <= 1e-12 * np.abs(column).max()


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("unknowns", [(0, 1), (0,), (1,)], ids=["both", "one", "other"])
def test_growth_leaves_all_unknowns_as_they_are(unknowns: tuple[int, ...], deep: bool) -> None:
    """m is unchanged to rounding, whichever network grows."""
    both = networks()
    theta = parameters(both)
    larger, more, added = both, theta, 0
    for place in both.places(deep=deep):
        if place.unknown in unknowns:
            pool = both.candidates(theta, 6, SCALES, np.random.default_rng(3), place)
            larger, more = larger.grown(more, pool.incoming, place)
            added += len(pool.incoming)
    np.testing.assert_allclose(larger.values(more), both.values(theta), rtol=0, atol=1e-14)
    assert sum(larger.widths) == sum(both.widths) + added
    assert both.widths == (5, 7) and both.room == 2 * 256 - 7


def test_a_full_network_leaves_the_room_to_the_others() -> None:
    """No places in a network without room; the room of each is that of its own layer."""
    both = networks(max_width=5)
    theta = parameters(both)
    assert both.room == 3
    places = both.places(deep=False)
    pools = [both.candidates(theta, 10, SCALES, np.random.default_rng(3), place) for place in places]
    assert [pool.room for pool in pools] == [2, 1]
    for pool in pools:
        both, theta = both.grown(theta, pool.incoming[: pool.room], pool.place)
    assert [part.room for part in both.parts] == [0, 0] == [both.room] * 2
    half = Networks([network_at(PLACES[0], (5,), max_width=5), network_at(PLACES[1], (4,))])
    assert [place.unknown for place in half.places(deep=False)] == [1]
