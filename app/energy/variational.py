"""Variational problems on a mesh: an energy, its derivatives, and what the boundary asks of a function."""

from collections.abc import Sequence

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as _fem_petsc
from mpi4py import MPI

from app.energy.functionals import Functional
from app.equations.terms import BoundaryCondition
from app.mesh.fields import Field, in_ufl
from app.mesh.spaces import CoefficientSpace, Function
from app.parallel import timed
from app.parallel.blocks import PETSc
from app.pde.forms import boundary_measure, with_fixed_quadrature
from app.prior.forms import assembled_matrix
from app.prior.gram import GramMatrix, SolverFactory
from app.types import CompiledForm, Symbol, Untyped

fem_petsc: Untyped = _fem_petsc  # its overloads by singledispatch are unknown to type checkers

LEAST_CUT_OFF = 1e-6
"""The cut-off is not below this inside, where elements with obtuse angles would make it negative."""


class VariationalEnergy:
    """E(u) = ∫ density(u) dx − ∫ (g u − ½h u²) ds, with its derivative and Hessian, all compiled once.

    g and h are the value and the transfer of the natural conditions. Of u the rank's owned free nodes are
    passed in; those where a Dirichlet condition holds are known to the space and no part of any block.
    """

    def __init__(
        self,
        functional: Functional,
        boundary: Sequence[BoundaryCondition],
        space: CoefficientSpace,
        solver: SolverFactory,
    ) -> None:
        self.space, self.comm = space, space.comm
        self.quadratic = functional.quadratic
        self._solver = solver
        self._u: Function = fem.Function(space.space, name="u")
        u, v, w = self._u, ufl.TestFunction(space.space), ufl.TrialFunction(space.space)
        conditions, x = list(boundary), space.domain.coordinates
        ds = boundary_measure(space.domain, conditions)
        energy = functional.density(u, x) * ufl.dx(space.domain.mesh)
        for i, condition in enumerate(conditions):
            if condition.kind == "dirichlet":
                continue
            density = -condition.enters(condition.given, x) * u
            if condition.transfer is not None:
                density += 0.5 * in_ufl(condition.transfer, x) * u**2
            # One integral: FFCx 0.11 mixes up u at the points of two rules on the same facets in a scalar.
            energy += density * ds(i)
        energy = with_fixed_quadrature(energy)
        by_u = ufl.derivative(energy, u, v)
        twice = ufl.derivative(by_u, u, w)
        with timed("compile"):
            self._energy, self._derivative, self._hessian = map(fem.form, (energy, by_u, twice))
            self._curvature = fem.form(ufl.replace(twice, {v: u, w: u}))

    def value(self, values: np.ndarray) -> float:
        """E, alike on all ranks; not finite where it overflows."""
        return self._integral(self._energy, values)

    def half_square(self, values: np.ndarray) -> float:
        """½E″(u)(u, u) of the whole u, alike on all ranks."""
        return 0.5 * self._integral(self._curvature, values)

    def derivative(self, values: np.ndarray) -> np.ndarray:
        """E′(u) at the free nodes, a dual vector."""
        self.space.assign(self._u, values)
        return _assembled(self.space, self._derivative)

    def hessian(self, values: np.ndarray) -> GramMatrix:
        """E″(u) between free nodes, which the caller closes. Raises SolveFailed unless it is definite."""
        self.space.assign(self._u, values)
        with timed("assembly"):
            matrix = assembled_matrix(self.space, self._hessian)
        with timed("solve"):
            return GramMatrix(self.comm, matrix, self._solver)

    def _integral(self, form: CompiledForm, values: np.ndarray) -> float:
        self.space.assign(self._u, values)
        with timed("assembly"):
            return float(self.comm.allreduce(fem.assemble_scalar(form)))


def lifting_and_cut_off(
    space: CoefficientSpace, diffusivity: Field, solver: SolverFactory
) -> tuple[np.ndarray, np.ndarray]:
    """g and φ at the free nodes: ∇·(κ∇g) = 0 with the known values, and −∇·(κ∇φ) = 1 with φ = 0 there.

    Nothing flows through the rest of the boundary; φ is scaled to the maximum 1. Two solves.
    """
    v, w = ufl.TestFunction(space.space), ufl.TrialFunction(space.space)
    lifted = space.function(np.zeros(space.owned))
    kappa, dx = in_ufl(diffusivity, space.domain.coordinates), ufl.dx(space.domain.mesh)
    with timed("compile"):
        form = with_fixed_quadrature(kappa * ufl.inner(ufl.grad(w), ufl.grad(v)) * dx)
        stiffness, given = fem.form(form), fem.form(ufl.replace(form, {w: lifted}))
        load = fem.form(v * dx)
    with GramMatrix(space.comm, assembled_matrix(space, stiffness), solver) as K:
        g = -K.riesz(_assembled(space, given))
        phi = K.riesz(_assembled(space, load))
    largest = space.comm.allreduce(phi.max(initial=0.0), op=MPI.MAX)
    return g, np.maximum(phi / largest, LEAST_CUT_OFF)


class H1Distance:
    """‖u − w‖ / ‖w‖ with ‖v‖² = ∫|∇v|² + ℓ⁻²v², both with the known values where there are any."""

    def __init__(self, space: CoefficientSpace, length: float) -> None:
        self._space = space
        self._u: Function = fem.Function(space.space)
        self._w: Function = fem.Function(space.space)
        inverse_square = fem.Constant(space.domain.mesh, length**-2)

        def square(v: Symbol) -> CompiledForm:
            return fem.form((ufl.inner(ufl.grad(v), ufl.grad(v)) + inverse_square * v**2) * ufl.dx)

        with timed("compile"):
            self._difference, self._norm = square(self._u - self._w), square(self._w)

    def __call__(self, values: np.ndarray, others: np.ndarray) -> float:
        """Of two functions by their nodal values at the free nodes, alike on all ranks."""
        self._space.assign(self._u, values)
        self._space.assign(self._w, others)
        squares = [fem.assemble_scalar(form) for form in (self._difference, self._norm)]
        difference, norm = (self._space.comm.allreduce(square) for square in squares)
        return float(np.sqrt(difference / norm)) if norm > 0 else float("inf")


def _assembled(space: CoefficientSpace, form: CompiledForm) -> np.ndarray:
    """A linear form at the free nodes."""
    with timed("assembly"):
        vector = fem_petsc.assemble_vector(form)
        vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
        whole = vector.array.copy()
        vector.destroy()
    return space.restricted([whole])
