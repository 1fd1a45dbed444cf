"""Predictions with their uncertainty, as a table."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from app.output.files import written
from app.types import Json, Summary

WRITES = ("predictions.csv",)
"""Names of the files, for whoever replaces them."""

COLUMNS = ("name", "place", "value", "sd", "sd_prior", "q05", "q50", "q95")

SHOWN = 12
"""Predictions at most that are told at the end of a run."""


class Named(Protocol):
    """What a prediction is called."""

    @property
    def name(self) -> str:
        """That of the case."""

    @property
    def place(self) -> str:
        """Where it is, in words."""


class Predictions(Protocol):
    """What is written; see app.posterior.Predictions."""

    @property
    def labels(self) -> Sequence[Named]:
        """Of each."""

    @property
    def value(self) -> np.ndarray:
        """At the result."""

    @property
    def std(self) -> np.ndarray:
        """Standard deviations, nan where there is no posterior."""

    @property
    def std_prior(self) -> np.ndarray:
        """Before the data, nan where that is not known."""

    @property
    def quantiles(self) -> np.ndarray:
        """Of 5, 50 and 95 %."""

    @property
    def draws(self) -> np.ndarray | None:
        """At draws."""

    @property
    def truth(self) -> np.ndarray | None:
        """At the true coefficient."""

    @property
    def covered(self) -> float | None:
        """Share whose truth lies between the outer quantiles."""

    @property
    def lost(self) -> int:
        """Draws without a state."""


def rows_of(found: Predictions) -> list[Summary]:
    """A mapping from COLUMNS for each prediction, and from truth where that is known; None stands for numbers
    that are not known."""
    known = [] if found.truth is None else [found.truth]
    names = [*COLUMNS, *(["truth"] if known else [])]
    numbers = np.column_stack([found.value, found.std, found.std_prior, found.quantiles, *known]).tolist()
    return [
        dict(zip(names, (label.name, label.place, *map(_known, row)), strict=True))
        for label, row in zip(found.labels, numbers, strict=True)
    ]


def summarised(found: Predictions) -> Summary:
    """The section `predictions` of summary.json."""
    draws = 0 if found.draws is None else found.draws.shape[1]
    return {"draws": draws, "draws_lost": found.lost, "covered": found.covered, "values": rows_of(found)}


def write_predictions(path: Path, found: Predictions) -> None:
    """predictions.csv: a row each; serial. Raises OSError."""
    with written(path) as part, part.open("w", newline="") as file:
        rows = rows_of(found)
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def prediction_lines(summary: Summary) -> list[str]:
    """What is said of the first few at the end of a run."""
    told = summary.get("predictions")
    if not told:
        return []
    values, draws, lost = told["values"], told["draws"], told["draws_lost"]
    lines = [_line(row) for row in values[:SHOWN]]
    if len(values) > SHOWN:
        lines.append(f"... and {len(values) - SHOWN} more predictions in {WRITES[0]}")
    if lost:
        lines.append(f"warning: {lost} of {draws} draws have no state; the quantiles are those of the others")
    return lines


def _line(row: Summary) -> str:
    said = f"prediction {row['name']} at {row['place']}: {row['value']:.5g}"
    if row["sd"] is None:
        return said
    before = "" if row["sd_prior"] is None else f" (before the data {row['sd_prior']:.2g})"
    return f"{said}, sd {row['sd']:.2g}{before}, 90 % from {row['q05']:.5g} to {row['q95']:.5g}"


def _known(number: float) -> Json:
    return number if math.isfinite(number) else None
