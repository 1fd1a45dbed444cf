"""Blocks of columns: NumPy arrays whose rows are the rank's owned dofs, as PETSc's dense matrices see them.

A block has shape (owned rows, columns) and is column-major, so that PETSc wraps it without a copy.
"""

from itertools import pairwise

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc as _PETSc

from app.types import Matrix, Untyped

STRIPS = 4

PETSc: Untyped = _PETSc  # its stubs take lists where its code takes arrays without a copy


def gram(comm: MPI.Comm, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """leftᵀ right of two blocks (or vectors), the same on all ranks; one reduction."""
    local = np.asarray(left.T @ right, dtype=np.float64, order="C")
    total = np.empty_like(local)
    comm.Allreduce(local, total)
    return total


def symmetric_gram(comm: MPI.Comm, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """leftᵀ right of two blocks, known to be symmetric: five eighths of the products that `gram` makes."""
    ends = np.linspace(0, left.shape[1], STRIPS + 1).astype(int)
    local = np.zeros((left.shape[1], left.shape[1]))
    for first, last in pairwise(ends):
        local[first:last, :last] = left[:, first:last].T @ right[:, :last]
    lower = np.tril(local)
    total = np.empty_like(local)
    comm.Allreduce(lower, total)
    return total + np.tril(total, -1).T


def dense_matrix(comm: MPI.Comm, block: np.ndarray) -> Matrix:
    """PETSc dense matrix over the memory of a column-major block; the caller destroys it."""
    rows, columns = block.shape
    matrix = PETSc.Mat().createDense(
        ((rows, PETSc.DETERMINE), (PETSc.DECIDE, columns)), array=block, comm=comm
    )
    matrix.assemble()
    return matrix


def multiply(matrix: Matrix, block: np.ndarray) -> np.ndarray:
    """matrix @ block for a vector or block, by MatMult or MatMatMult."""
    return _product(matrix, block, transpose=False)


def multiply_transpose(matrix: Matrix, block: np.ndarray) -> np.ndarray:
    """matrixᵀ @ block for a vector or block, by MatMultTranspose or MatTransposeMatMult."""
    return _product(matrix, block, transpose=True)


def _product(matrix: Matrix, block: np.ndarray, *, transpose: bool) -> np.ndarray:
    rows = matrix.getLocalSize()[1 if transpose else 0]
    if block.ndim == 1 or block.shape[1] == 1:
        source = PETSc.Vec().createWithArray(np.ascontiguousarray(block.ravel()), comm=matrix.comm)
        target = matrix.createVecRight() if transpose else matrix.createVecLeft()
        (matrix.multTranspose if transpose else matrix.mult)(source, target)
        vector: np.ndarray = target.array.copy()
        source.destroy(), target.destroy()
        return vector.reshape(rows) if block.ndim == 1 else vector.reshape(rows, 1)
    factor = dense_matrix(matrix.comm.tompi4py(), np.asfortranarray(block))
    product = (matrix.transposeMatMult if transpose else matrix.matMult)(factor)
    result = np.array(product.getDenseArray(), order="F")
    factor.destroy(), product.destroy()
    return result
