"""Matrices whose rows are functionals of a state, and integrals of its basis functions."""

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as _fem_petsc
from dolfinx.mesh import meshtags
from mpi4py import MPI

from app.mesh.facets import surfaces
from app.mesh.meshes import TaggedMesh
from app.parallel import timed
from app.parallel.blocks import PETSc
from app.types import Matrix, Measure, Space, Untyped

fem_petsc: Untyped = _fem_petsc  # its overloads by singledispatch are unknown to type checkers


def sparse_rows(
    space: Space, count: int, rows: np.ndarray, columns: np.ndarray, values: np.ndarray
) -> Matrix:
    """A matrix of shape (count, dofs of the space); see sparse_matrix."""
    index_map, size = space.dofmap.index_map, space.dofmap.index_map_bs
    dofs = (size * index_map.size_local, size * index_map.size_global)
    return sparse_matrix(space.mesh.comm, count, dofs, rows, columns, values)


def empty_rows(space: Space, count: int) -> Matrix:
    """A matrix of shape (count, dofs of the space) without entries."""
    nothing = np.empty(0, dtype=PETSc.IntType)
    return sparse_rows(space, count, nothing, nothing, np.empty(0))


def sparse_matrix(
    comm: MPI.Comm,
    height: int | tuple[int, int],
    width: tuple[int, int],
    rows: np.ndarray,
    columns: np.ndarray,
    values: np.ndarray,
) -> Matrix:
    """A PETSc matrix from its entries; collective. The caller destroys it.

    Of each side the number of this rank's rows or columns and that of all; of a height that is one number
    each rank has an equal contiguous part. Each rank brings some entries, of any rows; those in one place add
    up.
    """
    matrix = PETSc.Mat().create(comm)
    matrix.setSizes(((PETSc.DECIDE, height) if isinstance(height, int) else height, width))
    matrix.setType(PETSc.Mat.Type.AIJ)
    # PETSc sorts the entries and sends them where they belong, all at once.
    matrix.setPreallocationCOO(rows.astype(PETSc.IntType), columns.astype(PETSc.IntType))
    matrix.setValuesCOO(np.ascontiguousarray(values, dtype=PETSc.ScalarType))
    return matrix


def over_cells(domain: TaggedMesh, cells: np.ndarray) -> Measure:
    """The measure over some cells; of one number, so that all regions share one compiled form."""
    tags = meshtags(domain.mesh, domain.dimension, np.sort(cells), np.ones(len(cells), dtype=np.int32))
    return ufl.Measure("dx", domain=domain.mesh, subdomain_data=tags)(1)


def over_facets(domain: TaggedMesh, facets: np.ndarray) -> Measure:
    """The measure over some facets, see app.mesh.facets; collective."""
    (measure,) = surfaces(domain, [facets])
    return measure


def integrals(space: Space, measure: Measure, component: int = 0) -> np.ndarray:
    """∫ φ_i of the rank's owned dofs, of the basis functions of one component where there are several."""
    v = ufl.TestFunction(space)
    with timed("compile"):
        form = fem.form((v[component] if v.ufl_shape else v) * measure)
    vector: Untyped = fem_petsc.assemble_vector(form)
    vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
    values: np.ndarray = vector.array.copy()
    vector.destroy()
    return values
