"""Laws of given fields that are no expressions: sampled at points, on another mesh, and by region."""

from dataclasses import replace

import numpy as np
import pytest
import ufl
from dolfinx import fem
from dolfinx.mesh import compute_midpoints
from mpi4py import MPI

from app.case import Expression
from app.mesh import (
    MESHES,
    CoefficientSpace,
    FieldByRegion,
    FlatPoints,
    Known,
    MeshError,
    QuadratureSpace,
    SampledField,
    TaggedMesh,
    WholeFunction,
    interpolant,
)

COMM = MPI.COMM_WORLD

SLOPES = np.array([0.3, -2.0, 5e-3])

ORIGIN, SIZE = np.array([4.5e5, -3.0, 10.0]), np.array([2000.0, 1.0, 300.0])
"""Coordinates far from zero, and axes of other lengths."""

LINEAR = 1e-6
"""Shares of the largest value by which a linear field is off where points are nudged, at most."""


def plane(points: np.ndarray) -> np.ndarray:
    return 7.0 + points @ SLOPES[: points.shape[1]]


def drawn(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    """Points of a box."""
    unit = np.random.default_rng(seed).uniform(size=(count, dimension))
    return ORIGIN[:dimension] + SIZE[:dimension] * unit


def grid(*counts: int) -> np.ndarray:
    """Its points in an order of their own."""
    axes = [np.linspace(low, low + size, n) for low, size, n in zip(ORIGIN, SIZE, counts, strict=False)]
    points = np.column_stack([each.ravel() for each in np.meshgrid(*axes)])
    return np.random.default_rng(1).permutation(points)


def corners(dimension: int) -> np.ndarray:
    return ORIGIN[:dimension] + SIZE[:dimension] * np.indices((2,) * dimension).reshape(dimension, -1).T


KNOWN_AT = {
    "line": grid(9),
    "grid": grid(6, 4),
    "grid in space": grid(5, 4, 3),
    "scattered": np.vstack([drawn(80, 2, 1), corners(2)]),
    "scattered in space": np.vstack([drawn(80, 3, 1), corners(3)]),
    "grid without a point": grid(5, 4, 3)[1:],
}


@pytest.mark.parametrize("name", KNOWN_AT)
def test_a_linear_field_is_exact(name: str) -> None:
    """Between the points and at them; a mesh of their box is within what they reach."""
    points = KNOWN_AT[name]
    field = interpolant(points, plane(points))
    places = np.vstack([drawn(300, points.shape[1]), points])
    if name == "grid without a point":  # which may be a corner
        places = places[field.excess(places) < 1e-6]
    expected = plane(places)
    np.testing.assert_allclose(field.numpy(places), expected, rtol=LINEAR)
    assert field.excess(places).max() < 1e-6
    np.testing.assert_allclose(field.extent, (points.min(axis=0), points.max(axis=0)))


@pytest.mark.parametrize("name", KNOWN_AT)
def test_half_a_cell_beyond_is_served_and_far_beyond_is_not(name: str) -> None:
    """As of a raster, whose values are those of the middles of its cells; values stay within the range."""
    points = KNOWN_AT[name]
    field = interpolant(points, plane(points))
    each = points.max(axis=0) - points.min(axis=0)
    beyond = points.max(axis=0) + np.array([[0.05], [3.0]]) * each
    near, far = field.excess(beyond)
    assert near <= 1.0 < far
    values = field.numpy(beyond)
    assert (plane(points).min() <= values).all() and (values <= plane(points).max()).all()


@pytest.mark.parametrize(
    "points", [np.ones((1, 1)), np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), drawn(9, 3) * [1, 1, 0]]
)
def test_points_that_enclose_nothing_are_refused(points: np.ndarray) -> None:
    with pytest.raises(FlatPoints, match=r"one point|points on one line|points in one plane"):
        interpolant(points, np.zeros(len(points)))


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_a_function_of_another_mesh_is_evaluated_as_it_is(degree: int) -> None:
    """Inside exactly; beyond the mesh at its nearest point, which is told from how far."""
    domain = MESHES["rectangle"](MPI.COMM_SELF, [0.0, 0.0], [1.0, 1.0], [8, 6])
    space = CoefficientSpace(domain, degree)
    text = {0: "3", 1: "1 + 2*x - y", 2: "x*y - x**2"}[degree]
    field = WholeFunction(space, space.interpolate(Expression(text)))
    places = np.random.default_rng(2).uniform(size=(200, 2))
    np.testing.assert_allclose(field.numpy(places), Expression(text).numpy(places), rtol=0, atol=1e-12)
    assert field.excess(places).max() < 1e-9
    near, far = np.array([[1.01, 0.5]]), np.array([[2.0, 0.5]])
    expected = Expression(text).numpy(np.array([[1.0, 0.5]]))
    np.testing.assert_allclose(field.numpy(near), expected, rtol=0, atol=1e-12)
    assert 0 < field.excess(near)[0] < 1 < field.excess(far)[0]
    assert np.isfinite(field.numpy(far)).all()


