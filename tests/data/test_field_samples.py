"""Values of given fields at points: alike in tables, arrays, grids and meshes; mistakes are told."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from app.data import read_samples
from app.schema.problems import DataError

X, Y = np.array([0.0, 1.0, 3.0]), np.array([-1.0, 2.0])

VALUES = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
"""At (X[i], Y[j])."""

XDMF = """<Xdmf><Domain><Grid><Geometry><DataItem Dimensions="6 2" Format="XML">{nodes}</DataItem></Geometry>
<Attribute Name="T" Center="Node"><DataItem Dimensions="6 1" Format="XML">{values}</DataItem></Attribute>
</Grid></Domain></Xdmf>"""


def write(path: Path) -> str | None:
    """VALUES into a file of the kind that its name asks for; the name of the column."""
    x, y = (each.ravel() for each in np.meshgrid(X, Y, indexing="ij"))
    rows = np.column_stack([x, y, VALUES.ravel()])
    if path.name == "grid.npz":
        np.savez(path, x=X, y=Y, T=VALUES)
    elif path.suffix == ".npz":
        np.savez_compressed(path, x=x, y=y, T=VALUES.ravel(), z=np.ones(2))
    elif path.suffix == ".npy":
        np.save(path, rows)
        return None
    elif path.suffix == ".xdmf":
        nodes, values = (" ".join(map(str, each.ravel())) for each in (rows[:, :2], rows[:, 2]))
        path.write_text(XDMF.format(nodes=nodes, values=values))
        return None
    else:
        path.write_text("\n".join(["T,x,y", *(f"{c},{a},{b}" for a, b, c in rows), f"{6.0},{3},{2}"]))
    return "T"


@pytest.mark.parametrize("name", ["table.csv", "array.npy", "grid.npz", "points.npz", "mesh.xdmf"])
def test_every_kind_of_file_has_the_same_values(tmp_path: Path, name: str) -> None:
    """By points in their order; one that is repeated counts once."""
    column = write(tmp_path / name)
    found = read_samples(tmp_path / name, 2, column)
    order = np.lexsort(found.points.T[::-1])
    x, y = (each.ravel() for each in np.meshgrid(X, Y, indexing="ij"))
    np.testing.assert_array_equal(found.points[order], np.column_stack([x, y]))
    np.testing.assert_array_equal(found.values[order], VALUES.ravel())


def test_two_values_at_one_point_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "twice.csv"
    file.write_text("x,value\n1,2\n3,4\n1,5\n")
    with pytest.raises(DataError, match=r"different values at the point \(1\), 5 among them, expected one"):
        read_samples(file, 1, None)


def test_a_column_of_names_has_no_values(tmp_path: Path) -> None:
    (tmp_path / "parts.csv").write_text("x,on\n1,wall\n")
    with pytest.raises(DataError, match="found the column 'on', which holds names, expected one of numbers"):
        read_samples(tmp_path / "parts.csv", 1, "on")


ARRAYS = {
    "missing": ({"x": X, "val": X}, "found the arrays x, val, expected also value (did you mean 'val'?)"),
    "shapes": (
        {"x": X, "value": np.ones((3, 2))},
        "found arrays of the shapes x (3,), value (3, 2), expected all of one shape, or axes and values of "
        "as many rows and columns as these have entries",
    ),
    "infinite": (
        {"x": X, "value": np.array([1.0, np.inf, 2.0])},
        "found the array 'value' of float64 with 3 entries, expected finite numbers",
    ),
    "texts": (
        {"x": X, "value": np.array(["a", "b", "c"])},
        "found the array 'value' of <U1 with 3 entries, expected finite numbers",
    ),
    "objects": (
        {"x": X, "value": np.array([{}, {}, {}])},
        "found no NPY file of numbers (it holds pickled objects), expected an NPY file with the arrays x, "
        "value",
    ),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_are_no_field_are_refused(tmp_path: Path, name: str) -> None:
    """With what was found and what is expected; objects are never loaded."""
    arrays, told = ARRAYS[name]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=re.escape(told)):
        read_samples(tmp_path / "bad.npz", 1, None)


@pytest.mark.parametrize("content", [b"", b"x,value\n1,2\n", b"PK\x03\x04 and no more"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.npz: found .*expected"):
        read_samples(tmp_path / "bad.npz", 1, None)
