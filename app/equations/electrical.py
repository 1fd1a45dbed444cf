"""Electrical tomography, as a case says it; its forward map is app.electrical."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from app.equations.specs import EquationSpec
from app.equations.terms import Starts
from app.schema.section import NO_TRUTH_VALUE, Number, Positive, Section, refuse

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


class ElectricalTomography(EquationSpec):
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

    roles: ClassVar[Starts] = {"log_resistivity": None}

    @field_validator("contacts")
    @classmethod
    def _has_no_third_axis(cls, contacts: ContactsSpec | None, info: ValidationInfo) -> ContactsSpec | None:
        """Across the plane of 2.5 dimensions an electrode would go on for ever."""
        if contacts is not None and info.data.get("dimension") == 2.5:
            raise refuse("electrodes with a width in 2.5 dimensions", "points, or dimension 2 or 3")
        return contacts
