"""The linear solver against dense linear algebra, and its failures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI
from petsc4py import PETSc

from app.parallel import LinearSolver, SolveFailed, multiply
from app.parallel.solver import UNSOLVED

pytestmark = pytest.mark.distributed

ROWS = 8
"""A rank's."""

SOLVED = 1e-10
"""Relative accuracy; the condition of `laplacian` is below 100."""

KINDS = ["direct", "iterative"]


def laplacian(comm: MPI.Comm, shift: float = 0.3) -> Any:
    """The second difference plus a multiple of the identity: positive definite for shift > 0."""
    matrix = PETSc.Mat().createAIJ(((ROWS, PETSc.DETERMINE), (ROWS, PETSc.DETERMINE)), nnz=3, comm=comm)
    size = matrix.getSize()[0]
    for row in range(*matrix.getOwnershipRange()):
        for column, value in ((row - 1, -1.0), (row, 2.0 + shift), (row + 1, -1.0)):
            if 0 <= column < size:
                matrix.setValue(row, column, value)
    matrix.assemble()
    return matrix


def dense(size: int, shift: float = 0.3) -> np.ndarray:
    """`laplacian` in NumPy."""
    return (2 + shift) * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)


def drift(comm: MPI.Comm) -> Any:
    """`laplacian` with a first difference: not symmetric, and its transpose another matrix."""
    matrix = laplacian(comm)
    size = matrix.getSize()[0]
    for row in range(*matrix.getOwnershipRange()):
        for column, value in ((row - 1, -1.6), (row + 1, -0.4)):
            if 0 <= column < size:
                matrix.setValue(row, column, value)
    matrix.assemble()
    return matrix


def dense_drift(size: int) -> np.ndarray:
    """`drift` in NumPy."""
    return 2.3 * np.eye(size) - 0.4 * np.eye(size, k=1) - 1.6 * np.eye(size, k=-1)


def random_rows(comm: MPI.Comm, *columns: int) -> np.ndarray:
    return np.random.default_rng(comm.rank).standard_normal((ROWS, *columns))


def gathered(comm: MPI.Comm, rows: np.ndarray) -> np.ndarray:
    return np.concatenate(comm.allgather(rows))


@pytest.fixture(params=KINDS)
def solver(request: pytest.FixtureRequest, comm: MPI.Comm) -> LinearSolver:
    return LinearSolver(comm, request.param, "test_solver_")


@pytest.mark.parametrize("columns", [(), (1,), (5,)], ids=["vector", "one column", "block"])
def test_solutions_are_those_of_dense_algebra(
    comm: MPI.Comm, solver: LinearSolver, columns: tuple[int, ...]
) -> None:
    """A⁻¹b, in b's shape; b is left as it is."""
    solver.set_matrix(laplacian(comm))
    right = random_rows(comm, *columns)
    before = right.copy()
    found = solver.solve(right)
    np.testing.assert_array_equal(right, before)
    assert found.shape == right.shape
    expected = np.linalg.solve(dense(ROWS * comm.size), gathered(comm, right))
    np.testing.assert_allclose(gathered(comm, found), expected, rtol=0, atol=SOLVED)


@pytest.mark.parametrize("columns", [(), (1,), (5,)], ids=["vector", "one column", "block"])
@pytest.mark.parametrize("kind", KINDS)
def test_solutions_of_an_unsymmetric_matrix_and_of_its_transpose(
    comm: MPI.Comm, kind: Any, columns: tuple[int, ...]
) -> None:
    """A⁻¹b and A⁻ᵀb on one set-up."""
    solver = LinearSolver(comm, kind, "test_drift_", symmetric=False)
    solver.set_matrix(drift(comm))
    right = random_rows(comm, *columns)
    a = dense_drift(ROWS * comm.size)
    for transpose, matrix in ((False, a), (True, a.T)):
        found = solver.solve(right, transpose=transpose)
        expected = np.linalg.solve(matrix, gathered(comm, right))
        np.testing.assert_allclose(gathered(comm, found), expected, rtol=0, atol=SOLVED)
    assert solver.setups == 1


def test_blocks_are_their_columns(comm: MPI.Comm, solver: LinearSolver) -> None:
    """Solving for many right-hand sides at once is solving for each, in any order of memory."""
    solver.set_matrix(laplacian(comm))
    block = random_rows(comm, 4)
    single = np.column_stack([solver.solve(column) for column in block.T])
    for form in (np.ascontiguousarray, np.asfortranarray):
        np.testing.assert_allclose(solver.solve(form(block)), single, rtol=0, atol=SOLVED)


