"""Readings in the unified data format: what is right is read in any layout, what is wrong has its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.case import DataError
from app.data import read_readings

HEAD = "4# Number of sensors\n#x y\n0 0\n1 0\n1 1\n0 1\n"


@pytest.fixture
def ohm_file(tmp_path: Path) -> Path:
    return tmp_path / "data.ohm"


LAYOUTS = {
    "voltage and current": HEAD
    + "2# Number of data\n#a b m n i u\n1 2 3 4 5e-005 -0.001\n2 3 4 1 0.001 0.01\n",
    "resistance": HEAD + "2\n# a b m n r\n1 2 3 4 -20\n2 3 4 1 10\n",
    "apparent and factor": HEAD + "2\n# a b m n rhoa k\n1 2 3 4 100 -5\n2 3 4 1 50 5\n",
    "order, further columns, units": HEAD
    + "2\n#n m b a ip/mrad u/mV i/mA err/%\n4 3 2 1 7 -1 .05 3\n1 4 3 2 7 10 1 3\n0\n",
    "tabs, comments, CRLF": HEAD.replace(" ", "\t").replace("\n", "\r\n")
    + "\r\n2# data\r\n# a\tb\tm\tn\tr/Ohm\r\n1 2 3 4 -20 # first\r\n# second\r\n\r\n2 3 4 1 10",
    "not valid, whatever is wrong": HEAD
    + "6\n# a b m n r valid\n1 2 3 4 -20 1\n1 2 3 4 nan 0\n1 1 9 4 2 0.0\n1 2 3 4 0 0\n"
    + "- - - - * 0\n2 3 4 1 10 1\n",
    "not valid": HEAD + "3\n# a b m n r valid\n1 2 3 4 -20 1\n1 3 2 4 9 0\n2 3 4 1 10 1\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_does_not_matter(ohm_file: Path, layout: str) -> None:
    """Columns in any order, in any unit, with comments, give the same readings, electrodes counted from 0."""
    ohm_file.write_bytes(LAYOUTS[layout].encode())
    data = read_readings(ohm_file)
    np.testing.assert_array_equal(data.electrodes, [[0, 0], [1, 0], [1, 1], [0, 1]])
    np.testing.assert_array_equal(data.abmn, [[0, 1, 2, 3], [1, 2, 3, 0]])
    assert data.resistances is not None and data.apparent is None
    np.testing.assert_allclose(data.resistances, [-20, 10], rtol=1e-12)
    if "err" in LAYOUTS[layout]:
        np.testing.assert_allclose(data.errors, 0.03)
    assert (data.voltages is not None) == ("i u" in LAYOUTS[layout] or "u/mV" in LAYOUTS[layout])
    lines = ohm_file.read_text().splitlines()
    assert lines[data.lines[1] - 1].split()[:4] in (["2", "3", "4", "1"], ["1", "4", "3", "2"])
    with pytest.raises(ValueError, match="read-only"):
        data.abmn[0, 0] = 1


def test_apparent_resistivities_alone_are_kept_as_such(ohm_file: Path) -> None:
    """Without geometric factors nobody can tell the resistances; positions may have three coordinates."""
    ohm_file.write_text(
        "2\n# x y z\n0 0 0\n1 0 2\n1\n# a b m n rhoa\n1 2 2 1 100\n".replace("1 2 2 1", "1 2 3 4")
    )
    with pytest.raises(DataError, match="m: found 3, expected an electrode from 1 to 2"):
        read_readings(ohm_file)
    ohm_file.write_text("4\n# x y z\n0 0 0\n1 0 2\n0 1 0\n1 1 1\n1\n# a b m n rhoa\n1 2 3 4 100\n")
    data = read_readings(ohm_file)
    assert data.resistances is None and data.apparent is not None
    assert data.apparent[0] == 100 and data.electrodes.shape == (4, 3)


ONE = HEAD + "1\n#a b m n r\n"

BAD = {
    "": ["{}: found an empty file, expected a file in the unified data format"],
    "many\n# x y\n": ["{}:1: found 'many', expected the number of sensors, an integer > 0"],
    "root:x:0:0\n": ["{}:1: found other text, expected the number of sensors, an integer > 0"],
    "\u00b2\n# x y\n": ["{}:1: found '\u00b2', expected the number of sensors, an integer > 0"],
    "9" * 5000 + "\n# x y\n": ["{}:1: found '999999999999999999999999999999999999..., expected the number"],
    "4\n0 0\n": ["{}:2: found '0 0', expected a line such as # x y"],
    "4\n#u v\n": ["{}:2: found the columns u v, expected x y, x z or x y z"],
    "2\n#x y\n0 a\n1\n1\n": [
        "{}:3: y: found 'a', expected a finite number",
        "{}:4: found 1 cells, expected 2",
    ],
    "3\n#x y\n0 0\n1 1": ["{}:4: found the end of the file, expected 3 positions, of which 2 were there"],
    HEAD: ["{}:7: found the end of the file, expected the number of data"],
    HEAD + "2\n#a b m n r\n1 2 3 4 5\n": [
        "{}:10: found the end of the file, expected 2 readings, of which 1"
    ],
    HEAD + "1\n1 2 3 4 5\n": ["{}:8: found '1 2 3 4 5', expected a line such as # a b m n i u"],
    HEAD + "1\n#a b m r\n1 2 3 5\n": ["{}:8: found the columns a b m r, expected also n"],
    HEAD + "1\n#a b m n u\n1 2 3 4 5\n": [
        "{}:8: found the columns a b m n u, expected also u and i, r, or rhoa"
    ],
    HEAD + "1\n#a b m n r/kg\n1 2 3 4 5\n": ["{}:8: found 'r/kg', expected r in one of ohm"],
    HEAD + "1\n#a a b m n r\n1 1 2 3 4 5\n": ["{}:8: found two columns 'a', expected one"],
    ONE + "1 2 3 4\n": ["{}:9: found 4 cells, expected 5 (a b m n r)"],
    ONE + "1 2 3 5 1\n": ["{}:9: n: found 5, expected an electrode from 1 to 4"],
    ONE + "1 2 3.5 4 1\n": ["{}:9: m: found '3.5', expected an integer"],
    ONE + "1 0 3 4 1\n": ["{}:9: b: found 0 (an electrode at infinity), expected four electrodes"],
    ONE + "1 1 3 4 1\n": ["{}:9: found the electrodes 1 1 3 4, expected a and b apart, and m and n"],
    ONE + "1 2 2 4 1\n": [
        "{}:9: found the electrodes 1 2 2 4, expected no voltage at an electrode of the current"
    ],
    ONE + "1 2 3 4 nan\n": ["{}:9: r: found 'nan', expected a finite number"],
    ONE + "1 2 3 4 0\n": ["{}:9: r: found 0, expected a resistance other than 0"],
    HEAD + "1\n#a b m n u i\n1 2 3 4 1 0\n": ["{}:9: i: found 0, expected a current other than 0"],
    HEAD + "1\n#a b m n rhoa\n1 2 3 4 -1\n": ["{}:9: rhoa: found -1, expected an apparent resistivity > 0"],
    HEAD + "1\n#a b m n r err\n1 2 3 4 1 0\n": ["{}:9: err: found 0, expected an error > 0"],
    HEAD + "1\n#a b m n r valid\n1 2 3 4 1 0\n": ["{}: found no reading, expected at least one"],
    HEAD + "25\n#a b m n r\n" + "1 2 3 4 x\n" * 25: ["{}:9: r: found 'x'"] + [""] * 9 + ["... and 15 more"],
}


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[len(HEAD) :][:25] or text[:20])
def test_bad_data_is_told_by_its_line(ohm_file: Path, text: str) -> None:
    """Each problem names file:line and column; after ten the rest is counted."""
    ohm_file.write_text(text)
    with pytest.raises(DataError) as caught:
        read_readings(ohm_file)
    assert len(caught.value.problems) == len(BAD[text]), caught.value.problems
    for problem, start in zip(caught.value.problems, BAD[text], strict=True):
        assert problem.startswith(start.format(ohm_file)), problem
