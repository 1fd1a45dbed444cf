"""Kinds of observation: what a case says of each, how its file is read, and what reads a state so.

A case is read without meshes and PETSc, so none of them is imported here: what needs them imports them where
it does. `app.observe.measurements` makes readings and operators of a case's observations.
"""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from app.observe.averages import AverageObservations
from app.observe.field import FieldObservations
from app.observe.fluxes import FluxObservations
from app.observe.kinds import ObservationSection, ObservedState, StateObservations
from app.observe.operators import ObservationOperator, joined
from app.observe.points import PointObservations
from app.observe.readings import ReadingObservations
from app.observe.traces import TraceObservations
from app.observe.values import ValueObservations

OBSERVATIONS: dict[str, type[ObservationSection]] = {
    "points": PointObservations,
    "averages": AverageObservations,
    "traces": TraceObservations,
    "fluxes": FluxObservations,
    "field": FieldObservations,
    "readings": ReadingObservations,
    "values": ValueObservations,
}
"""By the case's `kind`."""

if TYPE_CHECKING:
    Observations = ObservationSection
else:
    Observations = Annotated[reduce(or_, OBSERVATIONS.values()), Field(discriminator="kind")]
"""The section of an observation in a case, of whichever kind."""


def accepted_kinds(equation: str, *, in_time: bool) -> list[str]:
    """The kinds that go with an equation: those that are its own, if there are any."""
    own = [kind for kind, each in OBSERVATIONS.items() if each.equation == equation]
    return own or [
        kind for kind, each in OBSERVATIONS.items() if each.equation is None and (each.in_time or not in_time)
    ]


__all__ = [
    "OBSERVATIONS",
    "ObservationOperator",
    "ObservationSection",
    "Observations",
    "ObservedState",
    "PointObservations",
    "StateObservations",
    "ValueObservations",
    "accepted_kinds",
    "joined",
]
