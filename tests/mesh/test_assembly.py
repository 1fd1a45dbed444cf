"""Matrices of forms are the same each time, and those of DOLFINx."""

from __future__ import annotations

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI

from app.mesh import assemble, assembled

pytestmark = pytest.mark.distributed


@pytest.mark.parametrize("shape", [(), (2,)])
def test_small_matrices_are_assembled_alike_each_time(comm: MPI.Comm, shape: tuple[int, ...]) -> None:
    """To the last bit on any number of ranks, with the identity on the rows of conditions."""
    space = fem.functionspace(mesh.create_unit_square(comm, 6, 6), ("Lagrange", 2, shape))
    u, v, x = ufl.TrialFunction(space), ufl.TestFunction(space), ufl.SpatialCoordinate(space.mesh)
    form = fem.form(ufl.exp(x[0] * x[1]) * ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx)
    left = fem.locate_dofs_geometrical(space, lambda points: np.isclose(points[0], 0))
    bcs = [fem.dirichletbc(np.zeros(shape), left, space)]
    expected = fem_petsc.assemble_matrix(form, bcs=bcs)
    expected.assemble()
    found = [fem_petsc.create_matrix(form) for _ in range(2)]
    for matrix in found:
        assemble(matrix, form, bcs)
    assert found[0].equal(found[1])
    whole = assembled(form)
    assert comm.allreduce(not np.array_equal(whole.getValuesCSR()[2], found[0].getValuesCSR()[2]))
    found[0].axpy(-1.0, expected)
    assert found[0].norm() <= 1e-15 * expected.norm()
    for matrix in (*found, expected, whole):
        matrix.destroy()
