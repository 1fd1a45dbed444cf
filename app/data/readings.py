"""Four-electrode readings from a file in the unified data format of geophysics (.ohm, .dat, .shm)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.data.problems import LONGEST_ECHO, Problems, echo
from app.schema.files import read_text
from app.schema.problems import DataError, nearest, shown
from app.schema.section import COORDINATES

POLES = ("a", "b", "m", "n")
TOKENS = (*POLES, "i", "u", "r", "rhoa", "k", "err", "valid")
"""Columns that are read, in lower case; others are passed over."""

UNITS = {
    "i": {"a": 1.0, "ma": 1e-3}, "u": {"v": 1.0, "mv": 1e-3}, "r": {"ohm": 1.0},
    "rhoa": {"ohmm": 1.0, "ohm*m": 1.0}, "k": {"m": 1.0}, "err": {"%": 0.01},
}  # fmt: skip
"""Units that may follow a column's name after a stroke; without one they are A, V, Ω, Ωm, m, and 1."""

COUNT = re.compile(r"0*[1-9][0-9]{0,8}")
"""A number of sensors or of data."""

HEADER = re.compile(r"^\s*#\s*(x\s+[yz]|a\s+b\s+m\s+n)\b", re.IGNORECASE | re.MULTILINE)
"""By which a file looks like one in the format, whatever else is in it."""

EXPECTED = "a file in the unified data format (number of sensors, positions, number of data, readings)"


@dataclass(frozen=True, kw_only=True, eq=False)
class ElectrodeReadings:
    """Electrodes and what was read between them, in the order of the file; the arrays are read-only."""

    electrodes: np.ndarray
    """Positions in m, shape (electrodes, dimension)."""
    abmn: np.ndarray
    """Electrodes of each reading, counted from 0: current from a to b, voltage of m against n; (n, 4)."""
    resistances: np.ndarray | None
    """Voltage over current in Ω, shape (n,); None where the file has apparent resistivities only."""
    apparent: np.ndarray | None
    """Apparent resistivities in Ωm where the file has them without geometric factors."""
    voltages: np.ndarray | None
    """In V, where the file has them."""
    errors: np.ndarray | None
    """Standard deviations as shares of the readings, where the file has them."""
    lines: np.ndarray
    """Line of the file that each reading stands on."""

    def __post_init__(self) -> None:
        for array in vars(self).values():
            if array is not None:
                array.flags.writeable = False

    def apparent_resistivities(self, factors: np.ndarray) -> np.ndarray:
        """In Ωm, the resistances times the geometric factors in m, or as the file has them; shape (n,)."""
        if self.resistances is not None:
            apparent: np.ndarray = self.resistances * factors
            return apparent
        if self.apparent is None:
            raise ValueError("found neither resistances nor apparent resistivities, expected one of them")
        return self.apparent


def read_readings(path: Path) -> ElectrodeReadings:
    """Read positions and the columns a, b, m, n with u and i, or r, or rhoa (with k, if there); err if there.

    Readings that are struck out (valid 0) are not looked at.

    Serial. Raises DataError with the line of everything that is wrong.
    """
    path = Path(path)
    lines = _Lines(path, read_text(path, EXPECTED, DataError))
    electrodes = _positions(lines)
    place, names, rows = _table(lines)
    units = _units(place, names)
    problems = Problems()
    numbers, kept = [], []
    for line, cells in rows:
        if len(cells) != len(names):
            problems.add(
                f"{path}:{line}: found {len(cells)} cells, expected {len(names)} ({echo(' '.join(names))})"
            )
            continue
        if "valid" in units and _struck_out(cells[units["valid"][0]]):
            continue
        found = {
            name: unit * _number(f"{path}:{line}: {name}", cells[j], problems, name in POLES)
            for name, (j, unit) in units.items()
        }
        _check_poles(f"{path}:{line}", [found[pole] for pole in POLES], len(electrodes), problems)
        numbers.append([found[name] for name in units])
        kept.append(line)
    if not problems and not numbers:
        problems.add(f"{path}: found no reading, expected at least one")
    problems.check()
    columns = dict(zip(units, np.array(numbers).T, strict=True))
    return _readings(path, electrodes, columns, np.array(kept))


