"""Networks whose output a cut-off multiplies, m = m_ref + φ MLP."""

from itertools import product

import numpy as np
import pytest

from app.network import Bounded, Identity, Network, Nodes

COUNT = 40


def nodes(rng: np.random.Generator, factor: np.ndarray | None) -> Nodes:
    coordinates = rng.uniform(-1.0, 1.0, (COUNT, 2))
    reference = np.sin(coordinates[:, 0])
    box = np.array([-1.0, -1.0]), np.array([1.0, 1.0])
    return Nodes.of(coordinates, box, reference, Identity(), factor)


@pytest.fixture(params=list(product([(3,), (3, 4)], ["linear", "quadratic"])), ids=str)
def network(request: pytest.FixtureRequest) -> Network:
    hidden, features = request.param
    rng = np.random.default_rng(0)
    factor = rng.uniform(0.0, 1.0, COUNT)
    factor[:3] = 0.0
    return Network(hidden, nodes(rng, factor), features=features)


def parameters(network: Network) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(network.size)


def test_start_is_the_reference(network: Network) -> None:
    values = network.values(network.start(np.random.default_rng(2)))
    np.testing.assert_array_equal(values, network._nodes.reference)


def test_reference_holds_where_the_factor_is_zero(network: Network) -> None:
    values = network.values(parameters(network))
    np.testing.assert_array_equal(values[:3], network._nodes.reference[:3])
    assert (np.abs(values - network._nodes.reference)[3:] > 0).all()


def test_jacobian_is_that_of_the_values(network: Network) -> None:
    """Against central differences."""
    theta, h = parameters(network), 1e-6
    D = network.jacobian(theta)
    for column, unit in enumerate(np.eye(network.size)):
        difference = (network.values(theta + h * unit) - network.values(theta - h * unit)) / (2 * h)
        np.testing.assert_allclose(D[:, column], difference, rtol=0, atol=1e-8)


def test_candidates_are_the_columns_that_they_add(network: Network) -> None:
    """And m stays as it is when they join."""
    theta = parameters(network)
    pool = network.candidates(theta, 5, (1.0, 4.0), np.random.default_rng(3))
    larger, longer = network.grown(theta, pool.incoming)
    np.testing.assert_allclose(larger.values(longer), network.values(theta), rtol=0, atol=1e-13)
    added = larger.jacobian(longer)[:, -6:-1]
    np.testing.assert_allclose(pool.tangent, added, rtol=0, atol=1e-12)


def test_transform_and_factor_exclude_each_other() -> None:
    zeros = np.zeros(COUNT)
    box = np.array([-1.0]), np.array([1.0])
    with pytest.raises(ValueError, match="transform"):
        Nodes.of(zeros[:, None], box, zeros, Bounded(-1.0, 1.0), zeros + 1.0)
