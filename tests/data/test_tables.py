"""Files of readings other than CSV, and columns that only some observations have."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mutants import FIELD, HDF5, STORED

from app.case import DataError
from app.data import foreign, read_averages, read_field, read_parts, read_points, read_variances

ROWS = np.array([[0.1, 0.2, 3.0, 0.01], [0.3, 0.4, 5.0, 0.02]])


def test_npy_files_are_read_as_csv_files_are(tmp_path: Path) -> None:
    """Plain columns in their order, with and without sigma, and fields by name in any order."""
    plain, short, named = (tmp_path / f"{name}.npy" for name in ("plain", "short", "named"))
    np.save(plain, ROWS)
    np.save(short, ROWS[:, :3])
    fields = np.array(
        [(s, v, y, x) for x, y, v, s in ROWS], dtype=[(n, float) for n in ("sigma", "value", "y", "x")]
    )
    np.save(named, fields)
    for path in (plain, short, named):
        data = read_points(path, 2)
        np.testing.assert_array_equal(data.points, ROWS[:, :2])
        np.testing.assert_array_equal(data.values, ROWS[:, 2])
        assert (data.sigma is None) == (path == short)


def test_parts_and_balls_have_columns_of_their_own(tmp_path: Path) -> None:
    """Names of parts, in CSV and NPY; radii from the file or one for all."""
    csv, npy, discs = tmp_path / "parts.csv", tmp_path / "parts.npy", tmp_path / "discs.csv"
    csv.write_text("on,value\nleft,1\ntop,2\n")
    np.save(npy, np.array([("left", 1.0), ("top", 2.0)], dtype=[("on", "U8"), ("value", float)]))
    discs.write_text("x,y,radius,value\n.1,.2,.05,3\n")
    for path in (csv, npy):
        for data in (read_parts(path, 2), read_averages(path, 2, None)):
            assert data.names == ("left", "top") and np.isnan(data.points).all()
            np.testing.assert_array_equal(data.values, [1, 2])
    assert read_averages(discs, 2, None).columns["radius"] == pytest.approx([0.05])
    discs.write_text("x,y,value\n.1,.2,3\n")
    assert read_averages(discs, 2, 0.3).columns["radius"] == pytest.approx([0.3])


def test_variances_are_one_a_reading(tmp_path: Path) -> None:
    """From CSV or a plain NPY vector."""
    csv, npy = tmp_path / "cov.csv", tmp_path / "cov.npy"
    csv.write_text("variance\n.04\n.09\n")
    np.save(npy, [0.04, 0.09])
    for path in (csv, npy):
        np.testing.assert_array_equal(read_variances(path, 2), [0.04, 0.09])
        with pytest.raises(DataError, match="found 2 variances, expected 3"):
            read_variances(path, 3)


BAD_ARRAYS = {
    "columns": (ROWS[:, :2], "found an array of float64 of shape (2, 2), expected numbers in the columns x"),
    "nan": (ROWS * np.array([1, 1, np.nan, 1]), ":1: value: found nan, expected a finite number"),
    "sigma": (ROWS * np.array([1, 1, 1, -1]), ":2: sigma: found -0.02, expected a number > 0"),
    "names": (np.zeros(2, dtype=[("x", float), ("y", float)]), "found the columns x, y, expected also value"),
    "objects": (np.array([{}]), "found no NPY file"),
}


def header(text: str, data: bytes = b"") -> bytes:
    """An NPY file with this text as its header."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + data