def halves(comm: MPI.Comm = COMM) -> TaggedMesh:
    """The unit square with the regions west (x < 1/2), south (y < 1/2) and rest (neither)."""
    domain = MESHES["rectangle"](comm, [0.0, 0.0], [1.0, 1.0], [8, 6])
    index_map = domain.mesh.topology.index_map(2)
    every = np.arange(index_map.size_local + index_map.num_ghosts, dtype=np.int32)
    west, south, _ = (compute_midpoints(domain.mesh, 2, every) < 0.5).T
    cells = {"west": every[west], "south": every[south], "rest": every[~west & ~south]}
    return replace(domain, cells=cells)


REGIONS = [("west", Expression("x")), ("south", Expression("log(x - 0.4) + y")), ("rest", Expression(7.0))]
"""The second has no value in all of the first, which comes before it."""


def by_hand(points: np.ndarray) -> np.ndarray:
    """What REGIONS are, on borders that of the first."""
    x, y = points.T
    with np.errstate(invalid="ignore"):
        south = np.log(x - 0.4) + y
    return np.where(x < 0.5 + 1e-9, x, np.where(y < 0.5 + 1e-9, south, 7.0))


@pytest.mark.distributed
@pytest.mark.parametrize("degree", [0, 1, 2])
def test_nodes_have_the_value_of_the_first_of_their_regions(degree: int) -> None:
    """Whichever rank has the cells."""
    domain = halves()
    space = CoefficientSpace(domain, degree)
    field = FieldByRegion(domain, REGIONS)
    assert not len(field.without)
    expected = by_hand(space.coordinates)
    np.testing.assert_allclose(space.interpolate(field), expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        space.nodal(space.interpolant(field, "m")), by_hand(space.everywhere_coordinates), rtol=0, atol=1e-13
    )


@pytest.mark.distributed
def test_in_ufl_regions_are_the_expressions_of_their_cells() -> None:
    """∫f² is that of a conditional expression, by values at the points of the rule."""
    domain = halves()
    field, x = FieldByRegion(domain, REGIONS), domain.coordinates
    points = QuadratureSpace(domain, 4)
    expected = by_hand(points.coordinates)
    function = points.everywhere(expected, "f")
    rule = ufl.dx(metadata={"quadrature_degree": 4, "quadrature_rule": "default"})
    found, exact = (
        COMM.allreduce(fem.assemble_scalar(fem.form(f**2 * rule(domain=domain.mesh))))
        for f in (field.ufl(x), function)
    )
    assert found == pytest.approx(exact, rel=1e-12)
    np.testing.assert_allclose(points.interpolate(field), expected, rtol=0, atol=1e-13)


@pytest.mark.distributed
def test_cells_without_a_value_are_told() -> None:
    """Unless there is a value for all others; a region that is not there is refused."""
    domain = halves()
    own = domain.cells["rest"]
    own = own[own < domain.mesh.topology.index_map(2).size_local]
    np.testing.assert_array_equal(np.sort(FieldByRegion(domain, REGIONS[:2]).without), own)
    assert not len(FieldByRegion(domain, REGIONS[:2], Expression(1.0)).without)
    with pytest.raises(MeshError, match="no region 'east'; it has rest, south, west"):
        FieldByRegion(domain, [("east", Expression(1.0))])


@pytest.mark.distributed
def test_known_values_may_be_given_by_region() -> None:
    """Where a coefficient is known it is what the field says there."""
    domain = halves()
    field = FieldByRegion(domain, REGIONS)
    space = CoefficientSpace(domain, 1, Known(("west",), field))
    function = space.function(np.zeros(space.owned))
    places, values = space.everywhere_coordinates, space.nodal(function)
    np.testing.assert_allclose(values, np.where(places[:, 0] < 0.5 + 1e-9, places[:, 0], 0.0), atol=1e-13)


@pytest.mark.distributed
def test_a_sampled_field_is_its_interpolant_in_ufl() -> None:
    """Of degree 1: a plane exactly, anything smooth to second order."""
    domain = halves()
    points = np.vstack([np.random.default_rng(0).uniform(size=(60, 2)), np.indices((2, 2)).reshape(2, -1).T])
    field = SampledField(domain, interpolant(points, 1 + points @ [2.0, -3.0]))
    x = domain.coordinates
    off = (field.ufl(x) - (1 + 2 * x[0] - 3 * x[1])) ** 2 * ufl.dx
    assert COMM.allreduce(fem.assemble_scalar(fem.form(off))) == pytest.approx(0.0, abs=1e-18)
    waves = Expression("sin(3*x)*cos(2*y)")
    errors = []
    for count in (9, 17):
        axis = np.linspace(0, 1, count)
        places = np.column_stack([each.ravel() for each in np.meshgrid(axis, axis)])
        sampled = interpolant(places, waves.numpy(places))
        there = np.random.default_rng(3).uniform(size=(500, 2))
        errors.append(np.abs(sampled.numpy(there) - waves.numpy(there)).max())
    assert errors[0] > 3 * errors[1]
