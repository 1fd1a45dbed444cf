"""A mesh as two arrays, in an order that does not depend on the partition, and back."""

from dataclasses import dataclass

import basix.ufl
import numpy as np
from dolfinx import mesh as dmesh
from mpi4py import MPI

from app.mesh.meshes import TaggedMesh
from app.mesh.order import NodeOrder
from app.types import Untyped


@dataclass(frozen=True)
class StoredMesh:
    """Nodes and cells of a mesh without its named parts, whole."""

    nodes: np.ndarray
    """Shape (nodes, dimension)."""
    cells: np.ndarray
    """Nodes of each cell, in DOLFINx's order, shape (cells, nodes of a cell)."""
    kind: str
    """Of the cells, as DOLFINx names it."""
    degree: int
    """Of the geometry."""


def stored(domain: TaggedMesh) -> StoredMesh | None:
    """The mesh, on rank 0; None on the others. Collective."""
    geometry, comm = domain.mesh.geometry, domain.comm
    index_map, own = geometry.index_map(), domain.mesh.topology.index_map(domain.dimension).size_local
    order = NodeOrder(comm, geometry.x[: index_map.size_local, : domain.dimension])
    nodes = order.gathered(geometry.x[: index_map.size_local, : domain.dimension])
    numbers = order.gathered(np.arange(*index_map.local_range))
    local = geometry.dofmaps[0][:own]
    globally = index_map.local_to_global(local.ravel().astype(np.int32)).reshape(local.shape)
    parts = comm.gather(globally, root=0)
    if nodes is None or numbers is None or parts is None:
        return None
    place = np.empty(len(numbers), dtype=np.int64)
    place[numbers] = np.arange(len(numbers))
    cells = place[np.vstack(parts)]
    cells = cells[np.lexsort(np.sort(cells, axis=1).T[::-1])]
    cell = domain.mesh.ufl_domain().ufl_coordinate_element()
    return StoredMesh(nodes, cells, domain.mesh.topology.cell_name(), cell.degree)


def restored(comm: MPI.Comm, given: StoredMesh | None) -> TaggedMesh:
    """The mesh of what rank 0 passes in; collective."""
    kind, degree, dimension = comm.bcast(
        None if given is None else (given.kind, given.degree, given.nodes.shape[1]), root=0
    )
    element: Untyped = basix.ufl.element("Lagrange", kind, degree, shape=(dimension,))
    if given is None:
        given = StoredMesh(np.empty((0, dimension)), np.empty((0, element.dim // dimension)), kind, degree)
    cells = given.cells.astype(np.int64)
    return TaggedMesh(dmesh.create_mesh(comm, cells, element, given.nodes), {})
