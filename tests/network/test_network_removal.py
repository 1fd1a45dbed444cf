"""Removal of neurons: what is left is the function without them."""

import numpy as np
import pytest
from unknown_toys import coordinates, network_at, parameters_of

from app.network import ACTIVATIONS, TRANSFORMS, Networks

HIDDEN = [(7,), (5, 6), (4, 5, 3)]
all_hidden = pytest.mark.parametrize("hidden", HIDDEN, ids=str)


@all_hidden
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_neurons_with_outgoing_weight_zero_leave_no_trace(
    hidden: tuple[int, ...], activation: str, transform: str
) -> None:
    """m is unchanged to 1e-13 relative without them, and so are the other columns of D."""
    network = network_at(coordinates(50), hidden, activation, transform)
    theta = parameters_of(network)
    gone = np.array([0, 2])
    (weights,) = network.outgoing
    theta[weights[gone]] = 0.0
    smaller, fewer = network.without(theta, gone)
    assert smaller.widths == (*hidden[:-1], hidden[-1] - 2) and smaller.size == len(fewer)
    m = network.values(theta)
    np.testing.assert_allclose(smaller.values(fewer), m, rtol=0, atol=1e-13 * np.abs(m).max())
    D, E = network.jacobian(theta), smaller.jacobian(fewer)
    kept = np.delete(weights, gone)
    for old, new in [(kept, smaller.outgoing[0]), (network.offsets, smaller.offsets)]:
        np.testing.assert_allclose(E[:, new], D[:, old], rtol=0, atol=1e-13 * np.abs(D).max())


@all_hidden
def test_removal_takes_growth_back(hidden: tuple[int, ...]) -> None:
    """To the last bit, and the room is there again."""
    network = network_at(coordinates(20), hidden, features="quadratic", max_width=9)
    theta = parameters_of(network)
    rows = network.candidates(theta, 2, (1.0, 9.0), np.random.default_rng(0)).incoming
    larger, more = network.grown(theta, rows)
    same, back = larger.without(more, np.arange(hidden[-1], hidden[-1] + 2))
    np.testing.assert_array_equal(back, theta)
    assert (same.widths, same.room) == (network.widths, network.room)
    np.testing.assert_array_equal(same.values(back), network.values(theta))


def test_outgoing_weights_are_where_m_is_linear() -> None:
    """Without a transform m is affine in them and in the offset: exact by its first derivatives."""
    network = network_at(coordinates(30), (5, 6))
    theta = parameters_of(network)
    linear = np.concatenate([*network.outgoing, network.offsets])
    step = np.zeros(network.size)
    step[linear] = np.random.default_rng(1).standard_normal(len(linear))
    moved = network.values(theta + step) - network.values(theta)
    np.testing.assert_allclose(moved, network.jacobian(theta) @ step, rtol=0, atol=1e-12)


def test_neurons_of_several_networks_are_numbered_through() -> None:
    """The one with the number goes from its own network, the other unknown stays bit for bit."""
    one, other = network_at(coordinates(30), (4,)), network_at(coordinates(20, seed=5), (5, 3), "sine")
    both = Networks([one, other])
    theta = np.concatenate([parameters_of(one), parameters_of(other, 1)])
    smaller, fewer = both.without(theta, np.array([1, 4, 6]))
    assert [part.widths for part in smaller.parts] == [(3,), (5, 1)]
    values = [
        one.without(theta[: one.size], np.array([1])),
        other.without(theta[one.size :], np.array([0, 2])),
    ]
    expected = np.concatenate([network.values(own) for network, own in values])
    np.testing.assert_array_equal(smaller.values(fewer), expected)
    assert [len(group) for group in both.outgoing] == [4, 3] and len(both.offsets) == 2
    D = both.jacobian(theta)
    assert not D[30:, both.outgoing[0]].any() and not D[:30, both.outgoing[1]].any()
    only, _ = both.without(theta, np.array([5]))
    np.testing.assert_array_equal(only.parts[0].widths, one.widths)


@pytest.mark.parametrize("hidden", [(4,), (4, 5)], ids=str)
def test_neurons_of_a_last_block_can_be_removed(hidden: tuple[int, ...]) -> None:
    """A residual block in front of the output: growth is taken back but for one neuron, m stays to 1e-13
    without a neuron of outgoing weight zero, and what passes the block counts among the offsets."""
    network = network_at(coordinates(30), hidden)
    place = next(place for place in network.places(deep=True) if place.inserted)
    theta = parameters_of(network)
    rows = network.candidates(theta, 3, (1.0, 9.0), np.random.default_rng(0), place).incoming[:3]
    deep, more = network.grown(theta, rows, place)
    assert [len(group) for group in deep.outgoing] == [3] and len(deep.offsets) == hidden[-1] + 1
    more[deep.outgoing[0][:2]] = 0.7, -0.4
    smaller, fewer = deep.without(more, np.array([2]))
    assert smaller.widths == (*hidden, 2) and smaller.blocks == deep.blocks
    np.testing.assert_allclose(smaller.values(fewer), deep.values(more), rtol=0, atol=1e-13)
    assert len(deep.without(more, np.array([0, 1]))[1]) == deep.without(more, np.array([0, 1]))[0].size
