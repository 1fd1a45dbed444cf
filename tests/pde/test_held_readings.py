"""Readings that conditions and initial values settle, told without a solve."""

import numpy as np
import pytest
from elliptic import COMM, Formula, box_space, constant, forward_model

from app.case import Expression
from app.equations.heat import Heat
from app.equations.terms import BoundaryCondition
from app.mesh import point_matrix
from app.mesh.rows import empty_rows
from app.observe.fluxes import flux_weights
from app.observe.left_out import kept_rows
from app.observe.operators import ObservationOperator
from app.parallel import LinearSolver, multiply
from app.pde import TimeSteps, TransientModel
from app.schema.expression import SpaceTimeExpression

pytestmark = pytest.mark.distributed

POINTS = np.array([[0.0, 0.3], [0.4, 0.4], [0.0, 0.77], [1e-12, 0.5], [1e-3, 0.5], [1.0, 1.0]])
ON_THE_LEFT = np.array([True, False, True, True, False, False])

LEFT = BoundaryCondition(("left",), "dirichlet", Formula(lambda x, library: 2 + x[1]))


def test_points_on_a_part_with_given_values() -> None:
    """To rounding; readings of a flux there are not settled."""
    model = forward_model(box_space(2, 4, 1), 2, {"given": LEFT}, points=POINTS)
    matrix = point_matrix(model.coefficient.domain, model.space, POINTS)
    held, values = model.held_readings(matrix, None, None)
    np.testing.assert_array_equal(held, ON_THE_LEFT)
    np.testing.assert_allclose(values[held], 2 + POINTS[held, 1], rtol=1e-9)
    at = model.at(np.zeros(model.coefficient.owned))
    np.testing.assert_allclose(at.readings[held], values[held], rtol=1e-9)
    weights = flux_weights(model.coefficient.domain, model.space, ["left"], ["left"])
    held, _ = model.held_readings(empty_rows(model.space, 1), weights, None)
    assert not held.any()


@pytest.mark.parametrize("off, on_the_part", [(1e-9, True), (1e-8, True), (1e-5, False)])
def test_places_are_written_with_some_digits(off: float, on_the_part: bool) -> None:
    """What is off the part by much less than a cell is on it."""
    model = forward_model(box_space(2, 4, 1), 2, {"given": LEFT})
    matrix = point_matrix(model.coefficient.domain, model.space, POINTS[:1] + np.array([off, 0.0]))
    held, values = model.held_readings(matrix, None, None)
    assert held.tolist() == [on_the_part]
    assert not on_the_part or values[0] == pytest.approx(2.3, rel=1e-6)


def test_one_component_is_given() -> None:
    """Readings of the other are not settled."""
    roller = BoundaryCondition(("left",), "dirichlet", constant(0.5), component=0)
    foot = BoundaryCondition(("bottom",), "dirichlet", constant(0.0), component=1)
    model = forward_model(box_space(2, 4, 1), 1, {"a": roller, "b": foot}, equation="elasticity")
    held, values = model.held_readings(
        point_matrix(model.coefficient.domain, model.space, POINTS[[0, 0]], np.array([0, 1])), None, None
    )
    np.testing.assert_array_equal(held, [True, False])
    assert values[0] == pytest.approx(0.5)


@pytest.mark.parametrize("role", ["log_diffusivity", "initial"])
def test_a_state_in_time(role: str) -> None:
    """Given values change with time; at time 0 the initial values say all, unless they are the unknown."""
    given = BoundaryCondition(("left",), "dirichlet", SpaceTimeExpression("t + y"))
    initial = None if role == "initial" else Expression("3*y")
    equation = Heat(source=constant(0.0), boundary={"left": given}, initial=initial, role=role)
    space = box_space(2, 4, 1)
    steps = TimeSteps(end=1.0, steps=4)
    model = TransientModel(equation, space, 1, LinearSolver(COMM, "direct", "test_held_"), steps)
    points = np.array([[0.0, 0.5], [0.0, 0.5], [0.6, 0.5], [0.6, 0.5]])
    times = np.array([0.6, 0.0, 0.0, 0.6])
    model.observe_at(point_matrix(space.domain, model.space, points), times)
    held, values = model.held_readings(point_matrix(space.domain, model.space, points), None, times)
    np.testing.assert_array_equal(held, [True, True, role != "initial", False])
    np.testing.assert_allclose(values[:2], [1.1, 0.5], rtol=1e-9)
    at = model.at(np.zeros(space.owned))
    np.testing.assert_allclose(at.readings[held], values[held], rtol=1e-9)


def test_rows_are_kept_in_their_order() -> None:
    """Of both matrices, on any number of ranks."""
    model = forward_model(box_space(2, 4, 1), 1, {"given": LEFT})
    matrix = point_matrix(model.coefficient.domain, model.space, POINTS)
    state = np.arange(matrix.getLocalSize()[1], dtype=float) + 100.0 * COMM.rank
    whole = np.concatenate(COMM.allgather(multiply(matrix, state)))
    for kept in (ON_THE_LEFT, ~ON_THE_LEFT, np.zeros(len(POINTS), dtype=bool)):
        rows = kept_rows(ObservationOperator(matrix, matrix), kept)
        for part in (rows.matrix, rows.weights):
            found = np.concatenate(COMM.allgather(multiply(part, state)))
            np.testing.assert_array_equal(found, whole[kept])
