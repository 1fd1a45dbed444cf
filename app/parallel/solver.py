"""A PETSc linear solver that keeps its factorisation and solves for one or many right-hand sides."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NoReturn

import numpy as np
from mpi4py import MPI

from app.activity import doing
from app.parallel.blocks import PETSc, dense_matrix, multiply, multiply_transpose
from app.parallel.interrupt import let_go
from app.parallel.timing import stage
from app.types import Matrix, Untyped

Kind = Literal["direct", "iterative"]

ROOM = (50, 200, 1000)
"""Per cent by which MUMPS may exceed its estimate of memory, which on many ranks is too low now and then;
each is tried after the one before."""

UNSOLVED = 1e-3
"""A solution that leaves this share of its right-hand side is none if what is left changes it by that share.
Of large contrasts or thin cells rounding alone may leave as much, and change hardly anything; a singular
operator leaves what its solution cannot reach."""

WHOLE = 20_000
"""Rows up to which each rank factorises all of a matrix by itself. MUMPS on several ranks adds what comes
from others in the order in which it arrives, so that results vary in their last digits from run to run; and
so small a factorisation is no faster on many ranks."""


GAMG = {"pc_gamg_threshold": 0.02}
"""PETSc's options of the multigrid. Nodes that are coupled by less than this share are not aggregated: on
Laplacians of linear and quadratic elements it takes 13 to 26 iterations to 1e-12 in place of 19 to 39."""


class SolveFailed(ArithmeticError):
    """A linear or nonlinear solve did not give a finite, converged result; raised on all ranks alike."""


@dataclass
class Tally:
    """What several solvers have done together, closed ones too."""

    by_stage: Counter[str | None] = field(default_factory=Counter)
    """Right-hand sides by the stage that the time was charged to."""
    setup_seconds: float = 0.0
    """Time of factorisations, and of setting up preconditioners, on this rank."""

    @property
    def solves(self) -> int:
        """All right-hand sides."""
        return self.by_stage.total()


class LinearSolver:
    """Solve A x = b, and Aᵀ x = b, again and again, with one set-up a matrix.

    For a `symmetric` A, which is to be positive definite, `direct` is a MUMPS Cholesky factorisation and
    `iterative` conjugate gradients with GAMG; for any other A they are a MUMPS LU factorisation and GMRES
    with GAMG, which asks the matrix of a system for its near null space (Mat.setNearNullSpace). PETSc options
    under `prefix` override them. Of a factorisation that each rank has whole (see WHOLE) the columns of a
    block are dealt out among the ranks. Owns the KSP; `destroy()` releases it.
    """

    def __init__(
        self,
        comm: MPI.Comm,
        kind: Kind,
        prefix: str,
        tolerance: float = 1e-12,
        *,
        symmetric: bool = True,
        tally: Tally | None = None,
    ) -> None:
        """What it solves is counted in `tally` too."""
        self.setups = 0
        self.solves = 0
        self.kind = kind
        self.symmetric = symmetric
        self._comm, self._prefix, self._tolerance = comm, prefix, tolerance
        self._tally = tally or Tally()
        self._whole: Matrix | None = None
        self._ksp = self._new()
        self._failed = False
        self._held: tuple[Matrix, int] | None = None

    def set_matrix(self, matrix: Matrix) -> None:
        """Factorise `matrix` (or set up its preconditioner)."""
        begun = time.perf_counter()
        try:
            self._set_matrix(matrix)
        finally:
            self._tally.setup_seconds += time.perf_counter() - begun

    def _set_matrix(self, matrix: Matrix) -> None:
        let_go()
        given, matrix = matrix, self._taken(matrix)
        if self._failed or self._ksp.comm.size != matrix.comm.size:
            # A factorisation or multigrid that failed once fails for every later matrix.
            self._ksp.destroy()
            self._ksp = self._new()
            self._failed = False
        if self.kind == "iterative":
            # Else the aggregates of the matrix before would be kept, which may be bad ones for this.
            self._ksp.reset()
        if self.symmetric:
            matrix.setOption(PETSc.Mat.Option.SPD, True)
        self._ksp.setOperators(matrix)
        self.setups += 1
        self._held = None
        # Multigrid does not notice rows of zeros and may hang on them.
        vector = matrix.getDiagonal()
        diagonal = vector.array.copy()
        vector.destroy()
        size = diagonal if self.symmetric else np.abs(diagonal)
        sound = bool((np.isfinite(diagonal) & (size >= np.finfo(float).tiny)).all())
        if self._comm.allreduce(sound, op=MPI.LAND):
            sound = self._set_up(matrix)
        if not self._comm.allreduce(sound, op=MPI.LAND):
            sought = "finite and positive definite" if self.symmetric else "finite and regular"
            self._fail(f"the operator is not {sought}")
        self._held = given, given.stateGet()

    def holds(self, matrix: Matrix) -> bool:
        """Whether the set-up is that of a matrix whose entries are these, to the last bit; collective."""
        if self._held is None or self._failed:
            return False
        held, state = self._held
        same: bool = held.stateGet() == state and held.getSizes() == matrix.getSizes() and held.equal(matrix)
        return same

    def solve(self, right: np.ndarray, *, transpose: bool = False, checked: bool = True) -> np.ndarray:
        """A⁻¹ right, or A⁻ᵀ right, for a vector or a block; of a factorisation, all columns at once by
        KSPMatSolve.

        Raises SolveFailed on all ranks where the solution does not solve the system, unless that is not to be
        `checked`.
        """
        let_go()
        transpose = transpose and not self.symmetric
        columns = 1 if right.ndim == 1 else right.shape[1]
        self.solves += columns
        self._tally.by_stage[stage()] += columns
        solution = self._solution(right, transpose)
        if checked:
            self._check_residual(right, solution, transpose)
        return solution

    def _solution(self, right: np.ndarray, transpose: bool) -> np.ndarray:
        if right.ndim == 1:
            return self._solve_vector(np.ascontiguousarray(right), transpose)
        if self.kind == "direct" and right.shape[1] > 1:
            return self._solve_block(np.asfortranarray(right), transpose)
        # KSPMatSolve would do the same, and tell of the last column only whether it converged.
        solution = np.empty_like(right, order="F")
        for j, column in enumerate(right.T):
            solution[:, j] = self._solve_vector(np.ascontiguousarray(column), transpose)
        return solution

    def destroy(self) -> None:
        """Release the KSP."""
        self._ksp.destroy()
        if self._whole is not None:
            self._whole.destroy()

    def _taken(self, matrix: Matrix) -> Matrix:
        """The matrix that is factorised: all of it on each rank if it is small."""
        if self._whole is not None:
            self._whole.destroy()
            self._whole = None
        if self.kind == "direct" and self._comm.size > 1 and matrix.getSize()[0] <= WHOLE:
            self._whole = matrix.getRedundantMatrix(self._comm.size, MPI.COMM_SELF)
            return self._whole
        return matrix

    def _new(self) -> Untyped:
        ksp = PETSc.KSP().create(self._comm if self._whole is None else MPI.COMM_SELF)
        ksp.setOptionsPrefix(self._prefix)
        pc = ksp.getPC()
        if self.kind == "direct":
            ksp.setType("preonly")
            pc.setType("cholesky" if self.symmetric else "lu")
            pc.setFactorSolverType("mumps")
        else:
            ksp.setType("cg" if self.symmetric else "gmres")
            ksp.setTolerances(rtol=self._tolerance, atol=0.0, max_it=1000)
            pc.setType("gamg")
        # PETSc is not to raise: once KSPSolve has, it lets later solves pass that do not converge.
        ksp.setErrorIfNotConverged(False)
        with _unless_given(self._prefix, GAMG if self.kind == "iterative" else {}):
            ksp.setFromOptions()
        return ksp

    def _set_up(self, matrix: Matrix) -> bool:
        """Whether the factorisation or the preconditioner could be made; with more memory if need be."""
        for more in ROOM:
            pc = self._ksp.getPC()
            mumps = pc.getType() in ("cholesky", "lu") and pc.getFactorSolverType() == "mumps"
            if mumps:
                pc.setFactorSetUpSolverType()
                pc.getFactorMatrix().setMumpsIcntl(14, more)
            with doing("factorising an operator" if self.kind == "direct" else "setting up a preconditioner"):
                self._ksp.setUp()
            failed = self._comm.allreduce(int(pc.getFailedReason()), op=MPI.MAX)
            if not (mumps and failed == PETSc.PC.FailedReason.FACTOR_OUTMEMORY):
                return not failed
            self._ksp.destroy()
            self._ksp = self._new()
            self._ksp.setOperators(matrix)
        return False

    def _check(self) -> None:
        reason = self._ksp.getConvergedReason()
        if self._whole is not None:
            reason = self._comm.allreduce(reason, op=MPI.MIN)
        if reason < 0:
            cure = "" if self.kind == "direct" else "; a direct one may do"
            self._fail(f"the {self.kind} linear solver did not converge (PETSc's reason {reason}){cure}")

    def _check_residual(self, right: np.ndarray, solution: np.ndarray, transpose: bool) -> None:
        """Of a block that of one combination of its columns, each with the same weight: a matrix product."""
        assert self._held is not None
        sizes = np.atleast_1d(np.abs(right).max(axis=0, initial=0.0))
        self._comm.Allreduce(MPI.IN_PLACE, sizes, op=MPI.MAX)
        weights = np.divide(1.0, sizes, out=np.zeros_like(sizes), where=sizes > 0)
        weights[1::2] *= -1.0
        matrix, act = self._held[0], multiply_transpose if transpose else multiply
        with np.errstate(over="ignore", invalid="ignore"):
            b, x = (part.reshape(len(part), -1) @ weights for part in (right, solution))
            residual = b - act(matrix, x)
        left = self._largest(residual)
        if left <= UNSOLVED * np.sqrt(max(1, len(weights))):
            return
        if np.isfinite(left):
            change = self._solution(residual, transpose)
            if self._largest(change) <= UNSOLVED * self._largest(x):
                return
        raise SolveFailed(
            f"a linear system is not solved, {left:.2g} of its right-hand side is left: the operator is "
            "singular or nearly so"
        )

    def _largest(self, vector: np.ndarray) -> float:
        """Of the absolute values over all ranks, inf where one is not finite."""
        own = float(np.abs(vector).max(initial=0.0))
        largest: float = self._comm.allreduce(own if np.isfinite(own) else np.inf, op=MPI.MAX)
        return largest

    def _fail(self, message: str) -> NoReturn:
        self._failed = True
        raise SolveFailed(message)

    def _solve_vector(self, right: np.ndarray, transpose: bool) -> np.ndarray:
        if self._whole is not None:
            counts = self._comm.allgather(len(right))
            begin = sum(counts[: self._comm.rank])
            right = np.concatenate(self._comm.allgather(right))
        solution = np.zeros_like(right)
        b = PETSc.Vec().createWithArray(right, comm=self._ksp.comm)
        x = PETSc.Vec().createWithArray(solution, comm=self._ksp.comm)
        (self._ksp.solveTranspose if transpose else self._ksp.solve)(b, x)
        b.destroy(), x.destroy()
        self._check()
        return solution if self._whole is None else solution[begin : begin + counts[self._comm.rank]]

    def _solve_block(self, right: np.ndarray, transpose: bool) -> np.ndarray:
        if self._whole is None:
            return self._solve_columns(right, transpose)
        comm = self._comm
        dealt = np.array_split(right, comm.size, axis=1)
        parts = comm.alltoall([np.ascontiguousarray(part) for part in dealt])
        solution = self._solve_columns(np.asfortranarray(np.concatenate(parts)), transpose)
        ends = np.cumsum([len(part) for part in parts])[:-1]
        return np.asfortranarray(np.concatenate(comm.alltoall(np.split(solution, ends)), axis=1))

    def _solve_columns(self, right: np.ndarray, transpose: bool) -> np.ndarray:
        solution = np.zeros_like(right, order="F")
        comm = self._ksp.comm.tompi4py()
        if self._whole is None or right.shape[1]:
            b, x = dense_matrix(comm, right), dense_matrix(comm, solution)
            (self._ksp.matSolveTranspose if transpose else self._ksp.matSolve)(b, x)
            b.destroy(), x.destroy()
        self._check()
        return solution


@contextmanager
def _unless_given(prefix: str, values: Mapping[str, float]) -> Iterator[None]:
    """Add options under a prefix to PETSc's, but for those that the user gives."""
    options = PETSc.Options(prefix)
    own = [name for name in values if not options.hasName(name)]
    for name in own:
        options.setValue(name, values[name])
    yield
    for name in own:
        options.delValue(name)
