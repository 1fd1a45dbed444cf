"""The equation of a case: the physics and how it is solved."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from app.case.boundary import BoundaryConditionSpec, TransientCondition
from app.case.expression import Expression, SpaceTimeExpression
from app.schema.section import (
    NO_TRUTH_VALUE,
    DataFile,
    Identifier,
    Natural,
    Number,
    Positive,
    Section,
    refuse,
)


class LinearSolverSpec(Section):
    """How the linear systems of the state operator are solved."""

    kind: Literal["auto", "direct", "iterative"] = "auto"
    """A factorisation, CG (GMRES if unsymmetric) with a multigrid preconditioner, or auto for a choice by
    size."""
    tolerance: Annotated[float, Field(gt=0, lt=1), NO_TRUTH_VALUE] = 1e-12
    """Relative residual at which the iterative solver stops."""
    direct_below: Natural = 300_000
    """Number of unknowns below which auto is direct."""


class Stationary(Section):
    """What every stationary equation of a state u is given.

    Units are yours, as long as they agree: that of the source is that of the flux over a length.
    """

    degree: Annotated[int, Field(ge=1, le=4), NO_TRUTH_VALUE] = 2
    """Lagrange degree of the state."""
    boundary: dict[str, BoundaryConditionSpec]
    """Boundary conditions by a name of your choice; at least one is of kind dirichlet or robin."""
    solver: LinearSolverSpec = LinearSolverSpec()
    """How the linear systems are solved."""

    @model_validator(mode="after")
    def _determines_the_state(self) -> Self:
        kinds = {condition.kind for condition in self.boundary.values()}
        if self.pinned_by_boundary and not kinds & {"dirichlet", "robin"}:
            found = "only neumann conditions" if kinds else "no condition"
            expected = "at least one of kind dirichlet or robin (u is not unique without)"
            raise refuse(found, expected, key="boundary")
        return self

    @property
    def pinned_by_boundary(self) -> bool:
        """Whether nothing but the boundary tells the state from the state plus a constant."""
        return True


class ScalarEquation(Stationary):
    """One with a source."""

    source: Expression | None = None
    """The right-hand side, what is supplied to a unit of volume; left out only where it is the unknown."""


class Well(Section):
    """A point that takes in or gives."""

    at: Annotated[tuple[Number, ...], Field(min_length=1, max_length=3)]
    """Its coordinates, as many as the mesh has, in the mesh's unit."""
    rate: Number
    """What enters the domain there, negative for what is taken, in the unit of the source times a volume (in
    two dimensions an area)."""


class WithWells(ScalarEquation):
    """One that may have wells."""

    wells: dict[Identifier, Well] = Field(default_factory=dict)
    """Point sources by a name of your choice."""


class DiffusionSpec(WithWells):
    """Stationary diffusion, -div(k T grad u) = source."""

    kind: Literal["diffusion"]
    """Stationary diffusion, -div(k T grad u) = source."""
    diffusivity: Expression | None = None
    """k where it is not the unknown, 1 unless given, in the unit of the flux over that of grad u."""
    anisotropy: tuple[tuple[Expression, ...], ...] | None = None
    """T, a symmetric positive definite matrix of numbers by which the diffusivity depends on the direction;
    the identity unless given."""


class ReactionDiffusionSpec(WithWells):
    """Stationary diffusion with a reaction, -div(k grad u) + r u = source."""

    kind: Literal["reaction_diffusion"]
    """Stationary diffusion with a reaction, -div(k grad u) + r u = source."""
    diffusivity: Expression | None = None
    """k where it is not the unknown, 1 unless given, in the unit of the flux over that of grad u."""
    reaction: Expression | None = None
    """r where it is not the unknown, 0 unless given, in the unit of the source over that of u."""

    @property
    def pinned_by_boundary(self) -> bool:
        return False


class AdvectionDiffusionSpec(ScalarEquation):
    """Stationary advection and diffusion, -div(k grad u) + velocity . grad u = source, by SUPG."""

    kind: Literal["advection_diffusion"]
    """Stationary advection and diffusion, -div(k grad u) + velocity . grad u = source, by SUPG."""
    velocity: tuple[Expression, ...]
    """One expression a coordinate, in a length over the unit of time that k has too."""
    diffusivity: Expression | None = None
    """k where it is not the unknown, 1 unless given, in a length squared over the unit of time."""


