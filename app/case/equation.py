"""The equation of a case: the physics, its boundary conditions, and how it is solved."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from app.case.expression import Expression
from app.case.section import NO_TRUTH_VALUE, Natural, Number, Positive, Section, refuse


class BoundaryCondition(Section):
    """A condition on a part of the boundary."""

    on: str | Annotated[tuple[str, ...], Field(min_length=1)] = "all"
    """A tag name of the mesh, a list of them, or all for the whole boundary."""
    kind: Literal["dirichlet", "neumann"]
    """Whether `value` is that of the state (dirichlet) or of the flux exp(m) du/dn (neumann)."""
    value: Expression = Expression("0")
    """The value on that part of the boundary."""

    @property
    def tags(self) -> tuple[str, ...] | None:
        """The tag names, None for the whole boundary."""
        if self.on == "all":
            return None
        return (self.on,) if isinstance(self.on, str) else self.on


class LinearSolver(Section):
    """How the linear systems of the state operator are solved."""

    kind: Literal["auto", "direct", "iterative"] = "auto"
    """A factorisation, CG with a multigrid preconditioner, or auto for a choice by size."""
    tolerance: Annotated[float, Field(gt=0, lt=1), NO_TRUTH_VALUE] = 1e-12
    """Relative residual at which the iterative solver stops."""
    direct_below: Natural = 300_000
    """Number of unknowns below which auto is direct."""


class Diffusion(Section):
    """The stationary diffusion equation, -div(exp(m) grad u) = source."""

    kind: Literal["diffusion"]
    """Stationary diffusion, -div(exp(m) grad u) = source."""
    source: Expression
    """The right-hand side."""
    degree: Annotated[int, Field(ge=1, le=4), NO_TRUTH_VALUE] = 2
    """Lagrange degree of the state."""
    boundary: dict[str, BoundaryCondition]
    """Boundary conditions by a name of your choice; at least one is of kind dirichlet."""
    solver: LinearSolver = LinearSolver()
    """How the linear systems are solved."""

    @field_validator("boundary")
    @classmethod
    def _determines_the_state(cls, boundary: dict[str, BoundaryCondition]) -> dict[str, BoundaryCondition]:
        if not any(condition.kind == "dirichlet" for condition in boundary.values()):
            kinds = "only neumann conditions" if boundary else "no condition"
            raise refuse(kinds, "at least one of kind dirichlet (u is not unique without)")
        return boundary


DIMENSIONS = (2, 2.5, 3)


def _dimension(value: float) -> float:
    if value not in DIMENSIONS:
        raise ValueError("no such dimension")
    return value


class Contacts(Section):
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
    the mesh, in which they lie; 3: points in a mesh of dimension 3."""
    contacts: Contacts | None = None
    """Electrodes with a width and a contact impedance, in 2 or 3 dimensions; without it they are points."""
    degree: Annotated[int, Field(ge=1, le=4), NO_TRUTH_VALUE] = 2
    """Lagrange degree of the potential."""
    solver: LinearSolver = LinearSolver()
    """How the linear systems are solved."""

    @field_validator("contacts")
    @classmethod
    def _has_no_third_axis(cls, contacts: Contacts | None, info: ValidationInfo) -> Contacts | None:
        """Across the plane of 2.5 dimensions an electrode would go on for ever."""
        if contacts is not None and info.data.get("dimension") == 2.5:
            raise refuse("electrodes with a width in 2.5 dimensions", "points, or dimension 2 or 3")
        return contacts


Equation = Annotated[Diffusion | ElectricalTomography, Field(discriminator="kind")]
"""Further equations join here."""
