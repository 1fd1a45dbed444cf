"""The map m ↦ Bu(m) with A(u, m) = 0, its tangent and its adjoint, on one factorisation a coefficient."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from dolfinx.fem import petsc as _fem_petsc

from app.equations.terms import Equation
from app.mesh import assemble, assembled
from app.mesh.rows import sparse_matrix
from app.mesh.spaces import CoefficientSpace, CoefficientSpaces, Function
from app.parallel import LinearSolver, multiply, multiply_transpose, timed
from app.parallel.blocks import PETSc
from app.pde.linearisation import Linearisation
from app.pde.state_equation import StateEquation
from app.types import Matrix, Space, Untyped

fem_petsc: Untyped = _fem_petsc  # its overloads by singledispatch are unknown to type checkers

BLOCK = 256
"""Right-hand sides that are solved at once."""

ON_THE_PART = 1e-6
"""A reading that depends by this share on dofs without given values is one of the others alone: it is about
that share of a cell off them, as places written with six digits are."""


class ForwardModel(StateEquation):
    """Readings, tangent and adjoint of one stationary equation.

    Blocks of coefficients have the rank's owned rows (app.parallel.blocks); data are whole on every
    rank, shape (readings,) or (readings, columns).
    """

    def __init__(
        self,
        equation: Equation,
        coefficient: CoefficientSpace | CoefficientSpaces,
        degree: int,
        solver: LinearSolver,
    ) -> None:
        super().__init__(equation, coefficient, degree, solver)
        self._observe: Matrix = None
        self._tested: Matrix = None
        self._direct: Mapping[int, Matrix] = {}
        self._slope: Matrix = None
        self._sensitivity: list[Matrix] = [
            self._without_entries(part.space) if form is None else fem_petsc.create_matrix(form)
            for form, part in zip(self._by_coefficient, coefficient.parts, strict=True)
        ]
        self._factorised: Linearisation | None = None
        """Whose operator is assembled and factorised."""
        self._sensitive: Linearisation | None = None
        """Whose ∂A/∂m is assembled."""

    def observe_with(
        self, matrix: Matrix, weights: Matrix | None = None, direct: Mapping[int, Matrix] | None = None
    ) -> None:
        """Set B, W and C of the readings B u + W A(u, m) + C m; without W or C these are zero.

        B and W have the shape (readings, state dofs), C one of shape (readings, nodes) by the number of each
        unknown that is read itself.

        The model takes them over: it destroys them when it is closed. A is without Dirichlet conditions (see
        app.observe.ObservationOperator).
        """
        self._observe, self._tested, self._slope = matrix, weights, None
        self._direct = direct or {}

    @contextmanager
    def reading(self, matrix: Matrix, weights: Matrix | None, times: np.ndarray | None) -> Iterator[None]:
        """Take the readings B u + W A(u, m) with these operators for a while, at times if the state has one;
        the caller keeps the matrices.

        Linearisations that were made in it lose their J with it, others have theirs again behind it.
        """
        own = self._observe, self._tested, self._direct
        self._forget_slope()
        self._observe, self._tested, self._direct = matrix, weights, {}
        try:
            yield
        finally:
            self._forget_slope()
            self._observe, self._tested, self._direct = own

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

    def function(self, found: Linearisation) -> Function:
        """The state of a linearisation; another one takes its place in the same function."""
        self._assign(found.state)
        return self.state

    def close(self) -> None:
        """Destroy the matrices and the factorisation that the model made."""
        own = (
            self._operator,
            *self._sensitivity,
            self._slope,
            self._observe,
            self._tested,
            *self._direct.values(),
        )
        for matrix in own:
            if matrix is not None:
                matrix.destroy()
        self._solver.destroy()
        self._operator, self._sensitivity, self._slope = None, [], None
        self._observe, self._tested, self._direct = None, None, {}
        self._forget()

    def _forget(self) -> None:
        """Whose operators these are: the matrices are about to change."""
        self._factorised = self._sensitive = None
        self._forget_slope()

    def _forget_slope(self) -> None:
        if self._slope is not None:
            self._slope.destroy()
            self._slope = None

    def _readings(self, state: np.ndarray) -> np.ndarray:
        """B u + W A(u, m) + C m."""
        local = multiply(self._observe, state)
        if self._tested is not None:
            local = local + multiply(self._tested, self._whole_residual(state))
        parts = zip(self.coefficient.parts, self._m, strict=True)
        return self._gathered(local + self._directly([part.nodal(m) for part, m in parts]))

    def _directly(self, unknowns: Sequence[np.ndarray]) -> np.ndarray | float:
        """C m, this rank's rows, of vectors or blocks at all nodes of each unknown; 0 where there is no C."""
        return sum((multiply(matrix, unknowns[i]) for i, matrix in self._direct.items()), 0.0)

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
        unknowns = self.coefficient.extended(block)
        parts = zip(self._by_m(at), unknowns, strict=True)
        right: Untyped = -sum(multiply(sensitivity, part) for sensitivity, part in parts)
        direct = self._directly(unknowns)
        if self._tested is not None:
            direct = direct - multiply(self._tested, right)
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
        parts = [-multiply_transpose(part, adjoint) for part in self._by_m(at)]
        for index, matrix in self._direct.items():
            parts[index] = parts[index] + multiply_transpose(matrix, local)
        return self.coefficient.restricted(parts)

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
                if form is not None:
                    matrix.zeroEntries()
                    assemble(matrix, form)

    def _without_entries(self, space: Space) -> Matrix:
        """∂A/∂m of an unknown's values that play no part in A."""
        index_map, nothing = space.dofmap.index_map, np.empty(0, dtype=PETSc.IntType)
        rows, columns = (self._owned, self.size), (index_map.size_local, index_map.size_global)
        return sparse_matrix(self.comm, rows, columns, nothing, nothing, np.empty(0))


def _parts(block: np.ndarray) -> list[np.ndarray]:
    """The block in parts of at most BLOCK columns, so that the states of all of them need no room at once."""
    if block.ndim == 1 or block.shape[1] <= BLOCK:
        return [block]
    return [block[:, first : first + BLOCK] for first in range(0, block.shape[1], BLOCK)]