def test_a_new_matrix_replaces_the_old(comm: MPI.Comm, solver: LinearSolver) -> None:
    """Also when the same PETSc matrix comes back with other values."""
    matrix, right = laplacian(comm), random_rows(comm)
    solver.set_matrix(matrix)
    solver.solve(right)
    matrix.shift(1.0)
    solver.set_matrix(matrix)
    expected = np.linalg.solve(dense(ROWS * comm.size, 1.3), gathered(comm, right))
    np.testing.assert_allclose(gathered(comm, solver.solve(right)), expected, rtol=0, atol=SOLVED)


def test_what_was_solved_before_leaves_no_trace(comm: MPI.Comm, solver: LinearSolver) -> None:
    """To the last bit: no aggregates, orderings or guesses of an earlier matrix or right-hand side are left.

    The second matrix has couplings of other sizes, as another coefficient makes them.
    """
    matrix, right, found = laplacian(comm), random_rows(comm), []
    other = springs(comm, 2.0**-4)
    for before in (False, True):
        again = LinearSolver(comm, solver.kind, "test_trace_")
        if before:
            again.set_matrix(matrix)
            again.solve(random_rows(comm, 2))
        other.copy(matrix)
        again.set_matrix(matrix)
        found.append(again.solve(right))
        again.destroy()
        laplacian(comm).copy(matrix)
    np.testing.assert_array_equal(found[0], found[1])


def test_setups_and_right_hand_sides_are_counted(comm: MPI.Comm, solver: LinearSolver) -> None:
    """One set-up a matrix, one solve a column."""
    solver.set_matrix(laplacian(comm))
    solver.solve(random_rows(comm))
    solver.solve(random_rows(comm, 3))
    solver.set_matrix(laplacian(comm))
    assert (solver.setups, solver.solves) == (2, 4)


def zeros(comm: MPI.Comm) -> Any:
    matrix = laplacian(comm)
    matrix.scale(0.0)
    return matrix


def pairs(comm: MPI.Comm) -> Any:
    """Blocks [[1, 1], [1, 1]] on the diagonal: the second pivot of each is exactly zero."""
    matrix = zeros(comm)
    first, last = matrix.getOwnershipRange()
    for row in range(first, last, 2):
        matrix.setValues([row, row + 1], [row, row + 1], np.ones(4))
    matrix.assemble()
    return matrix


@pytest.mark.parametrize("columns", [(), (3,)], ids=["vector", "block"])
@pytest.mark.parametrize("singular", [zeros, pairs], ids=lambda f: f.__name__)
def test_a_singular_matrix_is_a_failed_solve_and_the_next_one_works(
    comm: MPI.Comm, solver: LinearSolver, singular: Callable[[MPI.Comm], Any], columns: tuple[int, ...]
) -> None:
    """SolveFailed on all ranks, its message one line; with a sound matrix the same solver solves again."""
    right = random_rows(comm, *columns)
    message = ""
    try:
        solver.set_matrix(singular(comm))
        solver.solve(right)
    except SolveFailed as error:
        message = str(error)
    assert all(len(words.splitlines()) == 1 for words in comm.allgather(message))
    solver.set_matrix(laplacian(comm))
    expected = np.linalg.solve(dense(ROWS * comm.size), gathered(comm, right))
    np.testing.assert_allclose(gathered(comm, solver.solve(right)), expected, rtol=0, atol=SOLVED)


