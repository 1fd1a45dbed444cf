"""Values of a given field at points, from a table, a grid or a mesh with values at its nodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.data.arrays import read_arrays
from app.data.fields import read_field
from app.data.problems import echo
from app.data.tables import TEXTS, read_table
from app.schema.problems import DataError, nearest
from app.schema.section import COORDINATES

VALUE = "value"
"""The column of the values unless another is named."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Values of a field at points, no two alike."""

    points: np.ndarray
    """Shape (n, dimension)."""
    values: np.ndarray
    """Shape (n,)."""


def read_samples(path: Path, dimension: int, column: str | None) -> Samples:
    """The values of a column or array of a file and the points where they are, on a mesh of this dimension.

    Serial. Raises DataError, also where two values at one point differ.
    """
    if path.suffix in (".vtu", ".pvtu", ".xdmf"):
        field = read_field(path, dimension, column)
        return _each_once(path, field.points, field.values)
    name = VALUE if column is None else column
    if path.suffix == ".npz":
        return _each_once(path, *_of_arrays(path, dimension, name))
    if name in TEXTS:
        raise DataError([f"{path}: found the column {name!r}, which holds names, expected one of numbers"])
    axes = COORDINATES[:dimension]
    table = read_table(path, (*axes, name), ()).numbers
    return _each_once(path, np.column_stack([table[axis] for axis in axes]), table[name])


def _of_arrays(path: Path, dimension: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Points and values of an NPZ file: arrays of one length, or axes and values on their grid."""
    axes = COORDINATES[:dimension]
    wanted = f"the arrays {', '.join((*axes, name))}"
    arrays = read_arrays(path, wanted)
    for each in (*axes, name):
        if each not in arrays:
            found = f"the arrays {echo(', '.join(arrays))}" if arrays else "no array"
            raise DataError([f"{path}: found {found}, expected also {each}{nearest(each, arrays)}"])
        array = arrays[each]
        if array.dtype.kind not in "fiu" or not array.size or not np.isfinite(array).all():
            found = f"the array {each!r} of {array.dtype} with {array.size} entries"
            raise DataError([f"{path}: found {found}, expected finite numbers"])
    along = [np.asarray(arrays[axis], dtype=float) for axis in axes]
    values = np.asarray(arrays[name], dtype=float)
    sizes = [len(each) for each in along if each.ndim == 1]
    if len(sizes) == dimension and values.shape == tuple(sizes):
        grid = np.meshgrid(*along, indexing="ij")
        return np.column_stack([each.ravel() for each in grid]), values.ravel()
    if any(each.shape != values.shape for each in along):
        shapes = ", ".join(f"{each} {arrays[each].shape}" for each in (*axes, name))
        expected = "all of one shape, or axes and values of as many rows and columns as these have entries"
        raise DataError([f"{path}: found arrays of the shapes {shapes}, expected {expected}"])
    return np.column_stack([each.ravel() for each in along]), values.ravel()


def _each_once(path: Path, points: np.ndarray, values: np.ndarray) -> Samples:
    """Points that a mesh repeats once each; a field has one value at a point."""
    places, first, which = np.unique(points, axis=0, return_index=True, return_inverse=True)
    if len(places) == len(points):
        return Samples(points, values)
    apart = np.flatnonzero(~np.isclose(values, values[first][which.ravel()], rtol=1e-9, atol=0.0))
    if len(apart):
        where = ", ".join(f"{x:.10g}" for x in points[apart[0]])
        found = f"different values at the point ({where}), {values[apart[0]]:.6g} among them"
        raise DataError([f"{path}: found {found}, expected one"])
    return Samples(places, values[first])
