"""From a coefficient on a coarse mesh to one on a finer mesh of the same domain, and from derivatives there
back."""

from functools import partial

import numpy as np
from dolfinx import geometry as dgeometry

from app.mesh.location import Located, holding, locate, nearest_in_cells
from app.mesh.meshes import TaggedMesh
from app.mesh.rows import sparse_matrix
from app.mesh.spaces import CoefficientSpace, CoefficientSpaces
from app.parallel import multiply, multiply_transpose
from app.types import Matrix


class Transfer:
    """P: the coarse finite-element function at the fine nodes, an exact one where the meshes are nested.

    A fine node that no coarse cell holds, as beyond the chords of a curved boundary, has the value of the
    nearest point. Where a coefficient is known the departure from what is known is zero on both meshes.
    """

    def __init__(
        self, coarse: CoefficientSpace | CoefficientSpaces, fine: CoefficientSpace | CoefficientSpaces
    ) -> None:
        """Collective; of several unknowns part by part. `close` releases it."""
        self._coarse, self._fine = coarse, fine
        pairs = zip(coarse.parts, fine.parts, strict=True)
        self._matrices = [_interpolation(one, other) for one, other in pairs]

    def prolonged(self, block: np.ndarray) -> np.ndarray:
        """P @ block: from the rank's owned coarse rows of a coefficient, or several, to its fine ones."""
        own = zip(self._matrices, self._coarse.extended(block), strict=True)
        return self._fine.restricted([multiply(matrix, rows) for matrix, rows in own])

    def restricted(self, block: np.ndarray) -> np.ndarray:
        """Pᵀ @ block: of a dual vector of the fine nodes, or several, what it says of coarse functions."""
        own = zip(self._matrices, self._fine.extended(block), strict=True)
        return self._coarse.restricted([multiply_transpose(matrix, rows) for matrix, rows in own])

    def close(self) -> None:
        """Release the matrices; collective."""
        for matrix in self._matrices:
            matrix.destroy()
        self._matrices = []


def _interpolation(coarse: CoefficientSpace, fine: CoefficientSpace) -> Matrix:
    """The matrix of shape (all fine nodes, all coarse nodes), rows and columns with their owners."""
    comm, space = coarse.comm, coarse.space
    points = fine.everywhere_coordinates
    own = fine.space.dofmap.index_map
    numbers = own.local_range[0] + np.arange(len(points))
    found: tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]] = ([], [], [])
    tolerance = coarse.domain.tolerance
    for source in range(comm.size):  # a rank's points at a time: all of them at once may not fit
        asked, names = comm.bcast((points, numbers), root=source)
        place = _nearest(coarse, asked, tolerance)
        mine = np.flatnonzero(place.owned(comm)[0] == comm.rank)
        nodes = space.dofmap.list[place.cells[mine]]
        values = np.asarray(space.element.basix_element.tabulate(0, place.reference[mine]))[0, :, :, 0]
        columns = space.dofmap.index_map.local_to_global(nodes.ravel())
        for part, new in zip(
            found, (np.repeat(names[mine], nodes.shape[1]), columns, values.ravel()), strict=True
        ):
            part.append(new)
    width = space.dofmap.index_map
    rows, columns, values = (np.concatenate(part) for part in found)
    kept = values != 0  # a node of a nested mesh sees two corners of an edge, not all of a cell
    return sparse_matrix(
        comm,
        (own.size_local, own.size_global),
        (width.size_local, width.size_global),
        rows[kept],
        columns[kept],
        values[kept],
    )


def _nearest(coarse: CoefficientSpace, points: np.ndarray, tolerance: float) -> Located:
    """The nearest points of this rank's cells; of a point that no cell of any rank holds that of any cell."""
    domain = coarse.domain
    found = holding(domain, points)
    for search in (partial(locate, tolerance=tolerance), _closest):
        left = np.flatnonzero(found.owned(coarse.comm)[1] > tolerance)
        if not len(left):
            break
        more = search(domain, points[left])
        found.cells[left], found.reference[left] = more.cells, more.reference
        found.distance[left] = more.distance
    return found


def _closest(domain: TaggedMesh, points: np.ndarray) -> Located:
    """The nearest points of the rank's own cells that are closest by DOLFINx's account; serial."""
    mesh, dim = domain.mesh, domain.mesh.topology.dim
    own = np.arange(mesh.topology.index_map(dim).size_local, dtype=np.int32)
    if not len(own):
        return Located.nowhere(points)
    padded = np.zeros((len(points), 3))
    padded[:, : domain.dimension] = points
    tree = dgeometry.bb_tree(mesh, dim, entities=own)
    midpoints = dgeometry.create_midpoint_tree(mesh, dim, own)
    cells = dgeometry.compute_closest_entity(tree, midpoints, mesh, padded)
    return Located(cells, *nearest_in_cells(domain, points, cells))
