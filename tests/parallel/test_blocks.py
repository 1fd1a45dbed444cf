"""Products of distributed blocks against NumPy's with the blocks gathered."""

from typing import Any

import numpy as np
import pytest
from mpi4py import MPI
from petsc4py import PETSc

from app.parallel import (
    blocks,
    dense_matrix,
    gram,
    multiply,
    multiply_transpose,
    symmetric_gram,
    symmetric_product,
)
from app.parallel.blocks import CACHED, HELD, LEAF

pytestmark = pytest.mark.distributed

ROUNDING = 1e-13

ROWS = {
    "even": lambda rank: 5,
    "uneven": lambda rank: 2 + 3 * rank,
    "empty on the last of several": lambda rank: 0 if 0 < rank == MPI.COMM_WORLD.size - 1 else 4,
}
"""Rows a rank, by how they are spread."""


@pytest.fixture(params=ROWS)
def rows(request: pytest.FixtureRequest, comm: MPI.Comm) -> int:
    return ROWS[request.param](comm.rank)


def random_block(comm: MPI.Comm, rows: int, *columns: int) -> np.ndarray:
    """Another one on each rank, column-major."""
    return np.asfortranarray(np.random.default_rng(comm.rank).standard_normal((rows, *columns)))


def gathered(comm: MPI.Comm, rows: np.ndarray) -> np.ndarray:
    return np.concatenate(comm.allgather(rows))


def sparse(comm: MPI.Comm, rows: int, columns: int) -> tuple[Any, np.ndarray]:
    """A sparse PETSc matrix with these local sizes and the same, whole, in NumPy."""
    matrix = PETSc.Mat().createAIJ(((rows, PETSc.DETERMINE), (columns, PETSc.DETERMINE)), comm=comm)
    matrix.setUp()
    matrix.setOption(PETSc.Mat.Option.NEW_NONZERO_ALLOCATION_ERR, False)
    height, width = matrix.getSize()
    whole = np.random.default_rng(7).standard_normal((height, width))
    whole[np.random.default_rng(8).uniform(size=whole.shape) < 0.6] = 0.0
    for row in range(*matrix.getOwnershipRange()):
        matrix.setValues([row], np.arange(width, dtype=PETSc.IntType), whole[row])
    matrix.assemble()
    return matrix, whole


@pytest.mark.parametrize("left, right", [((), ()), ((3,), ()), ((3,), (4,)), ((1,), (1,))])
def test_gram_is_the_product_over_all_rows(
    comm: MPI.Comm, rows: int, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    """AᵀB of vectors and blocks, the same bits on all ranks."""
    a, b = random_block(comm, rows, *left), random_block(comm, rows, *right) + 1
    found = gram(comm, a, b)
    expected = gathered(comm, a).T @ gathered(comm, b)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * (1 + np.abs(expected).max()))
    assert len({value.tobytes() for value in comm.allgather(found)}) == 1


@pytest.mark.parametrize("columns", [1, 5, LEAF, LEAF + 1, 2 * LEAF + 7])
@pytest.mark.parametrize("held, cached", [(0, 0), (0, CACHED), (HELD, 100), (HELD, CACHED)])
def test_symmetric_gram_is_the_gram_of_both_halves(
    comm: MPI.Comm, rows: int, columns: int, held: int, cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AᵀKA, of one strip and of more, and however few columns are multiplied by K at once; symmetric to the
    last bit and the same bits on all ranks."""
    monkeypatch.setattr(blocks, "HELD", held)
    monkeypatch.setattr(blocks, "CACHED", cached)
    a, weights = random_block(comm, rows, columns), np.linspace(1.0, 2.0, rows)[:, None]
    found, expected = symmetric_gram(comm, a, lambda b: weights * b), gram(comm, a, weights * a)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * (1 + np.abs(expected).max()))
    np.testing.assert_array_equal(found, found.T)
    assert len({value.tobytes() for value in comm.allgather(found)}) == 1


@pytest.mark.parametrize("columns", [1, LEAF, 2 * LEAF + 7])
def test_symmetric_product_is_the_product(columns: int) -> None:
    """AᵀWA with weights of both signs; symmetric to the last bit."""
    rng = np.random.default_rng(0)
    a, weights = rng.standard_normal((9, columns)), np.linspace(-1.0, 1.0, 9)[:, None]
    found, expected = symmetric_product(a, weights * a), a.T @ (weights * a)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * (1 + np.abs(expected).max()))
    np.testing.assert_array_equal(found, found.T)


def test_dense_matrices_share_the_memory_of_their_block(comm: MPI.Comm, rows: int) -> None:
    """No copy: what PETSc writes is seen in the block, and the sizes are those of all ranks."""
    block = random_block(comm, rows, 3)
    before = block.copy()
    matrix = dense_matrix(comm, block)
    assert matrix.getSize() == (comm.allreduce(rows), 3)
    np.testing.assert_array_equal(matrix.getDenseArray(), block)
    matrix.scale(2.0)
    np.testing.assert_array_equal(block, 2 * before)
    matrix.destroy()


@pytest.mark.parametrize("columns", [(), (1,), (4,)], ids=["vector", "one column", "block"])
def test_products_with_a_sparse_matrix(comm: MPI.Comm, rows: int, columns: tuple[int, ...]) -> None:
    """A X and Aᵀ Y for a rectangular matrix, on the rank's rows; X and Y are left as they are."""
    matrix, whole = sparse(comm, rows, 3 + comm.rank)
    for product, operator, size in (
        (multiply, whole, matrix.getLocalSize()[1]),
        (multiply_transpose, whole.T, matrix.getLocalSize()[0]),
    ):
        block = random_block(comm, size, *columns)
        before = block.copy()
        found = product(matrix, block)
        expected = operator @ gathered(comm, block)
        np.testing.assert_allclose(gathered(comm, found), expected, rtol=0, atol=ROUNDING * len(whole))
        np.testing.assert_array_equal(block, before)


def test_products_take_any_order_of_memory(comm: MPI.Comm) -> None:
    """Row-major blocks and strided views give what column-major copies give."""
    matrix, _ = sparse(comm, 5, 4)
    block = random_block(comm, 4, 6)
    expected = multiply(matrix, np.asfortranarray(block[:, ::2]))
    for view in (np.ascontiguousarray(block[:, ::2]), block[:, ::2]):
        np.testing.assert_allclose(multiply(matrix, view), expected, rtol=0, atol=ROUNDING)