def test_values_of_a_matrix_may_become_singular_and_sound_again(comm: MPI.Comm, solver: LinearSolver) -> None:
    """The same PETSc matrix, as a forward model assembles it for one coefficient after the other."""
    matrix, right = laplacian(comm), random_rows(comm)
    solver.set_matrix(matrix)
    before = solver.solve(right)
    sound = matrix.duplicate(copy=True)
    for other in (zeros(comm), pairs(comm)):
        other.copy(matrix, structure=PETSc.Mat.Structure.DIFFERENT_NONZERO_PATTERN)
        with pytest.raises(SolveFailed):
            solver.set_matrix(matrix)
            solver.solve(right)
        sound.copy(matrix, structure=PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
        solver.set_matrix(matrix)
        np.testing.assert_allclose(solver.solve(right), before, rtol=0, atol=SOLVED)


def springs(comm: MPI.Comm, stiffness: float) -> Any:
    """A chain of springs, the first of stiffness 1 to a wall."""
    matrix = laplacian(comm, shift=0.0)
    matrix.scale(stiffness)
    size = matrix.getSize()[0]
    for row, value in ((0, 1.0 + stiffness), (size - 1, stiffness)):
        if matrix.getOwnershipRange()[0] <= row < matrix.getOwnershipRange()[1]:
            matrix.setValue(row, row, value)
    matrix.assemble()
    return matrix


def test_what_rounding_leaves_of_stiff_springs_is_no_failure(comm: MPI.Comm) -> None:
    """The chain moves by its load though its residual is not small; held by less than rounding it fails."""
    matrix, right = springs(comm, 2.0**40), 1.0 + 0.1 * random_rows(comm)
    solver = LinearSolver(comm, "direct", "test_")
    solver.set_matrix(matrix)
    found = solver.solve(right)
    left, largest = np.abs(right - multiply(matrix, found)).max(), np.abs(right).max()
    assert comm.allreduce(left, op=MPI.MAX) > UNSOLVED * comm.allreduce(largest, op=MPI.MAX)
    np.testing.assert_allclose(found, comm.allreduce(right.sum()), rtol=1e-3)
    with pytest.raises(SolveFailed):
        solver.set_matrix(springs(comm, 2.0**60))
        solver.solve(right)


@pytest.mark.parametrize("columns", [(), (3,)], ids=["vector", "block"])
def test_a_wild_right_hand_side_harms_no_later_one(
    comm: MPI.Comm, solver: LinearSolver, columns: tuple[int, ...]
) -> None:
    """One that is not a number is a failed solve or has such a solution; the factorisation stays good."""
    solver.set_matrix(laplacian(comm))
    right = random_rows(comm, *columns)
    before = solver.solve(right)
    failed = False
    try:
        finite = bool(np.isfinite(solver.solve(np.full_like(right, np.nan))).all())
    except SolveFailed:
        failed, finite = True, False
    assert set(comm.allgather((failed, finite))) in ({(True, False)}, {(False, False)})
    np.testing.assert_allclose(solver.solve(right), before, rtol=0, atol=SOLVED)


def impatient(comm: MPI.Comm) -> LinearSolver:
    """A solver that PETSc's options allow one iteration without a preconditioner."""
    given = {"ksp_max_it": 1, "pc_type": "none"}
    options = PETSc.Options("test_impatient_")
    for key, value in given.items():
        options[key] = value
    solver = LinearSolver(comm, "iterative", "test_impatient_")
    for key in given:
        options.delValue(key)
    return solver


def test_a_solve_that_does_not_converge_fails_every_time(comm: MPI.Comm) -> None:
    """Options under the prefix override; too few iterations are SolveFailed, the second time as the first.

    PETSc's own error is no help: KSPSolve counts its nesting, and an error that leaves it makes every later
    call look like an inner one, which may end without convergence.
    """
    solver = impatient(comm)
    solver.set_matrix(laplacian(comm))
    for _ in range(3):
        with pytest.raises(SolveFailed):
            solver.solve(random_rows(comm))


def test_every_column_has_to_converge(comm: MPI.Comm) -> None:
    """A block fails if its first column does, though the last, which is zero, needs no iteration."""
    solver = impatient(comm)
    solver.set_matrix(laplacian(comm))
    block = random_rows(comm, 2)
    block[:, -1] = 0.0
    with pytest.raises(SolveFailed):
        solver.solve(block)


@pytest.mark.parametrize("columns", [(), (1,), (2,), (7,)])
@pytest.mark.parametrize("symmetric", [True, False])
def test_small_systems_are_solved_alike_each_time(
    comm: MPI.Comm, symmetric: bool, columns: tuple[int]
) -> None:
    """To the last bit, by the factorisation of each rank; a larger one, by that of all, to rounding."""
    right, found = random_rows(comm, *columns), []
    for whole in (10**6, 10**6, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("app.parallel.solver.WHOLE", whole)
            matrix = laplacian(comm) if symmetric else drift(comm)
            solver = LinearSolver(comm, "direct", "test_", symmetric=symmetric)
            solver.set_matrix(matrix)
            found.append(solver.solve(right, transpose=True))
            solver.destroy(), matrix.destroy()
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], found[2], rtol=0, atol=SOLVED * np.abs(found[2]).max())
