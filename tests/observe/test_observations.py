"""Laws of the observation matrix B, (Bu)_i = u(x_i)."""

from itertools import product

import numpy as np
import pytest
from dolfinx import fem
from elliptic import (
    COMM,
    LSHAPE,
    Formula,
    box_mesh,
    box_space,
    dot,
    gathered,
    inner_points,
    raised_on_all_ranks,
    variants,
)

from app.mesh import MESHES, CoefficientSpace, PointOutside, TaggedMesh, point_matrix
from app.parallel import multiply, multiply_transpose

ROUNDING = 1e-12
"""Of values of size one."""

CELLS = {1: 9, 2: 5, 3: 3}
"""Along each axis, by dimension."""

SQUARE = 8
"""Squares along each axis of the unit square for the points on vertices and edges."""


@pytest.fixture(
    params=variants(list(product([1, 2, 3], [1, 2, 3])), in_parallel=[(1, 1), (2, 3), (3, 2)]),
    ids=lambda p: f"{p[0]}D-P{p[1]}",
)
def space(request: pytest.FixtureRequest) -> CoefficientSpace:
    """Lagrange spaces of each dimension and degree, here as spaces of states."""
    dimension, degree = request.param
    return box_space(dimension, CELLS[dimension], degree)


def degree_of(space: CoefficientSpace) -> int:
    return space.space.element.basix_element.degree


def observed(
    domain: TaggedMesh, space: fem.FunctionSpace, points: np.ndarray, dofs: np.ndarray
) -> np.ndarray:
    """Bu on every rank, for owned dofs of u."""
    return gathered(multiply(point_matrix(domain, space, points), dofs))


def test_transpose_is_the_adjoint(space: CoefficientSpace) -> None:
    """⟨Bu, y⟩ = ⟨u, Bᵀy⟩."""
    points = inner_points(space.domain.dimension, 17)
    matrix = point_matrix(space.domain, space.space, points)
    rng = np.random.default_rng(COMM.rank)
    u, y = rng.standard_normal(matrix.getLocalSize()[1]), rng.standard_normal(matrix.getLocalSize()[0])
    left, right = dot(multiply(matrix, u), y), dot(u, multiply_transpose(matrix, y))
    assert left == pytest.approx(right, rel=ROUNDING, abs=ROUNDING)


def test_polynomials_of_the_element_are_observed_exactly(space: CoefficientSpace) -> None:
    """(Bu)_i = u(x_i), in the order of the points, for a full polynomial of the element's degree."""
    dimension, degree = space.domain.dimension, degree_of(space)
    slopes = np.array([0.7, -0.4, 0.5])[:dimension]
    points = inner_points(dimension, 50)
    values = observed(space.domain, space.space, points, (0.3 + space.coordinates @ slopes) ** degree)
    np.testing.assert_allclose(values, (0.3 + points @ slopes) ** degree, rtol=0, atol=ROUNDING)


def vertices_and_edges() -> tuple[np.ndarray, np.ndarray]:
    """Every vertex and a third along every edge of the square's mesh: those between ranks are among them."""
    steps = np.arange(SQUARE + 1)
    vertices = np.array(list(product(steps, steps)), dtype=float)
    edges = []
    for direction in ((1, 0), (0, 1), (1, 1)):  # DOLFINx draws the diagonals to the upper right
        ends = vertices + direction
        edges.append((vertices + np.array(direction) / 3)[(ends <= SQUARE).all(axis=1)])
    return vertices / SQUARE, np.concatenate(edges) / SQUARE


def points_85() -> np.ndarray:
    """Twenty-five vertices, fifty points on edges and ten inside cells."""
    rng = np.random.default_rng(0)
    vertices, edges = vertices_and_edges()
    inside = rng.uniform(size=(10, 2))
    return np.concatenate([rng.choice(vertices, 25, False), rng.choice(edges, 50, False), inside])


def smooth(x: np.ndarray) -> np.ndarray:
    return np.exp(x[..., 0]) * np.sin(3 * x[..., 1] + 0.2)


def quadratic_interpolant(point: np.ndarray) -> float:
    """The P2 interpolant of `smooth` at a point, from its formula in barycentric coordinates."""
    corner = np.minimum(np.floor(point * SQUARE), SQUARE - 1)
    s, t = point * SQUARE - corner
    # Below the diagonal the triangle's third vertex is the lower right one, above it the upper left one.
    third = (1, 0) if s >= t else (0, 1)
    vertices = (corner + np.array([(0, 0), third, (1, 1)])) / SQUARE
    low, high = min(s, t), max(s, t)
    weights = np.array([1 - high, high - low, low])
    value = np.sum(weights * (2 * weights - 1) * smooth(vertices))
    for i, j in ((0, 1), (1, 2), (2, 0)):
        value += 4 * weights[i] * weights[j] * smooth((vertices[i] + vertices[j]) / 2)
    return float(value)


