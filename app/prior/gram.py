"""Inner products as Gram matrices, each of which owns its matrix and its solver until it is closed."""

import app.wheel  # noqa: F401

# isort: split
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

from app.parallel import LinearSolver, multiply, symmetric_gram, symmetric_gram_of, timed

type SolverFactory = Callable[[], LinearSolver]
"""Makes a solver, which whoever asked for it destroys."""

type Solutions = dict[Hashable, np.ndarray]
"""Solutions for one block that inner products leave to each other, by what they are of."""


class InnerProduct(Protocol):
    """A symmetric positive definite K on nodal values; whoever asked for it closes it, on all ranks alike.

    Vectors and blocks have the rank's owned rows; see app.parallel.blocks. What it gives stays the same,
    whatever other inner products are made or closed.
    """

    @property
    def comm(self) -> MPI.Comm: ...

    def apply(self, block: np.ndarray) -> np.ndarray:
        """K @ block."""

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """K⁻¹ @ block: derivatives (dual) to gradients."""

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ K block, the same on all ranks."""

    def dual_square(self, block: np.ndarray, solutions: Solutions) -> np.ndarray:
        """blockᵀ K⁻¹ block, the same on all ranks, with what `solutions` of the same block holds already."""

    def close(self) -> None:
        """Release what it owns; a second time does nothing."""


class Regularisation(Protocol):
    """R = R(m) on a space; see app.prior.kinds for its class."""

    fixed: bool
    """Whether R is the same at every coefficient."""

    def at(self, values: np.ndarray) -> InnerProduct:
        """R at these owned nodal values, which the caller closes. Collective."""

    def close(self) -> None:
        """Release what is not the callers' of `at`: of a fixed R, R itself."""


class GramMatrix(AbstractContextManager["GramMatrix"]):
    """A symmetric positive definite PETSc matrix K as an InnerProduct; it owns K and the solver it makes."""

    def __init__(self, comm: MPI.Comm, matrix: PETSc.Mat, solver: SolverFactory) -> None:
        """Takes `matrix` over, also where this raises: SolveFailed, on all ranks, unless K is definite."""
        self.comm = comm
        self._matrix: PETSc.Mat | None = matrix
        self._solver = solver()
        try:
            self._solver.set_matrix(matrix)
        except BaseException:
            self.close()
            raise

    @property
    def matrix(self) -> PETSc.Mat:
        """K; raises ValueError where it is closed: PETSc itself would end all ranks."""
        if self._matrix is None:
            raise ValueError("found an inner product that is closed, expected an open one")
        return self._matrix

    def apply(self, block: np.ndarray) -> np.ndarray:
        """K @ block."""
        return multiply(self.matrix, block)

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """K⁻¹ @ block."""
        _ = self.matrix
        with timed("solve"):
            return self._solver.solve(block)

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ K block."""
        return symmetric_gram(self.comm, block, self.apply)

    def dual_square(self, block: np.ndarray, solutions: Solutions) -> np.ndarray:
        """blockᵀ K⁻¹ block: one Riesz solve a column, which nobody else has."""
        return symmetric_gram_of(self.comm, block, self.riesz(block))

    def close(self) -> None:
        """Destroy the matrix and the solver, collectively; a second time does nothing."""
        if self._matrix is not None:
            self._solver.destroy()
            self._matrix.destroy()
            self._matrix = None

    def __exit__(self, *_: object) -> None:
        self.close()


class Borrowed(AbstractContextManager["Borrowed"]):
    """An inner product that a regularisation owns and gives to many: closing it leaves it as it is."""

    def __init__(self, owned: InnerProduct) -> None:
        self.comm = owned.comm
        self.apply, self.riesz, self.square = owned.apply, owned.riesz, owned.square
        self.dual_square = owned.dual_square

    def close(self) -> None:
        """Does nothing."""

    def __exit__(self, *_: object) -> None:
        pass


class PowerGram(AbstractContextManager["PowerGram"]):
    """R = F (M⁻¹F)^(order − 1) as an InnerProduct, never formed; it owns F, M is diagonal (owned entries)."""

    def __init__(self, factor: GramMatrix, mass: np.ndarray, order: int, name: Hashable) -> None:
        """Powers of the same F and M have one `name`."""
        self.comm = factor.comm
        self._factor, self._mass, self._order, self._name = factor, mass, order, name

    def apply(self, block: np.ndarray) -> np.ndarray:
        """R @ block."""
        for _ in range(self._order - 1):
            block = self._scaled(self._factor.apply(block), 1.0 / self._mass)
        return self._factor.apply(block)

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """R⁻¹ @ block: `order` Riesz solves a column."""
        for _ in range(self._order - 1):
            block = self._scaled(self._factor.riesz(block), self._mass)
        return self._factor.riesz(block)

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ R block."""
        return symmetric_gram(self.comm, block, self.apply)

    def dual_square(self, block: np.ndarray, solutions: Solutions) -> np.ndarray:
        """blockᵀ R⁻¹ block: half of `order` Riesz solves a column, rounded up, less those that another power
        has made.

        With X_k = F⁻¹(MF⁻¹)^(k − 1) block it is X_kᵀ M X_k of the order 2k, and X_kᵀ M X_(k + 1) of 2k + 1.
        """
        half = self._solution(block, self._order // 2, solutions)
        image = half if self._order == 1 else self._scaled(half, self._mass)
        other = self._solution(block, self._order - self._order // 2, solutions)
        return symmetric_gram_of(self.comm, image, other)

    def _solution(self, block: np.ndarray, times: int, solutions: Solutions) -> np.ndarray:
        """F⁻¹(MF⁻¹)^(times − 1) block, and the block itself for none."""
        if not times:
            return block
        key = self._name, times
        if key not in solutions:
            before = self._solution(block, times - 1, solutions)
            solutions[key] = self._factor.riesz(self._scaled(before, self._mass) if times > 1 else before)
        return solutions[key]

    def close(self) -> None:
        """Close F."""
        self._factor.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _scaled(self, block: np.ndarray, by: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = block * (by if block.ndim == 1 else by[:, None])
        return scaled
