"""Meshes from files of gmsh, read without gmsh, and any mesh that rank 0 holds whole."""

from dataclasses import dataclass
from pathlib import Path

import basix.ufl
import numpy as np
from dolfinx import io as dio
from dolfinx import mesh as dmesh
from dolfinx.graph import adjacencylist
from mpi4py import MPI

from app.mesh.groups import GroupedCells, grouped_cells
from app.mesh.meshes import MeshError, TaggedMesh
from app.mesh.msh import read_msh
from app.mesh.refinement import RefinementError, refined
from app.mesh.sections import MshError
from app.parallel import agreed
from app.types import Mesh, Untyped


@dataclass(frozen=True, eq=False)
class ReadMesh:
    """A mesh file that rank 0 has read; all ranks know how large its mesh is."""

    comm: MPI.Comm
    file: Path
    whole: GroupedCells | None
    """On rank 0."""
    cell: str
    """Of the cells, as DOLFINx names it."""
    dimension: int
    cells: int
    vertices: int

    def refined(self, times: int) -> TaggedMesh:
        """The mesh refined so many times, spread over the ranks; collective.

        Raises MeshError on all ranks.
        """
        whole = self.whole
        with agreed(self.comm):
            if whole is not None:
                try:
                    whole = refined(whole, times)
                except RefinementError as error:
                    raise MeshError(f"{self.file}: {error}") from None
        return distributed(self.comm, whole)


def read_mesh(comm: MPI.Comm, file: Path) -> ReadMesh:
    """A gmsh `.msh` file whose physical groups name the parts of the boundary and regions of cells.

    Read by rank 0. Raises MeshError on all ranks.
    """
    whole: GroupedCells | None = None
    size = "", 0, 0, 0
    with agreed(comm):
        if comm.rank == 0:
            try:
                whole = grouped_cells(read_msh(file))
            except OSError as error:
                raise MeshError(f"{file}: {error.strerror}") from None
            except MshError as error:
                raise MeshError(str(error)) from None
            size = whole.cell, whole.points.shape[1], len(whole.cells), whole.vertices
    return ReadMesh(comm, file, whole, *comm.bcast(size, root=0))


def file(comm: MPI.Comm, file: Path, refine: int = 0) -> TaggedMesh:
    """The mesh of a file, refined so many times; raises MeshError on all ranks."""
    return read_mesh(comm, file).refined(refine)


def distributed(comm: MPI.Comm, whole: GroupedCells | None) -> TaggedMesh:
    """The mesh that rank 0 passes in, spread over the ranks; collective."""
    told = None
    if whole is not None:
        shape = (whole.cell, whole.degree, whole.points.shape[1], whole.facets.shape[1])
        told = shape, whole.regions, whole.parts, whole.refused
    (cell, degree, dimension, corners), regions, parts, refused = comm.bcast(told, root=0)
    equal: Untyped = basix.LagrangeVariant.equispaced
    element: Untyped = basix.ufl.element("P", cell, degree, equal, shape=(dimension,))
    points, cells = np.empty((0, dimension)), np.empty((0, element.dim // dimension), dtype=np.int64)
    facets = np.empty((0, corners), dtype=np.int64)
    if whole is not None:
        points, cells, facets = whole.points, whole.cells, whole.facets
    # With neighbours' cells, as generated meshes have them: jumps between cells need both.
    partitioner: Untyped = dmesh.create_cell_partitioner  # by singledispatch, unknown to type checkers
    mesh = dmesh.create_mesh(comm, cells, element, points, partitioner(dmesh.GhostMode.shared_facet, 2))
    own = np.asarray(mesh.topology.original_cell_index)
    rows, local = _facets(mesh, facets)
    return TaggedMesh(
        mesh,
        {name: local[np.isin(rows, each)] for name, each in parts.items()},
        {name: np.flatnonzero(np.isin(own, each)).astype(np.int32) for name, each in regions.items()},
        refused,
    )


def _facets(mesh: Mesh, facets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows, and as local indices the facets, of those of rank 0's facets that are on this rank."""
    dimension = mesh.topology.dim - 1
    rows = np.arange(len(facets), dtype=np.int32)
    element: Untyped = mesh.ufl_domain().ufl_coordinate_element().basix_element
    nodes = np.zeros((len(facets), len(element.entity_closure_dofs[dimension][0])), dtype=np.int64)
    nodes[:, : facets.shape[1]] = facets  # its corners come first, and no other node is looked at
    entities, values = dio.distribute_entity_data(mesh, dimension, nodes, rows)
    mesh.topology.create_connectivity(dimension, dimension + 1)
    tags = dmesh.meshtags_from_entities(mesh, dimension, adjacencylist(entities), values.astype(np.int32))
    return tags.values, tags.indices
