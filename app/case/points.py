"""Readings at points from a CSV file."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.case.grammar import COORDINATES
from app.case.problems import DataError, read_text, shown

MOST_PROBLEMS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class PointData:
    """Readings of the state at points, in the order of the file; the arrays are read-only."""

    points: np.ndarray
    """Coordinates (n, dim)."""
    values: np.ndarray
    """Readings (n,)."""
    sigma: np.ndarray | None
    """Standard deviations of the noise (n,), None where the file does not tell."""
    lines: np.ndarray
    """Line of the file that each reading stands on (n,)."""

    def __post_init__(self) -> None:
        for array in (self.points, self.values, self.sigma, self.lines):
            if array is not None:
                array.flags.writeable = False


def read_points(path: Path, dimension: int) -> PointData:
    """Read the columns x, y, z (the first `dimension`), value and, if there, sigma.

    Columns may come in any order among others; blank lines and lines that begin with # are
    skipped. Raises DataError with the line of everything that is wrong.
    """
    path = Path(path)
    needed = (*COORDINATES[:dimension], "value")
    text = read_text(path, f"a CSV file with the columns {', '.join(needed)}", DataError)
    rows = _rows(path, text)
    line, header = next(rows, (1, []))
    columns = _columns(f"{path}:{line}", header, needed)
    problems: list[str] = []
    table: list[list[float]] = []
    lines: list[int] = []
    for line, row in rows:
        place = f"{path}:{line}"
        if len(row) != len(header):
            problems.append(f"{place}: found {len(row)} cells, expected {len(header)} (the header)")
            continue
        lines.append(line)
        table.append([_number(place, name, row[i], problems) for name, i in columns.items()])
    if len(problems) > MOST_PROBLEMS:
        problems[MOST_PROBLEMS:] = [f"... and {len(problems) - MOST_PROBLEMS} more"]
    if not problems and not table:
        problems = [f"{path}: found no readings after the header, expected at least one"]
    if problems:
        raise DataError(problems)
    array = np.array(table, dtype=np.float64)
    return PointData(
        points=array[:, :dimension].copy(),
        values=array[:, dimension].copy(),
        sigma=array[:, dimension + 1].copy() if "sigma" in columns else None,
        lines=np.array(lines),
    )


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each line that holds some."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            cells = next(csv.reader([line], skipinitialspace=True))
        except csv.Error as cause:
            raise DataError([f"{path}:{number}: found {cause}, expected a CSV line"]) from None
        yield number, [cell.strip() for cell in cells]


def _columns(place: str, header: list[str], needed: tuple[str, ...]) -> dict[str, int]:
    """Position of each column that is read; raises DataError where one is missing or double."""
    counts = {name: header.count(name) for name in (*needed, "sigma")}
    problems = [
        f"{place}: found {count} columns {name!r}, expected one"
        for name, count in counts.items()
        if count > 1
    ]
    missing = [name for name in needed if not counts[name]]
    if missing:
        found = f"the columns {_cut_list(header)}" if header else "no header"
        problems.append(f"{place}: found {found}, expected also {', '.join(missing)}")
    if problems:
        raise DataError(problems)
    return {name: header.index(name) for name in (*needed, "sigma") if name in header}


def _number(place: str, column: str, cell: str, problems: list[str]) -> float:
    """The number of a cell, nan with a problem noted where there is none."""
    try:
        value = float(cell.replace("_", "?"))  # Python would read 1_000
    except ValueError:
        found = shown(cell) if cell else "an empty cell"
        problems.append(f"{place}: {column}: found {found}, expected a number")
        return math.nan
    if not math.isfinite(value):
        problems.append(f"{place}: {column}: found {cell}, expected a finite number")
    elif column == "sigma" and value <= 0:
        problems.append(f"{place}: {column}: found {cell}, expected a number > 0")
    return value


def _cut_list(names: list[str], most: int = 20) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
