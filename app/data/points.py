"""Readings of a state, and where they were taken, from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from app.data.places import Source
from app.data.tables import column_names, read_table
from app.schema.problems import DataError
from app.schema.section import COORDINATES


@dataclass(frozen=True, kw_only=True, eq=False)
class PointData:
    """Readings of the state, in the order of the file; the arrays are read-only."""

    points: np.ndarray
    """Coordinates (n, dim), nan where a reading belongs to a part of the mesh."""
    values: np.ndarray
    """Readings (n,)."""
    sigma: np.ndarray | None
    """Standard deviations of the noise (n,), None where the file does not tell."""
    lines: np.ndarray
    """Line of the file that each reading stands on (n,); of an NPY, VTU or XDMF file its number from 1."""
    times: np.ndarray | None = None
    """When they were taken (n,), None of a state that has no time."""
    names: tuple[str, ...] | None = None
    """Of the parts of the mesh that the readings belong to, empty for one that has a place."""
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What else the kind of observation asks for, by the column's name (n,)."""

    def __post_init__(self) -> None:
        arrays = (self.points, self.values, self.sigma, self.lines, self.times, *self.columns.values())
        for array in arrays:
            if array is not None:
                array.flags.writeable = False


def read_points(
    path: Source, dimension: int, *, in_time: bool = False, columns: Sequence[str] = ()
) -> PointData:
    """Read the columns x, y, z (the first `dimension`), of a state in time t, value and, if there, sigma; and
    further `columns` of numbers.

    From CSV or NPY files as read_table has them. Raises DataError with the line of everything that is wrong.
    """
    table = read_table(path, (*COORDINATES[:dimension], *columns, *_time(in_time), "value"))
    return PointData(
        points=np.stack([table.numbers[name] for name in COORDINATES[:dimension]], axis=1),
        values=table.numbers["value"],
        sigma=table.numbers.get("sigma"),
        lines=table.lines,
        times=table.numbers.get("t"),
        columns={name: table.numbers[name] for name in columns},
    )


def read_averages(path: Source, dimension: int, radius: float | None, *, in_time: bool = False) -> PointData:
    """Read the column `on`, or centres x, y, z and, unless all balls have one, the column radius; of a state
    in time t; value and sigma.

    Raises DataError with the line of everything that is wrong.
    """
    header = column_names(path) or []
    if "on" in header:
        if radius is not None or "radius" in header:
            raise DataError([f"{path}: found a radius beside the column on, expected either"])
        return read_parts(path, dimension, in_time=in_time)
    if radius is None:
        return read_points(path, dimension, in_time=in_time, columns=("radius",))
    if "radius" in header:
        raise DataError([f"{path}: found a column radius beside the case's radius, expected either"])
    data = read_points(path, dimension, in_time=in_time)
    return replace(data, columns={"radius": np.full(len(data.values), float(radius))})


def read_parts(path: Source, dimension: int, *, in_time: bool = False) -> PointData:
    """Read the columns on (the name of a part or region), of a state in time t, value and, if there, sigma.

    Raises DataError.
    """
    table = read_table(path, ("on", *_time(in_time), "value"))
    return PointData(
        points=np.full((len(table.lines), dimension), np.nan),
        values=table.numbers["value"],
        sigma=table.numbers.get("sigma"),
        lines=table.lines,
        times=table.numbers.get("t"),
        names=table.names["on"],
    )


def read_variances(path: Path, count: int) -> np.ndarray:
    """The column variance, one for each of `count` readings in their order. Raises DataError."""
    variances = read_table(path, ("variance",), ()).numbers["variance"]
    if len(variances) != count:
        raise DataError([f"{path}: found {len(variances)} variances, expected {count}, one for each reading"])
    return variances


def _time(in_time: bool) -> tuple[str, ...]:
    return ("t",) if in_time else ()
