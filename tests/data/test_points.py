"""CSV files of readings: what is right is read whatever its layout, what is wrong has its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.case import DataError
from app.data import read_points


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    return tmp_path / "data.csv"


LAYOUTS = {
    "plain": "x,y,value,sigma\n1,2,3,0.1\n4,5,6,1e-1\n",
    "order": "sigma,value,y,x\n0.1,3,2,1\n.1,6,5,4\n",
    "extra": "name,x,y,z,value,sigma\na,1,2,9,3,0.1\n,4,5,nan,6,0.1\n",
    "comments": "# made by hand\n\nx, y, value, sigma\n# first\n1, 2, 3, 0.1\n\n  \n4, 5, 6, 0.1",
    "old mac": "x,y,value,sigma\r1,2,3,0.1\r4,5,6,0.1\r",
    "windows": "\ufeffx,y,value,sigma\r\n1,2,3,0.1\r\n4,5,6,0.1\r\n",
    "quotes": '"x","y","value","sigma"\n"1","2","3","0.1"\n4,5,6,.1\n',
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_does_not_matter(csv_file: Path, layout: str) -> None:
    """Order, further columns, comments, BOM and CRLF give the same arrays."""
    csv_file.write_bytes(LAYOUTS[layout].encode())
    data = read_points(csv_file, 2)
    np.testing.assert_array_equal(data.points, [[1, 2], [4, 5]])
    np.testing.assert_array_equal(data.values, [3, 6])
    np.testing.assert_array_equal(data.sigma, [0.1, 0.1])
    assert data.points.dtype == data.values.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        data.values[0] = 1


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_dimension_and_sigma_are_as_the_file_has_them(csv_file: Path, dimension: int) -> None:
    """One row gives arrays of one row; without the column there is no sigma."""
    csv_file.write_text("x,y,z,value\n1,2,3,4\n")
    data = read_points(csv_file, dimension)
    assert data.points.shape == (1, dimension) and data.values.shape == (1,)
    assert data.sigma is None


BAD = {
    "": ["{}: found an empty file, expected a CSV file with the columns x, y, value"],
    "# c\n": ["{}:1: found no header, expected also x, y, value"],
    "x,y,value\n": ["{}: found no readings after the header, expected at least one"],
    "x,y,val\n1,2,3\n": ["{}:1: found the columns x, y, val, expected also value"],
    "# c\nx;y;value\n": ["{}:2: found the columns x;y;value, expected also x, y, value"],
    "x,x,y,value\n1,1,1,1\n": ["{}:1: found 2 columns 'x', expected one"],
    "x,y,value\n1,2,a\n": ["{}:2: value: found 'a', expected a number"],
    "x,y,value\n# c\n\n1,,3\n": ["{}:4: y: found an empty cell, expected a number"],
    "x,y,value\n1,2,nan\n1,inf,3\n": ["{}:2: value: found nan, expected a f", "{}:3: y: found inf"],
    "x,y,value\n1_0,2,1\n": ["{}:2: x: found '1_0', expected a number"],
    "x,y,value,sigma\n1,2,3,0\n1,2,3,-1\n": ["{}:2: sigma: found 0, expected a number > 0", "{}:3"],
    "x,y,value\n1,2\n1,2,3,4\n": ["{}:2: found 2 cells, expected 3 (the header)", "{}:3: found 4"],
    "x,y,value\n" + "a,1,1\n" * 25: ["{}:2: x: found 'a'"] + [""] * 9 + ["... and 15 more"],
}


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:20])
def test_bad_data_is_told_by_its_line(csv_file: Path, text: str) -> None:
    """Each problem names file:line and column; after ten the rest is counted."""
    csv_file.write_text(text)
    with pytest.raises(DataError) as caught:
        read_points(csv_file, 2)
    assert len(caught.value.problems) == len(BAD[text])
    for problem, start in zip(caught.value.problems, BAD[text], strict=True):
        assert problem.startswith(start.format(csv_file))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, csv_file: Path) -> None:
    """No file, a folder and bytes that are no text are told apart."""
    csv_file.write_bytes(b"x,y,value\n1,2,\xff\n")
    faults = {tmp_path / "none.csv": "no such file", tmp_path: "a directory", csv_file: ":2: found"}
    for path, fragment in faults.items():
        with pytest.raises(DataError, match=fragment):
            read_points(path, 2)


SECRETS = [
    "root:x:0:0:root:/root:/bin/bash",
    "hunter2",
    "user:$6$hash$,more",
    "key = 9f86d081884c7d65",
    "\x1b[31m,\x07",
]


@pytest.mark.parametrize("line", SECRETS)
def test_the_first_line_of_what_is_no_table_is_not_repeated(csv_file: Path, line: str) -> None:
    """It may be a file of passwords."""
    csv_file.write_text(f"{line}\n1\n")
    with pytest.raises(DataError) as caught:
        read_points(csv_file, 2)
    (problem,) = caught.value.problems
    assert problem == f"{csv_file}:1: found a first line without names of columns, expected also x, y, value"


def test_a_header_is_repeated_in_part(csv_file: Path) -> None:
    """On one line of a few characters, all printable."""
    csv_file.write_text("x,y,\x1b[31m" + "long,name," * 1000 + "\n1\n")
    with pytest.raises(DataError) as caught:
        read_points(csv_file, 2)
    (problem,) = caught.value.problems
    assert problem.isprintable() and len(problem) < len(str(csv_file)) + 100


def test_a_file_of_nothing_but_faults_is_not_read_to_its_end(csv_file: Path) -> None:
    """After a thousand it is known that it is no table."""
    csv_file.write_text("x,y,value\n" + "a,b,c\n" * 1000)
    with pytest.raises(DataError) as caught:
        read_points(csv_file, 2)
    assert len(caught.value.problems) == 11
    assert caught.value.problems[-1] == "... and 990 more, perhaps others behind them"
