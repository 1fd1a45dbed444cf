"""Start, layout, candidates and growth of networks, and the nodal representation."""

import numpy as np
import pytest
from unknown_toys import TORCH_ACTIVATIONS, coordinates, network_at, parameters_of, reference_at

from app.network import ACTIVATIONS, TRANSFORMS, Network

HIDDEN = [(7,), (5, 6), (4, 5, 3)]
SCALES = (1.0, 60.0)
all_hidden = pytest.mark.parametrize("hidden", HIDDEN, ids=str)
all_activations = pytest.mark.parametrize("activation", ACTIVATIONS)
all_transforms = pytest.mark.parametrize("transform", TRANSFORMS)
Shape = tuple[int, ...]


def stream(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


@all_activations
@all_transforms
def test_start_is_the_reference_exactly(activation: str, transform: str) -> None:
    """m = m_ref to the last bit (docs/method.md), so that m − m_ref is zero and not rounding."""
    x = coordinates(200)
    network = network_at(x, (5, 6), activation, transform)
    np.testing.assert_array_equal(network.values(network.start(stream())), reference_at(x))


@all_hidden
@all_transforms
def test_start_has_outgoing_weights_zero_and_follows_its_stream(hidden: Shape, transform: str) -> None:
    """The outgoing weights and their bias are zero, nothing else is; the same stream gives the same θ."""
    network = network_at(coordinates(20), hidden, "tanh", transform)
    theta = network.start(stream())
    assert theta.dtype == np.float64 and theta.shape == (network.size,)
    assert not theta[-1 - hidden[-1] :].any() and theta[: -1 - hidden[-1]].all()
    np.testing.assert_array_equal(network.start(stream()), theta)
    elsewhere = network_at(coordinates(5, seed=9), hidden, "tanh", transform)
    np.testing.assert_array_equal(elsewhere.start(stream()), theta)


@all_hidden
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_layout_of_the_parameters(hidden: Shape, dimension: int) -> None:
    """Layer by layer weights (outputs × inputs, by rows) and biases, then the outgoing weights and one
    bias: the number of them, and the values by NumPy with matrices read from θ in that order."""
    x = coordinates(9, dimension)
    network = network_at(x, hidden)
    inputs = (dimension, *hidden[:-1])
    sizes = [out * (inner + 1) for out, inner in zip(hidden, inputs, strict=True)]
    assert network.size == sum(sizes) + hidden[-1] + 1
    theta = parameters_of(network)
    h, rest = ((x + 1.0) / 2.0 - 1.0).T, theta
    for out, inner in zip(hidden, inputs, strict=True):
        W, b, rest = np.split(rest, [out * inner, out * (inner + 1)])
        h = np.tanh(W.reshape(out, inner) @ h + b[:, None])
    expected = reference_at(x) + rest[:-1] @ h + rest[-1]
    np.testing.assert_allclose(network.values(theta), expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@all_hidden
@all_activations
@all_transforms
def test_growth_keeps_the_coefficient(hidden: Shape, activation: str, transform: str) -> None:
    """m is unchanged to 1e-13 relative, the other columns of D too, and the new outgoing columns
    are the candidates' tangent."""
    network = network_at(coordinates(80), hidden, activation, transform)
    theta = parameters_of(network)
    pool = network.candidates(theta, 30, SCALES, stream())
    assert pool.tangent.shape == (80, 30) and pool.incoming.shape == (30, (2, *hidden)[-2] + 1)
    chosen = [3, 17, 4]
    larger, grown = network.grown(theta, pool.incoming[chosen])
    assert larger.widths == (*hidden[:-1], hidden[-1] + 3) and larger.size == len(grown)
    m, D = network.values(theta), network.jacobian(theta)
    np.testing.assert_allclose(larger.values(grown), m, rtol=0, atol=1e-13 * np.abs(m).max())
    E, new = larger.jacobian(grown), slice(-4, -1)
    np.testing.assert_allclose(E[:, new], pool.tangent[:, chosen], rtol=0, atol=1e-13 * np.abs(E).max())
    inner, deep = (2, *hidden)[-2], network.size - hidden[-1] * ((2, *hidden)[-2] + 2) - 1
    weights = deep + hidden[-1] * inner
    old = np.concatenate(  # where the old parameters are in the new θ
        [
            np.arange(weights),
            weights + 3 * inner + np.arange(hidden[-1]),
            weights + 3 * inner + hidden[-1] + 3 + np.arange(hidden[-1]),
            [larger.size - 1],
        ]
    )
    np.testing.assert_array_equal(grown[old], theta)
    np.testing.assert_allclose(E[:, old], D, rtol=0, atol=1e-13 * np.abs(D).max())
    others = np.setdiff1d(np.arange(larger.size), np.append(old, np.arange(larger.size)[new]))
    assert not E[:, others].any()  # incoming weights do nothing while the outgoing ones are zero


@all_hidden
@all_activations
@all_transforms
def test_candidates_do_not_depend_on_the_nodes_of_a_rank(
    hidden: Shape, activation: str, transform: str
) -> None:
    """The same stream gives the same neurons, bit for bit, whatever nodes a rank has (none included), and
    its rows of the tangent are those of all nodes."""
    x = coordinates(61)
    whole = network_at(x, hidden, activation, transform)
    theta = parameters_of(whole)
    expected = whole.candidates(theta, 50, SCALES, stream())
    for part in [slice(0, 23), slice(23, 61), slice(61, 61)]:
        own = network_at(x[part], hidden, activation, transform).candidates(theta, 50, SCALES, stream())
        np.testing.assert_array_equal(own.incoming, expected.incoming)
        np.testing.assert_allclose(own.tangent, expected.tangent[part], rtol=0, atol=1e-13)


@all_hidden
def test_candidates_are_ridges_at_all_scales(hidden: Shape) -> None:
    """|a| is log-uniform in the scales (its logarithm's mean and range show it, 4000 draws: standard error
    0.019), and every ridge of a first layer crosses the square [−1, 1]²."""
    network = network_at(coordinates(5), hidden)
    rows = network.candidates(parameters_of(network), 4000, SCALES, stream()).incoming
    a, b = rows[:, :-1], rows[:, -1]
    logarithms = np.log(np.linalg.norm(a, axis=1))
    low, high = np.log(SCALES)
    assert logarithms.min() >= low - 1e-12 and logarithms.max() <= high + 1e-12
    assert logarithms.mean() == pytest.approx(0.5 * (low + high), abs=0.1)
    assert logarithms.std() == pytest.approx((high - low) / np.sqrt(12.0), abs=0.05)
    assert np.abs(a.mean(axis=0) / np.linalg.norm(a, axis=1).mean()).max() < 0.05
    if len(hidden) == 1:
        assert np.all(np.abs(b) <= np.abs(a).sum(axis=1) + 1e-12)


def test_room_ends_at_the_largest_width() -> None:
    """The room is what the last layer may still gain; it shrinks with growth and is never negative."""
    network = network_at(coordinates(10), (9, 4), max_width=10)
    assert network.room == 6
    theta = parameters_of(network)
    rows = network.candidates(theta, 6, SCALES, stream()).incoming
    larger, grown = network.grown(theta, rows[:4])
    assert (larger.room, larger.max_width) == (2, 10)
    full, _ = larger.grown(grown, rows[4:])
    assert (full.room, full.widths) == (0, (9, 10))
    assert network_at(coordinates(10), (12,), max_width=10).room == 0


def test_growth_of_nothing_changes_nothing() -> None:
    """No new rows: the same widths and the same θ."""
    network = network_at(coordinates(10), (4,))
    theta = parameters_of(network)
    same, grown = network.grown(theta, np.empty((0, 3)))
    assert same.widths == network.widths
    np.testing.assert_array_equal(grown, theta)


def test_networks_leave_their_parameters_alone() -> None:
    """Nothing writes into a θ that is passed in."""
    network = network_at(coordinates(10), (4, 5))
    theta = parameters_of(network)
    copy = theta.copy()
    network.values(theta), network.jacobian(theta)
    pool = network.candidates(theta, 5, SCALES, stream())
    network.grown(theta, pool.incoming)
    np.testing.assert_array_equal(theta, copy)


def test_every_activation_is_compared_with_torchs() -> None:
    """A new activation needs an independent version in unknown_toys for the comparison to mean something."""
    assert set(ACTIVATIONS) <= set(TORCH_ACTIVATIONS)


def test_unknown_activation_is_refused() -> None:
    """At construction."""
    with pytest.raises(KeyError):
        network_at(coordinates(3), (4,), "softmax")


def test_a_network_keeps_to_its_type() -> None:
    """grown() returns a Network whose candidates and Jacobian work as before."""
    network = network_at(coordinates(12), (3,), "gelu", "bounded")
    theta = parameters_of(network)
    for _ in range(3):
        pool = network.candidates(theta, 4, SCALES, stream())
        network, theta = network.grown(theta, pool.incoming[:2])
        assert isinstance(network, Network)
    assert network.widths == (9,)
    assert network.jacobian(theta).shape == (12, network.size)
