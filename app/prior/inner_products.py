"""Inner products of coefficients as Gram matrices, and the regularisations that are made of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI

from app.mesh.fields import Field, in_ufl
from app.mesh.spaces import CoefficientSpace
from app.parallel import LinearSolver, multiply, symmetric_gram, timed
from app.prior.gradients import Gradients

EDGE_SHARE = 0.3
"""β of the edge-preserving weight as a share of the root mean square of |∇m|, unless given."""

INFINITE_LENGTH = 1e3
"""What stands in for `length_scale: inf`, so that R stays positive definite: a mass term of 1e-6."""


class GramMatrix:
    """A symmetric positive definite PETSc matrix K as an inner product of nodal values.

    Vectors and blocks have the rank's owned rows; see app.parallel.blocks.
    """

    def __init__(self, comm: MPI.Comm, matrix: Any, solver: LinearSolver) -> None:
        self.comm = comm
        self.matrix = matrix
        self._solver = solver
        solver.set_matrix(matrix)

    def apply(self, block: np.ndarray) -> np.ndarray:
        """K @ block."""
        return multiply(self.matrix, block)

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """K⁻¹ @ block: derivatives (dual) to gradients."""
        with timed("solve"):
            return self._solver.solve(block)

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ K block."""
        return symmetric_gram(self.comm, block, self.apply(block))


class H1:
    """R = ∫∇·∇ + ℓ⁻²∫·· with the length ℓ, the same at every coefficient."""

    fixed = True
    share = 2.0

    def __init__(self, space: CoefficientSpace, length: float, solver: LinearSolver) -> None:
        u, v = ufl.TrialFunction(space.space), ufl.TestFunction(space.space)
        # Not a number, or each length would be compiled.
        inverse_square = fem.Constant(space.domain.mesh, length**-2)
        gradients = Gradients(space)
        form = gradients.product(u, v) * gradients.measure + inverse_square * u * v * ufl.dx
        self.solver = solver
        self._gram = GramMatrix(space.comm, assembled_matrix(space, _compiled(form)), solver)

    def at(self, values: np.ndarray) -> GramMatrix:
        """R for an iteration that starts from these nodal values."""
        return self._gram


class EdgePreserving:
    """Lagged R = ∫ρ∇·∇ + ℓ⁻²∫··, ρ = β/√(|∇m|² + β²), β = edge_share · rms|∇m|; ρ = 1 where m is constant.

    Small gradients are smoothed and large ones kept, as in lagged-diffusivity total variation (Vogel and
    Oman 1996).
    """

    fixed = False
    share = 2.0

    def __init__(
        self,
        space: CoefficientSpace,
        length: float,
        solver: LinearSolver,
        edge_share: float = EDGE_SHARE,
    ) -> None:
        self._edge_share = edge_share
        mesh = space.domain.mesh
        u, v = ufl.TrialFunction(space.space), ufl.TestFunction(space.space)
        self.solver = solver
        self._space = space
        self._m = fem.Function(space.space)
        self._beta: Any = fem.Constant(mesh, 1.0)
        gradients = Gradients(space)
        square = gradients.square(self._m)
        inverse_square = fem.Constant(mesh, length**-2)
        rho = self._beta / ufl.sqrt(square + self._beta**2)
        form = rho * gradients.product(u, v) * gradients.measure + inverse_square * u * v * ufl.dx
        self._form = _compiled(form)
        self._square = _compiled(gradients.product(self._m, self._m) * gradients.measure)
        self._volume = _integral(space, fem.form(fem.Constant(mesh, 1.0) * ufl.dx))
        self._matrix: Any = None

    def at(self, values: np.ndarray) -> GramMatrix:
        """R for an iteration that starts from these nodal values; earlier ones become invalid."""
        self._space.assign(self._m, values)
        rms = np.sqrt(_integral(self._space, self._square) / self._volume)
        # A constant m, whose gradient is rounding only, has no scale: a huge β makes ρ = 1, the plain H1.
        largest = self._space.comm.allreduce(np.abs(values).max(initial=0.0), op=MPI.MAX)
        constant = rms * self._space.domain.diagonal <= 1e-10 * largest
        self._beta.value = 1e12 if constant else self._edge_share * rms
        with timed("assembly"):
            if self._matrix is not None:
                self._matrix.destroy()
            self._matrix = assembled_matrix(self._space, self._form)
        return GramMatrix(self._space.comm, self._matrix, self.solver)


class PowerGram:
    """R = F (M⁻¹F)^(order − 1) as an inner product, never formed: F a GramMatrix, M diagonal (owned
    entries)."""

    def __init__(self, factor: GramMatrix, mass: np.ndarray, order: int) -> None:
        self.comm = factor.comm
        self._factor, self._mass, self._order = factor, mass, order

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
        return symmetric_gram(self.comm, block, self.apply(block))

    def _scaled(self, block: np.ndarray, by: np.ndarray) -> np.ndarray:
        return block * (by if block.ndim == 1 else by[:, None])


