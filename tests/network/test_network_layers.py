"""Networks with residual blocks, and growth in every hidden layer, over activations, features, transforms and
architectures."""

from itertools import product

import numpy as np
import pytest
from unknown_toys import coordinates, network_at, parameters_of, reference_at, transform_of

import app.network.perceptron as implementation
from app.network import ACTIVATIONS, TRANSFORMS, Network
from app.network.features import FEATURES
from app.network.layers import Layers, Place
from app.network.network import DEEPEST

ARCHITECTURES = {
    "one": ((6,), ()),
    "two": ((4, 5), ()),
    "three": ((3, 4, 3), ()),
    "block first": ((3, 5), (0,)),
    "block last": ((5, 3), (1,)),
    "blocks everywhere": ((2, 4, 3, 2), (0, 2, 3)),
    "block between": ((4, 2, 3), (1,)),
}
"""Widths, and which layers are residual blocks."""

SCALES = (1.0, 60.0)

KINDS = list(product(ACTIVATIONS, FEATURES, TRANSFORMS))
all_kinds = pytest.mark.parametrize("kind", KINDS, ids="-".join)
all_architectures = pytest.mark.parametrize("architecture", ARCHITECTURES)
Kind = tuple[str, str, str]


def network_of(architecture: str, kind: Kind, count: int = 40, max_width: int = 256) -> Network:
    (hidden, blocks), (activation, features, transform) = ARCHITECTURES[architecture], kind
    return network_at(coordinates(count), hidden, activation, transform, max_width, features, blocks)


@all_architectures
@all_kinds
def test_jacobian_equals_central_differences(architecture: str, kind: Kind) -> None:
    """D equals (m(θ + h) − m(θ − h)) / 2h to 1e-7 of its largest entry, h = 1e-5."""
    network = network_of(architecture, kind, 15)
    theta, h = parameters_of(network), 1e-5
    steps = h * np.eye(network.size)
    differences = [(network.values(theta + s) - network.values(theta - s)) / (2 * h) for s in steps]
    D = network.jacobian(theta)
    np.testing.assert_allclose(D, np.column_stack(differences), rtol=0, atol=1e-7 * np.abs(D).max())


@all_architectures
@pytest.mark.parametrize("chunk", [7, 40])
def test_jacobian_is_written_in_place(monkeypatch: pytest.MonkeyPatch, architecture: str, chunk: int) -> None:
    """The same numbers in chunks, and in memory that held something else."""
    network = network_of(architecture, ("tanh", "quadratic", "bounded"))
    theta = parameters_of(network)
    expected = network.jacobian(theta)
    monkeypatch.setattr(implementation, "CHUNK", chunk)
    out = np.full(expected.shape, np.nan, order="F")
    found = network.jacobian(theta, out)
    assert np.shares_memory(found, out)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * np.abs(expected).max())


