"""Phases with something beside them that varies smoothly: derivatives, changes, and what is told of them."""

import numpy as np
import pytest
import torch

from app.network import (
    Bounded,
    Cells,
    Given,
    Identity,
    Interfaces,
    LevelSet,
    Network,
    Nodes,
    Phases,
    SmoothPhases,
)
from app.network import phases_of as told_by
from app.network.module import Module

COUNT = 60


def made(dimension: int = 2) -> tuple[SmoothPhases, np.ndarray]:
    """Of two phases at random points of an oblong box, and parameters with which interfaces pass it."""
    rng = np.random.default_rng(dimension)
    corner = np.arange(1.0, dimension + 1)
    nodes = Nodes.of(
        rng.uniform(-1, 1, (COUNT, dimension)) * corner, (-corner, corner), np.zeros(COUNT), Identity()
    )
    sets = [LevelSet((4,), nodes, 1.3, 64) for _ in range(2)]
    cells = Cells(np.full(COUNT, 0.02), np.full(COUNT, 0.3), 0.3, True)
    plain = Phases(sets, [Identity(), Bounded(0.0, 2.0), Given(-1.0)], cells, unit=2.0)
    smooth = Network((5,), nodes, features="quadratic")
    level_sets = [one.start(rng) for one in sets]
    theta = np.concatenate([plain.parameters_of(level_sets, np.array([0.2, 1.4, -0.9])), smooth.start(rng)])
    return SmoothPhases(plain, smooth), theta + 0.2 * rng.standard_normal(len(theta))


def alone(theta: np.ndarray, dimension: int = 2) -> tuple[Phases, np.ndarray]:
    """The same phases with nothing beside them."""
    both, _ = made(dimension)
    return Phases(both.sets, both._values, both.cells, unit=2.0), theta[: both.beside.start]


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_derivatives_are_exact(dimension: int) -> None:
    """∂m/∂θ against central differences extrapolated to fourth order."""
    both, theta = made(dimension)
    along = np.random.default_rng(9).standard_normal(both.size)

    def difference(h: float) -> np.ndarray:
        return (both.values(theta + h * along) - both.values(theta - h * along)) / (2 * h)

    found = (4.0 * difference(5e-5) - difference(1e-4)) / 3.0
    exact = both.linearised(theta, 3.0).D @ along
    assert np.abs(found - exact).max() <= 1e-9 * np.abs(exact).max()


def test_it_is_the_sum_of_both() -> None:
    """Whose interfaces are those of the phases alone, with the same perimeters."""
    both, theta = made()
    plain, own = alone(theta)
    assert np.array_equal(both.values(theta), plain.values(own) + both.smooth_values(theta))
    assert np.array_equal(both.perimeter_rows(theta, 2.0), plain.perimeter_rows(own, 2.0))
    assert np.array_equal(both.of_values(theta), plain.of_values(own))
    assert len(both.scales) == both.size and len(both.held) == both.size - 2


def test_growth_leaves_m_as_it_is() -> None:
    """Neurons join a level set, and what is beside keeps its parameters."""
    both, theta = made()
    drawn = both.pool(theta, 1, 16, (1.0, 10.0), np.random.default_rng(1))
    larger, longer = both.grown(theta, drawn.incoming[:3], 1)
    assert larger.shape == (((4,), ()), ((7,), ()), ((5,), ()))
    assert np.array_equal(larger.values(longer), both.values(theta))
    assert len(longer) == larger.size


def test_what_is_told_makes_the_same() -> None:
    """Values anywhere, by what `described` says and θ alone, also as a torch module."""
    both, theta = made()
    points = np.array([[0.1, 0.2], [-0.7, 1.4]])
    nodes = both.nodes_at(points, np.ones(2))
    again = told_by(both.described(), nodes)
    assert np.array_equal(again.values(theta), both.at(nodes).values(theta))
    assert again.described() == both.described()
    module = Module(again, theta, 0.0)
    values = module(torch.from_numpy(points))
    assert np.allclose(values.detach().numpy(), again.values(theta), rtol=0, atol=1e-13)


def test_what_is_beside_moves_with_its_own_parameters() -> None:
    """By its derivative, wherever interfaces move to."""
    both, theta = made()
    steps = np.zeros((both.size, 2))
    steps[both.beside, 1] = np.random.default_rng(2).standard_normal(both.smooth.size)
    found = Interfaces(both, theta).moved(steps, np.zeros((2, 2)))
    assert np.allclose(found.m[:, 0], both.values(theta), rtol=0, atol=1e-12)
    expected = both.smooth_jacobian(theta) @ steps[both.beside, 1]
    assert np.allclose(found.m[:, 1] - found.m[:, 0], expected, rtol=0, atol=1e-12)
