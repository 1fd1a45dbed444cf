"""Blocks of columns: NumPy arrays whose rows are the rank's owned dofs, as PETSc's dense matrices see them.

A block has shape (owned rows, columns) and is column-major, so that PETSc wraps it without a copy.
"""

from collections.abc import Callable

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc as _PETSc

from app.types import Matrix, Untyped

type Apply = Callable[[np.ndarray], np.ndarray]
"""A @ block of a matrix A."""

STRIP = 128
"""Columns of a strip of a symmetric product: fewer are slower for each, more leave less of the half unmade."""

CACHED = 2**18
"""Numbers (2 MB) that are multiplied with a sparse matrix at once …"""

LEAST_COLUMNS = 4
"""… if they are so many columns at least: PETSc takes four together."""

PETSc: Untyped = _PETSc  # its stubs take lists where its code takes arrays without a copy


def gram(comm: MPI.Comm, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """leftᵀ right of two blocks (or vectors), the same on all ranks; one reduction."""
    local = np.asarray(left.T @ right, dtype=np.float64, order="C")
    total = np.empty_like(local)
    comm.Allreduce(local, total)
    return total


def symmetric_gram(comm: MPI.Comm, block: np.ndarray, apply: Apply) -> np.ndarray:
    """blockᵀ A block of a symmetric A, which `apply` multiplies with a block; the same on all ranks.

    A @ block is made a few columns at a time, which stay in the cache, and never kept whole. Collective.
    """
    rows = comm.allreduce(len(block), op=MPI.MAX)
    few = max(LEAST_COLUMNS, CACHED // max(1, rows))
    strip = np.empty((len(block), min(STRIP, block.shape[1])), order="F")

    def image(part: slice) -> np.ndarray:
        made = strip[:, : part.stop - part.start]
        for some in slices(made.shape[1], few):
            made[:, some] = apply(block[:, part][:, some])
        return made

    total = _upper(block, image)
    comm.Allreduce(MPI.IN_PLACE, total)
    return _mirrored(total)


def symmetric_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """leftᵀ right of two arrays of equal shape that every rank has, known to be symmetric."""
    return _mirrored(_upper(left, lambda part: right[:, part]))


def _upper(left: np.ndarray, right: Callable[[slice], np.ndarray]) -> np.ndarray:
    """leftᵀ right strip by strip, from the diagonal strip on upwards; what is below is zero.

    The long side of a product comes first: so OpenBLAS is two to three times as fast as the other way.
    """
    columns = left.shape[1]
    found = np.zeros((columns, columns))
    for part in slices(columns, STRIP):
        found[: part.stop, part] = left[:, : part.stop].T @ right(part)
    return found


def _mirrored(upper: np.ndarray) -> np.ndarray:
    """With the upper half in the place of the lower one, in place."""
    for part in slices(len(upper), STRIP):
        upper[part, : part.start] = upper[: part.start, part].T
        square = upper[part, part]
        square[:] = np.triu(square) + np.triu(square, 1).T
    return upper


def slices(count: int, most: int) -> list[slice]:
    """0, 1, … count − 1 in stretches of `most`; the last one may be shorter."""
    return [slice(start, min(start + most, count)) for start in range(0, count, most)]


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
