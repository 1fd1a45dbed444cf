"""Readings of the state on parts of the boundary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from app.data.places import Source
from app.data.points import PointData, read_points
from app.observe.kinds import ObservedState, StateObservations
from app.observe.operators import ObservationOperator
from app.schema.section import DataFile, Parts, part_names
from app.types import Untyped

if TYPE_CHECKING:
    from app.mesh import TaggedMesh

NEAR = 0.1
"""A point may lie off its part by this share of the nearest facet's size: the facets of a curved boundary are
its chords."""


class TraceObservations(StateObservations):
    """Readings of the state on a part of the boundary, at the nearest points of it."""

    kind: Literal["traces"]
    """Readings of the state on a part of the boundary, at the nearest points of it."""
    on: Parts
    """The name of a part of the mesh, a list of names, or all for the whole boundary."""
    file: DataFile
    """A CSV or NPY file with the columns x, y, z (as many as the mesh has) of points that lie on the part
    within a tenth of its facets' size, of a state in time t, value and, if known, sigma."""

    in_time = True

    def read(self, path: Source, dimension: int, *, in_time: bool) -> PointData:
        """See StateObservations."""
        return read_points(path, dimension, in_time=in_time)

    def operator(self, state: ObservedState, data: PointData) -> ObservationOperator:
        """(Bu)_i = u at the point of the part that is nearest to x_i.

        Raises MeshError for a part that the mesh lacks, PlaceError for a point that is not on the part, on
        all ranks.
        """
        from app.mesh import point_matrix

        near = nearest_on(state.domain, part_names(self.on) or ("all",), data.points)
        return ObservationOperator(point_matrix(state.domain, state.space, near, self.index(state)))


def nearest_on(domain: TaggedMesh, on: Sequence[str], points: np.ndarray) -> np.ndarray:
    """The nearest points of named parts of the boundary, shape (n, dimension), the same on all ranks.

    `points` of that shape are the same on all ranks. Raises MeshError for a part that the mesh lacks,
    PlaceError for a point further from it than NEAR, on all ranks.
    """
    from dolfinx.mesh import entities_to_geometry

    from app.mesh.location import coordinate_element, is_affine
    from app.mesh.points import PlaceError

    mesh, dimension = domain.mesh, domain.dimension
    facets = domain.boundary(on)
    mesh.topology.create_connectivity(dimension - 1, dimension)
    corners = mesh.geometry.x[entities_to_geometry(mesh, dimension - 1, facets), :dimension]
    element = coordinate_element(domain)
    straight, near = is_affine(element) or (dimension == 2 and element.degree == 1), np.zeros_like(points)
    distance, size = np.full(len(points), np.inf), np.ones(len(points))
    for i, point in enumerate(points if len(facets) else []):
        candidates = _nearest_in(corners, point) if straight else _nearest_on_curved(element, corners, point)
        far = np.linalg.norm(candidates - point, axis=1)
        best = int(far.argmin())
        near[i], distance[i], size[i] = candidates[best], far[best], _size(corners[best])
    seen = [np.array(part) for part in zip(*domain.comm.allgather((near, distance, size)), strict=True)]
    nearest, each = seen[1].argmin(axis=0), np.arange(len(points))
    near, distance, size = (part[nearest, each] for part in seen)
    off = np.flatnonzero(distance > np.maximum(NEAR * size, domain.tolerance))
    if len(off):
        first = int(off[0])
        where = ", ".join(f"{x:.10g}" for x in points[first])
        lies = f"lies off the part {', '.join(on)} by {distance[first]:.3g}"
        raise PlaceError(first, f"point {first + 1} at ({where}) {lies}")
    return near


def _nearest_on_curved(element: Untyped, nodes: np.ndarray, point: np.ndarray) -> np.ndarray:
    """The nearest point of each facet, which cells of this element have, to one point."""
    import basix

    from app.mesh.location import nearest_of_maps

    sort = basix.cell.sub_entity_type(element.cell_type, nodes.shape[2] - 1, 0)
    facet = basix.create_element(basix.ElementFamily.P, sort, element.degree, element.lagrange_variant)
    return nearest_of_maps(facet, nodes, np.tile(point, (len(nodes), 1)))[1]


def _size(corners: np.ndarray) -> float:
    """Length of a facet's longest edge; the end of a line has none."""
    return float(max(np.linalg.norm(p - q) for p in corners for q in corners))


def _nearest_in(corners: np.ndarray, point: np.ndarray) -> np.ndarray:
    """The nearest point of each simplex, shape (simplices, dimension), to one point.

    `corners` has shape (simplices, corners, dimension). By projection on the plane of a simplex, and where
    that misses it by the nearest point of its faces.
    """
    base, edges = corners[:, 0], corners[:, 1:] - corners[:, :1]
    if not edges.shape[1]:
        return base
    products = edges @ edges.transpose(0, 2, 1)
    shares = np.linalg.solve(products, edges @ (point - base)[:, :, None])
    near: np.ndarray = base + (shares * edges).sum(axis=1)
    missed = (shares < 0).any(axis=(1, 2)) | (shares.sum(axis=(1, 2)) > 1)
    if missed.any():
        count = corners.shape[1]
        faces = np.stack([_nearest_in(np.delete(corners[missed], j, axis=1), point) for j in range(count)])
        best = np.linalg.norm(faces - point, axis=2).argmin(axis=0)
        near[missed] = faces[best, np.arange(faces.shape[1])]
    return near
