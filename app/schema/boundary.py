"""Conditions on the boundary of a case."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from app.schema.expression import Expression, SpaceTimeExpression
from app.schema.given import BoundaryField, PointwiseField
from app.schema.section import Component, Parts, Section, part_names, refuse


class Condition(Section):
    """What all conditions have in common; their kinds say what the value is of."""

    on: Parts = "all"
    """A part of the mesh: a side of a generated one (left or x_min, and so on), or a group of a file; a list
    of such, or all for the whole boundary."""
    kind: str
    """What `value` is that of."""
    value: BoundaryField = Expression("0")
    """The value on these parts."""
    transfer: PointwiseField | None = None
    """Of robin, and at least 0: the flux out of the domain for one unit of the state."""
    ambient: BoundaryField | None = None
    """Of robin, in place of `value`: the state outside, such as a river's stage or the temperature of the
    air, of which the flux into the domain is transfer * (ambient - u); so `value` is transfer * ambient."""

    @property
    def parts(self) -> tuple[str, ...] | None:
        """The names of the parts, None for the whole boundary."""
        return part_names(self.on)

    @model_validator(mode="after")
    def _has_a_transfer(self) -> Self:
        if self.kind == "robin" and self.transfer is None:
            raise refuse("robin without a transfer", "one: flux = transfer * (ambient - u)", key="transfer")
        for key in ("transfer", "ambient"):
            if self.kind != "robin" and getattr(self, key) is not None:
                raise refuse(f"{self.kind} with {key}", "it with robin only", key=key)
        if self.ambient is not None and self.value != Expression("0"):
            raise refuse("ambient beside value", "one of them: value = transfer * ambient", key="ambient")
        return self


class BoundaryConditionSpec(Condition):
    """A condition on a part of the boundary; where none is said, nothing flows through it. On a part inside
    the domain it says what enters there, both sides together."""

    kind: Literal["dirichlet", "neumann", "robin", "absorbing"]
    """Whether `value` is that of the state (dirichlet), of the flux into the domain (neumann), for diffusion
    the diffusivity times du/dn, for elasticity the traction, of flux + transfer * u (robin: a flux, and not
    the state outside, which is `ambient`), or of what comes in where waves leave (absorbing, of
    helmholtz)."""
    value: BoundaryField = Expression("0")
    """The value on that part of the boundary, in the unit of the state (dirichlet) or of the flux. Of a state
    of several components a list of one for each, or one that counts for all of them."""
    component: Component | None = None
    """The only component that the condition is about, of a state that has several; all unless given."""

    @model_validator(mode="after")
    def _suits_its_component(self) -> Self:
        for key in ("value", "ambient"):
            if self.component is not None and isinstance(getattr(self, key), tuple):
                raise refuse(f"a list for the component {self.component}", "one expression", key=key)
        if self.component is not None and self.kind == "absorbing":
            raise refuse("a component of an absorbing condition", "none: it is about both", key="component")
        return self


class TransientCondition(BoundaryConditionSpec):
    """A condition on a part of the boundary of a state in time; where none is said, nothing flows."""

    kind: Literal["dirichlet", "neumann", "robin"]
    """Whether `value` is that of the state (dirichlet), of the flux into the domain (neumann), that is the
    diffusivity times du/dn, or of flux + transfer * u (robin: a flux, and not the state outside, which
    is `ambient`)."""
    value: SpaceTimeExpression = SpaceTimeExpression("0")
    """The value on that part of the boundary at the time t, in the unit of the state (dirichlet) or of the
    flux."""
    transfer: PointwiseField | None = None
    """Of robin, at least 0 and the same at all times: the flux out of the domain for one unit of the
    state."""
    ambient: SpaceTimeExpression | None = None
    """Of robin, in place of `value`: the state outside at the time t, such as the temperature of the air, of
    which the flux into the domain is transfer * (ambient - u); so `value` is transfer * ambient."""
