"""The Jacobian of a network against differences and torch's derivatives, in parts and in chunks."""

import numpy as np
import pytest
import torch
from unknown_toys import coordinates, network_at, parameters_of, reference_at, torch_network, transform_of

import app.network.perceptron as implementation
from app.network import ACTIVATIONS, TRANSFORMS

HIDDEN = [(7,), (5, 6), (4, 5, 3)]
all_hidden = pytest.mark.parametrize("hidden", HIDDEN, ids=str)
all_activations = pytest.mark.parametrize("activation", ACTIVATIONS)
all_transforms = pytest.mark.parametrize("transform", TRANSFORMS)
Shape = tuple[int, ...]


@all_hidden
@all_activations
@all_transforms
def test_jacobian_equals_central_differences(hidden: Shape, activation: str, transform: str) -> None:
    """D θ-column by θ-column equals (m(θ + h) − m(θ − h)) / 2h to 1e-7 of its largest entry.

    h = 1e-5: the error is h²/6 of the third derivative, about 1e-10, and rounding 1e-16/h.
    """
    network = network_at(coordinates(30), hidden, activation, transform)
    theta, h = parameters_of(network), 1e-5
    D = network.jacobian(theta)
    assert D.shape == (30, network.size)
    differences = np.column_stack(
        [
            (network.values(theta + step) - network.values(theta - step)) / (2 * h)
            for step in h * np.eye(network.size)
        ]
    )
    np.testing.assert_allclose(D, differences, rtol=0, atol=1e-7 * np.abs(D).max())


@all_hidden
@all_activations
@all_transforms
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_jacobian_and_values_equal_torchs(
    hidden: Shape, activation: str, transform: str, dimension: int
) -> None:
    """Values and D equal torch.func's vmap(grad) of the same function, written anew, to 1e-12 relative
    ."""
    x = coordinates(40, dimension)
    network = network_at(x, hidden, activation, transform)
    theta = parameters_of(network)
    scaled = torch.from_numpy((x + 1.0) / 2.0 - 1.0)
    base = torch.from_numpy(transform_of(transform).inverse(reference_at(x)))
    value = torch_network(hidden, dimension, activation, transform)
    arguments = (torch.from_numpy(theta), scaled, base)
    expected = torch.func.vmap(torch.func.grad(value), in_dims=(None, 0, 0))(*arguments).numpy()
    D = network.jacobian(theta)
    np.testing.assert_allclose(D, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    m = torch.func.vmap(value, in_dims=(None, 0, 0))(*arguments).numpy()
    np.testing.assert_allclose(network.values(theta), m, rtol=0, atol=1e-12 * np.abs(m).max())


@all_hidden
@all_activations
@all_transforms
def test_parts_of_the_nodes_give_the_same_rows(hidden: Shape, activation: str, transform: str) -> None:
    """Values and D at some of the nodes, as a rank owns them, are those rows of all; a rank without nodes
    has none."""
    x = coordinates(61)
    whole = network_at(x, hidden, activation, transform)
    theta = parameters_of(whole)
    values, D = whole.values(theta), whole.jacobian(theta)
    for part in [slice(0, 23), slice(23, 60), slice(60, 61), slice(61, 61)]:
        own = network_at(x[part], hidden, activation, transform)
        assert own.size == whole.size
        np.testing.assert_allclose(own.values(theta), values[part], rtol=0, atol=1e-14 * np.abs(values).max())
        np.testing.assert_allclose(own.jacobian(theta), D[part], rtol=0, atol=1e-14 * np.abs(D).max())


@all_transforms
@pytest.mark.parametrize("chunk", [1, 7, 30, 61, 1000])
def test_chunks_leave_no_trace(monkeypatch: pytest.MonkeyPatch, transform: str, chunk: int) -> None:
    """Nodes per sweep change D by rounding only, also where the last chunk is short."""
    network = network_at(coordinates(61), (5, 6), "tanh", transform)
    theta = parameters_of(network)
    expected = network.jacobian(theta)
    monkeypatch.setattr(implementation, "CHUNK", chunk)
    found = network.jacobian(theta)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * np.abs(expected).max())


def test_jacobian_is_as_the_flow_wants_it() -> None:
    """Column-major float64, which PETSc wraps without a copy, and not overwritten by the next call."""
    network = network_at(coordinates(50), (5, 6))
    theta = parameters_of(network)
    D = network.jacobian(theta)
    assert D.dtype == np.float64 and D.flags.f_contiguous
    copy = D.copy()
    network.jacobian(theta + 1.0)
    np.testing.assert_array_equal(D, copy)


@all_activations
def test_activations_know_their_derivatives(activation: str) -> None:
    """The second value is the derivative of the first: central differences with h = 1e-5, error about
    1e-10."""
    z = torch.linspace(-6.0, 6.0, 241, dtype=torch.float64)
    h = 1e-5
    _, slope = ACTIVATIONS[activation](z)
    difference = (ACTIVATIONS[activation](z + h)[0] - ACTIVATIONS[activation](z - h)[0]) / (2 * h)
    np.testing.assert_allclose(slope.numpy(), difference.numpy(), rtol=0, atol=1e-8)
