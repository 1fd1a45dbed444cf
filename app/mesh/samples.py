"""Functions that are known at points or on another mesh, continued a little beyond where they are known."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from app.mesh.location import AT_ONCE, locate
from app.mesh.points import cell_sizes
from app.mesh.spaces import CoefficientSpace
from app.types import Untyped

BISECTIONS = 50
"""By which the last point is found where a segment leaves the hull of points."""

NUDGE = 1e-9
"""By how much of their extent points are moved apart from a degenerate place."""

REACH = 2.0
"""How far beyond its mesh a finite-element function is continued, in sizes of its cells."""


class FlatPoints(ValueError):
    """Points that enclose no volume, so that nothing is between them."""


class Sampled(Protocol):
    """A function with a value everywhere, which means something where `excess` is at most one."""

    @property
    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner of where it is known, shape (dimension,)."""

    def numpy(self, points: np.ndarray) -> np.ndarray:
        """Values (n,) at points (n, dimension); serial."""

    def excess(self, points: np.ndarray) -> np.ndarray:
        """How far points (n, dimension) lie beyond where it is known, 1 being as far as it is continued;
        shape (n,), zero inside. Serial."""


class GridInterpolant:
    """Multilinear between the points of a grid, and beyond it the value of its nearest point.

    It is continued by one spacing of the grid: half of that is what the middles of a raster's cells leave of
    the raster.
    """

    def __init__(self, axes: Sequence[np.ndarray], values: np.ndarray) -> None:
        """Rising coordinates along each axis, at least two, and the values, of the shape of their lengths."""
        from scipy.interpolate import RegularGridInterpolator

        ends = [(axis[0], axis[-1], axis[1] - axis[0], axis[-1] - axis[-2]) for axis in axes]
        lower, upper, self._first, self._last = np.array(ends).T
        self.extent = lower, upper
        self._values: Untyped = RegularGridInterpolator(tuple(axes), values)

    def numpy(self, points: np.ndarray) -> np.ndarray:
        """See Sampled."""
        values: np.ndarray = self._values(np.clip(points, *self.extent))
        return values

    def excess(self, points: np.ndarray) -> np.ndarray:
        """See Sampled."""
        lower, upper = self.extent
        beyond = np.maximum((lower - points) / self._first, (points - upper) / self._last)
        excess: np.ndarray = beyond.max(axis=1, initial=0.0)
        return excess