@all_architectures
@all_kinds
def test_layout_of_the_parameters(architecture: str, kind: Kind) -> None:
    """Layer by layer [W, b], then the output's: values by NumPy, where a block's neurons join what its
    inputs were and a dense layer's take their place."""
    (hidden, blocks), (activation, features, transform) = ARCHITECTURES[architecture], kind
    x, network = coordinates(9), network_of(architecture, kind, 9)
    theta = parameters_of(network)
    p = ((x + 1.0) / 2.0 - 1.0).T
    stream = np.vstack([p, p[0] * p[0], p[0] * p[1], p[1] * p[1]]) if features == "quadratic" else p
    rest = theta
    for number, width in enumerate(hidden):
        W, b, rest = np.split(rest, [width * len(stream), width * (len(stream) + 1)])
        z = W.reshape(width, -1) @ stream + b[:, None]
        psi = ACTIVATIONS[activation](implementation.torch.from_numpy(z), None)[0].numpy()
        stream = np.vstack([stream, psi]) if number in blocks else psi
    form = transform_of(transform)
    expected = form.value(form.inverse(reference_at(x)) + rest[:-1] @ stream + rest[-1])
    np.testing.assert_allclose(network.values(theta), expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    np.testing.assert_array_equal(network.values(network.start(np.random.default_rng(0))), reference_at(x))


@all_architectures
@all_kinds
def test_growth_anywhere_keeps_the_coefficient(architecture: str, kind: Kind) -> None:
    """At every place m is unchanged to 1e-13, and so are the columns of D that there were; the candidates'
    tangent are columns of the larger D, and its columns by incoming weights are zero. Each neuron adds the
    parameters it is charged with."""
    network = network_of(architecture, kind)
    theta = parameters_of(network)
    m, D = network.values(theta), network.jacobian(theta)
    size = np.abs(D).max()
    for place in network.places(deep=True):
        pool = network.candidates(theta, 20, SCALES, np.random.default_rng(1), place)
        pool = pool.moved(pool.incoming[[4, 2]])
        larger, grown = network.grown(theta, pool.incoming, place)
        assert larger.size == network.size + 2 * pool.parameters == len(grown)
        np.testing.assert_allclose(larger.values(grown), m, rtol=0, atol=1e-13 * np.abs(m).max())
        E = larger.jacobian(grown)
        old = is_column(D, E, 1e-13 * size)
        new = is_column(pool.tangent, E, 1e-12 * max(size, np.abs(pool.tangent).max()))
        assert old.any(axis=1).all() and new.any(axis=1).all()
        assert np.sum(~E.any(axis=0)) >= 2 * pool.incoming.shape[1]


def is_column(block: np.ndarray, of: np.ndarray, tolerance: float) -> np.ndarray:
    """Which columns of the one equal which of the other, shape (columns, columns)."""
    return np.array([np.abs(of - column[:, None]).max(axis=0) <= tolerance for column in block.T])


@all_architectures
def test_neurons_of_all_places_join_together(architecture: str) -> None:
    """In the order of places m is unchanged to 1e-13, and the tangent of each place, drawn for the network as
    it was, has its columns in the last D."""
    network = network_of(architecture, ("tanh", "quadratic", "identity"))
    theta = parameters_of(network)
    places, rng = network.places(deep=True), np.random.default_rng(2)
    pools = [network.candidates(theta, 30, SCALES, rng, place) for place in places]
    larger, grown = network, theta
    for pool in pools:
        larger, grown = larger.grown(grown, pool.incoming, pool.place)
    m = network.values(theta)
    np.testing.assert_allclose(larger.values(grown), m, rtol=0, atol=1e-13 * np.abs(m).max())
    E = larger.jacobian(grown)
    for pool in pools:
        found = is_column(pool.tangent, E, 1e-12 * np.abs(pool.tangent).max())
        assert found.any(axis=1).all(), pool.place


@all_architectures
@all_kinds
def test_pull_back_is_the_derivative_by_the_rows(architecture: str, kind: Kind) -> None:
    """Of Σ dual · tangent(rows), by central differences with h = 1e-5; ranks' shares add up."""
    network = network_of(architecture, kind, 25)
    theta, rng, h = parameters_of(network), np.random.default_rng(3), 1e-5
    for place in network.places(deep=True):
        pool = network.candidates(theta, 8, (0.5, 2.0), rng, place)
        pool = pool.moved(pool.incoming[:3])
        dual = rng.standard_normal(pool.tangent.shape)
        found = pool.pull_back(dual)
        direction = rng.standard_normal(found.shape)
        up, down = (np.sum(dual * pool.moved(pool.incoming + t * direction).tangent) for t in (h, -h))
        expected = (up - down) / (2 * h)
        assert np.sum(found * direction) == pytest.approx(expected, rel=1e-6, abs=1e-6 * np.abs(found).max())


@all_architectures
@all_kinds
def test_candidates_do_not_depend_on_the_nodes_of_a_rank(architecture: str, kind: Kind) -> None:
    """The same stream gives the same neurons, bit for bit, whatever nodes a rank has, none included; its rows
    of the tangent are those of all nodes, and the shares of the derivative by the rows add up."""
    (hidden, blocks), (activation, features, transform) = ARCHITECTURES[architecture], kind
    x = coordinates(31)
    options = (hidden, activation, transform, 256, features, blocks)
    whole = network_at(x, *options)
    parts = {part: network_at(x[part], *options) for part in (slice(0, 12), slice(12, 31), slice(31, 31))}
    theta = parameters_of(whole)
    for place in whole.places(deep=True):
        expected = whole.candidates(theta, 10, SCALES, np.random.default_rng(4), place)
        dual = np.random.default_rng(5).standard_normal(expected.tangent.shape)
        share = np.zeros(expected.incoming.shape)
        for part, network in parts.items():
            own = network.candidates(theta, 10, SCALES, np.random.default_rng(4), place)
            np.testing.assert_array_equal(own.incoming, expected.incoming)
            size = np.abs(expected.tangent).max()
            np.testing.assert_allclose(own.tangent, expected.tangent[part], rtol=0, atol=1e-13 * size)
            share += own.pull_back(dual[part])
        total = expected.pull_back(dual)
        np.testing.assert_allclose(share, total, rtol=0, atol=1e-12 * np.abs(total).max())


def test_places_go_from_the_last_layer_to_the_first() -> None:
    """Every layer with room, and a new block in front of every dense layer and of the output, one in all
    where the features are seen; not beyond the largest depth."""
    expected = [(3, True), (2, False), (2, True), (1, False), (0, False), (0, True)]
    places = Layers(5, (4, 3, 2), (1,)).places()
    assert [(place.layer, place.inserted) for place in places] == expected
    assert Place(1, inserted=True) not in Layers(5, (4, 3), (0,)).places()
    network = network_at(coordinates(5), (4, 4, 2), max_width=4)
    assert network.places(deep=False) == [Place(2)]
    assert [place for place in network.places(deep=True) if not place.inserted] == [Place(2)]
    deepest = network_at(coordinates(5), (2,) * DEEPEST)
    assert not any(place.inserted for place in deepest.places(deep=True))


def test_a_network_keeps_growing() -> None:
    """From one neuron, at a place drawn at random each time: m stays, and the widths add up."""
    rng = np.random.default_rng(6)
    network = network_at(coordinates(20), (1,), features="quadratic")
    theta = parameters_of(network)
    m = network.values(theta)
    for _ in range(30):
        places = network.places(deep=True)
        place = places[rng.integers(len(places))]
        pool = network.candidates(theta, 4, SCALES, rng, place)
        width = sum(network.widths)
        network, theta = network.grown(theta, pool.incoming[:1], place)
        assert sum(network.widths) == width + 1 and len(network.widths) <= DEEPEST
    np.testing.assert_allclose(network.values(theta), m, rtol=0, atol=1e-13 * np.abs(m).max())
