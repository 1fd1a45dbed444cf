"""No differential equation at all: the state is the coefficient, and so observations are of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import pydantic

from app.equations.specs import Stationary
from app.equations.terms import BoundaryCondition, Starts, cells, term
from app.schema.boundary import BoundaryConditionSpec
from app.types import BoundaryMeasure, Form, Symbol

if TYPE_CHECKING:
    from app.mesh.fields import Field


class IdentitySpec(Stationary):
    """No equation: the state is the unknown, of the role value, whose values the observations are then."""

    kind: Literal["identity"]
    """No equation: the state is the unknown, of the role value, whose values the observations are then."""
    boundary: dict[str, BoundaryConditionSpec] = pydantic.Field(default_factory=dict, max_length=0)
    """None."""

    @property
    def pinned_by_boundary(self) -> bool:
        return False


@dataclass(frozen=True)
class Identity:
    """u = value in L2, which is exact where the state's degree is that of the coefficient or more."""

    boundary: Mapping[str, BoundaryCondition]
    value: Field | None = None
    role: str = "value"
    linear, symmetric = True, True
    spec = IdentitySpec
    roles: ClassVar[Starts] = {"value": 0.0}

    def residual(self, u: Symbol, m: Symbol, v: Symbol, x: Symbol, ds: BoundaryMeasure) -> Form:
        """∫(u − value) v."""
        return (u - term(self, "value", m, x)) * v * cells(x)
