"""Interfaces that move: what a step of the parameters does to straight ones is known exactly."""

import numpy as np
import pytest

import app.network.interfaces
from app.network import Bounded, Cells, Given, Identity, Interfaces, LevelSet, Nodes, Phases, Transform

CELLS, SIDE = 32, 2.0

ANGLE, STEEP, HEIGHT = 0.4, 0.5, 36.0


def straight(
    angle: float = ANGLE, values: tuple[Transform, ...] = (Given(0.0), Given(1.0)), offset: float = 0.03
) -> tuple[Interfaces, np.ndarray]:
    """One that is turned, in a square of side 2 about 0, and the nodes; φ = 36 tanh((n·x − offset)/2)."""
    line = np.linspace(-1.0, 1.0, CELLS + 1)
    points = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    h, share = SIDE / CELLS, np.where(np.abs(line) == 1.0, 0.5, 1.0)
    cells = Cells((h**2 * np.outer(share, share)).ravel(), np.full(len(points), h), h, True)
    nodes = Nodes.of(points, (-np.ones(2), np.ones(2)), np.zeros(len(points)), Identity())
    one = LevelSet((1,), nodes, 1.0, 8, "linear")
    made = Phases([one], list(values), cells, sharpness=1.0)
    normal = np.array([np.cos(angle), np.sin(angle)])
    theta = made.parameters_of(
        [np.array([*(STEEP * normal), -STEEP * offset, HEIGHT, 0.0])], np.array([0.0, 1.0])
    )
    return Interfaces(made, theta), points


def step(interfaces: Interfaces, **parts: np.ndarray | float) -> np.ndarray:
    """Of the weights, the bias or a value, a column."""
    found = np.zeros(interfaces.size)
    found[:2], found[2] = parts.get("weights", 0.0), parts.get("bias", 0.0)
    found[5:] = parts.get("values", 0.0)
    return found[:, None]


@pytest.mark.parametrize("angle", [0.0, ANGLE, np.pi / 2])
def test_no_row_holds_back_a_mere_shift(angle: float) -> None:
    """Of a straight interface, in whichever direction it lies: its length does not change."""
    interfaces, _ = straight(angle)
    B = interfaces.tangential_rows(1.0)
    across = np.array([-np.sin(angle), np.cos(angle)])
    turned = np.abs(B @ step(interfaces, weights=0.1 * across)).max()
    assert turned > 0
    assert np.abs(B @ step(interfaces, bias=0.1)).max() <= 1e-6 * turned


def test_a_turn_costs_what_it_adds_to_the_length() -> None:
    """By a small angle α about its middle, ½ weight α² length: so much longer is its graph over itself."""
    interfaces, _ = straight(0.0, offset=0.0)
    alpha, weight = 1e-3, 5.0
    cost = 0.5 * np.sum(
        (interfaces.tangential_rows(weight) @ step(interfaces, weights=[0.0, STEEP * alpha])) ** 2
    )
    flat = STEEP * HEIGHT / np.hypot(STEEP * HEIGHT, 1.0)  # u is the distance, but for this factor
    assert cost == pytest.approx(0.5 * weight * (alpha * flat) ** 2 * SIDE, rel=0.02)


def test_a_step_moves_the_interface_by_what_it_does_there() -> None:
    """Δ of the bias by 2Δ against the normal; the phase grows by that times its length."""
    interfaces, points = straight(0.0)
    moves = np.array([-0.05, 0.0, 0.1])
    found = interfaces.moved(
        np.hstack([step(interfaces, bias=STEEP * move) for move in moves]), np.zeros((1, 3))
    )
    grown = found.sizes[0] - found.sizes[0, 1]
    np.testing.assert_allclose(grown, moves * SIDE, atol=2e-3)
    assert ((found.m > 0.5) == (points[:, :1] > 0.03 - moves)).all()


def test_a_shift_is_in_widths_of_the_cells() -> None:
    """Of each interface as a whole, without a step."""
    interfaces, _ = straight(0.0)
    shifts = np.array([[0.0, 1.0, -0.5]])
    found = interfaces.moved(np.zeros((interfaces.size, 3)), shifts)
    np.testing.assert_allclose(found.sizes[0] - found.sizes[0, 0], shifts[0] * SIDE / CELLS * SIDE, atol=2e-3)


def test_far_from_interfaces_m_is_the_value_of_a_phase() -> None:
    """Given, or moved by its own step and within its bounds."""
    interfaces, points = straight(values=(Given(0.0), Bounded(0.0, 2.0)))
    steps = np.hstack([step(interfaces, values=value) for value in (0.0, 0.5, 1e3)])
    found = interfaces.moved(steps, np.zeros((1, 3)))
    along = points @ [np.cos(ANGLE), np.sin(ANGLE)] - 0.03
    np.testing.assert_allclose(found.m[along > 0.6], np.broadcast_to(found.values[1], (sum(along > 0.6), 3)))
    assert np.abs(found.m[along < -0.6]).max() < 1e-6
    assert found.values[1, 0] == pytest.approx(1.0) and found.values[1, 0] < found.values[1, 1] < 2.0
    assert found.values[1, 2] == pytest.approx(2.0)


def test_shares_are_of_the_moves() -> None:
    """After which a node is inside."""
    interfaces, points = straight(0.0)
    found = interfaces.moved(np.zeros((interfaces.size, 4)), np.array([[-3.0, -1.0, 1.0, 3.0]]))
    order = np.argsort(points[:, 0], kind="stable")
    assert (np.diff(found.share[order, 0]) >= 0).all()
    assert set(np.unique(found.share)) == {0.0, 0.25, 0.5, 0.75, 1.0}


def test_nodes_are_moved_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which change nothing."""
    interfaces, _ = straight()
    rng = np.random.default_rng(1)
    steps, shifts = 0.1 * rng.standard_normal((interfaces.size, 3)), rng.standard_normal((1, 3))
    at_once = interfaces.moved(steps, shifts)
    monkeypatch.setattr(app.network.interfaces, "CHUNK", 100)
    again = interfaces.moved(steps, shifts)
    np.testing.assert_allclose(again.m, at_once.m, rtol=0, atol=1e-12)
    np.testing.assert_allclose(again.sizes, at_once.sizes, rtol=1e-12)
