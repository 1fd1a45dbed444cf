"""Phases: their derivatives, the perimeter of their interfaces, growth, and what is told of them."""

import numpy as np
import pytest
import torch

from app.network import Bounded, Cells, Given, Identity, LevelSet, Nodes, Phases, Transform
from app.network.module import Module

COUNT = 60


def phases(
    dimension: int, values: list[Transform], rng: np.random.Generator, hidden: int = 4
) -> tuple[Phases, np.ndarray]:
    """Some at random points of an oblong box, and parameters with which interfaces pass it."""
    corner = np.arange(1.0, dimension + 1)
    points = rng.uniform(-1, 1, (COUNT, dimension)) * corner
    nodes = Nodes.of(points, (-corner, corner), np.zeros(COUNT), Identity())
    sets = [LevelSet((hidden,), nodes, 1.3, 64) for _ in values[1:]]
    made = Phases(sets, values, Cells(np.full(COUNT, 0.02), np.full(COUNT, 0.3), 0.3, True), unit=2.0)
    theta = made.parameters_of([one.start(rng) for one in sets], np.array([0.2, 1.4, -0.9])[: len(values)])
    return made, theta + 0.2 * rng.standard_normal(len(theta))


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("values", [[Identity()] * 2, [Identity(), Bounded(0.0, 2.0), Given(-1.0)]])
def test_derivatives_are_exact(dimension: int, values: list[Transform]) -> None:
    """∂m/∂θ and ∂r/∂θ against central differences extrapolated to fourth order."""
    rng = np.random.default_rng(dimension)
    made, theta = phases(dimension, values, rng)
    tangent = made.linearised(theta, 3.0)
    D, R = tangent.D, np.zeros((COUNT * made.number, made.size))
    for rows in tangent.rows:
        R[np.ix_(rows.places, rows.columns)] = rows.derivative
    along = rng.standard_normal(len(theta))

    def difference(h: float) -> np.ndarray:
        ends = [(made.values(t), made.perimeter_rows(t, 3.0)) for t in (theta + h * along, theta - h * along)]
        return np.concatenate([(one - other) / (2 * h) for one, other in zip(*ends, strict=True)])

    found = (4.0 * difference(5e-5) - difference(1e-4)) / 3.0
    exact = np.concatenate([D @ along, R @ along])
    assert np.abs(found - exact).max() <= 1e-9 * np.abs(exact).max()
    assert np.array_equal(made.jacobian(theta), D)


def grid(cells: int) -> tuple[np.ndarray, Cells]:
    """Nodes of a square of side 2 and the mesh about them."""
    line = np.linspace(-1.0, 1.0, cells + 1)
    points = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    h = 2.0 / cells
    share = np.where(np.abs(line) == 1.0, 0.5, 1.0)
    return points, Cells((h**2 * np.outer(share, share)).ravel(), np.full(len(points), h), h, True)


def ellipse(angle: float, cells: int, height: float = 100.0) -> float:
    """Perimeter of an ellipse of half axes 0.6 and 0.3 that is turned, by a level set on a mesh."""
    points, cells_about = grid(cells)
    nodes = Nodes.of(points, (-np.ones(2), np.ones(2)), np.zeros(len(points)), Identity())
    one = LevelSet((1,), nodes, 1.0, 8)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    A = turn.T @ np.diag([1 / 0.6**2, 1 / 0.3**2]) @ turn
    incoming = [0.0, 0.0, -A[0, 0], -2 * A[0, 1], -A[1, 1]]
    theta = np.array([*(0.1 * np.array(incoming)), 0.1, height, 0.0])
    made = Phases([one], [Given(0.0), Given(1.0)], cells_about)
    return float(made.perimeters(theta)[0])


def test_the_perimeter_does_not_depend_on_the_direction() -> None:
    """Within 2 % of the exact one however the ellipse is turned, and less of refinement."""
    exact = 2.9064  # of half axes 0.6 and 0.3
    turned = [ellipse(angle, 64) for angle in np.linspace(0.0, np.pi, 7)]
    assert np.ptp(turned) <= 0.02 * exact
    assert np.abs(np.array(turned) - exact).max() <= 0.02 * exact
    assert abs(ellipse(0.4, 128) - exact) <= 0.005 * exact