class NonlinearDiffusionSpec(ScalarEquation):
    """Diffusion that grows with the state, -div(k (1 + u^2) grad u) = source."""

    kind: Literal["nonlinear_diffusion"]
    """Diffusion that grows with the state, -div(k (1 + u^2) grad u) = source; u has no unit."""
    diffusivity: Expression | None = None
    """k where it is not the unknown, 1 unless given, in the unit of the flux over that of grad u."""


class PLaplacianSpec(ScalarEquation):
    """Diffusion that depends on the gradient, -div(k (eps^2 + |grad u|^2)^(p/2 - 1) grad u) = source."""

    kind: Literal["p_laplacian"]
    """Diffusion that depends on the gradient, -div(k (eps^2 + |grad u|^2)^(p/2 - 1) grad u) = source."""
    exponent: Annotated[float, Field(gt=1, le=100), NO_TRUTH_VALUE] = 3.0
    """p: above 2 diffusion grows with the gradient, below it shrinks."""
    epsilon: Positive = 0.01
    """eps, in the unit of grad u: gradients below it count as it, so that diffusion neither vanishes nor
    explodes."""
    diffusivity: Expression | None = None
    """k where it is not the unknown, 1 unless given, in the unit of the flux over that of grad u to the power
    p - 1."""


class ElasticitySpec(Stationary):
    """Linear elasticity of an isotropic body in two (plane strain) or three dimensions."""

    kind: Literal["elasticity"]
    """Linear elasticity of an isotropic body, -div(stress) = body_force; in the plane it is plane strain."""
    body_force: tuple[Expression, ...] | None = None
    """One expression a coordinate, 0 unless given, in the unit of the modulus over a length."""
    youngs_modulus: Expression | None = None
    """Young's modulus where it is not the unknown, 1 unless given, in the unit of the tractions."""
    poissons_ratio: Annotated[float, Field(gt=-1, lt=0.5), NO_TRUTH_VALUE] = 0.3
    """Poisson's ratio, without a unit; near 0.5 linear elements are too stiff."""


class HelmholtzSpec(ScalarEquation):
    """Waves u exp(-i w t) of one frequency w, -laplace(u) - w^2 s u = source, with complex u."""

    kind: Literal["helmholtz"]
    """Waves u exp(-i w t) of one frequency w, -laplace(u) - w^2 s u = source, with complex u; an absorbing
    boundary lets them out, du/dn = i w sqrt(s) u."""
    frequency: Positive
    """w, the angular frequency, 2 pi times that in hertz, in radians over the unit of time."""
    imaginary_source: Expression | None = None
    """Imaginary part of the right-hand side, whose real part is `source`; 0 unless given."""
    squared_slowness: Expression | None = None
    """s where it is not the unknown, 1 unless given, in the unit of time squared over a length squared."""

    @property
    def pinned_by_boundary(self) -> bool:
        return False


class IdentitySpec(Stationary):
    """No equation: the state is the unknown, of the role value, whose values the observations are then."""

    kind: Literal["identity"]
    """No equation: the state is the unknown, of the role value, whose values the observations are then."""
    boundary: dict[str, BoundaryConditionSpec] = Field(default_factory=dict, max_length=0)
    """None."""

    @property
    def pinned_by_boundary(self) -> bool:
        return False


class TimeStepsSpec(Section):
    """The time from 0 on, in equal steps."""

    end: Positive
    """When it ends, in the unit of time of the diffusivity; readings are from 0 to then."""
    steps: Annotated[int, Field(ge=1, le=1_000_000), NO_TRUTH_VALUE]
    """Number of steps; between their ends the state is linear in time."""
    memory_limit: Positive = 2000.0
    """Most memory for the states of all steps on each rank, in MB; those that do not fit are solved for
    again."""