SHAPE = "{'descr': '<f8', 'fortran_order': False, 'shape': %s}"
CORRUPT = {
    "nothing": (b"", "its header cannot be read"),
    "text": (b"x,y,value\n1,2,3\n", "its header cannot be read"),
    "half a header": (header(SHAPE % "(3, 3)")[:40], "its header cannot be read"),
    "another version": (b"\x93NUMPY\x09\x00" + bytes(100), "its header cannot be read"),
    "no dictionary": (header("[1, 2]"), "its header cannot be read"),
    "code": (header("__import__('os').getcwd()"), "its header cannot be read"),
    "no Python": (header("{'descr': "), "its header cannot be read"),
    "nesting": (header("(" * 3000 + ")" * 3000), "its header cannot be read"),
    "a long header": (header(SHAPE % "(3, 3)" + " " * 60_000), "its header cannot be read"),
    "a type that is none": (header((SHAPE % "(3, 3)").replace("<f8", "<q9")), "its header cannot be read"),
    "a shape that is none": (header(SHAPE % "(3, 'a')"), "its header cannot be read"),
    "fewer numbers": (header(SHAPE % "(3, 3)", bytes(8)), "8 bytes of numbers where the header says 72"),
    "a terabyte": (
        header(SHAPE % "(10**12, 3)".replace("10**12", "1000000000000"), bytes(8)),
        "24000000000000",
    ),
    "less than nothing": (header(SHAPE % "(-1, 3)", bytes(8)), "found an array of float64 of shape (-1, 3)"),
    "elements of no size": (
        header((SHAPE % "(1000000000000,)").replace("<f8", "<U0")),
        "found an array of <U0 of shape (1000000000000,)",
    ),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_header_is_told_in_words(tmp_path: Path, name: str) -> None:
    """Nothing is allocated that the file does not hold, and no error of the parser's is shown."""
    content, text = CORRUPT[name]
    path = tmp_path / "data.npy"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_points(path, 2)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: found ") and text in problem and "expected an NPY file" in problem


COLUMNS = {
    "two numbers a row": [("x", float, 2), ("y", float), ("value", float)],
    "texts": [("x", "U3"), ("y", float), ("value", float)],
    "times": [("x", "M8[s]"), ("y", float), ("value", float)],
    "complex numbers": [("x", complex), ("y", float), ("value", float)],
    "columns of columns": [("x", [("a", float), ("b", float)]), ("y", float), ("value", float)],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_that_are_none_are_told(tmp_path: Path, name: str) -> None:
    """By their name and type."""
    path = tmp_path / "data.npy"
    np.save(path, np.zeros(3, dtype=COLUMNS[name]))
    with pytest.raises(DataError, match=r"found the column x of .*, expected one number a row"):
        read_points(path, 2)


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays_are_told(tmp_path: Path, name: str) -> None:
    """By file, row and column."""
    array, text = BAD_ARRAYS[name]
    path = tmp_path / "data.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(DataError) as caught:
        read_points(path, 2)
    assert str(path) in caught.value.problems[0] and text in "\n".join(caught.value.problems)


def test_columns_that_contradict_one_another_are_told(tmp_path: Path) -> None:
    """A radius said twice, or for a region."""
    path = tmp_path / "discs.csv"
    for text, radius in (("x,y,radius,value\n1,1,1,1\n", 0.1), ("on,value\nall,1\n", 0.1)):
        path.write_text(text)
        with pytest.raises(DataError, match=r"found a .*radius.* expected either"):
            read_averages(path, 2, radius)
    path.write_text("x,y,radius,value\n1,1,0,1\n")
    with pytest.raises(DataError, match="2: radius: found 0, expected a number > 0"):
        read_averages(path, 2, None)


WRITE_XDMF = """
import app, sys
from mpi4py import MPI
from dolfinx import fem, io, mesh
square = mesh.create_rectangle(MPI.COMM_SELF, [[0, 0], [1, 1]], [3, 2])
space = fem.functionspace(square, ("Lagrange", 1))
for name, encoding in (("h5", io.XDMFFile.Encoding.HDF5), ("ascii", io.XDMFFile.Encoding.ASCII)):
    with io.XDMFFile(MPI.COMM_SELF, f"{sys.argv[1]}/{name}.xdmf", "w", encoding) as file:
        file.write_mesh(square)
        for time in (0, 1):
            u = fem.Function(space, name="u")
            u.interpolate(lambda x: x[0] + 2 * x[1] + time)
            file.write_function(u, time)
        sigma = fem.Function(space, name="sigma")
        sigma.x.array[:] = 0.25
        file.write_function(sigma, 1)
"""


def test_fields_of_dolfinx_files_are_read_at_their_nodes(tmp_path: Path) -> None:
    """XDMF with numbers in HDF5 or in itself; of two times the last, and sigma beside it."""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", WRITE_XDMF, str(tmp_path)], cwd=root, check=True)
    for name in ("h5", "ascii"):
        data = read_field(tmp_path / f"{name}.xdmf", 2, None)
        assert data.points.shape == (12, 2)
        np.testing.assert_array_equal(data.sigma, 0.25)
        np.testing.assert_allclose(data.values, data.points @ [1, 2] + 1, rtol=1e-12)


def write_vtu(path: Path, **arrays: np.ndarray) -> None:
    """Two triangles with arrays at their four nodes."""
    import pyvista

    nodes = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=float)
    grid = pyvista.UnstructuredGrid(np.array([3, 0, 1, 2, 3, 1, 3, 2]), np.array([5, 5]), nodes)
    for name, values in arrays.items():
        grid.point_data[name] = values
    grid.save(str(path))


def test_fields_of_vtu_files_are_read_at_their_nodes(tmp_path: Path) -> None:
    """With the array sigma, and by name where there are several."""
    path = tmp_path / "field.vtu"
    write_vtu(path, u=np.arange(4.0), sigma=np.full(4, 0.1))
    data = read_field(path, 2, None)
    np.testing.assert_array_equal(data.points, [[0, 0], [1, 0], [0, 1], [1, 1]])
    np.testing.assert_array_equal(data.values, np.arange(4.0))
    np.testing.assert_array_equal(data.sigma, 0.1)
    write_vtu(path, u=np.arange(4.0), other=np.ones(4))
    np.testing.assert_array_equal(read_field(path, 2, "other").values, 1.0)


BAD_XDMF = {
    "</Grid>": ("</Gri>", r":9: found text that is not XML \(mismatched tag\)"),
    '"4 2"': ('"4 x"', r": the geometry: found the Dimensions '4 x', expected whole numbers > 0"),
    '"4 1"': ('"5 1"', r": the attribute 'u': found 4 numbers, expected 5, as many as its Dimensions"),
    ">0.1 0.2": (">0.1 zwei", r": the attribute 'u': found 'zwei', expected a number"),
    'XML">0.1 0.2 0.3 0.2': (
        'HDF">u.h5',
        r".*u': found 'u\.h5' for numbers in an HDF5 file, expected its name,",
    ),
    'XML">0.1 0.2 0.3 0.': (f'HDF">{"u" * 300}:/u ', r".*u': found 'uuu.*, which cannot be read \(no file"),
    'XML">0.1 0.2 0.3': ('HDF">u.h5:/u ', r".*u': found 'u\.h5', which cannot be read \(no file"),
}


@pytest.mark.parametrize("old", BAD_XDMF)
def test_bad_xdmf_is_told_by_line_or_item(tmp_path: Path, old: str) -> None:
    """What is no XML by its line, numbers by whose they are."""
    new, told = BAD_XDMF[old]
    path = tmp_path / "field.xdmf"
    path.write_text(FIELD.replace(old, new, 1))
    with pytest.raises(DataError, match=rf"field\.xdmf{told}"):
        read_field(path, 2, None)


def test_an_hdf5_file_that_is_none_is_told(tmp_path: Path) -> None:
    """With the file and the dataset, in words of no library."""
    path = tmp_path / "stored.xdmf"
    path.write_text(STORED)
    for content, reason in (
        (HDF5[:100], "it is no HDF5 file"),
        (HDF5.replace(b"nodes", b"knots"), "it has no"),
    ):
        (tmp_path / "field.h5").write_bytes(content)
        with pytest.raises(DataError) as caught:
            read_field(path, 2, None)
        (told,) = caught.value.problems
        assert f"{path}: the geometry: found 'field.h5', which cannot be read ({reason}" in told
        assert "/nodes" in told and "PETSC" not in told.upper()
    (tmp_path / "field.h5").write_bytes(HDF5)
    assert read_field(path, 2, None).values.tolist() == [0.1, 0.2, 0.3, 0.2]


def test_bad_fields_are_told(tmp_path: Path) -> None:
    """No array, several, a wrong name, other dimensions, values that are not finite, and files of no kind."""
    path = tmp_path / "field.vtu"
    cases = [
        ({}, None, 2, "found no array of numbers at the nodes"),
        ({"v": np.ones((4, 3))}, None, 2, "found no array of numbers at the nodes"),
        ({"u": np.ones(4), "w": np.ones(4)}, None, 2, "found the arrays u, w, expected the key array"),
        ({"velocity": np.ones(4)}, "velocty", 2, r"found no array 'velocty'.*did you mean 'velocity'"),
        ({"u": np.ones(4)}, None, 1, "found nodes in 3 dimensions, expected 1"),
        ({"u": np.full(4, np.nan)}, None, 2, "u: found values that are not finite"),
        ({"u": np.ones(4), "sigma": np.zeros(4)}, None, 2, "sigma: found values that are not > 0"),
    ]
    for arrays, name, dimension, text in cases:
        write_vtu(path, **arrays)
        with pytest.raises(DataError, match=text):
            read_field(path, dimension, name)
    for content, place in (("<Xdmf", ":1"), ("<Xdmf></Xdmf>", "")):
        other = tmp_path / "field.xdmf"
        other.write_text(content)
        with pytest.raises(DataError, match=f"{other}{place}: found"):
            read_field(other, 2, None)
    table = tmp_path / "field.csv"
    table.write_bytes(struct.pack("d", 1.0))
    with pytest.raises(DataError, match="found no mesh file"):
        read_field(table, 2, None)


def test_arrays_of_words_are_no_fields(tmp_path: Path) -> None:
    """A VTU file may hold some beside its field, and some in place of numbers."""
    path = tmp_path / "field.vtu"
    write_vtu(path, u=np.arange(4.0), names=np.array(["a", "b", "c", "d"]))
    np.testing.assert_array_equal(read_field(path, 2, None).values, np.arange(4.0))
    with pytest.raises(DataError, match="found no array 'names'"):
        read_field(path, 2, "names")


def test_a_reader_that_crashes_or_hangs_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What libraries do with corrupt bytes ends with their own process."""
    path, script = tmp_path / "field.vtu", tmp_path / "reader.py"
    path.write_bytes(b"?")
    monkeypatch.setattr(foreign, "__file__", str(script))
    for does, says in {
        "import os; os.abort()": "its reader crashed",
        "import time; time.sleep(60)": "its reader was not done",
        "import sys; sys.exit('bad block')": "bad block",
        "pass": "its reader crashed",
    }.items():
        script.write_text(does)
        monkeypatch.setattr(foreign, "SECONDS", 0.5 if "sleep" in does else 60.0)
        with pytest.raises(DataError, match=says):
            read_field(path, 2, None)
