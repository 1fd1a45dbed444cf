"""Several experiments that share the unknowns: each is an ordinary case of what it says and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from app.case.document import Key
from app.case.origin import Origin
from app.observe import Observations
from app.schema.section import Identifier, Section, refuse
from app.types import Described, Json, Summary

FIXED = ("kind", "file")
"""Keys of an equation that are the same in all experiments."""


class Experiment(Section):
    """One of several experiments."""

    equation: dict[str, Any] = Field(default_factory=dict)
    """Keys of the equation that are other in this experiment; mappings are merged key by key."""
    observations: Annotated[dict[Identifier, Observations], Field(min_length=1)]
    """The measurements of this experiment, by name."""

    @field_validator("equation")
    @classmethod
    def _keeps_the_equation(cls, value: Summary) -> Summary:
        for key in FIXED:
            if key in value:
                raise refuse(f"another {key} of the equation", "that of all experiments", key=key)
        return value


@dataclass(frozen=True)
class Within:
    """Where each key of an experiment's case comes from: the experiment, or the rest of the file."""

    whole: Origin
    name: str

    @property
    def file(self) -> Path:
        """The case file."""
        return self.whole.file

    @property
    def folder(self) -> Path:
        """See Origin."""
        return self.whole.folder

    def where(self, path: Sequence[Key]) -> str:
        """See Origin; the experiment's own entry where it knows at least as much of the path."""
        own = ("experiments", self.name, *path)
        deeper = self._known(own) - 2 >= max(1, self._known(path))
        return self.whole.where(own if deeper else path)

    def _known(self, path: Sequence[Key]) -> int:
        """How much of a path the file or the command line has."""
        starts = (n for n in range(len(path), 0, -1) if self._has(tuple(path[:n])))
        return next(starts, 0)

    def _has(self, path: tuple[Key, ...]) -> bool:
        return path in self.whole.lines or any(name[: len(path)] == path for name in self.whole.overrides)


def experiment_data(data: Described, name: str) -> Summary:
    """The data of one experiment's case."""
    experiment = data["experiments"][name]
    rest = {key: value for key, value in data.items() if key not in ("experiments", "predictions")}
    equation = merged(data.get("equation", {"kind": "identity"}), experiment.get("equation") or {})
    return {**rest, "equation": equation, "observations": experiment["observations"]}


def merged(under: Json, over: Json) -> Json:
    """`over` put over `under`, mappings key by key."""
    if not (isinstance(under, Mapping) and isinstance(over, Mapping)):
        return over
    return {**under, **{key: merged(under.get(key), value) for key, value in over.items()}}
