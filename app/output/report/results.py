"""What lies in a folder of results, as far as it is there: copied and older ones may lack some of it."""

import csv
import heapq
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.case.document import NotYaml, read_document
from app.output.report.wording import numeric
from app.schema.files import fault
from app.types import Json, Summary

MOST_ROWS = 1000
"""Rows of a table that are shown or drawn at most."""

type Rows = list[dict[str, str]]
"""A table's cells by column."""


class NoRun(Exception):
    """A folder without the results of a run; says why."""


@dataclass(frozen=True)
class Results:
    """Summary and case of a run, and where its tables and pictures are."""

    folder: Path
    summary: Summary
    case: Summary
    """Its sections as plain data, empty where it cannot be read."""
    text: str
    """The case as it stands there."""

    @property
    def name(self) -> str:
        """That of the case, else of the folder."""
        return str(self.summary.get("name") or self.folder.resolve().name)

    @property
    def energy(self) -> str:
        """Its kind: `inverse`, `regression`, `ritz` or `reduction`."""
        return str(self.asked("energy", "kind") or "inverse")

    def told(self, *path: str) -> Json:
        """What the summary has there, None where it has nothing."""
        return _within(self.summary, path)

    def asked(self, *path: str) -> Json:
        """What the case has there, None where it has nothing."""
        return _within(self.case, path)

    def sections(self, *path: str) -> Summary:
        """Sections of the case by their names, none where there are none."""
        return _named(self.asked(*path))

    def named(self, *path: str) -> Summary:
        """What the summary has there by names, nothing where it has no mapping."""
        return _named(self.told(*path))

    def listed(self, *path: str) -> list[Json]:
        """What the summary has there one after the other, nothing where it has no list."""
        found = self.told(*path)
        return found if isinstance(found, list) else []

    def entries(self, *path: str) -> list[Summary]:
        """Those of a list of the summary that are mappings."""
        return [each for each in self.listed(*path) if isinstance(each, dict)]

    def table(self, name: str) -> Rows:
        """The first rows of a CSV file, none where there is none."""
        return list(islice(_rows(self.folder / name), MOST_ROWS))

    def worst(self, name: str, column: str, most: int) -> Rows:
        """The rows of a CSV file in which a column is farthest from zero, none where there is no such file
        or column."""
        sizes = ((abs(numeric(row.get(column))), row) for row in _rows(self.folder / name))
        known = (pair for pair in sizes if not math.isnan(pair[0]))
        return [row for _, row in heapq.nlargest(most, known, key=lambda pair: pair[0])]

    def picture(self, name: str) -> Path | None:
        """A file of this name, None where there is none."""
        path = self.folder / name
        return path if path.is_file() else None


def read_results(folder: Path) -> Results:
    """What a run left; serial. Raises NoRun."""
    path = folder / "summary.json"
    if reason := fault(path):
        found = f"found no summary.json ({reason})"
        raise NoRun(f"{folder}: {found}, expected the folder of a run that has ended")
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise NoRun(f"{path}: found no JSON, expected the summary of a run") from None
    if not isinstance(summary, dict):
        raise NoRun(f"{path}: found {type(summary).__name__}, expected the summary of a run")
    text = _text(folder / "case.yaml")
    return Results(folder, summary, _plain(text), text)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _plain(text: str) -> Summary:
    """The case as data, empty where it is none."""
    try:
        data = read_document(text).data
    except NotYaml:
        return {}
    return data if isinstance(data, dict) else {}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Those of a CSV file, cells beyond its head left out; none where there is no file, up to what cannot be
    read of it."""
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8", errors="replace") as file, suppress(csv.Error):
        for row in csv.DictReader(file):
            yield {name: cell for name, cell in row.items() if name is not None and isinstance(cell, str)}


def _named(found: Json) -> Summary:
    return {str(name): each for name, each in found.items()} if isinstance(found, Mapping) else {}


def _within(tree: Json, path: tuple[str, ...]) -> Json:
    for key in path:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree
