"""Which columns of a table hold what, guessed from its header."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.schema.files import read_text
from app.schema.problems import DataError, shown
from app.schema.section import COORDINATES

WORDS = {
    "x": ("x", "easting", "east", "e", "lon", "longitude", "xcoord", "x_coord"),
    "y": ("y", "northing", "north", "n", "lat", "latitude", "ycoord", "y_coord"),
    "z": ("z", "elevation", "altitude", "height", "zcoord", "z_coord"),
    "t": ("t", "time", "times", "seconds", "minutes", "hours", "days", "date"),
    "sigma": ("sigma", "std", "sd", "stddev", "stdev", "error", "err", "uncertainty", "noise"),
    "value": (
        "value", "values", "reading", "readings", "measured", "measurement", "observed", "observation",
        "data", "u", "h", "head", "heads", "temperature", "temp", "concentration", "c", "pressure", "p",
        "displacement", "potential", "voltage", "level",
    ),
}  # fmt: skip
"""What columns are called, by what they hold; the first of a file that is called so is taken."""

DELIMITERS = ",;\t "
"""Between cells, the likeliest first."""

LARGEST = 1e50
"""Of a number: what a case says is worked out from products of some."""

NO_ENTRY = ("", "nan", "na", "n/a", "null", "none", "-")
"""What stands for a reading that is missing."""


@dataclass(frozen=True)
class Columns:
    """Names of a file's columns by what they hold: x, y, z, t, value, sigma."""

    names: dict[str, str]

    @property
    def coordinates(self) -> tuple[str, ...]:
        return tuple(name for name in COORDINATES if name in self.names)

    @property
    def in_time(self) -> bool:
        return "t" in self.names

    @property
    def plain(self) -> bool:
        """Whether all are called what they are called in cases."""
        return all(name == meaning for meaning, name in self.names.items())

    def __str__(self) -> str:
        told = (name if name == called else f"{name} = {called}" for name, called in self.names.items())
        return ", ".join(told)


def guess_columns(header: Sequence[str], place: str) -> Columns:
    """What a header says, units in brackets left aside.

    A reading that has none of the usual names is the only column that is left over. Raises DataError.
    """
    bare = {cell: re.sub(r"[\[(].*?[\])]", "", cell).strip().lower() for cell in header}
    found: dict[str, str] = {}
    for meaning, words in WORDS.items():
        matches = (cell for word in words for cell in header if bare[cell] == word)
        match = next((cell for cell in matches if cell not in found.values()), None)
        if match is not None:
            found[meaning] = match
    for name in found.values():
        if header.count(name) > 1:
            raise DataError([f"{place}: found {header.count(name)} columns {name!r}, expected one"])
    rest = [cell for cell in header if cell not in found.values()]
    if "value" not in found and len(rest) == 1:
        found["value"] = rest[0]
    odd = [name for name in found.values() if not name.isprintable()]
    if odd:
        problem = f"{place}: found the column {shown(odd[0])}, expected a name without control characters"
        raise DataError([problem])
    axes = [name for name in COORDINATES if name in found]
    missing = [name for name in ("x", "value") if name not in found]
    if missing or axes != list(COORDINATES[: len(axes)]):
        expected = "columns called x, y, z (as many as there are), value and, if known, sigma"
        problem = f"{place}: found the columns {shown(list(header))}, expected {expected}"
        raise DataError([problem])
    order = (*COORDINATES, "t", "value", "sigma")
    return Columns({meaning: found[meaning] for meaning in order if meaning in found})


def read_columns(path: Path) -> tuple[Columns, dict[str, np.ndarray], bool]:
    """The columns of a table, their numbers by what they hold, and whether a case can read the file itself.

    A third coordinate that is the same in all rows is left aside, and so are rows without a reading. Raises
    DataError.
    """
    text = read_text(path, "a table whose first line names its columns", DataError)
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    first, head = lines[0] if lines else (1, "")
    delimiter = next((each for each in DELIMITERS if each in head), ",")
    rows = [(number, _cells(line, delimiter, f"{path}:{number}")) for number, line in lines]
    header = rows[0][1] if rows else []
    columns = guess_columns(header, f"{path}:{first}")
    positions = {meaning: header.index(name) for meaning, name in columns.names.items()}
    numbers: dict[str, list[float]] = {meaning: [] for meaning in positions}
    whole = True
    for number, cells in rows[1:]:
        if len(cells) != len(header):
            raise DataError([f"{path}:{number}: found {len(cells)} cells, expected {len(header)}"])
        if cells[positions["value"]].lower() in NO_ENTRY:
            whole = False
            continue
        for meaning, position in positions.items():
            place = f"{path}:{number}: {columns.names[meaning]}"
            numbers[meaning].append(_number(cells[position], meaning, place))
    if not numbers["value"]:
        raise DataError([f"{path}: found no readings after the header, expected at least one"])
    columns, found = _flat(columns, {name: np.array(cells) for name, cells in numbers.items()})
    return columns, found, whole and columns.plain and delimiter == ","


def _flat(columns: Columns, numbers: dict[str, np.ndarray]) -> tuple[Columns, dict[str, np.ndarray]]:
    """Without a third coordinate that says nothing."""
    if "z" not in numbers or np.ptp(numbers["z"]) > 0:
        return columns, numbers
    kept = {meaning: name for meaning, name in columns.names.items() if meaning != "z"}
    return Columns(kept), {name: values for name, values in numbers.items() if name != "z"}


def _cells(line: str, delimiter: str, place: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    try:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error as cause:
        raise DataError([f"{place}: found {cause}, expected cells of a table"]) from None
    return [cell.strip() for cell in cells]


def _number(cell: str, meaning: str, place: str) -> float:
    """The number of a cell of a column that holds x, y, z, t, value or sigma."""
    try:
        value = float(cell.replace("_", "?"))  # Python would read 1_000
    except ValueError:
        raise DataError([f"{place}: found {shown(cell)}, expected a number"]) from None
    expected = ""
    if not np.isfinite(value):
        expected = "a finite number"
    elif abs(value) > LARGEST:
        expected = f"a number between {-LARGEST:g} and {LARGEST:g} (in other units)"
    elif meaning == "sigma" and value <= 0:
        expected = "a number > 0"
    elif meaning == "t" and value < 0:
        expected = "a time >= 0, at which the state begins"
    if expected:
        raise DataError([f"{place}: found {shown(cell)}, expected {expected}"])
    return value