class HeatSpec(Section):
    """The heat equation, d(capacity u)/dt - div(k grad u) = source, from an initial state at time 0.

    With a velocity, capacity speed velocity . grad u is added, for heat that is carried along.
    Units are yours, as long as they agree: that of the source is that of capacity * u over a time.
    """

    kind: Literal["heat"]
    """The heat equation, d(capacity u)/dt - div(k grad u) = source, from an initial state at time 0."""
    source: SpaceTimeExpression | None = None
    """The right-hand side at the time t, what is supplied to a unit of volume in a unit of time; left out
    only where it is the unknown, which is the same at all times."""
    initial: Expression | None = None
    """u at time 0 where it is not the unknown, 0 unless given; where a dirichlet condition holds, its value
    is u."""
    diffusivity: Expression | None = None
    """k where it is not the unknown, 1 unless given, in the unit of the flux over that of grad u; that of the
    capacity times a length squared over a time."""
    capacity: Expression | None = None
    """What a unit of volume takes up for one unit of u, 1 unless given."""
    velocity: tuple[Expression, ...] | None = None
    """By which the state is carried, one expression a coordinate, in a length over a time; none unless given.
    Cells have to be small enough to resolve the state."""
    speed: Expression | None = None
    """A factor of the velocity where it is not the unknown, 1 unless given."""
    boundary: dict[str, TransientCondition] = Field(default_factory=dict)
    """Boundary conditions by a name of your choice; without any nothing leaves the domain."""
    time: TimeStepsSpec
    """How long, and in how many steps."""
    scheme: Literal["backward_euler", "crank_nicolson"] = "backward_euler"
    """How a step is made: backward_euler is of first order and damps whatever is rough, crank_nicolson is of
    second order and wants a smooth start."""
    degree: Annotated[int, Field(ge=1, le=4), NO_TRUTH_VALUE] = 2
    """Lagrange degree of the state."""
    solver: LinearSolverSpec = LinearSolverSpec()
    """How the linear systems are solved; one matrix serves all steps."""

    @model_validator(mode="after")
    def _has_a_velocity(self) -> Self:
        if self.speed is not None and self.velocity is None:
            raise refuse("a speed without a velocity", "the velocity whose factor it is", key="speed")
        return self


class CustomSpec(Stationary):
    """An equation of your own, in a Python file; needs --allow-code."""

    kind: Literal["custom"]
    """An equation of your own; its file runs as you, so the command line must say --allow-code."""
    file: DataFile
    """A Python file that defines residual(u, v, coefficients, data) in UFL and perhaps dirichlet(x, data),
    the values of dirichlet conditions by their names."""
    linear: bool = False
    """Whether the residual is linear in u (up to a constant); Newton's method otherwise."""
    symmetric: bool = False
    """Whether its derivative by u is symmetric and positive definite."""
    data: dict[Identifier, Expression] = Field(default_factory=dict)
    """Expressions for the residual by a name of your choice, in units of yours."""

    @property
    def pinned_by_boundary(self) -> bool:
        return False


DIMENSIONS = (2, 2.5, 3)


def _dimension(value: float) -> float:
    if value not in DIMENSIONS:
        raise ValueError("no such dimension")
    return value


class ContactsSpec(Section):
    """The complete electrode model."""

    width: Positive
    """Width of every electrode along the boundary in m; in 3 dimensions its diameter."""
    impedance: Positive
    """Contact impedance between metal and body in ohm m2."""


class ElectricalTomography(Section):
    """Direct current between electrodes in a body that no current leaves."""

    kind: Literal["electrical_tomography"]
    """Direct current from point electrodes, -div(exp(-m) grad u) = I, insulated boundary; m = log(ohm m)."""
    dimension: Annotated[
        Number, AfterValidator(_dimension), Field(json_schema_extra={"enum": list(DIMENSIONS)})
    ] = 2.5
    """2: electrodes are lines across the plane; 2.5: points, the resistivity constant across the plane of
    the mesh, in which they lie; 3: points in a mesh of dimension 3, such as the ground below them."""
    contacts: ContactsSpec | None = None
    """Electrodes with a width and a contact impedance, in 2 or 3 dimensions; without it they are points."""
    degree: Annotated[int, Field(ge=1, le=4), NO_TRUTH_VALUE] = 2
    """Lagrange degree of the potential."""
    solver: LinearSolverSpec = LinearSolverSpec()
    """How the linear systems are solved."""

    @field_validator("contacts")
    @classmethod
    def _has_no_third_axis(cls, contacts: ContactsSpec | None, info: ValidationInfo) -> ContactsSpec | None:
        """Across the plane of 2.5 dimensions an electrode would go on for ever."""
        if contacts is not None and info.data.get("dimension") == 2.5:
            raise refuse("electrodes with a width in 2.5 dimensions", "points, or dimension 2 or 3")
        return contacts


Equation = Annotated[
    DiffusionSpec
    | ReactionDiffusionSpec
    | AdvectionDiffusionSpec
    | NonlinearDiffusionSpec
    | PLaplacianSpec
    | ElasticitySpec
    | HelmholtzSpec
    | IdentitySpec
    | HeatSpec
    | ElectricalTomography
    | CustomSpec,
    Field(discriminator="kind"),
]
