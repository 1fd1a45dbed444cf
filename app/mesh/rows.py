"""Matrices whose rows are functionals of a state, and integrals of its basis functions."""

from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as _fem_petsc
from dolfinx.mesh import meshtags

from app.mesh.meshes import TaggedMesh
from app.parallel import timed
from app.parallel.blocks import PETSc

fem_petsc: Any = _fem_petsc  # its overloads by singledispatch are unknown to type checkers


def empty_rows(space: Any, count: int) -> Any:
    """A PETSc matrix of shape (count, dofs) without entries, assembled, to which any may be added."""
    index_map, size = space.dofmap.index_map, space.dofmap.index_map_bs
    matrix = PETSc.Mat().createAIJ(
        ((PETSc.DECIDE, count), (size * index_map.size_local, size * index_map.size_global)),
        comm=space.mesh.comm,
    )
    matrix.setUp()
    matrix.assemble()
    matrix.setOption(PETSc.Mat.Option.NEW_NONZERO_ALLOCATION_ERR, False)
    return matrix


def over_cells(domain: TaggedMesh, cells: np.ndarray) -> Any:
    """The measure over some cells; of one number, so that all regions share one compiled form."""
    return _over(domain, "dx", domain.dimension, cells)


def over_facets(domain: TaggedMesh, facets: np.ndarray) -> Any:
    """The measure over some facets of the boundary."""
    return _over(domain, "ds", domain.dimension - 1, facets)


def integrals(space: Any, measure: Any, component: int = 0) -> np.ndarray:
    """∫ φ_i of the rank's owned dofs, of the basis functions of one component where there are several."""
    v = ufl.TestFunction(space)
    with timed("compile"):
        form = fem.form((v[component] if v.ufl_shape else v) * measure)
    vector: Any = fem_petsc.assemble_vector(form)
    vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
    values = vector.array.copy()
    vector.destroy()
    return values


def _over(domain: TaggedMesh, kind: str, dimension: int, entities: np.ndarray) -> Any:
    tags = meshtags(domain.mesh, dimension, np.sort(entities), np.ones(len(entities), dtype=np.int32))
    return ufl.Measure(kind, domain=domain.mesh, subdomain_data=tags)(1)
