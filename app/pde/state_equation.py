"""A(u, m) = 0: the operator ∂A/∂u, its factorisation, and the state at a coefficient."""

from collections.abc import Sequence

import numpy as np
import ufl
from dolfinx import fem, la
from dolfinx.fem import petsc as _fem_petsc
from mpi4py import MPI

from app.equations.terms import Equation, components, roles_of
from app.mesh import assemble
from app.mesh.spaces import CoefficientSpace, CoefficientSpaces, Function
from app.parallel import LinearSolver, SolveFailed, multiply_transpose, timed
from app.parallel.blocks import PETSc
from app.pde.dirichlet import dirichlet
from app.pde.forms import boundary_measure, by_cell, derivative, seen_at_points, with_fixed_quadrature
from app.pde.linearisation import Counts, Linearisation
from app.pde.newton import newton
from app.pde.rigid import rigid_motions
from app.pde.uniqueness import refuse_open_states, refuse_singular
from app.types import CompiledForm, Matrix, Untyped

fem_petsc: Untyped = _fem_petsc  # its overloads by singledispatch are unknown to type checkers


class StateEquation:
    """One stationary equation, of one or several components and unknowns, at a coefficient that is set.

    A state that is not linear is found by Newton's method, from a near one or, where that fails or none is
    given, from zero; the solution counts as one state solve, each of its steps as a right-hand side and a
    factorisation, and the operator at the state as a factorisation more.

    State and coefficient live in separate space objects even when their elements agree: a Dirichlet condition
    on a shared one would delete columns of the mixed derivative.
    """

    def __init__(
        self,
        equation: Equation,
        coefficient: CoefficientSpace | CoefficientSpaces,
        degree: int,
        solver: LinearSolver,
    ) -> None:
        domain = coefficient.domain
        if solver.symmetric and not equation.symmetric:
            raise ValueError("found a solver for symmetric operators with an equation that has none")
        self.comm = domain.comm
        self.coefficient = coefficient
        self.counts = Counts()
        self.components = components(equation, domain.dimension)
        """Names of the state's components, none of a scalar."""
        shape = (len(self.components),) if self.components else ()
        self.space = fem.functionspace(domain.mesh, ("Lagrange", degree, shape))
        self.state: Function = fem.Function(self.space, name="u")
        self._solver = self._factorised_by = solver
        self._setup = 0
        self._others: list[LinearSolver] = []
        self._linear = equation.linear
        self._m: list[Function] = [fem.Function(part.space, name="m") for part in coefficient.parts]
        self._owned: int = self.space.dofmap.index_map.size_local * self.space.dofmap.index_map_bs

        conditions = list(equation.boundary.values())
        ds = boundary_measure(domain, conditions)
        x = ufl.SpatialCoordinate(domain.mesh)
        v = ufl.TestFunction(self.space)
        nodal, self._points = self._told_apart()
        m = dict(zip(roles_of(equation), nodal, strict=True))
        residual = seen_at_points(equation.residual(self.state, m, v, x, ds), self._points)
        residual = with_fixed_quadrature(residual, self._rules())
        self._form = residual
        with timed("compile"):
            self._residual = fem.form(residual)
            self._by_state = fem.form(derivative(residual, self.state))
            self._by_coefficient = [self._compiled_derivative(m) for m in self._m]
        self._bcs, self._lifted = dirichlet(self.space, self.components, domain, conditions)
        fixed = [bc.dof_indices()[0] for bc in self._bcs] or [np.empty(0, dtype=np.int32)]
        fixed_dofs = np.unique(np.concatenate(fixed))
        self._fixed = fixed_dofs[fixed_dofs < self._owned]
        self._operator: Matrix = fem_petsc.create_matrix(self._by_state)
        if solver.kind == "iterative" and (motions := rigid_motions(self.space, self.components)):
            self._operator.setNearNullSpace(motions)
            motions.destroy()
        self._supply: np.ndarray | None = None
        self._unique = False
        """Whether the first operator was found to have one state only."""

    @property
    def size(self) -> int:
        """Number of state dofs over all ranks."""
        size: int = self.space.dofmap.index_map.size_global * self.space.dofmap.index_map_bs
        return size

    @property
    def solver(self) -> LinearSolver:
        """What factorises the operator where no other solver holds it."""
        return self._solver

    def share(self, others: Sequence[LinearSolver]) -> None:
        """An operator that one of these solvers holds, to the last bit, is not factorised again."""
        self._others = list(others) if self._linear else []

    def feed_with(self, matrix: Matrix, rates: np.ndarray) -> None:
        """Point sources of given rates: `matrix`, shape (sources, state dofs), evaluates a state there."""
        first, last = matrix.getOwnershipRange()
        self._supply = multiply_transpose(matrix, np.asarray(rates, dtype=float)[first:last])

    def _told_apart(self) -> tuple[list[Function], dict[Function, Function]]:
        """The unknowns by their values at nodes, and by those at points, where there are some."""
        parts = list(zip(self.coefficient.parts, self._m, strict=True))
        nodal = [m for part, m in parts if not part.pointwise]
        points = [m for part, m in parts if part.pointwise]
        return nodal, dict(zip(nodal, points, strict=True)) if points else {}

    def _rules(self) -> dict[Function, int]:
        """Degrees of the quadrature rules of functions that have values at points alone."""
        parts = zip(self.coefficient.parts, self._m, strict=True)
        return {m: part.degree for part, m in parts if part.pointwise}

    def _compiled_derivative(self, m: Function) -> CompiledForm | None:
        """The derivative by an unknown at its nodes or points; None where these play no part."""
        if self._points and m not in self._form.coefficients():
            return None
        return fem.form(derivative(self._form, m))

    def _linear_state(self) -> np.ndarray:
        """Owned dofs of the state: one factorisation, one right-hand side."""
        start = self._lifted.x.array[: self._owned]
        self._assemble_operator(start)
        residual = self._assemble_residual(start)
        self._factorise()
        state: np.ndarray = start - self._newton_step(residual)
        return state

    def _nonlinear_state(self, near: Linearisation | None) -> np.ndarray:
        """Owned dofs of the state, by Newton's method; the factorisation is that at the state."""
        zero = self._lifted.x.array[: self._owned].copy()
        if near is not None:
            try:
                return self._newton(near.state)
            except SolveFailed:
                pass  # the coefficient may have moved far
        return self._newton(zero)

    def _newton(self, start: np.ndarray) -> np.ndarray:
        return newton(start, self._assemble_residual, self._linearise, self._newton_step, self._norm)

    def _linearise(self, state: np.ndarray) -> None:
        self._assemble_operator(state)
        self._factorise()

    def _newton_step(self, residual: np.ndarray) -> np.ndarray:
        with timed("solve"), self.counts.solving():
            return self._solve(residual)

    def _assemble_operator(self, state: np.ndarray) -> None:
        """∂A/∂u at a state, the identity on the Dirichlet parts."""
        self._assign(state)
        with timed("assembly"):
            self._operator.zeroEntries()
            assemble(self._operator, self._by_state, self._bcs)

    def _assemble_residual(self, state: np.ndarray) -> np.ndarray:
        """A at a state that meets the Dirichlet conditions, owned dofs, zero on the Dirichlet parts."""
        residual = self._whole_residual(state)
        residual[self._fixed] = 0.0
        return residual

    def _whole_residual(self, state: np.ndarray) -> np.ndarray:
        """A at a state, owned dofs, without Dirichlet conditions."""
        self._assign(state)
        with timed("assembly"):
            vector: Untyped = fem_petsc.assemble_vector(self._residual)
            vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
            residual: np.ndarray = vector.array.copy()
            vector.destroy()
        return residual if self._supply is None else residual - self._supply

    def _factorise(self) -> None:
        """Set up the operator that is assembled; raises NotUnique where the first one has several states."""
        if not self._unique:
            domain = self.coefficient.domain
            refuse_open_states(self._operator, self.space, self.components, domain, self._fixed)
        with timed("solve"):
            holding = (other for other in self._others if other.holds(self._operator))
            self._factorised_by = next(holding, self._solver)
            if self._factorised_by is self._solver:
                with self.counts.factorising():
                    self._solver.set_matrix(self._operator)
            self._setup = self._factorised_by.setups
            if not self._unique and self._factorised_by.kind == "direct":
                domain = self.coefficient.domain
                refuse_singular(self._operator, self._factorised_by, self.space, domain, self._by_cell)
        self._unique = True

    def _by_cell(self, values: np.ndarray) -> np.ndarray:
        """What each of the rank's cells contributes to ∂A/∂u(v, v) at the state that is set, v having these
        owned dofs."""
        v: Function = fem.Function(self.space)
        v.x.array[: self._owned] = values
        v.x.scatter_forward()
        form = ufl.action(ufl.action(ufl.derivative(self._form, self.state), v), v)
        with timed("compile"):
            compiled = fem.form(by_cell(form, self.coefficient.domain))
        vector = fem.assemble_vector(compiled)
        vector.scatter_reverse(la.InsertMode.add)
        return vector.array[: vector.index_map.size_local].copy()

    def _solve(self, right: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Solve with the state operator or its transpose; homogeneous on the Dirichlet parts."""
        right[self._fixed] = 0.0
        return self._factorised_by.solve(right, transpose=transpose)

    def _assign_coefficient(self, values: np.ndarray) -> None:
        for part, m, own in zip(self.coefficient.parts, self._m, self.coefficient.split(values), strict=True):
            part.assign(m, own)

    def _assign(self, state: np.ndarray) -> None:
        self.state.x.array[: self._owned] = state
        self.state.x.scatter_forward()

    def _norm(self, vector: np.ndarray) -> float:
        """Of owned dofs, the same on all ranks; nan or inf where an entry is."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.sqrt(self.comm.allreduce(float(vector @ vector))))

    def _require_finite(self, array: np.ndarray) -> None:
        if not self.comm.allreduce(bool(np.isfinite(array).all()), op=MPI.LAND):
            raise SolveFailed("the state equation has no finite solution at this coefficient")
