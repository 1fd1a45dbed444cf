"""A PETSc linear solver that keeps its factorisation and solves for one or many right-hand sides."""

from typing import Any, Literal

import numpy as np

from app.parallel.blocks import PETSc, dense_matrix

Kind = Literal["direct", "iterative"]


class SolveFailed(ArithmeticError):
    """A linear or nonlinear solve did not give a finite, converged result; raised on all ranks alike."""


class LinearSolver:
    """Solve A x = b for a symmetric positive definite A, again and again, with one set-up a matrix.

    `direct` is a MUMPS Cholesky factorisation, `iterative` conjugate gradients with GAMG. PETSc options under
    `prefix` override both. Owns the KSP; `destroy()` releases it.
    """

    def __init__(self, comm: Any, kind: Kind, prefix: str, tolerance: float = 1e-12) -> None:
        self.setups = 0
        self.solves = 0
        self.kind = kind
        self._ksp = PETSc.KSP().create(comm)
        self._ksp.setOptionsPrefix(prefix)
        pc = self._ksp.getPC()
        if kind == "direct":
            self._ksp.setType("preonly")
            pc.setType("cholesky")
            pc.setFactorSolverType("mumps")
        else:
            self._ksp.setType("cg")
            self._ksp.setTolerances(rtol=tolerance, atol=0.0, max_it=1000)
            pc.setType("gamg")
        self._ksp.setErrorIfNotConverged(True)
        self._ksp.setFromOptions()

    def set_matrix(self, matrix: Any) -> None:
        """Factorise `matrix` (or set up its preconditioner)."""
        matrix.setOption(PETSc.Mat.Option.SPD, True)
        self._ksp.setOperators(matrix)
        self.setups += 1
        try:
            self._ksp.setUp()
        except PETSc.Error as error:
            raise SolveFailed(f"the linear solver's set-up failed ({error})") from None

    def solve(self, right: np.ndarray) -> np.ndarray:
        """A⁻¹ right for a vector or a block; many columns at once go through KSPMatSolve."""
        columns = 1 if right.ndim == 1 else right.shape[1]
        self.solves += columns
        try:
            if columns == 1:
                return self._solve_vector(np.ascontiguousarray(right.ravel())).reshape(right.shape)
            return self._solve_block(np.asfortranarray(right))
        except PETSc.Error as error:
            raise SolveFailed(f"linear solve failed (PETSc error {error.ierr})") from None

    def destroy(self) -> None:
        self._ksp.destroy()

    def _solve_vector(self, right: np.ndarray) -> np.ndarray:
        solution = np.zeros_like(right)
        b = PETSc.Vec().createWithArray(right, comm=self._ksp.comm)
        x = PETSc.Vec().createWithArray(solution, comm=self._ksp.comm)
        self._ksp.solve(b, x)
        b.destroy(), x.destroy()
        return solution

    def _solve_block(self, right: np.ndarray) -> np.ndarray:
        solution = np.zeros_like(right, order="F")
        comm = self._ksp.comm.tompi4py()
        b, x = dense_matrix(comm, right), dense_matrix(comm, solution)
        self._ksp.matSolve(b, x)
        b.destroy(), x.destroy()
        return solution