def _readings(
    path: Path, electrodes: np.ndarray, columns: dict[str, np.ndarray], lines: np.ndarray
) -> ElectrodeReadings:
    """What the columns say, once their signs are looked at."""
    problems = Problems()

    def require(name: str, sound: np.ndarray, expected: str) -> None:
        values = columns[name]
        for j in np.flatnonzero(~sound):
            problems.add(f"{path}:{lines[j]}: {name}: found {values[j]:g}, expected {expected}")

    resistances = apparent = None
    if {"u", "i"} <= columns.keys():
        require("i", columns["i"] != 0, "a current other than 0")
        require("u", columns["u"] != 0, "a voltage other than 0")
        if not problems:
            resistances = columns["u"] / columns["i"]
    elif "r" in columns:
        require("r", columns["r"] != 0, "a resistance other than 0")
        resistances = columns["r"]
    else:
        require("rhoa", columns["rhoa"] > 0, "an apparent resistivity > 0")
        if "k" in columns and (columns["k"] != 0).all():
            resistances = columns["rhoa"] / columns["k"]
        else:
            apparent = columns["rhoa"]
    if "err" in columns:
        require("err", columns["err"] > 0, "an error > 0")
    problems.check()
    return ElectrodeReadings(
        electrodes=electrodes,
        abmn=np.column_stack([columns[pole] for pole in POLES]).astype(np.int64) - 1,
        resistances=resistances,
        apparent=apparent,
        voltages=columns.get("u") if {"u", "i"} <= columns.keys() else None,
        errors=columns.get("err"),
        lines=lines,
    )


