"""Taylor tests of the energy along a network's parameters, with real networks and a dense R."""

import numpy as np
import pytest
from flow_toys import Dense, Readings, spd

from app.network import ACTIVATIONS, TRANSFORMS, Network, Nodes

BOUNDS = {"bounded": (-3.0, 4.0)}
NODES, READINGS, WEIGHT = 50, 20, 0.3


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("hidden", [(6,), (5, 4)], ids=str)
def test_derivative_of_the_energy_in_the_parameters(
    activation: str, transform: str, hidden: tuple[int, ...]
) -> None:
    """dE/dθ = Dᵀr with r = Jᵀe + wR(m − m_ref): the Taylor remainder has order 2.0 ± 0.05 over four
    halvings, for E(θ) = ½‖e(m(θ))‖² + ½w‖m(θ) − m_ref‖²_R."""
    rng = np.random.default_rng(11)
    reference = rng.uniform(-1.0, 2.0, NODES)
    form = TRANSFORMS[transform](*BOUNDS.get(transform, ()))
    box = (np.zeros(2), np.ones(2))
    network = Network(hidden, Nodes.of(rng.uniform(0, 1, (NODES, 2)), box, reference, form), activation, form)
    energy = Readings(rng.standard_normal((READINGS, NODES)), rng.standard_normal(READINGS))
    R = Dense(spd(rng, NODES))

    def value(theta: np.ndarray) -> float:
        m = network.values(theta)
        return energy.at(m).value + 0.5 * WEIGHT * float((m - reference) @ R.apply(m - reference))

    theta = network.start(rng) + 0.3 * rng.standard_normal(network.size)
    direction = rng.standard_normal(network.size)
    at = energy.at(network.values(theta))
    r = at.derivative() + WEIGHT * R.apply(at.m - reference)
    start, slope = value(theta), float(network.jacobian(theta).T @ r @ direction)
    steps = 1e-4 * 0.5 ** np.arange(5)
    remainders = [abs(value(theta + t * direction) - start - t * slope) for t in steps]
    orders = np.log2(np.array(remainders[:-1]) / np.array(remainders[1:]))
    np.testing.assert_allclose(orders, 2.0, atol=0.05)
