"""Observation operators: sparse PETSc matrices B that take the state's dofs to the data's."""

import numpy as np
from dolfinx.mesh import compute_midpoints

from app.mesh.location import locate
from app.mesh.meshes import TaggedMesh
from app.mesh.rows import sparse_rows
from app.types import Matrix, Space


class PlaceError(ValueError):
    """A reading that cannot be taken at its place; `index` counts the readings from 0."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


class PointOutside(PlaceError):
    """A measurement point lies outside the mesh; `index` counts the points from 0."""

    def __init__(self, index: int, point: np.ndarray, distance: float) -> None:
        where = ", ".join(f"{x:.10g}" for x in point)
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
    comm, tolerance = domain.comm, domain.tolerance
    found = locate(domain, points, tolerance)
    owner, nearest = found.owned(comm)
    outside = np.flatnonzero(nearest > tolerance)
    if len(outside):
        first = int(outside[0])
        far = nearest[first] if np.isfinite(nearest[first]) else _distance_to_box(domain, points[first])
        raise PointOutside(first, points[first], float(far))

    rows = np.flatnonzero(owner == comm.rank)
    index_map, size = space.dofmap.index_map, space.dofmap.index_map_bs
    nodes = space.dofmap.list[found.cells[rows]]
    shape = nodes.shape
    dofs = size * index_map.local_to_global(nodes.ravel()).reshape(shape)
    dofs += np.broadcast_to(component, len(points))[rows, None]
    values = space.element.basix_element.tabulate(0, found.reference[rows])[0, :, :, 0]
    return sparse_rows(space, len(points), np.repeat(rows, shape[1]), dofs.ravel(), values.ravel())


def cell_sizes(domain: TaggedMesh) -> np.ndarray:
    """Diameters of the rank's owned cells."""
    mesh, dimension = domain.mesh, domain.dimension
    cells = np.arange(mesh.topology.index_map(dimension).size_local, dtype=np.int32)
    sizes: np.ndarray = mesh.h(dimension, cells)
    return sizes


def cell_size(domain: TaggedMesh, point: np.ndarray) -> float:
    """Diameter of the cell whose midpoint is nearest to a point, shape (dimension,); collective."""
    mesh, dimension = domain.mesh, domain.dimension
    cells = np.arange(mesh.topology.index_map(dimension).size_local, dtype=np.int32)
    away = np.linalg.norm(compute_midpoints(mesh, dimension, cells)[:, :dimension] - point, axis=1)
    own = [(float(away.min()), float(mesh.h(dimension, cells[[away.argmin()]])[0]))] if len(cells) else []
    size: float = min(each for found in domain.comm.allgather(own) for each in found)[1]
    return size


def _distance_to_box(domain: TaggedMesh, point: np.ndarray) -> float:
    """Lower bound of the distance, for the message only; of a point in a notch it is the tolerance."""
    lower, upper = domain.bounding_box()
    outside = np.maximum(np.maximum(lower - point, point - upper), 0.0)
    return max(float(np.linalg.norm(outside)), domain.tolerance)
