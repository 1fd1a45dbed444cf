"""Observation operators: sparse PETSc matrices B that take the state's dofs to the data's."""

import numpy as np
from dolfinx.geometry import determine_point_ownership
from dolfinx.mesh import compute_midpoints

from app.mesh.meshes import TaggedMesh
from app.mesh.rows import sparse_rows
from app.types import Matrix, Space

OUTSIDE = 1e-10
"""A point may lie outside the mesh by this share of the bounding box's diagonal."""


class PlaceError(ValueError):
    """A reading that cannot be taken at its place; `index` counts the readings from 0."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


class PointOutside(PlaceError):
    """A measurement point lies outside the mesh; `index` counts the points from 0."""

    def __init__(self, index: int, point: np.ndarray, distance: float) -> None:
        where = ", ".join(f"{x:.6g}" for x in point)
        lies = f"lies outside the mesh by {distance:.3g} or more"
        super().__init__(index, f"point {index + 1} at ({where}) {lies}")
        self.point, self.distance = point, distance


def point_matrix(
    domain: TaggedMesh, space: Space, points: np.ndarray, component: int | np.ndarray = 0
) -> Matrix:
    """B with (Bu)_i = u(x_i) for a Lagrange space; a point on shared facets has one row.

    Of a state of several components one is read: `component` is its index, one for all points or an array
    (n,). `points`, shape (n, dimension), is the same on all ranks. B has shape (n, state dofs); its rows are
    spread in equal contiguous parts, in the order of the points, whichever rank holds the point's cell.
    Raises PointOutside on all ranks.
    """
    comm = domain.comm
    tolerance = OUTSIDE * domain.diagonal
    padded = np.zeros((len(points), 3))
    padded[:, : domain.dimension] = points
    mine = padded if comm.rank == 0 else np.empty((0, 3))
    ownership = determine_point_ownership(domain.mesh, mine, tolerance)
    owner = comm.bcast(np.asarray(ownership.src_owner) if comm.rank == 0 else None, root=0)
    rows = np.flatnonzero(owner == comm.rank)
    cells = np.array(ownership.dest_cells, dtype=np.int32)

    reference, distance = _locate(domain, points[rows], cells)
    _prefer_neighbours(domain, points[rows], cells, reference, distance, tolerance)
    worst = np.zeros(len(points))
    worst[rows] = distance
    total = np.empty_like(worst)
    comm.Allreduce(worst, total)
    total[owner < 0] = np.inf
    outside = np.flatnonzero(total > tolerance)
    if len(outside):
        first = int(outside[0])
        far = total[first] if np.isfinite(total[first]) else _distance_to_box(domain, points[first])
        raise PointOutside(first, points[first], float(far))

    index_map, size = space.dofmap.index_map, space.dofmap.index_map_bs
    nodes = space.dofmap.list[cells]
    shape = nodes.shape
    dofs = size * index_map.local_to_global(nodes.ravel()).reshape(shape)
    dofs += np.broadcast_to(component, len(points))[rows, None]
    values = space.element.basix_element.tabulate(0, reference)[0, :, :, 0]
    return sparse_rows(space, len(points), np.repeat(rows, shape[1]), dofs.ravel(), values.ravel())


def cell_size(domain: TaggedMesh, point: np.ndarray) -> float:
    """Diameter of the cell whose midpoint is nearest to a point, shape (dimension,); collective."""
    mesh, dimension = domain.mesh, domain.dimension
    cells = np.arange(mesh.topology.index_map(dimension).size_local, dtype=np.int32)
    away = np.linalg.norm(compute_midpoints(mesh, dimension, cells)[:, :dimension] - point, axis=1)
    own = [(float(away.min()), float(mesh.h(dimension, cells[[away.argmin()]])[0]))] if len(cells) else []
    return min(each for found in domain.comm.allgather(own) for each in found)[1]


def _locate(domain: TaggedMesh, points: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reference coordinates of the nearest points within the given simplices, and the distances to them."""
    geometry = domain.mesh.geometry
    cmap, nodes = geometry.cmaps[0], geometry.x[geometry.dofmaps[0][cells], : domain.dimension]
    reference = np.zeros((len(cells), domain.mesh.topology.dim))
    for i, (point, corners) in enumerate(zip(points, nodes, strict=True)):
        reference[i] = cmap.pull_back(point[None, :], corners)[0]
    inside = _moved_into_simplex(reference)
    found = np.zeros_like(points)
    for i, (X, corners) in enumerate(zip(inside, nodes, strict=True)):
        found[i] = cmap.push_forward(X[None, :], corners)[0]
    return inside, np.linalg.norm(found - points, axis=1)


def _prefer_neighbours(
    domain: TaggedMesh,
    points: np.ndarray,
    cells: np.ndarray,
    reference: np.ndarray,
    distance: np.ndarray,
    tolerance: float,
) -> None:
    """Move points that lie outside their cells to a neighbouring cell that is nearer, in place; collective.

    DOLFINx finds the cell by a distance that is good to about 1e-8, and near a facet may take the one beyond.
    """
    topology = domain.mesh.topology
    topology.create_connectivity(topology.dim, 0)
    topology.create_connectivity(0, topology.dim)
    vertices, around = topology.connectivity(topology.dim, 0), topology.connectivity(0, topology.dim)
    for i in np.flatnonzero(distance > tolerance):
        near = np.unique(np.concatenate([around.links(v) for v in vertices.links(cells[i])]))
        inside, far = _locate(domain, np.tile(points[i], (len(near), 1)), near)
        best = int(np.argmin(far))
        if far[best] < distance[i]:
            cells[i], reference[i], distance[i] = near[best], inside[best], far[best]


def _moved_into_simplex(X: np.ndarray) -> np.ndarray:
    """Each row itself if it is inside, else a point of the boundary as near as rounding asks for."""
    clipped = np.clip(X, 0.0, None)
    return clipped / np.maximum(1.0, clipped.sum(axis=1, keepdims=True))


def _distance_to_box(domain: TaggedMesh, point: np.ndarray) -> float:
    """Lower bound of the distance, for the message only; of a point in a notch it is the tolerance."""
    lower, upper = domain.bounding_box()
    outside = np.maximum(np.maximum(lower - point, point - upper), 0.0)
    return max(float(np.linalg.norm(outside)), OUTSIDE * domain.diagonal)