class Bilaplacian:
    """R = F M⁻¹ F with F = ℓ²A + M: A stiffness, M lumped mass, ℓ the length (Bui-Thanh et al. 2013).

    The inverse is the covariance of a Matérn field of correlation length about ℓ: smooth below ℓ, free above.
    """

    fixed = True
    share = 0.2
    order = 2

    def __init__(self, space: CoefficientSpace, length: float, solver: LinearSolver) -> None:
        u, v = ufl.TrialFunction(space.space), ufl.TestFunction(space.space)
        square: Any = fem.Constant(space.domain.mesh, length**2)
        gradients = Gradients(space)
        factor = assembled_matrix(space, _compiled(square * gradients.product(u, v) * gradients.measure))
        # Lumped by scaling the diagonal (Hinton, Rock and Zienkiewicz 1976): for linear elements the row
        # sums, which for higher ones are not positive.
        mass = assembled_matrix(space, _compiled(u * v * ufl.dx))
        lumped, ones = mass.getDiagonal(), mass.createVecRight()
        ones.set(1.0)
        lumped.scale((mass @ ones).sum() / lumped.sum())
        factor.setDiagonal(factor.getDiagonal() + lumped)
        self.solver = solver
        self._gram = PowerGram(GramMatrix(space.comm, factor, solver), lumped.array.copy(), self.order)
        for done in (mass, lumped, ones):
            done.destroy()

    def at(self, values: np.ndarray) -> PowerGram:
        """R for an iteration that starts from these nodal values."""
        return self._gram


class Trilaplacian(Bilaplacian):
    """R = F M⁻¹ F M⁻¹ F, as the bilaplacian: for coefficients that are smoother still."""

    order = 3


REGULARISATIONS: dict[str, type[H1] | type[EdgePreserving] | type[Bilaplacian]] = {
    "h1": H1,
    "edge_preserving": EdgePreserving,
    "bilaplacian": Bilaplacian,
    "trilaplacian": Trilaplacian,
}


LENGTH_SHARES = {"bilaplacian": (0.03, 0.05, 0.1, 0.2, 0.4), "trilaplacian": (0.05, 0.1, 0.2, 0.4)}
"""Lengths that a choice from the data considers, as shares of the domain's diagonal."""

EDGE_SHARES = (0.1,)
"""Edge shares that it considers."""


def l2(space: CoefficientSpace, length: float, solver: LinearSolver) -> GramMatrix:
    """∫··, the mass matrix; ℓ plays no part."""
    u, v = ufl.TrialFunction(space.space), ufl.TestFunction(space.space)
    return GramMatrix(space.comm, assembled_matrix(space, _compiled(u * v * ufl.dx)), solver)


def h1(space: CoefficientSpace, length: float, solver: LinearSolver) -> GramMatrix:
    """∫∇·∇ + ℓ⁻²∫··."""
    return H1(space, length, solver).at(np.empty(0))


def weighted_product(
    space: CoefficientSpace, weight: Field, length: float | None, solver: LinearSolver
) -> GramMatrix:
    """∫ω(∇·∇ + ℓ⁻²··), or ∫ω·· without a length ℓ, with a positive weight ω."""
    u, v, x = ufl.TrialFunction(space.space), ufl.TestFunction(space.space), space.domain.coordinates
    omega = in_ufl(weight, x)
    form = omega * u * v * ufl.dx(space.domain.mesh)
    if length is not None:
        inverse_square = fem.Constant(space.domain.mesh, length**-2)
        form = omega * (ufl.inner(ufl.grad(u), ufl.grad(v)) + inverse_square * u * v) * ufl.dx
    return GramMatrix(space.comm, assembled_matrix(space, _compiled(form)), solver)


INNER_PRODUCTS: dict[str, Callable[[CoefficientSpace, float, LinearSolver], GramMatrix]] = {
    "l2": l2,
    "h1": h1,
}


def effective_length(diagonal: float, length_scale: float | None, share: float = H1.share) -> float:
    """The length ℓ of a regularisation: as given, or this share of the bounding box's diagonal."""
    if length_scale is None:
        return share * diagonal
    return INFINITE_LENGTH if np.isinf(length_scale) else length_scale


def _compiled(form: ufl.Form) -> fem.Form:
    with timed("compile"):
        return fem.form(form)


def assembled_matrix(space: CoefficientSpace, form: fem.Form) -> Any:
    """A bilinear form between the free nodes of a space."""
    matrix = fem_petsc.assemble_matrix(form)
    matrix.assemble()
    return space.submatrix(matrix)


def _integral(space: CoefficientSpace, form: fem.Form) -> float:
    return space.comm.allreduce(fem.assemble_scalar(form))
