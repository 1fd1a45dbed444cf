"""Cases of model reduction: the states of a parametric family, which one network is to hold."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from app.case.approximation import ConvexCase
from app.equations import Role, stands_for
from app.equations.advection import AdvectionDiffusionSpec
from app.equations.diffusion import DiffusionSpec, ReactionDiffusionSpec
from app.equations.heat import HeatSpec
from app.equations.nonlinear import NonlinearDiffusionSpec, PLaplacianSpec
from app.schema.expression import ParametricExpression
from app.schema.grammar import CONSTANTS, FUNCTIONS
from app.schema.section import (
    COORDINATES,
    NO_TRUTH_VALUE,
    Count,
    Identifier,
    Length,
    Number,
    Parts,
    Section,
    refuse,
)
from app.schema.solver import LinearSolverSpec
from app.types import Described, Summary

MOST_SNAPSHOTS = 10_000

RESERVED = (*COORDINATES, "t", *CONSTANTS, *FUNCTIONS)
"""Names that mean something else in an expression."""


class ParameterSpec(Section):
    """An interval of a parameter of the family."""

    low: Number
    """Its least value."""
    high: Number
    """Its greatest value."""
    points: Count = 10
    """Number of values to learn from: the points of Gauss and Legendre in the interval. With several
    parameters there is a state for each combination."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if not self.low < self.high:
            raise refuse(f"low {self.low} and high {self.high}", "low < high", key="low")
        return self


class Parametric(Section):
    """A coefficient of the equation that depends on the parameters."""

    role: Role
    """What it is in the equation, as of an unknown."""
    value: ParametricExpression
    """The coefficient, of the coordinates and the parameters by their names."""
    on: Parts | None = None
    """Of the role boundary_flux: the name of a part of the mesh, a list of names, or all."""
    degree: Annotated[int, Field(ge=0, le=2), NO_TRUTH_VALUE] = 1
    """Lagrange degree in which it is interpolated; 0: constant on each cell, the value at its middle."""

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if self.role == "boundary_flux" and self.on is None:
            raise refuse("nothing", "the parts of the boundary with the flux", key="on")
        if self.role != "boundary_flux" and self.on is not None:
            raise refuse(f"parts of the boundary for the role {self.role}", "none", key="on")
        return self


class Reduction(Section):
    """Half the square distance to the states of a family, over the domain and over the parameters."""

    kind: Literal["reduction"]
    """A network of the coordinates and the parameters that holds a parametric family of states."""
    parameters: Annotated[dict[Identifier, ParameterSpec], Field(min_length=1)]
    """The parameters, by the names that expressions have for them."""
    coefficients: Annotated[dict[Identifier, Parametric], Field(min_length=1)]
    """What depends on the parameters, by a name of your choice; several have roles that stand for different
    terms."""
    norm: Literal["l2", "h1"] = "h1"
    """Of the distance at one value of the parameters; its square is averaged over them."""
    length: Length = 1.0
    """The length in the norm h1, in the mesh's unit."""
    unseen: Count = 50
    """Number of values of the parameters, drawn uniformly, at which the result is judged."""
    modes: Annotated[tuple[Count, ...], Field(min_length=1)] = (5, 10, 20)
    """Numbers of modes of the proper orthogonal decompositions of the same states to compare with."""
    solver: LinearSolverSpec = LinearSolverSpec()
    """How the linear systems of the norm are solved."""

    @field_validator("parameters")
    @classmethod
    def _are_new_names(cls, value: dict[str, ParameterSpec]) -> dict[str, ParameterSpec]:
        for name in value:
            if name in RESERVED:
                raise refuse(f"the name {name!r}, which expressions know already", "another", key=name)
        count = prod(parameter.points for parameter in value.values())
        if count > MOST_SNAPSHOTS:
            raise refuse(f"{count} combinations of the parameters' points", f"at most {MOST_SNAPSHOTS}")
        return value

    @field_validator("coefficients")
    @classmethod
    def _are_different_terms(cls, value: dict[str, Parametric]) -> dict[str, Parametric]:
        taken: dict[str, str] = {}
        for name, one in value.items():
            term = stands_for(one.role)
            if term in taken:
                found = f"the role {one.role} beside {taken[term]}, which is that term too"
                raise refuse(found, "the role of another term", key=name)
            taken[term] = name
        return value


Family = Annotated[
    DiffusionSpec
    | ReactionDiffusionSpec
    | AdvectionDiffusionSpec
    | NonlinearDiffusionSpec
    | PLaplacianSpec
    | HeatSpec,
    Field(discriminator="kind"),
]


class ReductionCase(ConvexCase):
    """The compression of a parametric family of states."""

    energy: Reduction
    """What is minimised."""
    equation: Family
    """The equation of the states, of one that goes on in time the state at the end; what depends on the
    parameters is left out."""

    @field_validator("unknowns")
    @classmethod
    def _knows_other_parameters(cls, value: Summary) -> Summary:
        for name, one in value.items():
            if one.representation.kind != "network":
                found = f"the representation {one.representation.kind}, which knows no other parameters"
                raise refuse(found, "network", key=name)
        return value


def parameter_names(data: Described) -> tuple[str, ...]:
    """Names of the parameters in the raw data of a case, for the expressions in it."""
    energy = data.get("energy")
    parameters = energy.get("parameters") if isinstance(energy, Mapping) else None
    return tuple(map(str, parameters)) if isinstance(parameters, Mapping) else ()
