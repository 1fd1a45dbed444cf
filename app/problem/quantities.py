"""What pictures call the quantities of a case, where it says so and where it does not."""

from typing import Protocol

from app.case import BaseCase, Case, Unknown
from app.equations.terms import LOGARITHM, stands_for
from app.output import Look, Quantity

OHM_METRES, METRES = "Ωm", "m"
"""Of electrical tomography."""

LABELS = {
    "youngs_modulus": "Young's modulus",
    "initial": "initial state",
    "speed": "factor of the velocity",
}
"""Of roles whose names are not words."""

OWN_NAME = ("value", "coefficient")
"""Roles that say nothing of what an unknown is: it goes by its name."""


class Labelled(Protocol):
    """What has a name and a unit in a case, or neither."""

    @property
    def label(self) -> str | None:
        """Its name in pictures."""

    @property
    def unit(self) -> str | None:
        """Its unit."""


def quantity_of(name: str, unknown: Unknown) -> Quantity:
    """Of a logarithm whose quantity has a unit it is that quantity, on a logarithmic scale."""
    logarithm = unknown.role.startswith(LOGARITHM)
    unit = unknown.unit or (OHM_METRES if unknown.role == "log_resistivity" else "")
    term = stands_for(unknown.role)
    said = name if term in OWN_NAME else LABELS.get(term, term.replace("_", " "))
    if logarithm and unit:
        return Quantity(unknown.label or said, unit, logarithmic=True)
    return Quantity(unknown.label or (f"log-{said}" if logarithm else said), unit)


def named(name: str, labelled: Labelled) -> Quantity:
    """Of what has no role."""
    return Quantity(labelled.label or name, labelled.unit or "")


def look_of(case: BaseCase) -> Look:
    """Units of the axes, and formats."""
    electrical = isinstance(case, Case) and case.equation.kind == "electrical_tomography"
    said = case.output
    length = said.length_unit or (METRES if electrical else "")
    return Look(length, said.time_unit or "", said.figures)
