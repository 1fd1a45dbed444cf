"""Columns of numbers and names from CSV and NPY files."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.data.arrays import read_array
from app.data.places import READING, InlineRows, Places, Source
from app.data.problems import LONGEST_ECHO, Problems, echo
from app.schema.files import read_text
from app.schema.problems import DataError, shown

POSITIVE = ("sigma", "variance", "radius")
"""Columns of numbers > 0."""

TEXTS = ("on",)
"""Columns of names."""

LINE_END = re.compile(r"\r\n|\r|\n")
"""Of any system, old ones too."""

NAME = re.compile(r"[^\W\d][\w ./()\[\]^*%-]{0,23}")
"""What a column may be called."""


@dataclass(frozen=True)
class Table:
    """Columns by name, all of one length."""

    numbers: Mapping[str, np.ndarray]
    names: Mapping[str, tuple[str, ...]]
    lines: np.ndarray
    """Line of the file that each row stands on; of an NPY file its number, counted from 1."""


def read_table(source: Source, needed: Sequence[str], optional: Sequence[str] = ("sigma",)) -> Table:
    """Read columns by name from a CSV file, or from an NPY file with fields of these names.

    Columns may come in any order among others; in CSV blank lines and lines that begin with # are skipped. An
    NPY file without names has the columns that are needed in that order, and then the optional ones. Of
    places readings are nan. Raises DataError with the line of everything that is wrong.
    """
    if isinstance(source, Places):
        return _read_places(source, needed, optional)
    path = Path(source)
    if path.suffix == ".npy":
        return _read_npy(path, needed, optional)
    text = read_text(path, f"a CSV file with the columns {', '.join(needed)}", DataError)
    rows = _rows(path, text)
    line, header = next(rows, (1, []))
    columns = _columns(f"{path}:{line}", header, needed, optional)
    problems = Problems()
    cells: dict[str, list[Any]] = {name: [] for name in columns}
    lines: list[int] = []
    for line, row in rows:
        place = f"{path}:{line}"
        if len(row) != len(header):
            problems.add(f"{place}: found {len(row)} cells, expected {len(header)} (the header)")
            continue
        lines.append(line)
        for name, i in columns.items():
            cells[name].append(row[i] if name in TEXTS else _number(place, name, row[i], problems))
    return _table(path, cells, lines, problems)


def column_names(source: Source) -> list[str] | None:
    """Names of the columns that a file has, None where they have none."""
    if isinstance(source, Places):
        of = source.source
        named = isinstance(of, InlineRows) and any(isinstance(row[0], str) for row in of.rows)
        return ([*TEXTS] if named else None) if isinstance(of, InlineRows) else column_names(of)
    path = Path(source)
    if path.suffix == ".npy":
        fields = read_array(path, "an array").dtype.names
        return None if fields is None else list(fields)
    _, header = next(_rows(path, read_text(path, "a CSV file", DataError)), (1, []))
    return header


def _read_places(places: Places, needed: Sequence[str], optional: Sequence[str]) -> Table:
    """Without readings, which are nan."""
    columns = [name for name in needed if name != READING]
    of = places.source
    table = _read_rows(of, columns) if isinstance(of, InlineRows) else read_table(of, columns, optional)
    return replace(table, numbers={**table.numbers, READING: np.full(len(table.lines), np.nan)})


def _read_rows(given: InlineRows, needed: Sequence[str]) -> Table:
    """Rows of a case, each by its number from 1; raises DataError."""
    problems, lines = Problems(), list(range(1, len(given.rows) + 1))
    cells: dict[str, list[Any]] = {name: [] for name in needed}
    for line, row in zip(lines, given.rows, strict=True):
        place = f"{given}:{line}"
        if len(row) != len(needed):
            entries = "1 entry" if len(row) == 1 else f"{len(row)} entries"
            problems.add(f"{place}: found {entries}, expected {', '.join(needed)}")
            continue
        for name, cell in zip(needed, map(str, row), strict=True):
            cells[name].append(cell if name in TEXTS else _number(place, name, cell, problems))
    return _table(given, cells, lines, problems)


def _read_npy(path: Path, needed: Sequence[str], optional: Sequence[str]) -> Table:
    wanted = f"the columns {', '.join(needed)}"
    array = read_array(path, wanted)
    problems = Problems()
    if array.dtype.names is not None:
        columns = _columns(str(path), list(array.dtype.names), needed, optional)
        entries = {name: array[name].ravel() for name in columns}
        odd = [name for name in columns if not _is_column(array[name], array.size, name in TEXTS)]
        if odd:
            found = f"the column {odd[0]} of {array[odd[0]].dtype}, shape {array[odd[0]].shape}"
            raise DataError(
                [f"{path}: found {found}, expected one {'name' if odd[0] in TEXTS else 'number'} a row"]
            )
    else:
        if array.ndim == 1 and len(needed) == 1:
            array = array[:, None]
        least, most = len(needed), len(needed) + len(optional)
        if array.ndim != 2 or not least <= array.shape[1] <= most or array.dtype.kind not in "fiu":
            found = f"an array of {array.dtype} of shape {array.shape}"
            further = f", or further {', '.join(optional)}" if optional else ""
            raise DataError([f"{path}: found {found}, expected numbers in {wanted}{further}"])
        names = (*needed, *optional)[: array.shape[1]]
        entries = {name: array[:, i] for i, name in enumerate(names)}
    lines = list(range(1, len(next(iter(entries.values()))) + 1))
    cells: dict[str, list[Any]] = {}
    for name, column in entries.items():
        if name in TEXTS:
            cells[name] = [_text(entry) for entry in column.tolist()]
        else:
            rows = zip(lines, column.tolist(), strict=True)
            cells[name] = [_number(f"{path}:{row}", name, str(entry), problems) for row, entry in rows]
    return _table(path, cells, lines, problems)


def _is_column(array: np.ndarray, rows: int, text: bool) -> bool:
    """Whether an array of so many rows is one of numbers, or of texts."""
    return array.size == rows and array.dtype.kind in ("SU" if text else "fiu")


def _text(entry: str | bytes) -> str:
    return entry.decode(errors="replace") if isinstance(entry, bytes) else entry


def _table(
    path: Path | InlineRows, cells: dict[str, list[Any]], lines: list[int], problems: Problems
) -> Table:
    if not problems and not lines:
        problems.add(f"{path}: found no readings after the header, expected at least one")
    problems.check()
    return Table(
        numbers={name: np.array(c, dtype=np.float64) for name, c in cells.items() if name not in TEXTS},
        names={name: tuple(c) for name, c in cells.items() if name in TEXTS},
        lines=np.array(lines),
    )


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each line that holds some."""
    for number, line in enumerate(LINE_END.split(text), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            cells = next(csv.reader([line], skipinitialspace=True))
        except csv.Error as cause:
            raise DataError([f"{path}:{number}: found {cause}, expected a CSV line"]) from None
        yield number, [cell.strip() for cell in cells]


def _columns(place: str, header: list[str], needed: Sequence[str], optional: Sequence[str]) -> dict[str, int]:
    """Position of each column that is read; raises DataError where one is missing or double."""
    counts = {name: header.count(name) for name in (*needed, *optional)}
    problems = [
        f"{place}: found {count} columns {name!r}, expected one"
        for name, count in counts.items()
        if count > 1
    ]
    missing = [name for name in needed if not counts[name]]
    if missing:
        found = _shown_header(header, (*needed, *optional))
        problems.append(f"{place}: found {found}, expected also {', '.join(missing)}")
    if problems:
        raise DataError(problems)
    return {name: header.index(name) for name in (*needed, *optional) if name in header}


def _shown_header(header: list[str], known: Sequence[str]) -> str:
    """The header in words; text that looks like no header of a table is not repeated."""
    words = {word for cell in header for word in re.split(r"[\s;|]+", cell.lower())}
    if not header:
        return "no header"
    if words & set(known) or (len(header) > 1 and all(map(NAME.fullmatch, header))):
        return f"the columns {echo(', '.join(header))}"
    return "a first line without names of columns"


def _number(place: str, column: str, cell: str, problems: Problems) -> float:
    """The number of a cell, nan with a problem noted where there is none."""
    try:
        value = float(cell.replace("_", "?"))  # Python would read 1_000
    except ValueError:
        found = shown(cell, LONGEST_ECHO) if cell else "an empty cell"
        problems.add(f"{place}: {column}: found {found}, expected a number")
        return math.nan
    if not math.isfinite(value):
        problems.add(f"{place}: {column}: found {echo(cell)}, expected a finite number")
    elif column in POSITIVE and value <= 0:
        problems.add(f"{place}: {column}: found {echo(cell)}, expected a number > 0")
    return value
