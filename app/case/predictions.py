"""What is to be predicted: readings of a state that were not taken, and integrals of a coefficient."""

from __future__ import annotations

from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, create_model, model_validator

from app.data.places import InlineRows, Places
from app.observe import OBSERVATIONS, StateObservations, accepted_kinds
from app.schema.problems import nearest
from app.schema.section import DataFile, Identifier, Number, Parts, Section, Written, refuse

MEASURED = ("kind", "file", "noise", "misfit")
"""Keys of an observation that a prediction has not, or has its own."""

Cell = Number | str
"""Of a place: a coordinate, a time, a radius, or the name of a part of the mesh."""

Place = Annotated[
    Annotated[tuple[Cell, ...], Field(min_length=1)] | str, Field(json_schema_extra={"format": "place"})
]

PlaceList = Annotated[tuple[Place, ...], Field(min_length=1, json_schema_extra={"format": "places"})]


class StatePrediction(Section):
    """Readings of a state that were not taken.

    Each kind of observation that is read from a table has one, with the keys of its own.
    """

    kind: str
    experiment: Identifier | None = None
    """Whose state it is, in a case with experiments."""
    file: DataFile | None = None
    """A CSV or NPY file of the places, with the columns that the kind of observation has but for value."""
    at: PlaceList | None = None
    """The places themselves, in place of a file: a list of rows, each with the entries of the file's columns
    in their order, such as [[0.2, 0.5], [0.8, 0.5]], or a list of names of parts of the mesh."""

    observation: ClassVar[type[StateObservations]]

    @model_validator(mode="after")
    def _has_places(self) -> Self:
        if (self.file is None) == (self.at is None):
            found = "nothing" if self.file is None else "file beside at"
            raise refuse(found, "places: one of the keys file and at", key="at")
        return self

    def section(self) -> StateObservations:
        """The observation that it would be."""
        own = {name: getattr(self, name) for name in self.observation.model_fields if name not in MEASURED}
        return self.observation.model_construct(kind=self.kind, file=self.file or Path(), **own)

    def places(self, written: Written, *path: str) -> Places:
        """What is read; `path` leads to it in the case."""
        if self.file is not None:
            return Places(written.resolve(self.file))
        rows = tuple((row,) if isinstance(row, str) else row for row in self.at or ())
        return Places(InlineRows(written.where(*path, "at"), rows))


class IntegralPrediction(Section):
    """The integral of a coefficient over the domain or a part of it."""

    kind: Literal["integrals"]
    """The integral of a coefficient over the domain or a part of it."""
    unknown: Identifier | None = None
    """Which, in a case with several unknowns."""
    of: Literal["term", "unknown"] = "term"
    """What is integrated: the term that the unknown's role names, which is exp(m) of the roles that begin
    with log_, or the unknown m itself."""
    on: Parts | None = None
    """Over which regions of the mesh, together; without it all of the domain. Of an unknown on a part of the
    boundary parts of the boundary, without it where the unknown is."""
    mean: bool = False
    """Whether the integral is divided by the size of where it is taken."""


def _of_kind(kind: str, observation: type[StateObservations]) -> type[StatePrediction]:
    """The section of predictions that are readings of this kind."""
    told = (observation.__doc__ or "").strip().partition("\n")[0]
    kinds: Any = Literal[kind]
    own: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in observation.model_fields.items()
        if name not in MEASURED
    }
    made: type[StatePrediction] = create_model(
        f"{observation.__name__.removesuffix('Observations')}Predictions",
        __base__=StatePrediction,
        __doc__=f"{told.removesuffix('.')}, that were not taken.",
        __module__=__name__,
        kind=(kinds, Field(description=told)),
        **own,
    )
    made.observation = observation
    return made


STATE_PREDICTIONS: dict[str, type[StatePrediction]] = {
    kind: _of_kind(kind, each)
    for kind, each in OBSERVATIONS.items()
    if issubclass(each, StateObservations) and each.of_table
}
"""By the kind of observation."""

globals().update({each.__name__: each for each in STATE_PREDICTIONS.values()})  # where pickle looks for them

if TYPE_CHECKING:
    Prediction = StatePrediction | IntegralPrediction
else:
    Prediction = Annotated[
        reduce(or_, STATE_PREDICTIONS.values()) | IntegralPrediction, Field(discriminator="kind")
    ]
"""The section of a prediction in a case, of whichever kind."""


def check_predictions(
    predictions: dict[str, Prediction], equation: Any, experiments: Any, unknowns: Any
) -> None:
    """Raises a refusal for a kind that does not go with the equation, and for an experiment or an unknown
    that there is not or that is to be named; each of the others is None where something is wrong with it."""
    for name, each in predictions.items():
        if isinstance(each, IntegralPrediction):
            if unknowns is not None:
                check_named("unknown", each.unknown, unknowns, name, needed=len(unknowns) > 1)
            continue
        if equation is not None:
            accepted = accepted_kinds(equation.kind, in_time=hasattr(equation, "time"))
            kinds = [*(kind for kind in accepted if kind in STATE_PREDICTIONS), "integrals"]
            if each.kind not in kinds:
                found = f"the kind {each.kind} with the equation {equation.kind}"
                several = "one of the kinds" if len(kinds) > 1 else "the kind"
                raise refuse(found, f"{several} {', '.join(kinds)}", key=name)
        if experiments is not None:
            check_named("experiment", each.experiment, experiments, name, needed=bool(experiments))


def check_named(what: str, said: str | None, known: Any, name: str, *, needed: bool) -> None:
    """Raises a refusal of the entry `name` where it says a name that is not known, or none where one is
    needed."""
    names = ", ".join(known)
    if said is None and needed:
        raise refuse(f"nothing for the {what} of {name}", f"{what}: one of {names}", key=name)
    if said is not None and said not in known:
        expected = f"one of {names}{nearest(said, known)}" if known else f"none: the case has no {what}s"
        raise refuse(f"the {what} {said!r}", expected, key=name)
