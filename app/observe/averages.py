"""Means of the state over regions of the mesh and over balls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from app.data.places import Source
from app.data.points import PointData, read_averages
from app.observe.kinds import ObservedState, StateObservations
from app.observe.operators import ObservationOperator
from app.schema.section import DataFile, Positive
from app.types import Matrix, Space

if TYPE_CHECKING:
    from app.mesh import TaggedMesh

RADII, ANGLES, HEIGHTS = 4, 12, 4
"""Points of the rule along a radius, around the axis, and along the axis of a ball in space."""


class AverageObservations(StateObservations):
    """Means of the state over regions of the mesh, or over discs (in space balls, on a line intervals)."""

    kind: Literal["averages"]
    """Means of the state over regions of the mesh, or over discs (in space balls, on a line intervals)."""
    file: DataFile
    """A CSV or NPY file with the column on (the name of a region of the mesh, or all), or the columns x, y, z
    (as many as the mesh has) of centres and, unless given here, radius; of a state in time t; value and, if
    known, sigma."""
    radius: Positive | None = None
    """Radius of all discs, in the mesh's unit."""

    in_time = True

    def read(self, path: Source, dimension: int, *, in_time: bool) -> PointData:
        """See StateObservations."""
        return read_averages(path, dimension, self.radius, in_time=in_time)

    def operator(self, state: ObservedState, data: PointData) -> ObservationOperator:
        """(Bu)_i = the mean of u over the region or ball i.

        Raises PlaceError for a region that the mesh lacks and a ball that leaves it, on all ranks.
        """
        component = self.index(state)
        if data.names is not None:
            return ObservationOperator(region_averages(state.domain, state.space, data.names, component))
        radii = data.columns["radius"]
        return ObservationOperator(ball_averages(state.domain, state.space, data.points, radii, component))


def region_averages(domain: TaggedMesh, space: Space, names: Sequence[str], component: int = 0) -> Matrix:
    """B with (Bu)_i = the mean of u over the region named i, `all` being the whole mesh."""
    from app.mesh import MeshError, PlaceError
    from app.mesh.rows import integrals, over_cells, sparse_rows

    index_map = space.dofmap.index_map
    own = np.arange(*(end * space.dofmap.index_map_bs for end in index_map.local_range))
    means = {}
    for name in dict.fromkeys(names):
        try:
            cells = _every_cell(domain) if name == "all" else domain.region(name)
        except MeshError as error:
            raise PlaceError(list(names).index(name), f"on: {error}") from None
        values = integrals(space, over_cells(domain, cells), component)
        mean = values / domain.comm.allreduce(float(values.sum()))  # the φ_i add up to 1
        here = np.flatnonzero(mean)
        means[name] = own[here], mean[here]
    rows = np.repeat(np.arange(len(names)), [len(means[name][0]) for name in names])
    columns, values = (np.concatenate([means[name][i] for name in names]) for i in (0, 1))
    return sparse_rows(space, len(names), rows, columns, values)


def ball_averages(
    domain: TaggedMesh, space: Space, centres: np.ndarray, radii: np.ndarray, component: int = 0
) -> Matrix:
    """B with (Bu)_i = the mean of u over the ball (in the plane a disc, on a line an interval) i.

    By a rule that is exact for polynomials of degree 5, and for a state with kinks between cells as good as
    its points are many in a cell or cells are many in the ball. `centres` has shape (readings, dimension),
    `radii` (readings,), both the same on all ranks.
    """
    from app.mesh import PlaceError, PointOutside, point_matrix
    from app.mesh.rows import sparse_matrix

    places, weights = ball_rule(domain.dimension)
    points = centres[:, None, :] + radii[:, None, None] * places
    try:
        at = point_matrix(domain, space, points.reshape(-1, domain.dimension), component)
    except PointOutside as outside:
        ball = outside.index // len(places)
        where = ", ".join(f"{x:.10g}" for x in centres[ball])
        message = f"the ball {ball + 1} about ({where}) reaches outside the mesh"
        raise PlaceError(ball, message) from None
    mine = np.arange(*at.getOwnershipRange())  # in other parts than the balls' rows
    shares = weights[mine % len(places)]
    sums = sparse_matrix(domain.comm, len(centres), at.getSizes()[0], mine // len(places), mine, shares)
    matrix = sums.matMult(at)
    sums.destroy(), at.destroy()
    return matrix


def ball_rule(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, dimension) in the unit ball and weights that add up to 1.

    Gauss's rule along the radius and the axis, equal angles around it. Points on the rim have the weight
    zero: they tell that the ball lies in the mesh.
    """
    if dimension == 1:
        nodes, weights = np.polynomial.legendre.leggauss(2 * RADII)
        return np.append(nodes, [-1.0, 1.0])[:, None], np.append(weights / 2, [0.0, 0.0])
    nodes, shares = np.polynomial.legendre.leggauss(RADII)
    radii = (1 + nodes) / 2
    shares = shares * radii ** (dimension - 1)  # Jacobian of polar coordinates
    angles = 2 * np.pi * np.arange(ANGLES) / ANGLES
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    parts = np.full(ANGLES, 1 / ANGLES)
    if dimension == 3:
        heights, slices = np.polynomial.legendre.leggauss(HEIGHTS)
        flat = np.sqrt(1 - heights**2)
        around = np.broadcast_to(heights[:, None, None], (HEIGHTS, ANGLES, 1))
        directions = np.concatenate([flat[:, None, None] * directions, around], axis=2).reshape(-1, 3)
        parts = np.outer(slices / 2, parts).ravel()
    inner = (radii[:, None, None] * directions).reshape(-1, dimension)
    weights = np.outer(shares / shares.sum(), parts).ravel()
    rim = np.vstack([directions, np.eye(dimension), -np.eye(dimension)])
    return np.vstack([inner, rim]), np.append(weights, np.zeros(len(rim)))


def _every_cell(domain: TaggedMesh) -> np.ndarray:
    return np.arange(domain.mesh.topology.index_map(domain.dimension).size_local, dtype=np.int32)
