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
from app.prior.roots import Root
from app.prior.samples import draws
from app.prior.variance import pointwise_variance

type SolverFactory = Callable[[], LinearSolver]
"""Makes a solver, which whoever asked for it destroys."""

type RootFactory = Callable[[PETSc.Mat], Root]
"""Makes of a matrix K its root L, K = LLᵀ, which whoever asked for it closes; collective."""

type Solutions = dict[Hashable, np.ndarray]
"""Solutions for one block that inner products leave to each other, by what they are of."""


class InnerProduct(Protocol):
    """A symmetric positive definite K on nodal values; whoever asked for it closes it, on all ranks alike.

    Vectors and blocks have the rank's owned rows; see app.parallel.blocks. What it gives stays the same,
    whatever other inner products are made or closed.
    """

    @property
    def comm(self) -> MPI.Comm: ...

    @property
    def owned(self) -> int:
        """Rows that this rank owns."""

    def apply(self, block: np.ndarray) -> np.ndarray:
        """K @ block."""

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """K⁻¹ @ block: derivatives (dual) to gradients."""

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ K block, the same on all ranks."""

    def dual_square(self, block: np.ndarray, solutions: Solutions) -> np.ndarray:
        """blockᵀ K⁻¹ block, the same on all ranks, with what `solutions` of the same block holds already."""

    def dual_squares(self, block: np.ndarray) -> np.ndarray:
        """The diagonal of blockᵀ K⁻¹ block, shape (columns,), the same on all ranks."""

    @property
    def noise(self) -> int:
        """Numbers of white noise that a sample is made of, over all ranks."""

    def coloured(self, noise: np.ndarray) -> np.ndarray:
        """S @ noise with SSᵀ = K⁻¹, a block, of white noise that is whole on every rank, shape (noise,
        columns); collective. Which number is which does not depend on the partition."""

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draws of N(0, K⁻¹), shape (owned, count), the same functions whatever the ranks; collective.

        `rng` is alike on all ranks. Drawn one after the other: 3 and then 2 are 5.
        """

    def variance(self) -> np.ndarray:
        """The diagonal of K⁻¹, shape (owned,); collective. See app.prior.variance, which tells its error
        too."""

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
    """A symmetric positive definite PETSc matrix K as an InnerProduct; it owns K, its root and the solver it
    makes."""

    def __init__(
        self, comm: MPI.Comm, matrix: PETSc.Mat, solver: SolverFactory, root: RootFactory | None = None
    ) -> None:
        """Takes `matrix` over, also where this raises: SolveFailed, on all ranks, unless K is definite.

        The `root` is made when a sample is asked for, which without one raises TypeError.
        """
        self.comm = comm
        self.owned: int = matrix.getLocalSize()[0]
        self._matrix: PETSc.Mat | None = matrix
        self._root_of = root
        self._root: Root | None = None
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

    def dual_squares(self, block: np.ndarray) -> np.ndarray:
        """The diagonal of blockᵀ K⁻¹ block: one Riesz solve a column."""
        return column_products(self.comm, block, self.riesz(block))

    @property
    def root(self) -> Root:
        """L with K = LLᵀ, made at the first use; collective."""
        if self._root is None:
            if self._root_of is None:
                raise TypeError("found an inner product without a root, expected one of a regularisation")
            self._root = self._root_of(self.matrix)
        return self._root

    @property
    def noise(self) -> int:
        """Numbers of white noise: one a quadrature point and component."""
        return self.root.size

    def coloured(self, noise: np.ndarray) -> np.ndarray:
        """K⁻¹L @ noise: one Riesz solve a column."""
        return self.riesz(self.root.apply(noise))

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draws of N(0, K⁻¹), shape (owned, count)."""
        return draws(self.coloured, self.noise, rng, count)

    def variance(self) -> np.ndarray:
        """The diagonal of K⁻¹."""
        return pointwise_variance(self).values

    def close(self) -> None:
        """Destroy the matrix, its root and the solver, collectively; a second time does nothing."""
        if self._root is not None:
            self._root.close()
            self._root = None
        if self._matrix is not None:
            self._solver.destroy()
            self._matrix.destroy()
            self._matrix = None

    def __exit__(self, *_: object) -> None:
        self.close()


class Borrowed(AbstractContextManager["Borrowed"]):
    """An inner product that a regularisation owns and gives to many: closing it leaves it as it is."""

    def __init__(self, owned: InnerProduct) -> None:
        self.comm, self.owned, self._of = owned.comm, owned.owned, owned
        self.apply, self.riesz, self.square = owned.apply, owned.riesz, owned.square
        self.dual_square, self.dual_squares = owned.dual_square, owned.dual_squares
        self.coloured, self.sample, self.variance = owned.coloured, owned.sample, owned.variance

    @property
    def noise(self) -> int:
        """Of the owner."""
        return self._of.noise

    def close(self) -> None:
        """Does nothing."""

    def __exit__(self, *_: object) -> None:
        pass


class PowerGram(AbstractContextManager["PowerGram"]):
    """R = F (M⁻¹F)^(order − 1) as an InnerProduct, never formed; it owns F, M is diagonal (owned entries)."""

    def __init__(
        self, factor: GramMatrix, mass: np.ndarray, order: int, name: Hashable, root: Callable[[], Root]
    ) -> None:
        """Powers of the same F and M have one `name`; `root` makes that of M."""
        self.comm, self.owned = factor.comm, factor.owned
        self._factor, self._mass, self._order, self._name = factor, mass, order, name
        self._mass_root_of = root
        self._mass_root: Root | None = None

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

    def dual_squares(self, block: np.ndarray) -> np.ndarray:
        """The diagonal of blockᵀ R⁻¹ block: half of `order` Riesz solves a column, rounded up."""
        solutions: Solutions = {}
        half = self._solution(block, self._order // 2, solutions)
        image = half if self._order == 1 else self._scaled(half, self._mass)
        other = self._solution(block, self._order - self._order // 2, solutions)
        return column_products(self.comm, image, other)

    @property
    def root(self) -> Root:
        """Of M where the order is even, of F where it is odd."""
        if self._order % 2:
            return self._factor.root
        if self._mass_root is None:
            self._mass_root = self._mass_root_of()
        return self._mass_root

    @property
    def noise(self) -> int:
        """Numbers of white noise: one a node where the order is even, else those of F."""
        return self.root.size

    def coloured(self, noise: np.ndarray) -> np.ndarray:
        """(F⁻¹M)^(k − 1) F⁻¹M^½ @ noise of the order 2k, (F⁻¹M)^k F⁻¹L @ noise of 2k + 1 with LLᵀ = F.

        Half of `order` Riesz solves a column, rounded up.
        """
        block = self._factor.riesz(self.root.apply(noise))
        for _ in range((self._order - 1) // 2):
            block = self._factor.riesz(self._scaled(block, self._mass))
        return block

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draws of N(0, R⁻¹), shape (owned, count)."""
        return draws(self.coloured, self.noise, rng, count)

    def variance(self) -> np.ndarray:
        """The diagonal of R⁻¹."""
        return pointwise_variance(self).values

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
        """Close F and the root of M."""
        if self._mass_root is not None:
            self._mass_root.close()
            self._mass_root = None
        self._factor.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _scaled(self, block: np.ndarray, by: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = block * (by if block.ndim == 1 else by[:, None])
        return scaled


def column_products(comm: MPI.Comm, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The diagonal of leftᵀ right of two blocks, the same on all ranks; one reduction."""
    products: np.ndarray = np.einsum("ij,ij->j", left, right)
    comm.Allreduce(MPI.IN_PLACE, products)
    return products
