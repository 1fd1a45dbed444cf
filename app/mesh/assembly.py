"""Matrices of bilinear forms, the same to the last bit each time."""

from collections.abc import Sequence

import app.wheel  # noqa: F401

# isort: split
import numpy as np
from dolfinx import cpp, fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from app.parallel.solver import WHOLE
from app.types import Form, Matrix, Untyped


def assemble(matrix: Matrix, form: Form, bcs: Sequence[fem.DirichletBC[np.float64]] = ()) -> None:
    """Add a form to a matrix, with the identity on the rows of conditions; collective.

    PETSc adds what comes from several ranks in the order in which it arrives, so that entries that three
    ranks share vary in their last digits. Matrices that each rank factorises by itself (up to WHOLE rows) get
    it from one rank after the other, which takes as many times as long as there are ranks.
    """
    comm = matrix.comm.tompi4py()
    if comm.size < 3 or matrix.getSize()[0] > WHOLE:
        whole: Untyped = fem_petsc.assemble_matrix
        whole(matrix, form, bcs=bcs)
        matrix.assemble()
        return
    constants, coefficients = fem.pack_constants(form), fem.pack_coefficients(form)
    conditions = [bc._cpp_object for bc in bcs]
    add: Untyped = cpp.fem.petsc.assemble_matrix
    for rank in range(comm.size):
        if rank == comm.rank:
            add(matrix, form._cpp_object, constants, coefficients, conditions)
        matrix.assemble(PETSc.Mat.AssemblyType.FLUSH_ASSEMBLY)
    if form.function_spaces[0] is form.function_spaces[1]:
        cpp.fem.petsc.insert_diagonal(matrix, form.function_spaces[0], conditions, 1.0)
    matrix.assemble()


def assembled(form: Form) -> Matrix:
    """The matrix of a form, which the caller destroys; collective."""
    matrix: Matrix = fem_petsc.create_matrix(form)
    assemble(matrix, form)
    return matrix
