"""What the first hidden layer sees, over all features: Jacobian, growth, and the neurons that are drawn."""

import numpy as np
import pytest
import torch
from unknown_toys import coordinates, network_at, parameters_of, reference_at

from app.network.features import FEATURES, RADII

SCALES = (1.0, 60.0)
all_features = pytest.mark.parametrize("features", FEATURES)
all_dimensions = pytest.mark.parametrize("dimension", [1, 2, 3])


@all_features
@all_dimensions
@pytest.mark.parametrize("hidden", [(7,), (4, 5)], ids=str)
def test_jacobian_equals_central_differences(features: str, dimension: int, hidden: tuple[int, ...]) -> None:
    """D equals (m(θ + h) − m(θ − h)) / 2h to 1e-7 of its largest entry, h = 1e-5."""
    network = network_at(coordinates(30, dimension), hidden, features=features)
    theta, h = parameters_of(network), 1e-5
    steps = h * np.eye(network.size)
    differences = [(network.values(theta + s) - network.values(theta - s)) / (2 * h) for s in steps]
    D = network.jacobian(theta)
    np.testing.assert_allclose(D, np.column_stack(differences), rtol=0, atol=1e-7 * np.abs(D).max())


@all_features
@all_dimensions
@pytest.mark.parametrize("hidden", [(7,), (4, 5)], ids=str)
def test_start_and_growth_keep_the_coefficient(
    features: str, dimension: int, hidden: tuple[int, ...]
) -> None:
    """m is m_ref exactly at the start and unchanged to 1e-13 by growth; new outgoing columns of D are the
    candidates' tangent."""
    x, rng = coordinates(60, dimension), np.random.default_rng(5)
    network = network_at(x, hidden, features=features)
    np.testing.assert_array_equal(network.values(network.start(rng)), reference_at(x))
    theta = parameters_of(network)
    pool = network.candidates(theta, 20, SCALES, rng)
    larger, grown = network.grown(theta, pool.incoming[:3])
    m = network.values(theta)
    np.testing.assert_allclose(larger.values(grown), m, rtol=0, atol=1e-13 * np.abs(m).max())
    np.testing.assert_allclose(larger.jacobian(grown)[:, -4:-1], pool.tangent[:, :3], rtol=0, atol=1e-13)


@all_features
@all_dimensions
def test_rows_of_neurons_fit_the_lifted_points(features: str, dimension: int) -> None:
    """One weight an input and a bias, for even and odd counts and none; the same from the same stream."""
    chosen = FEATURES[features]
    inputs = len(chosen.lift(torch.zeros((dimension, 1), dtype=torch.float64)))
    for count in (0, 1, 2, 7):
        rows = chosen.neurons(dimension, count, SCALES, np.random.default_rng(1))
        assert rows.shape == (count, inputs + 1)
        np.testing.assert_array_equal(
            rows, chosen.neurons(dimension, count, SCALES, np.random.default_rng(1))
        )


@all_dimensions
def test_quadratic_neurons_are_balls_and_ridges(dimension: int) -> None:
    """Every second one is bend · (radius² − |x − centre|²), its radius within RADII, its slope there within
    the scales, its centre in the domain; the others are ridges that cross the domain."""
    rows = FEATURES["quadratic"].neurons(dimension, 400, SCALES, np.random.default_rng(2))
    x = torch.from_numpy(np.random.default_rng(3).uniform(-1, 1, (dimension, 50)))
    z = (torch.from_numpy(rows[:, :-1]) @ FEATURES["quadratic"].lift(x)).numpy() + rows[:, -1:]
    balls, ridges = rows[::2], rows[1::2]
    squares = [dimension + sum(range(dimension - i + 1, dimension + 1)) for i in range(dimension)]
    bend = -balls[:, squares[0]]
    centre = balls[:, :dimension] / (2 * bend[:, None])
    radius = np.sqrt(balls[:, -1] / bend + np.sum(centre**2, axis=1))
    assert np.abs(centre).max() <= 1 and RADII[0] <= radius.min() and radius.max() <= RADII[1]
    slope = 2 * bend * radius
    assert SCALES[0] * (1 - 1e-9) <= slope.min() and slope.max() <= SCALES[1] * (1 + 1e-9)
    distance = np.sum((x.numpy().T[None] - centre[:, None]) ** 2, axis=2)
    expected = bend[:, None] * (radius[:, None] ** 2 - distance)
    np.testing.assert_allclose(z[::2], expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert not ridges[:, dimension:-1].any()
    # the ridge a·x + b = 0 comes within the cube: |b| ≤ ‖a‖₁
    assert (np.abs(ridges[:, -1]) <= np.abs(ridges[:, :dimension]).sum(axis=1)).all()
