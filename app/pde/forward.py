"""The map m ↦ Bu(m) with A(u, m) = 0, its tangent and its adjoint, on one factorisation a coefficient."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx import fem, la
from dolfinx.fem import petsc as _fem_petsc
from mpi4py import MPI

from app.equations.terms import BoundaryCondition, Equation, components, roles_of
from app.mesh import assemble, assembled
from app.mesh.spaces import CoefficientSpace, CoefficientSpaces
from app.parallel import LinearSolver, SolveFailed, multiply, multiply_transpose, timed
from app.parallel.blocks import PETSc
from app.pde.forms import boundary_measure, by_cell, with_fixed_quadrature
from app.pde.newton import newton
from app.pde.uniqueness import refuse_open_states, refuse_singular
from app.types import Matrix, Space, Untyped

fem_petsc: Untyped = _fem_petsc  # its overloads by singledispatch are unknown to type checkers


BLOCK = 256
"""Right-hand sides that are solved at once."""

ON_THE_PART = 1e-6
"""A reading that depends by this share on dofs without given values is one of the others alone: it is about
that share of a cell off them, as places written with six digits are."""


@dataclass
class Counts:
    """Work so far. A right-hand side is one vector solved with the state operator or its adjoint."""

    state_solves: int = 0
    state_rhs: int = 0
    adjoint_rhs: int = 0
    incremental_rhs: int = 0
    block_rhs: int = 0
    """Those solved several at once, tangent and adjoint alike."""
    recomputed_rhs: int = 0
    """States of a transient equation that were not kept and were solved for again."""
    factorisations: int = 0
    block_seconds: float = 0.0
    """Time of the tangents and adjoints of blocks, on this rank."""
    single_seconds: float = 0.0
    """Time of those of single vectors."""

    @property
    def linear_solves(self) -> int:
        """Every right-hand side."""
        single = self.state_rhs + self.adjoint_rhs + self.incremental_rhs
        return single + self.block_rhs + self.recomputed_rhs


@dataclass(frozen=True, eq=False)
class Linearisation:
    """The forward map at one coefficient m: readings, state, and J there, for as long as it is held.

    Operators and factorisation stay with the model, which keeps those of the linearisation that was last
    asked and makes them again for another.
    """

    model: "ForwardModel"
    values: np.ndarray
    """m, owned nodal values."""
    state: np.ndarray
    """Owned dofs of u(m), in time those at the end."""
    readings: np.ndarray
    """Shape (readings,), whole on every rank."""

    def tangent(self, block: np.ndarray) -> np.ndarray:
        """J block: one incremental right-hand side a column."""
        return self.model.tangent(self, block)

    def adjoint(self, data: np.ndarray, *, incremental: bool = True) -> np.ndarray:
        """Jᵀ data: one incremental right-hand side a column, or an adjoint one if not `incremental`."""
        return self.model.adjoint(self, data, incremental=incremental)


class ForwardModel:
    """State, tangent and adjoint of one stationary equation: one or several components and unknowns.

    A state that is not linear is found by Newton's method, from a near one or, where that fails or none is
    given, from zero; the solution counts as one state solve, each of its steps as a right-hand side and a
    factorisation, and the operator at the state as a factorisation more.

    Blocks of coefficients have the rank's owned rows (app.parallel.blocks); data are whole on every
    rank, shape (readings,) or (readings, columns). State and coefficient live in separate space objects
    even when their elements agree: a Dirichlet condition on a shared one would delete columns of the
    mixed derivative.
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
        self.state = fem.Function(self.space, name="u")
        self._solver = self._factorised_by = solver
        self._setup = 0
        self._others: list[LinearSolver] = []
        self._linear = equation.linear
        self._m = [fem.Function(part.space, name="m") for part in coefficient.parts]
        self._observe: Matrix = None
        self._tested: Matrix = None
        self._slope: Matrix = None
        self._owned: int = self.space.dofmap.index_map.size_local * self.space.dofmap.index_map_bs

        conditions = list(equation.boundary.values())
        ds = boundary_measure(domain, conditions)
        x = ufl.SpatialCoordinate(domain.mesh)
        v = ufl.TestFunction(self.space)
        m = dict(zip(roles_of(equation), self._m, strict=True))
        residual = with_fixed_quadrature(equation.residual(self.state, m, v, x, ds))
        self._form = residual
        with timed("compile"):
            self._residual = fem.form(residual)
            self._by_state = fem.form(ufl.derivative(residual, self.state))
            self._by_coefficient = [fem.form(ufl.derivative(residual, m)) for m in self._m]
        self._bcs, self._lifted = self._dirichlet(conditions)
        fixed = [bc.dof_indices()[0] for bc in self._bcs] or [np.empty(0, dtype=np.int32)]
        fixed_dofs = np.unique(np.concatenate(fixed))
        self._fixed = fixed_dofs[fixed_dofs < self._owned]
        self._operator: Matrix = fem_petsc.create_matrix(self._by_state)
        self._sensitivity: list[Matrix] = [fem_petsc.create_matrix(form) for form in self._by_coefficient]
        self._factorised: Linearisation | None = None
        """Whose operator is assembled and factorised."""
        self._sensitive: Linearisation | None = None
        """Whose ∂A/∂m is assembled."""
        self._supply: np.ndarray | None = None
        self._unique = False
        """Whether the first operator was found to have one state only."""

    @property
    def size(self) -> int:
        """Number of state dofs over all ranks."""
        return self.space.dofmap.index_map.size_global * self.space.dofmap.index_map_bs

    def observe_with(self, matrix: Matrix, weights: Matrix | None = None) -> None:
        """Set B and W of the readings B u + W A(u, m), of shape (readings, state dofs); without W it is zero.

        The model takes them over: it destroys them when it is closed. A is without Dirichlet conditions (see
        app.observe.ObservationOperator).
        """
        self._observe, self._tested, self._slope = matrix, weights, None

    def held_readings(
        self, matrix: Matrix, weights: Matrix | None, times: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which readings B u + W A(u, m) no coefficient changes, those of dofs with given values alone, and
        what they are (arbitrary for the others); shape (readings,), whole on every rank. Collective.

        `matrix` is B, `weights` W; `times` are those of the readings of a state in time.
        """
        held = self._held_rows(matrix)
        if weights is not None:
            starts, _, _ = weights.getValuesCSR()
            held &= np.diff(starts) == 0
        values = multiply(matrix, self._lifted.x.array[: self._owned])
        return self._gathered(held), self._gathered(values)

    def _held_rows(self, matrix: Matrix) -> np.ndarray:
        """Which of the rank's rows read dofs with given values alone, but for rounding."""
        first = matrix.getOwnershipRangeColumn()[0]
        given = np.concatenate(self.comm.allgather(self._fixed + first))
        starts, columns, values = matrix.getValuesCSR()
        count = len(starts) - 1
        rows, sizes = np.repeat(np.arange(count), np.diff(starts)), np.abs(values)
        largest, free = np.zeros(count), np.zeros(count)
        np.maximum.at(largest, rows, sizes)
        np.maximum.at(free, rows, np.where(np.isin(columns, given), 0.0, sizes))
        return free <= ON_THE_PART * largest

    def feed_with(self, matrix: Matrix, rates: np.ndarray) -> None:
        """Point sources of given rates: `matrix`, shape (sources, state dofs), evaluates a state there."""
        first, last = matrix.getOwnershipRange()
        self._supply = multiply_transpose(matrix, np.asarray(rates, dtype=float)[first:last])

    @property
    def solver(self) -> LinearSolver:
        """What factorises the operator where no other solver holds it."""
        return self._solver

    def share(self, others: Sequence[LinearSolver]) -> None:
        """An operator that one of these solvers holds, to the last bit, is not factorised again."""
        self._others = list(others) if self._linear else []

    def at(self, values: np.ndarray, near: Linearisation | None = None) -> Linearisation:
        """Solve the state equation for nodal values of m; a state that is not linear is sought from that of
        `near` on.

        Raises SolveFailed on all ranks if exp overflows, the operator is singular or the state is not finite.
        """
        self.counts.state_solves += 1
        self._forget()
        self._assign_coefficient(values)
        state = self._linear_state() if self._linear else self._nonlinear_state(near)
        self._require_finite(state)
        self._assign(state)
        found = Linearisation(self, np.array(values, dtype=float), state, self._readings(state))
        self._factorised = found
        return found

    def function(self, found: Linearisation) -> fem.Function:
        """The state of a linearisation; another one takes its place in the same function."""
        self._assign(found.state)
        return self.state

    def close(self) -> None:
        """Destroy the matrices and the factorisation that the model made."""
        own = (self._operator, *self._sensitivity, self._slope, self._observe, self._tested)
        for matrix in own:
            if matrix is not None:
                matrix.destroy()
        self._solver.destroy()
        self._operator, self._sensitivity, self._slope = None, [], None
        self._observe = self._tested = None
        self._forget()

    def _linear_state(self) -> np.ndarray:
        """Owned dofs of the state: one factorisation, one right-hand side."""
        start = self._lifted.x.array[: self._owned]
        self._assemble_operator(start)
        residual = self._assemble_residual(start)
        self._factorise()
        return start - self._newton_step(residual)

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
        self.counts.state_rhs += 1
        with timed("solve"):
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
            residual = vector.array.copy()
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
                self.counts.factorisations += 1
                self._solver.set_matrix(self._operator)
            self._setup = self._factorised_by.setups
            if not self._unique and self._factorised_by.kind == "direct":
                domain = self.coefficient.domain
                refuse_singular(self._operator, self._factorised_by, self.space, domain, self._by_cell)
        self._unique = True

    def _by_cell(self, values: np.ndarray) -> np.ndarray:
        """What each of the rank's cells contributes to ∂A/∂u(v, v) at the state that is set, v having these
        owned dofs."""
        v = fem.Function(self.space)
        v.x.array[: self._owned] = values
        v.x.scatter_forward()
        form = ufl.action(ufl.action(ufl.derivative(self._form, self.state), v), v)
        with timed("compile"):
            compiled = fem.form(by_cell(form, self.coefficient.domain))
        vector = fem.assemble_vector(compiled)
        vector.scatter_reverse(la.InsertMode.add)
        return vector.array[: vector.index_map.size_local].copy()

    def _norm(self, vector: np.ndarray) -> float:
        """Of owned dofs, the same on all ranks; nan or inf where an entry is."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.sqrt(self.comm.allreduce(float(vector @ vector))))

    def _assign_coefficient(self, values: np.ndarray) -> None:
        for part, m, own in zip(self.coefficient.parts, self._m, self.coefficient.split(values), strict=True):
            part.assign(m, own)

    def _assign(self, state: np.ndarray) -> None:
        self.state.x.array[: self._owned] = state
        self.state.x.scatter_forward()

    def _forget(self) -> None:
        """Whose operators these are: the matrices are about to change."""
        self._factorised = self._sensitive = None
        if self._slope is not None:
            self._slope.destroy()
            self._slope = None

    def _readings(self, state: np.ndarray) -> np.ndarray:
        """B u + W A(u, m)."""
        readings = self._gathered(multiply(self._observe, state))
        if self._tested is None:
            return readings
        return readings + self._gathered(multiply(self._tested, self._whole_residual(state)))

    def _by_u(self) -> Matrix:
        """∂(readings)/∂u = B + W ∂A/∂u at the state that is set; made when first asked for."""
        if self._tested is None:
            return self._observe
        if self._slope is None:
            with timed("assembly"):
                whole: Matrix = assembled(self._by_state)
                self._slope = self._tested.matMult(whole)
                self._slope.axpy(1.0, self._observe, PETSc.Mat.Structure.DIFFERENT_NONZERO_PATTERN)
                whole.destroy()
        return self._slope

    def _gathered(self, local: np.ndarray) -> np.ndarray:
        """Rows of readings from all ranks."""
        return np.concatenate(self.comm.allgather(np.ascontiguousarray(local)), axis=0)

    def tangent(self, at: Linearisation, block: np.ndarray) -> np.ndarray:
        """J block, see Linearisation."""
        with self._counted(at, block, "incremental_rhs"):
            return np.hstack([self._tangent(at, part) for part in _parts(block)])

    def adjoint(self, at: Linearisation, data: np.ndarray, *, incremental: bool = True) -> np.ndarray:
        """Jᵀ data, see Linearisation."""
        with self._counted(at, data, "incremental_rhs" if incremental else "adjoint_rhs"):
            parts = [self._adjoint(at, part) for part in _parts(data)]
            return parts[0] if len(parts) == 1 else np.asfortranarray(np.hstack(parts))

    def _tangent(self, at: Linearisation, block: np.ndarray) -> np.ndarray:
        parts = zip(self._by_m(at), self.coefficient.extended(block), strict=True)
        right: Untyped = -sum(multiply(sensitivity, part) for sensitivity, part in parts)
        direct = 0.0 if self._tested is None else -multiply(self._tested, right)
        with timed("solve"):
            return self._gathered(multiply(self._by_u(), self._solve(right)) + direct)

    def _adjoint(self, at: Linearisation, data: np.ndarray) -> np.ndarray:
        first, last = self._observe.getOwnershipRange()
        local = np.asfortranarray(data[first:last])
        right = multiply_transpose(self._by_u(), local)
        with timed("solve"):
            adjoint = self._solve(right, transpose=True)
        if self._tested is not None:  # the readings know m directly too
            adjoint = adjoint - multiply_transpose(self._tested, local)
        return self.coefficient.restricted([-multiply_transpose(part, adjoint) for part in self._by_m(at)])

    @contextmanager
    def _counted(self, at: Linearisation, block: np.ndarray, single: str) -> Iterator[None]:
        """Count and time the right-hand sides of `block`: as a block if there are several."""
        columns = 1 if block.ndim == 1 else block.shape[1]
        kind = single if columns == 1 else "block_rhs"
        setattr(self.counts, kind, getattr(self.counts, kind) + self._columns(block))
        self._make_ready(at)
        self._by_m(at), self._by_u()  # not a part of the solves
        begun = time.perf_counter()
        yield
        spent = time.perf_counter() - begun
        if columns == 1:
            self.counts.single_seconds += spent
        else:
            self.counts.block_seconds += spent

    def _make_ready(self, at: Linearisation) -> None:
        """Have the operator of a linearisation factorised, if it is not any more."""
        if self._factorised is at and self._setup == self._factorised_by.setups:
            return
        self._forget()
        self._assign_coefficient(at.values)
        self._linearise(at.state)
        self._factorised = at

    def _columns(self, block: np.ndarray) -> int:
        """Right-hand sides that a block takes."""
        return 1 if block.ndim == 1 else block.shape[1]

    def _solve(self, right: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Solve with the state operator or its transpose; homogeneous on the Dirichlet parts."""
        right[self._fixed] = 0.0
        return self._factorised_by.solve(right, transpose=transpose)

    def _by_m(self, at: Linearisation) -> list[Matrix]:
        """∂A/∂m by each unknown, shape (state dofs, nodes); assembled when first asked for."""
        if self._sensitive is not at:
            self._assemble_sensitivity()
            self._sensitive = at
        return self._sensitivity

    def _assemble_sensitivity(self) -> None:
        """∂A/∂m at the coefficient and the state that are set."""
        with timed("assembly"):
            for matrix, form in zip(self._sensitivity, self._by_coefficient, strict=True):
                matrix.zeroEntries()
                assemble(matrix, form)

    def _dirichlet(self, conditions: list[BoundaryCondition]) -> tuple[list[fem.DirichletBC], fem.Function]:
        """DOLFINx conditions, and a state that meets them and vanishes elsewhere."""
        lifted = fem.Function(self.space)
        bcs = []
        domain = self.coefficient.domain
        for condition in conditions:
            if condition.kind != "dirichlet" or condition.value is None:
                continue
            facets = domain.boundary(condition.on)
            for part, values, field in self._conditioned(condition):
                value = fem.Function(values)
                value.interpolate(self._boundary_value(field, values))
                if part is values:
                    dofs = fem.locate_dofs_topological(part, domain.dimension - 1, facets)
                    bcs.append(fem.dirichletbc(value, dofs))
                else:
                    pairs = fem.locate_dofs_topological((part, values), domain.dimension - 1, facets)
                    bcs.append(fem.dirichletbc(value, pairs, part))
                bcs[-1].set(lifted.x.array)
        lifted.x.scatter_forward()
        return bcs, lifted

    def _conditioned(self, condition: BoundaryCondition) -> list[tuple[Space, Space, Untyped]]:
        """What a condition is about: space of a component, a space of its own for its values, the field."""
        if not self.components:
            return [(self.space, self.space, condition.value)]
        return [
            (self.space.sub(i), self.space.sub(i).collapse()[0], field)
            for i, field in condition.by_component(len(self.components))
        ]

    def _boundary_value(self, field: Untyped, space: Space) -> Untyped:
        """What DOLFINx interpolates: a function of points, or an expression for a field that is UFL only."""
        domain = self.coefficient.domain
        if hasattr(field, "numpy"):
            return lambda x: field.numpy(x[: domain.dimension].T)
        expression = field.ufl(ufl.SpatialCoordinate(domain.mesh))
        return fem.Expression(expression, space.element.interpolation_points)

    def _require_finite(self, array: np.ndarray) -> None:
        if not self.comm.allreduce(bool(np.isfinite(array).all()), op=MPI.LAND):
            raise SolveFailed("the state equation has no finite solution at this coefficient")


def _parts(block: np.ndarray) -> list[np.ndarray]:
    """The block in parts of at most BLOCK columns, so that the states of all of them need no room at once."""
    if block.ndim == 1 or block.shape[1] <= BLOCK:
        return [block]
    return [block[:, first : first + BLOCK] for first in range(0, block.shape[1], BLOCK)]
