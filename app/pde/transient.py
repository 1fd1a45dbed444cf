"""The map from a coefficient to readings in space and time; its adjoint goes backwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as _fem_petsc

from app.equations.terms import TransientEquation, roles_of
from app.mesh import assemble
from app.mesh.spaces import CoefficientSpace, CoefficientSpaces
from app.parallel import LinearSolver, multiply, multiply_transpose, timed
from app.pde.forms import derivative
from app.pde.forward import ForwardModel
from app.pde.linearisation import Linearisation
from app.pde.time_steps import Step, TimeSteps, changes
from app.types import Matrix, Untyped

fem_petsc: Untyped = _fem_petsc  # its overloads by singledispatch are unknown to type checkers


class TransientModel(ForwardModel):
    """States, tangent and adjoint of one scalar transient equation, linear, in equal steps.

    One factorisation a coefficient serves all steps. A state solve is that of all steps, each of them one
    right-hand side; so is each step of a tangent or adjoint. Every `stride`-th state is kept; those between
    are computed again, a stretch at a time, and counted as `recomputed_rhs`. `state` is that at the end.
    Raises TooLittleMemory on all ranks where the memory limit is too small.
    """

    def __init__(
        self,
        equation: TransientEquation,
        coefficient: CoefficientSpace | CoefficientSpaces,
        degree: int,
        solver: LinearSolver,
        times: TimeSteps,
    ) -> None:
        self._step = Step(equation, coefficient.domain, times)
        super().__init__(self._step, coefficient, degree, solver)
        self.times = times
        largest = max(self.comm.allgather(self._owned))
        self.stride = times.stride(8 * largest)
        self._old = self._step.old
        with timed("compile"):
            self._by_old_form = fem.form(derivative(self._form, self._old))
        self._by_old: Matrix = fem_petsc.create_matrix(self._by_old_form)
        self._dirichlet_parts = [
            (condition.value, bc.dof_indices()[0])
            for condition, bc in zip(
                (c for c in self._step.boundary.values() if c.kind == "dirichlet"), self._bcs, strict=True
            )
        ]
        self._nodes = self.space.tabulate_dof_coordinates()[:, : coefficient.domain.dimension]
        roles = roles_of(equation)
        self._start: Matrix = None  # m to u at time 0
        self._initial_index = roles.index("initial") if "initial" in roles else -1
        self._in_steps = roles != ("initial",)
        if self._initial_index >= 0:
            part = coefficient.parts[self._initial_index]
            self._start = fem_petsc.interpolation_matrix(part.space, self.space)
            self._start.assemble()
        elif equation.initial is None:
            self._given = np.zeros(self._owned)
        else:
            self._given = equation.initial.numpy(self._nodes[: self._owned])
        derivatives = [ufl.algorithms.expand_derivatives(ufl.derivative(self._form, m)) for m in self._m]
        seen = {each for form in derivatives for each in form.coefficients()}
        self._sensitivity_changes = bool({self.state, self._old} & seen)
        self._kept: dict[int, np.ndarray] = {}
        """States by step, of the linearisation that was last asked."""
        self._stretch: dict[int, np.ndarray] = {}

    def observe_at(self, matrix: Matrix, times: np.ndarray) -> None:
        """Set B, shape (readings, state dofs), and the times of the readings, whole on every rank."""
        self.observe_with(matrix)
        first, last = matrix.getOwnershipRange()
        self._weights = self.times.weights(times)[first:last]

    @contextmanager
    def reading(self, matrix: Matrix, weights: Matrix | None, times: np.ndarray | None) -> Iterator[None]:
        """See ForwardModel."""
        assert times is not None
        own = self._weights
        with super().reading(matrix, weights, times):
            first, last = matrix.getOwnershipRange()
            self._weights = self.times.weights(times)[first:last]
            try:
                yield
            finally:
                self._weights = own

    def held_readings(
        self, matrix: Matrix, weights: Matrix | None, times: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ForwardModel; readings at time 0 too, unless the initial values are the unknown."""
        assert times is not None
        first, last = matrix.getOwnershipRange()
        shares = self.times.weights(times)[first:last]
        held = self._held_rows(matrix)
        self._lift(0)
        state = np.zeros(self._owned)
        if self._start is None:
            held |= ~shares[:, 1:].any(axis=1)
            state = self._initial()
        state[self._fixed] = self._lifted.x.array[self._fixed]
        values = shares[:, 0] * multiply(matrix, state)
        for step in np.flatnonzero(self._gathered(shares[held, 1:]).any(axis=0)) + 1:
            self._lift(int(step))
            values += shares[:, step] * multiply(matrix, self._lifted.x.array[: self._owned])
        return self._gathered(held), self._gathered(values)

    def at(self, values: np.ndarray, near: Linearisation | None = None) -> Linearisation:
        """Solve all steps for nodal values of m; `near` plays no part, as the equation is linear.

        Raises SolveFailed on all ranks if exp overflows, the operator is singular or a state is not finite.
        """
        self.counts.state_solves += 1
        self._forget()
        self._assign_coefficient(values)
        self._set_operators()
        state, local = self._run(read=True)
        self._require_finite(np.append(state, local))
        found = Linearisation(self, np.array(values, dtype=float), state, self._gathered(local))
        self._factorised = found
        return found

    def _run(self, *, read: bool) -> tuple[np.ndarray, np.ndarray]:
        """All steps, of which every `stride`-th is kept: the state at the end, and the readings if asked."""
        self._kept, self._stretch = {}, {}
        self._lift(0)
        state = self._initial()
        local = self._read(0, state) if read else np.empty(0)
        kept = {0: state}
        for step in range(1, self.times.steps + 1):
            state = self._advance(step, state)
            if read:
                local += self._read(step, state)
            if step % self.stride == 0:
                kept[step] = state
        self._kept = kept
        return state, local

    def states(self, at: Linearisation) -> Iterator[np.ndarray]:
        """Owned dofs of the states, from time 0 to the end."""
        self._make_ready(at)
        for step in range(self.times.steps + 1):
            yield self._state_at(step)
        self._assign(at.state)

    def moments(self, at: Linearisation, most: int) -> Iterator[float]:
        """The times of at most so many states, from 0 to the end in about equal distances.

        `state` is each of them in turn, and again that at the end once all were asked for.
        """
        count = min(most, self.times.steps + 1)
        wanted = set(np.linspace(0, self.times.steps, count).round().astype(int).tolist())
        for step, state in enumerate(self.states(at)):
            if step in wanted:
                self._assign(state)
                yield step * self.times.size

    def _linearise(self, state: np.ndarray) -> None:
        """For the coefficient that is set, whose states are computed again."""
        self._set_operators()
        counted = self.counts.state_rhs
        self._run(read=False)
        self.counts.recomputed_rhs += self.counts.state_rhs - counted
        self.counts.state_rhs = counted
        self._assign(state)

    def _set_operators(self) -> None:
        self._assemble_operator(np.zeros(self._owned))
        with timed("assembly"):
            self._by_old.zeroEntries()
            assemble(self._by_old, self._by_old_form)
        self._factorise()

    def _initial(self) -> np.ndarray:
        """u at time 0; the Dirichlet conditions win."""
        if self._start is None:
            state = self._given.copy()
        else:
            i = self._initial_index
            state = multiply(self._start, self.coefficient.parts[i].nodal(self._m[i]))
        state[self._fixed] = self._lifted.x.array[self._fixed]
        return state

    def close(self) -> None:
        """See ForwardModel."""
        super().close()
        self._by_old.destroy()
        if self._start is not None:
            self._start.destroy()

    def _advance(self, step: int, before: np.ndarray) -> np.ndarray:
        """The state at the end of a step."""
        self._lift(step)
        self._assign_old(before)
        start = self._lifted.x.array[: self._owned].copy()
        state: np.ndarray = start - self._newton_step(self._assemble_residual(start))
        return state

    def _lift(self, step: int) -> None:
        """Set the time, and a state that meets the Dirichlet conditions then."""
        self._step.move_to(step)
        for value, dofs in self._dirichlet_parts:
            if changes(value):
                self._lifted.x.array[dofs] = value.numpy(self._nodes[dofs])

    def _assign_old(self, state: np.ndarray) -> None:
        self._old.x.array[: self._owned] = state
        self._old.x.scatter_forward()

    def _state_at(self, step: int) -> np.ndarray:
        """A state of the last solve, computed again with all of its stretch if it was not kept."""
        if step in self._kept:
            return self._kept[step]
        if step not in self._stretch:
            first = step - step % self.stride
            state, self._stretch = self._kept[first], {}
            counted = self.counts.state_rhs
            for later in range(first + 1, min(first + self.stride, self.times.steps + 1)):
                state = self._stretch[later] = self._advance(later, state)
            self.counts.recomputed_rhs += self.counts.state_rhs - counted
            self.counts.state_rhs = counted
        return self._stretch[step]

    def _sensitivity_of(self, at: Linearisation, step: int) -> list[Matrix]:
        """∂A/∂m of a step by each unknown, none where no step has one."""
        if not self._in_steps:
            return []
        if self._sensitivity_changes or self._sensitive is not at:
            before, now = self._state_at(step - 1), self._state_at(step)
            self._step.move_to(step)
            self._assign_old(before)
            self._assign(now)
            self._sensitive = None
        return self._by_m(at)

    def _tangent(self, at: Linearisation, block: np.ndarray) -> np.ndarray:
        parts = self.coefficient.extended(block)
        state = np.zeros((self._owned, *block.shape[1:]))
        if self._start is not None:
            state = multiply(self._start, parts[self._initial_index])
            state[self._fixed] = 0.0
        local = self._read(0, state)
        for step in range(1, self.times.steps + 1):
            right = -multiply(self._by_old, state)
            for sensitivity, part in zip(self._sensitivity_of(at, step), parts, strict=False):
                right -= multiply(sensitivity, part)
            with timed("solve"):
                state = self._solve(right)
            local += self._read(step, state)
        self._assign(at.state)
        return self._gathered(local)

    def _adjoint(self, at: Linearisation, data: np.ndarray) -> np.ndarray:
        first, last = self._observe.getOwnershipRange()
        mine = data[first:last]
        owned = [len(part.nodal(m)) for part, m in zip(self.coefficient.parts, self._m, strict=True)]
        gradients = [np.zeros((nodes, *data.shape[1:]), order="F") for nodes in owned]
        right = self._spread(self.times.steps, mine)
        for step in range(self.times.steps, 0, -1):
            with timed("solve"):
                adjoint = self._solve(right, transpose=True)
            for sensitivity, gradient in zip(self._sensitivity_of(at, step), gradients, strict=False):
                gradient -= multiply_transpose(sensitivity, adjoint)
            right = self._spread(step - 1, mine) - multiply_transpose(self._by_old, adjoint)
        if self._start is not None:
            right[self._fixed] = 0.0
            gradients[self._initial_index] += multiply_transpose(self._start, right)
        self._assign(at.state)
        return self.coefficient.restricted(gradients)

    def _columns(self, block: np.ndarray) -> int:
        return self.times.steps * super()._columns(block)

    def _read(self, step: int, states: np.ndarray) -> np.ndarray:
        """What a state adds to this rank's readings."""
        weights = self._weights[:, step]
        added: np.ndarray = (weights if states.ndim == 1 else weights[:, None]) * multiply(
            self._observe, states
        )
        return added

    def _spread(self, step: int, mine: np.ndarray) -> np.ndarray:
        """The transpose of `_read`."""
        weights = self._weights[:, step]
        weighted = (weights if mine.ndim == 1 else weights[:, None]) * mine
        return multiply_transpose(self._observe, np.asfortranarray(weighted))