@pytest.mark.parametrize("points", [points_85(), np.concatenate(vertices_and_edges())], ids=["85", "all"])
def test_points_between_cells_and_ranks_count_once(points: np.ndarray) -> None:
    """One row a point, B1 = 1, and Bu is the P2 formula's value, whatever the number of ranks."""
    space = box_space(2, SQUARE, 2)
    matrix = point_matrix(space.domain, space.space, points)
    assert matrix.getSize() == (len(points), space.size)
    one = gathered(multiply(matrix, np.ones(space.owned)))
    np.testing.assert_allclose(one, 1.0, rtol=0, atol=ROUNDING)
    values = gathered(multiply(matrix, smooth(space.coordinates)))
    expected = [quadratic_interpolant(point) for point in points]
    np.testing.assert_allclose(values, expected, rtol=0, atol=ROUNDING)
    if COMM.size > 1:  # that some of the points are indeed between ranks
        shared = space.space.tabulate_dof_coordinates()[space.owned :, :2]
        distances = np.linalg.norm(points[:, None] - shared[None], axis=2)
        assert COMM.allreduce(int((distances.min(axis=1, initial=1.0) < ROUNDING).sum())) > 0


def test_equal_points_have_equal_rows() -> None:
    """A point measured twice is two readings of the same value."""
    space = box_space(2, SQUARE, 2)
    points = np.array([[0.25, 0.5], [0.3, 0.1], [0.25, 0.5], [0.3, 0.1]])
    values = observed(space.domain, space.space, points, smooth(space.coordinates))
    np.testing.assert_allclose(values[:2], values[2:], rtol=ROUNDING)


def beyond(dimension: int, diagonals: float, size: float) -> np.ndarray:
    """A point on the upper side of the cube [0, size]^dimension along x, moved outwards by this share."""
    point = size * np.array([1.0, 0.4, 0.7])[:dimension]
    point[0] += diagonals * size * np.sqrt(dimension)
    return point


@pytest.mark.parametrize("dimension, size", [(1, 1.0), (2, 1.0), (2, 1e-3), (2, 1e4), (3, 1.0)])
def test_the_tolerance_is_a_share_of_the_diagonal(dimension: int, size: float) -> None:
    """A point outside by 1e-12 of the diagonal is observed, one by 1e-8 is PointOutside on all ranks."""
    domain = box_mesh(dimension, CELLS[dimension], upper=size)
    space = CoefficientSpace(domain, 1)
    inside = size * np.full(dimension, 0.5)
    near = np.array([inside, beyond(dimension, 1e-12, size)])
    # The value on the boundary: a linear field is not followed beyond it.
    values = observed(domain, space.space, near, space.coordinates[:, 0] / size)
    np.testing.assert_allclose(values, [0.5, 1.0], rtol=ROUNDING)
    far = np.array([inside, beyond(dimension, 1e-8, size), beyond(dimension, 3.0, size), inside])
    with raised_on_all_ranks(PointOutside) as caught:
        point_matrix(domain, space.space, far)
    assert caught.value.index == 1
    np.testing.assert_array_equal(caught.value.point, far[1])
    assert caught.value.distance == pytest.approx(1e-8 * domain.diagonal, rel=1e-6)
    assert "point 2" in str(caught.value)


@pytest.mark.usefixtures("gmsh")
@pytest.mark.parametrize("x", [0.75, 0.5 + 1e-8], ids=["middle", "just outside"])
def test_a_notch_is_outside(x: float) -> None:
    """Points in the L-shape's notch are PointOutside on all ranks, though within the bounding box."""
    domain = MESHES["file"](COMM, LSHAPE)
    space = CoefficientSpace(domain, 1)
    edge = np.array([[0.25, 0.25], [0.5, 0.75], [0.5 + 1e-12, 0.75], [0.5, 0.5]])
    values = observed(domain, space.space, edge, space.interpolate(Formula(lambda x, library: x[0])))
    np.testing.assert_allclose(values, [0.25, 0.5, 0.5, 0.5], rtol=0, atol=2e-12)
    with raised_on_all_ranks(PointOutside) as caught:
        point_matrix(domain, space.space, np.vstack([edge, [x, 0.75]]))
    assert caught.value.index == len(edge)


def test_points_beside_facets_are_inside() -> None:
    """Points within 1e-9.5 to 1e-7 of a diagonal facet, on either side of it, belong to a cell, and a linear
    state is read there to rounding; DOLFINx alone takes the cell beyond for some of them."""
    cells, count, rng = 48, 600, np.random.default_rng(0)
    domain = MESHES["rectangle"](COMM, lower=[0, 0], upper=[1, 1], cells=[cells, cells])
    corner, along = rng.integers(0, cells, (2, count)), rng.uniform(0.1, 0.9, count)
    beside = rng.choice([-1, 1], count) * 10 ** rng.uniform(-9.5, -7, count)
    points = np.stack([(corner[0] + along) / cells + beside, (corner[1] + along) / cells - beside], axis=1)
    space = CoefficientSpace(domain, 1)
    plane = space.interpolate(Formula(lambda x, library: 1 + 2 * x[0] - 3 * x[1]))
    expected = 1 + 2 * points[:, 0] - 3 * points[:, 1]
    np.testing.assert_allclose(observed(domain, space.space, points, plane), expected, atol=ROUNDING)
