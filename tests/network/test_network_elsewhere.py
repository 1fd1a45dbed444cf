"""A network at other nodes than those of its mesh."""

import numpy as np
import pytest

from app.network import TRANSFORMS, Network, Nodes


def nodes(seed: int, count: int, dimension: int) -> Nodes:
    """Random nodes, with a reference that is not constant."""
    scaled = np.random.default_rng(seed).uniform(-1.0, 1.0, (count, dimension))
    reference = 0.3 * scaled[:, 0]
    return Nodes(scaled, TRANSFORMS["identity"]().inverse(reference), reference)


@pytest.mark.parametrize("dimension", [1, 2, 4])
@pytest.mark.parametrize("features", ["linear", "quadratic"])
def test_a_network_elsewhere_is_the_one_that_is_made_there(dimension: int, features: str) -> None:
    """Values and Jacobian, for any number of coordinates and parameters; the network itself stays."""
    here, there = nodes(0, 7, dimension), nodes(1, 5, dimension)
    network = Network((3, 4), here, features=features, blocks=(1,))
    theta = np.random.default_rng(2).standard_normal(network.size)
    before = network.values(theta)
    moved, made = network.at(there), Network((3, 4), there, features=features, blocks=(1,))
    np.testing.assert_array_equal(moved.values(theta), made.values(theta))
    np.testing.assert_array_equal(moved.jacobian(theta), made.jacobian(theta))
    np.testing.assert_array_equal(network.values(theta), before)
