"""One step of a transient equation as a stationary equation, and the times of all steps."""

import math
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from dolfinx import fem

from app.equations.terms import BoundaryCondition, TransientEquation, cells
from app.mesh.fields import in_ufl
from app.mesh.meshes import TaggedMesh
from app.types import BoundaryMeasure, Form, Symbol, Untyped

IMPLICIT = {"backward_euler": 1.0, "crank_nicolson": 0.5}
"""Share of the new time in each scheme."""


class TooLittleMemory(ValueError):
    """The states that have to be kept do not fit."""


@dataclass(frozen=True)
class TimeSteps:
    """Equal steps from 0 to `end`; the states that are kept take at most `memory_limit` MB on each rank."""

    end: float
    steps: int
    scheme: Literal["backward_euler", "crank_nicolson"] = "backward_euler"
    memory_limit: float = 2000.0

    @property
    def size(self) -> float:
        """Length of a step."""
        return self.end / self.steps

    def stride(self, bytes_of_a_state: int) -> int:
        """Every which state is kept: the fewest steps between that fit, with the states of one stretch.

        Raises TooLittleMemory where no stride fits.
        """
        fit = math.floor(self.memory_limit * 1e6 / max(bytes_of_a_state, 1))
        if self.steps + 1 <= fit:
            return 1
        need = {k: math.ceil(self.steps / k) + k for k in range(2, self.steps + 1)} or {1: 2}
        fitting = [k for k, states in need.items() if states <= fit]
        if not fitting:
            least = min(need.values()) * bytes_of_a_state / 1e6
            raise TooLittleMemory(
                f"found {self.memory_limit:g} MB, expected at least {least:.3g} MB for the states"
            )
        return fitting[0]

    def weights(self, times: np.ndarray) -> np.ndarray:
        """Shares of the states 0, …, steps in readings at these times, linear between neighbours; shape
        (readings, steps + 1)."""
        position = np.clip(times / self.size, 0.0, self.steps)
        before = np.minimum(position.astype(int), self.steps - 1)
        rows = np.arange(len(times))
        weights = np.zeros((len(times), self.steps + 1))
        weights[rows, before] = before + 1 - position
        weights[rows, before + 1] = position - before
        return weights


@dataclass(frozen=True)
class At:
    """A field of space and time at the time that a constant of UFL holds."""

    field: Untyped
    t: Symbol

    def ufl(self, x: Symbol) -> Symbol:
        return in_ufl(self.field, x, self.t)

    def numpy(self, points: np.ndarray) -> np.ndarray:
        values: np.ndarray = self.field.numpy(points, float(self.t.value))
        return values


def changes(field: Untyped) -> bool:
    """Whether a field depends on time."""
    return isinstance(field, At) or "t" in getattr(field, "variables", ())


class Step:
    """(S(u) − S(old))/Δt + θ A(u) at the new time + (1 − θ) A(old) at the old one, an equation for u.

    θ = 1 is backward Euler, θ = ½ Crank–Nicolson. `old` is set when the residual is made.
    """

    linear = True

    def __init__(self, equation: TransientEquation, domain: TaggedMesh, times: TimeSteps) -> None:
        self.symmetric, self.roles, self.role = equation.symmetric, equation.roles, equation.role
        self.before, self.now = (fem.Constant(domain.mesh, time) for time in (0.0, times.size))
        self._theta, self._size = IMPLICIT[times.scheme], times.size
        self._rate = fem.Constant(domain.mesh, 1.0 / times.size)  # no form is compiled for another Δt
        self._old_equation, self._equation = (_at(equation, t) for t in (self.before, self.now))
        self._nothing = fem.Constant(domain.mesh, 0.0)
        self.boundary = self._equation.boundary
        self.old: Symbol = None

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        new, self.old = self._equation, fem.Function(u.function_space)
        form = self._rate * (new.storage(u, m, v, x) - new.storage(self.old, m, v, x))
        form += self._theta * new.residual(u, m, v, x, ds)
        if self._theta < 1:
            form += (1 - self._theta) * self._old_equation.residual(self.old, m, v, x, ds)
        if "initial" in m:  # no term has it, yet there is a derivative
            form += self._nothing * m["initial"] * v * cells(x)
        return form

    def move_to(self, step: int) -> None:
        """To the step that ends at state `step`, counted from 1; 0 is the start."""
        self.before.value = np.array((step - 1) * self._size)
        self.now.value = np.array(step * self._size)


def _at(equation: Untyped, t: Symbol) -> Untyped:
    """The equation at a time."""

    def held(field: Untyped) -> Untyped:
        return At(field, t) if changes(field) else field

    boundary: dict[str, BoundaryCondition] = {
        name: replace(condition, value=held(condition.value), ambient=held(condition.ambient))
        for name, condition in equation.boundary.items()
    }
    terms = {f.name: held(getattr(equation, f.name)) for f in fields(equation)}
    return replace(equation, **{**terms, "boundary": boundary})