class Interpolant:
    """Linear between points in the plane or in space, by their Delaunay triangulation with each axis scaled
    by its extent.

    Beyond their hull it has the value where the segment to the middle of the points enters the hull. It is
    continued by one mean spacing of the points.
    """

    def __init__(self, points: np.ndarray, values: np.ndarray) -> None:
        """`points` of shape (n, dimension), no two alike; raises FlatPoints."""
        from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator

        self._lower, size = points.min(axis=0), np.ptp(points, axis=0)
        self.extent = self._lower, points.max(axis=0)
        count, dimension = points.shape
        if count <= dimension or not (size > 0).all():
            raise FlatPoints(_flat(dimension))
        self._size, self._spacing = size, 1.0 / max(count ** (1.0 / dimension) - 1.0, 1.0)
        scaled = self._scaled(points)
        self._triangulation = _triangulation(scaled)
        self._middle = scaled.mean(axis=0)
        self._linear: Untyped = LinearNDInterpolator(self._triangulation, values)
        self._nearest: Untyped = NearestNDInterpolator(scaled, values)

    def numpy(self, points: np.ndarray) -> np.ndarray:
        """See Sampled."""
        places = self._drawn_in(self._scaled(points))
        values: np.ndarray = self._linear(places)
        lost = np.isnan(values)  # at a corner of the hull, by rounding
        values[lost] = self._nearest(places[lost])
        return values

    def excess(self, points: np.ndarray) -> np.ndarray:
        """See Sampled."""
        scaled = self._scaled(points)
        beyond = np.abs(scaled - self._drawn_in(scaled)).max(axis=1, initial=0.0)
        excess: np.ndarray = beyond / self._spacing
        return excess

    def _scaled(self, points: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = (points - self._lower) / self._size
        return scaled

    def _drawn_in(self, scaled: np.ndarray) -> np.ndarray:
        """Points of the hull as they are, others where the segment to the middle enters it."""
        outside = np.flatnonzero(self._triangulation.find_simplex(scaled) < 0)
        away = scaled[outside] - self._middle
        near, far = np.zeros(len(outside)), np.ones(len(outside))
        for _ in range(BISECTIONS if len(outside) else 0):
            half = 0.5 * (near + far)
            held = self._triangulation.find_simplex(self._middle + half[:, None] * away) >= 0
            near, far = np.where(held, half, near), np.where(held, far, half)
        moved = scaled.copy()
        moved[outside] = self._middle + near[:, None] * away
        return moved


def interpolant(points: np.ndarray, values: np.ndarray) -> Sampled:
    """Linear between points, no two alike, of shape (n, dimension); multilinear where they are a grid.

    Raises FlatPoints.
    """
    numbered = [np.unique(column, return_inverse=True) for column in points.T]
    axes, numbers = [axis for axis, _ in numbered], tuple(number for _, number in numbered)
    shape = tuple(len(axis) for axis in axes)
    if math.prod(shape) == len(points) and min(shape) > 1:
        grid = np.empty(shape)
        grid[numbers] = values
        return GridInterpolant(axes, grid)
    if points.shape[1] == 1:
        raise FlatPoints(_flat(1))
    return Interpolant(points, values)


def _triangulation(scaled: np.ndarray) -> Untyped:
    """Of points in the unit cube; raises FlatPoints.

    Of points on spheres, such as those of a grid, it may have flat simplices, in which points are not found
    fast; they are then taken as if moved by NUDGE.
    """
    from scipy.spatial import Delaunay, QhullError

    try:
        found = Delaunay(scaled)
        if np.isnan(found.transform).any():
            nudges = np.random.default_rng(0).uniform(-NUDGE, NUDGE, scaled.shape)
            found = Delaunay(scaled + nudges)
    except QhullError:
        raise FlatPoints(_flat(scaled.shape[1])) from None
    return found


class WholeFunction:
    """A finite-element function that one rank holds whole; beyond its mesh the value of the nearest point."""

    def __init__(self, space: CoefficientSpace, nodal: np.ndarray) -> None:
        """`space` on a communicator of one rank; `nodal` values at all nodes, also where it is known."""
        self._space, self._nodal = space, nodal
        self.extent = space.domain.bounding_box()
        self._reach = REACH * float(cell_sizes(space.domain).mean())

    def numpy(self, points: np.ndarray) -> np.ndarray:
        """See Sampled."""
        return self._evaluated(points)[0]

    def excess(self, points: np.ndarray) -> np.ndarray:
        """See Sampled."""
        beyond: np.ndarray = self._evaluated(points)[1] / self._reach
        return beyond

    def _evaluated(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values, and distances from the mesh, infinite where it is out of reach."""
        parts = [self._some(points[i : i + AT_ONCE]) for i in range(0, len(points), AT_ONCE)]
        values, distances = zip(*parts, strict=True) if parts else ((np.empty(0),), (np.empty(0),))
        return np.concatenate(values), np.concatenate(distances)

    def _some(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        space, domain = self._space.space, self._space.domain
        found = locate(domain, points, domain.tolerance)
        far = np.flatnonzero(found.cells < 0)
        if len(far):
            there = locate(domain, points[far], self._reach)
            found.cells[far], found.reference[far] = there.cells, there.reference
            found.distance[far] = there.distance
        near = np.flatnonzero(found.cells >= 0)
        element: Untyped = space.element.basix_element
        shapes = element.tabulate(0, found.reference[near])[0, :, :, 0]
        values = np.empty(len(points))
        values[near] = np.einsum("pn,pn->p", shapes, self._nodal[space.dofmap.list[found.cells[near]]])
        if len(near) < len(points):
            from scipy.spatial import cKDTree

            lost = np.flatnonzero(found.cells < 0)
            values[lost] = self._nodal[cKDTree(self._space.everywhere_coordinates).query(points[lost])[1]]
        return values, found.distance


def _flat(dimension: int) -> str:
    """What is wrong with points that enclose nothing."""
    return {1: "one point", 2: "points on one line", 3: "points in one plane"}[dimension]
