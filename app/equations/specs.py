"""What cases say of equations: all of them, stationary ones, those with a source, those with wells."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from app.schema.boundary import BoundaryConditionSpec
from app.schema.given import GivenField
from app.schema.section import NO_TRUTH_VALUE, Identifier, Number, Section, refuse
from app.schema.solver import LinearSolverSpec


class EquationSpec(Section):
    """What a case says of an equation."""

    kind: str
    """Which it is."""
    degree: Annotated[int, Field(ge=1, le=4), NO_TRUTH_VALUE] = 2
    """Lagrange degree of the state."""
    solver: LinearSolverSpec = LinearSolverSpec()
    """How the linear systems are solved."""


class Stationary(EquationSpec):
    """What every stationary equation of a state u is given.

    Units are yours, as long as they agree: that of the source is that of the flux over a length.
    """

    boundary: dict[str, BoundaryConditionSpec]
    """Boundary conditions by a name of your choice; at least one is of kind dirichlet or robin."""

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

    source: GivenField | None = None
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
