"""The heat equation, and heat that is carried along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import pydantic

from app.equations.specs import EquationSpec
from app.equations.terms import (
    BOUNDARY_FLUX,
    DIFFUSIVITY,
    SOURCE,
    BoundaryCondition,
    Roles,
    Starts,
    cells,
    inflow,
    term,
    vector,
)
from app.schema.boundary import TransientCondition
from app.schema.expression import SpaceTimeExpression
from app.schema.given import GivenField, PointwiseField
from app.schema.section import NO_TRUTH_VALUE, Positive, Section, refuse
from app.schema.solver import LinearSolverSpec
from app.types import BoundaryMeasure, Form, Symbol

if TYPE_CHECKING:
    from app.mesh.fields import Field


class TimeStepsSpec(Section):
    """The time from 0 on, in equal steps."""

    end: Positive
    """When it ends, in the unit of time of the diffusivity; readings are from 0 to then."""
    steps: Annotated[int, pydantic.Field(ge=1, le=1_000_000), NO_TRUTH_VALUE]
    """Number of steps; between their ends the state is linear in time."""
    memory_limit: Positive = 2000.0
    """Most memory for the states of all steps on each rank, in MB; those that do not fit are solved for
    again."""


class HeatSpec(EquationSpec):
    """The heat equation, d(capacity u)/dt - div(k grad u) = source, from an initial state at time 0.

    With a velocity, capacity speed velocity . grad u is added, for heat that is carried along.
    Units are yours, as long as they agree: that of the source is that of capacity * u over a time.
    """

    kind: Literal["heat"]
    """The heat equation, d(capacity u)/dt - div(k grad u) = source, from an initial state at time 0."""
    source: SpaceTimeExpression | None = None
    """The right-hand side at the time t, what is supplied to a unit of volume in a unit of time; left out
    only where it is the unknown, which is the same at all times."""
    initial: PointwiseField | None = None
    """u at time 0 where it is not the unknown, 0 unless given; where a dirichlet condition holds, its value
    is u."""
    diffusivity: GivenField | None = None
    """k where it is not the unknown, 1 unless given, in the unit of the flux over that of grad u; that of the
    capacity times a length squared over a time."""
    capacity: GivenField | None = None
    """What a unit of volume takes up for one unit of u, 1 unless given."""
    velocity: tuple[GivenField, ...] | None = None
    """By which the state is carried, one expression a coordinate, in a length over a time; none unless given.
    Cells have to be small enough to resolve the state."""
    speed: GivenField | None = None
    """A factor of the velocity where it is not the unknown, 1 unless given."""
    boundary: dict[str, TransientCondition] = pydantic.Field(default_factory=dict)
    """Boundary conditions by a name of your choice; without any nothing leaves the domain."""
    time: TimeStepsSpec
    """How long, and in how many steps."""
    scheme: Literal["backward_euler", "crank_nicolson"] = "backward_euler"
    """How a step is made: backward_euler is of first order and damps whatever is rough, crank_nicolson is of
    second order and wants a smooth start."""
    solver: LinearSolverSpec = LinearSolverSpec()
    """How the linear systems are solved; one matrix serves all steps."""

    @pydantic.model_validator(mode="after")
    def _has_a_velocity(self) -> Self:
        if self.speed is not None and self.velocity is None:
            raise refuse("a speed without a velocity", "the velocity whose factor it is", key="speed")
        return self


@dataclass(frozen=True)
class Heat:
    """∂(capacity u)/∂t + capacity speed velocity · ∇u − ∇·(κ ∇u) = source, u = initial at time 0.

    Neither the capacity nor the velocity depends on time, and without a velocity nothing is carried. The
    method is Galerkin's, which wants cells that resolve the state where it is carried. The flux on the
    boundary is κ ∂u/∂n, without what the velocity carries.
    """

    source: Field | None
    boundary: Mapping[str, BoundaryCondition]
    diffusivity: Field | None = None
    capacity: Field | None = None
    initial: Field | None = None
    velocity: tuple[Field, ...] | None = None
    speed: Field | None = None
    role: Roles = "log_diffusivity"

    linear = True
    spec = HeatSpec
    roles: ClassVar[Starts] = {**DIFFUSIVITY, "initial": 0.0, **SOURCE, **BOUNDARY_FLUX, "speed": 0.0}

    @property
    def symmetric(self) -> bool:
        return self.velocity is None

    def storage(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol) -> Symbol:
        return term(self, "capacity", m, x, 1.0) * u * v * cells(x)

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        import ufl

        kappa, source = term(self, "diffusivity", m, x, 1.0), term(self, "source", m, x)
        form = kappa * ufl.inner(ufl.grad(u), ufl.grad(v)) * cells(x) - source * v * cells(x)
        if self.velocity is not None:
            b = vector(self.velocity, x)
            carried = term(self, "capacity", m, x, 1.0) * term(self, "speed", m, x, 1.0)
            form += carried * ufl.dot(b, ufl.grad(u)) * v * cells(x)
        return form - inflow(self, u, m, v, x, ds)