class _Lines:
    """The lines of a file that hold something, one after the other."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._lines: Iterator[tuple[int, str]] = (
            (number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()
        )
        self._last = text.count("\n") + 1
        self._is_table = HEADER.search(text) is not None

    def next(self, expected: str) -> tuple[int, str]:
        """Number and text of the next line; raises DataError where there is none."""
        for number, line in self._lines:
            return number, line
        raise DataError([f"{self.path}:{self._last}: found the end of the file, expected {expected}"])

    def shown(self, line: str) -> str:
        """A line as a message repeats it; one of a file that looks like no table is not repeated."""
        return shown(line, LONGEST_ECHO) if self._is_table else "other text"

    def count(self, what: str) -> int:
        """The number on a line such as `24# Number of sensors`; comments before it are passed over."""
        expected = f"the number of {what}"
        number, line = self.next(expected)
        while line.startswith("#"):
            number, line = self.next(expected)
        text = line.split("#")[0].strip()
        if not COUNT.fullmatch(text):
            found = self.shown(text)
            raise DataError([f"{self.path}:{number}: found {found}, expected {expected}, an integer > 0"])
        self._is_table = True
        return int(text)

    def names(self, example: str) -> tuple[int, list[str]]:
        """The names on a line such as `# x y`, in lower case."""
        number, line = self.next(f"a line such as {example}")
        if not line.startswith("#") or not line.strip("#").split():
            raise DataError(
                [f"{self.path}:{number}: found {self.shown(line)}, expected a line such as {example}"]
            )
        return number, line.strip("#").lower().split()

    def rows(self, count: int, what: str) -> Iterator[tuple[int, list[str]]]:
        """As many rows of cells; comment lines between them are passed over."""
        for done in range(count):
            number, line = self.next(f"{count} {what}, of which {done} were there")
            while line.startswith("#"):
                number, line = self.next(f"{count} {what}, of which {done} were there")
            yield number, line.split("#")[0].split()


def _positions(lines: _Lines) -> np.ndarray:
    """Positions of the electrodes, shape (electrodes, dimension)."""
    count = lines.count("sensors")
    number, names = lines.names("# x y")
    path = lines.path
    axes = [name.split("/")[0] for name in names]
    if axes not in ([*COORDINATES], ["x", "y"], ["x", "z"]):
        raise DataError(
            [f"{path}:{number}: found the columns {echo(' '.join(names))}, expected x y, x z or x y z"]
        )
    problems = Problems()
    positions = []
    for line, cells in lines.rows(count, "positions"):
        if len(cells) != len(axes):
            problems.add(f"{path}:{line}: found {len(cells)} cells, expected {len(axes)} ({' '.join(axes)})")
            continue
        positions.append([
            _number(f"{path}:{line}: {axis}", cell, problems) for axis, cell in zip(axes, cells, strict=True)
        ])  # fmt: skip
    problems.check()
    return np.array(positions)


def _table(lines: _Lines) -> tuple[str, list[str], Iterator[tuple[int, list[str]]]]:
    """Place and names of the columns, and the rows."""
    count = lines.count("data")
    number, names = lines.names("# a b m n i u")
    return f"{lines.path}:{number}", names, lines.rows(count, "readings")


def _units(place: str, names: Sequence[str]) -> dict[str, tuple[int, float]]:
    """Position and unit of each column that is read; raises DataError where one is missing or double."""
    found: dict[str, tuple[int, float]] = {}
    problems = Problems()
    for j, text in enumerate(names):
        name, _, unit = text.partition("/")
        if name not in TOKENS:
            continue
        if name in found:
            problems.add(f"{place}: found two columns {name!r}, expected one")
        known = UNITS.get(name, {})
        if unit and unit not in known:
            expected = f"{name} in one of {', '.join(known) or 'no unit'}"
            problems.add(f"{place}: found {shown(text, LONGEST_ECHO)}, expected {expected}")
        found[name] = (j, known.get(unit, 1.0))
    missing = [pole for pole in POLES if pole not in found]
    if missing:
        near = nearest(missing[0], [name for name in names if name not in TOKENS])
        problems.add(
            f"{place}: found the columns {echo(' '.join(names))}, expected also {', '.join(missing)}{near}"
        )
    if not ({"u", "i"} <= found.keys() or "r" in found or "rhoa" in found):
        problems.add(f"{place}: found the columns {echo(' '.join(names))}, expected also u and i, r, or rhoa")
    problems.check()
    return found


def _struck_out(cell: str) -> bool:
    """Whether the column valid says that a reading is none: 0, however it is written."""
    try:
        return float(cell) == 0
    except ValueError:
        return False


def _check_poles(place: str, poles: Sequence[float], electrodes: int, problems: Problems) -> None:
    """Four electrodes that exist, the current's two apart and the voltage's two apart."""
    if any(map(math.isnan, poles)):
        return  # said already
    for name, pole in zip(POLES, poles, strict=True):
        if pole == 0:
            problems.add(f"{place}: {name}: found 0 (an electrode at infinity), expected four electrodes")
        elif not 1 <= pole <= electrodes:
            problems.add(f"{place}: {name}: found {pole:g}, expected an electrode from 1 to {electrodes}")
    if poles[0] == poles[1] or poles[2] == poles[3]:
        found = " ".join(f"{pole:g}" for pole in poles)
        problems.add(f"{place}: found the electrodes {found}, expected a and b apart, and m and n")
    elif {*poles[:2]} & {*poles[2:]}:
        found = " ".join(f"{pole:g}" for pole in poles)
        problems.add(
            f"{place}: found the electrodes {found}, expected no voltage at an electrode of the current"
        )


def _number(place: str, cell: str, problems: Problems, whole: bool = False) -> float:
    """The number of a cell, nan with a problem noted where there is none."""
    expected = "an integer" if whole else "a finite number"
    try:
        value = float(cell.replace("_", "?"))  # Python would read 1_000
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (whole and value != int(value)):
        problems.add(f"{place}: found {shown(cell, LONGEST_ECHO)}, expected {expected}")
        return math.nan
    return value
