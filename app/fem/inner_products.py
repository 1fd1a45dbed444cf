"""Inner products of coefficients as Gram matrices, and the regularisations that are made of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI

from app.fem.spaces import CoefficientSpace
from app.parallel import LinearSolver, multiply, timed

EDGE_SHARE = 0.3
"""β of the edge-preserving weight as a share of the root mean square of |∇m|."""

INFINITE_LENGTH_MASS = 1e-6
"""ℓ⁻² that stands in for `length_scale: inf`, so that R stays positive definite."""


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


class H1:
    """R = ∫∇·∇ + ℓ⁻²∫··, the same at every coefficient. `mass` is ℓ⁻²."""

    fixed = True

    def __init__(self, space: CoefficientSpace, mass: float, solver: LinearSolver) -> None:
        u, v = ufl.TrialFunction(space.space), ufl.TestFunction(space.space)
        inverse_square = fem.Constant(
            space.domain.mesh, mass
        )  # not a number, or each length would be compiled
        form = ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx + inverse_square * u * v * ufl.dx
        self.solver = solver
        self._gram = GramMatrix(space.comm, _assemble(_compiled(form)), solver)

    def at(self, values: np.ndarray) -> GramMatrix:
        """R for an iteration that starts from these nodal values."""
        return self._gram


class EdgePreserving:
    """Lagged R = ∫ρ∇·∇ + ℓ⁻²∫··, ρ = β/√(|∇m|² + β²), β = 0.3 rms|∇m|; ρ = 1 where m is constant.

    Small gradients are smoothed and large ones kept, as in lagged-diffusivity total variation (Vogel and
    Oman 1996).
    """

    fixed = False

    def __init__(self, space: CoefficientSpace, mass: float, solver: LinearSolver) -> None:
        mesh = space.domain.mesh
        u, v = ufl.TrialFunction(space.space), ufl.TestFunction(space.space)
        self.solver = solver
        self._space = space
        self._m = fem.Function(space.space)
        self._beta: Any = fem.Constant(mesh, 1.0)
        square = ufl.inner(ufl.grad(self._m), ufl.grad(self._m))
        inverse_square = fem.Constant(mesh, mass)
        rho = self._beta / ufl.sqrt(square + self._beta**2)
        form = rho * ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx + inverse_square * u * v * ufl.dx
        self._form = _compiled(form)
        self._square = _compiled(square * ufl.dx)
        self._volume = _integral(space, fem.form(fem.Constant(mesh, 1.0) * ufl.dx))
        self._matrix: Any = None

    def at(self, values: np.ndarray) -> GramMatrix:
        """R for an iteration that starts from these nodal values; earlier ones become invalid."""
        self._space.assign(self._m, values)
        rms = np.sqrt(_integral(self._space, self._square) / self._volume)
        # A constant m, whose gradient is rounding only, has no scale: a huge β makes ρ = 1, the plain H1.
        largest = self._space.comm.allreduce(np.abs(values).max(initial=0.0), op=MPI.MAX)
        constant = rms * self._space.domain.diagonal <= 1e-10 * largest
        self._beta.value = 1e12 if constant else EDGE_SHARE * rms
        with timed("assembly"):
            if self._matrix is not None:
                self._matrix.destroy()
            self._matrix = _assemble(self._form)
        return GramMatrix(self._space.comm, self._matrix, self.solver)


REGULARISATIONS: dict[str, Callable[[CoefficientSpace, float, LinearSolver], H1 | EdgePreserving]] = {
    "h1": H1,
    "edge_preserving": EdgePreserving,
}


def l2(space: CoefficientSpace, mass: float, solver: LinearSolver) -> GramMatrix:
    """∫··, the mass matrix; ℓ plays no part."""
    u, v = ufl.TrialFunction(space.space), ufl.TestFunction(space.space)
    return GramMatrix(space.comm, _assemble(_compiled(u * v * ufl.dx)), solver)


def h1(space: CoefficientSpace, mass: float, solver: LinearSolver) -> GramMatrix:
    """∫∇·∇ + ℓ⁻²∫··."""
    return H1(space, mass, solver).at(np.empty(0))


INNER_PRODUCTS: dict[str, Callable[[CoefficientSpace, float, LinearSolver], GramMatrix]] = {
    "l2": l2,
    "h1": h1,
}


def mass_coefficient(diagonal: float, length_scale: float | None) -> float:
    """ℓ⁻² of a length scale; by default ℓ is twice the diagonal of the domain's bounding box."""
    if length_scale is None:
        return (2 * diagonal) ** -2
    return INFINITE_LENGTH_MASS if np.isinf(length_scale) else length_scale**-2


def _compiled(form: ufl.Form) -> fem.Form:
    with timed("compile"):
        return fem.form(form)


def _assemble(form: fem.Form) -> Any:
    matrix = fem_petsc.assemble_matrix(form)
    matrix.assemble()
    return matrix


def _integral(space: CoefficientSpace, form: fem.Form) -> float:
    return space.comm.allreduce(fem.assemble_scalar(form))
