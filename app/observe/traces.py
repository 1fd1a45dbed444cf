"""Points on parts of the boundary."""

from collections.abc import Sequence

import numpy as np
from dolfinx.mesh import entities_to_geometry

from app.mesh.meshes import TaggedMesh
from app.mesh.points import OUTSIDE

NEAR = 0.1
"""A point may lie off its part by this share of the nearest facet's size: the facets of a curved boundary are
its chords."""


class PointOffPart(ValueError):
    """A point does not lie on its part of the boundary; `index` counts the points from 0."""

    def __init__(self, index: int, point: np.ndarray, distance: float, on: Sequence[str]) -> None:
        super().__init__(index, point, distance, on)
        self.index, self.point, self.distance, self.on = index, point, distance, on

    def __str__(self) -> str:
        where, parts = ", ".join(f"{x:.6g}" for x in self.point), ", ".join(self.on)
        return f"point {self.index + 1} at ({where}) lies off the part {parts} by {self.distance:.3g}"


def nearest_on(domain: TaggedMesh, on: Sequence[str], points: np.ndarray) -> np.ndarray:
    """The nearest points of named parts of the boundary, shape (n, dimension), the same on all ranks.

    `points` of that shape are the same on all ranks. Raises MeshError for a part that the mesh lacks,
    PointOffPart for a point further from it than NEAR, on all ranks.
    """
    mesh, dimension = domain.mesh, domain.dimension
    facets = domain.boundary(on)
    mesh.topology.create_connectivity(dimension - 1, dimension)
    corners = mesh.geometry.x[entities_to_geometry(mesh, dimension - 1, facets), :dimension]
    near = np.zeros_like(points)
    distance, size = np.full(len(points), np.inf), np.ones(len(points))
    for i, point in enumerate(points if len(facets) else []):
        candidates = _nearest_in(corners, point)
        far = np.linalg.norm(candidates - point, axis=1)
        best = int(far.argmin())
        near[i], distance[i], size[i] = candidates[best], far[best], _size(corners[best])
    seen = [np.array(part) for part in zip(*domain.comm.allgather((near, distance, size)), strict=True)]
    nearest, each = seen[1].argmin(axis=0), np.arange(len(points))
    near, distance, size = (part[nearest, each] for part in seen)
    off = np.flatnonzero(distance > np.maximum(NEAR * size, OUTSIDE * domain.diagonal))
    if len(off):
        raise PointOffPart(int(off[0]), points[off[0]], float(distance[off[0]]), on)
    return near


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
    near = base + (shares * edges).sum(axis=1)
    missed = (shares < 0).any(axis=(1, 2)) | (shares.sum(axis=(1, 2)) > 1)
    if missed.any():
        count = corners.shape[1]
        faces = np.stack([_nearest_in(np.delete(corners[missed], j, axis=1), point) for j in range(count)])
        best = np.linalg.norm(faces - point, axis=2).argmin(axis=0)
        near[missed] = faces[best, np.arange(faces.shape[1])]
    return near
