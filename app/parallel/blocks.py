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

LEAF = 128
"""Columns of a symmetric product that is made whole, not only the half of it above the diagonal."""

HELD = 2**23
"""Numbers (64 MB) of A @ block that are held at once in blockᵀ A block, …"""

CACHED = 2**18
"""… of which so many (2 MB) come from one multiplication, where A is sparse, …"""

FEWEST = 4
"""… if they are so many columns at least: PETSc takes four together."""

PETSc: Untyped = _PETSc  # its stubs take lists where its code takes arrays without a copy


def gram(comm: MPI.Comm, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """leftᵀ right of two blocks (or vectors), the same on all ranks; one reduction."""
    local = np.asarray(left.T @ right, dtype=np.float64, order="C")
    total = np.empty_like(local)
    comm.Allreduce(local, total)
    return total


def total(comm: MPI.Comm, own: np.ndarray) -> np.ndarray:
    """The sum of an array over the ranks, the same on all of them; one reduction."""
    local = np.ascontiguousarray(own)
    found = np.empty_like(local)
    comm.Allreduce(local, found)
    return found


def symmetric_gram(comm: MPI.Comm, block: np.ndarray, apply: Apply) -> np.ndarray:
    """blockᵀ A block of a symmetric A, which `apply` multiplies with a block; the same on all ranks.

    Of large blocks A @ block is made strip by strip and never whole. Collective.
    """
    rows, columns = max(1, comm.allreduce(len(block), op=MPI.MAX)), block.shape[1]
    strips, few = slices(columns, max(LEAF, HELD // rows)), max(FEWEST, CACHED // rows)
    total, held = np.zeros((columns, columns)), np.empty((len(block), strips[0].stop), order="F")
    for strip in strips:
        image = held[:, : strip.stop - strip.start]
        for part in slices(image.shape[1], few):
            image[:, part] = apply(block[:, strip][:, part])
        total[: strip.start, strip] = block[:, : strip.start].T @ image
        _fill_upper(total[strip, strip], block[:, strip], image)
    comm.Allreduce(MPI.IN_PLACE, total)
    return _mirrored(total)


def symmetric_gram_of(comm: MPI.Comm, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """leftᵀ right of two blocks, known to be symmetric; the same on all ranks, collective."""
    total = symmetric_product(left, right)
    comm.Allreduce(MPI.IN_PLACE, total)
    return total


def symmetric_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """leftᵀ right of two arrays of equal shape that every rank has, known to be symmetric."""
    product = np.zeros((left.shape[1], left.shape[1]))
    _fill_upper(product, left, right)
    return _mirrored(product)


def _fill_upper(product: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """Write the half of leftᵀ right above the diagonal, square by square, each a half of the one before:
    OpenBLAS is slow where one side is much shorter than the other."""
    half = len(product) // 2
    if len(product) <= LEAF:
        product[:] = left.T @ right
        return
    product[:half, half:] = left[:, :half].T @ right[:, half:]
    _fill_upper(product[:half, :half], left[:, :half], right[:, :half])
    _fill_upper(product[half:, half:], left[:, half:], right[:, half:])


def _mirrored(upper: np.ndarray) -> np.ndarray:
    """With the half above the diagonal below it too, in place."""
    for part in slices(len(upper), LEAF):
        upper[part, : part.start] = upper[: part.start, part].T
        square = upper[part, part]
        square[:] = np.triu(square) + np.triu(square, 1).T
    return upper


def first_row(comm: MPI.Comm, own: int) -> int:
    """The number of this rank's first of `own` rows among those of all ranks; collective."""
    return int(sum(comm.allgather(own)[: comm.rank]))


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