def test_the_perimeter_does_not_depend_on_how_steep_the_level_set_is() -> None:
    """Nor on where it levels off: what counts is where it is zero."""
    assert ellipse(0.4, 64, 2.0) == pytest.approx(ellipse(0.4, 64, 1e6), rel=0.02)


def test_an_interface_between_nodes_is_as_long_as_one_on_them() -> None:
    """A straight one, wherever it lies among the nodes."""
    points, cells = grid(32)
    nodes = Nodes.of(points, (-np.ones(2), np.ones(2)), np.zeros(len(points)), Identity())
    one = LevelSet((1,), nodes, 1.0, 8, "linear")
    made = Phases([one], [Given(0.0), Given(1.0)], cells)
    found = []
    for offset in np.linspace(0.0, 2.0 / 32, 5):
        theta = np.array([0.1, 0.0, -0.1 * offset, 300.0, 0.0])
        found.append(made.perimeters(theta)[0])
    assert np.abs(np.array(found) - 2.0).max() <= 0.01


def test_rows_add_up_to_the_cost_of_the_perimeter() -> None:
    """½‖r‖² is weight · Σ|step| · perimeter where the level set is like a distance."""
    points, cells = grid(64)
    nodes = Nodes.of(points, (-np.ones(2), np.ones(2)), np.zeros(len(points)), Identity())
    one = LevelSet((1,), nodes, 1.0, 8, "linear")
    made = Phases([one], [Given(0.5), Given(-1.5)], cells)
    theta = np.array([0.06, 0.08, 0.01, 300.0, 0.0])
    rows = made.perimeter_rows(theta, 5.0)
    assert 0.5 * rows @ rows == pytest.approx(5.0 * 2.0 * made.perimeters(theta)[0], rel=0.01)


def test_growth_leaves_m_as_it_is() -> None:
    """Neurons join with outgoing weights zero, and are told with the others."""
    rng = np.random.default_rng(4)
    made, theta = phases(2, [Identity()] * 3, rng)
    drawn = made.pool(theta, 1, 16, (1.0, 10.0), rng)
    larger, longer = made.grown(theta, drawn.incoming[:3], 1)
    assert larger.shape == (((4,), ()), ((7,), ()))
    assert np.array_equal(larger.values(longer), made.values(theta))
    assert len(longer) == larger.size == len(theta) + 3 * 7


def test_what_is_told_makes_the_same_phases() -> None:
    """Values anywhere, by what `described` says and θ alone."""
    made, theta = phases(2, [Identity(), Bounded(0.0, 2.0), Given(-1.0)], np.random.default_rng(5))
    points = np.array([[0.1, 0.2], [-0.7, 1.4]])
    nodes = made.nodes_at(points, np.zeros(2))
    again = Phases.of(made.described(), nodes)
    assert np.array_equal(again.values(theta), made.at(nodes).values(theta))
    assert again.described() == made.described()


def test_the_torch_module_is_the_same_function() -> None:
    """And torch differentiates it by points and by parameters."""
    made, theta = phases(2, [Identity(), Bounded(0.0, 2.0), Given(-1.0)], np.random.default_rng(6))
    points = np.random.default_rng(7).uniform(-1, 1, (5, 2))
    module = Module(made, theta, 0.0)
    values = module(torch.from_numpy(points))
    at = made.at(made.nodes_at(points, np.zeros(5)))
    assert np.allclose(values.detach().numpy(), at.values(theta), rtol=0, atol=1e-13)
    values.sum().backward()
    assert module.theta.grad is not None
    assert np.allclose(module.theta.grad.numpy(), at.jacobian(theta).sum(axis=0), rtol=0, atol=1e-10)


def test_start_values_stay_within_bounds() -> None:
    """A value beyond its bounds starts inside of them."""
    made, _ = phases(2, [Identity(), Bounded(0.0, 2.0)], np.random.default_rng(8))
    theta = made.parameters_of(made.level_sets_of(np.zeros(made.size)), np.array([0.5, 7.0]))
    assert made.of_values(theta) == pytest.approx([0.5, 1.9])
