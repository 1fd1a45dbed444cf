"""fit.csv and fit.png: every reading beside its prediction, whatever was read and however many there are."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fits import fit, noise
from mpi4py import MPI

from app.output import Series, draw_fit, write_fit
from app.output import fit as tables

TWO = (Series("north", "heads", "a.csv"), Series("south", "flow", "b.csv"))

KINDS: dict[str, tuple[int, dict[str, Any], set[str]]] = {
    "on a line": (1, {}, {"x"}),
    "in the plane": (2, {}, {"x", "y"}),
    "in space": (3, {}, {"x", "y", "z"}),
    "on a line, in time": (1, {"times": np.linspace(0, 2, 30)}, {"x", "t"}),
    "on parts": (2, {"points": np.full((30, 2), np.nan), "parts": ("left", "all") * 15}, {"part"}),
    "electrodes": (
        2,
        {
            "electrodes": np.arange(120).reshape(30, 4) + 1,
            "factors": np.ones(30),
            "logarithmic": np.ones(30, dtype=bool),
        },
        {"a", "b", "m", "n", "k"},
    ),
    "two experiments, of other sizes": (
        2,
        {
            "series": TWO,
            "of": np.repeat([0, 1], 15),
            "read": np.r_[np.linspace(1, 2, 15), np.linspace(1e3, 4e3, 15)],
        },
        {"x", "y"},
    ),
    "one reading thirty times": (2, {"read": np.ones(30), "predicted": np.ones(30)}, {"x", "y"}),
}
"""Dimension, what is different, and the columns that say where."""


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_a_reading(tmp_path: Path, kind: str) -> None:
    """Who, where, what was read and predicted: the residual is their difference in standard deviations."""
    dimension, changes, places = KINDS[kind]
    given = fit(noise(30), dimension, **changes)
    write_fit(tmp_path / "fit.csv", given)
    rows = rows_of(tmp_path / "fit.csv")
    always = {"experiment", "observation", "file", "line", "scale", "read", "predicted", "sigma", "residual"}
    assert len(rows) == 30 and set(rows[0]) == always | places
    assert [row["observation"] for row in rows] == [given.series[i].observation for i in given.of]
    np.testing.assert_allclose([float(row["residual"]) for row in rows], given.residual, rtol=1e-8)
    assert given.place(3)


@pytest.mark.parametrize("kind", KINDS)
def test_it_can_be_drawn(tmp_path: Path, kind: str) -> None:
    """In every dimension, in time, by parts; a reading that all are alike of has a range too."""
    dimension, changes, _ = KINDS[kind]
    path = tmp_path / "fit.png"
    given = fit(noise(30), dimension, **changes)
    assert draw_fit(MPI.COMM_SELF, path, given, np.array([np.zeros(dimension), np.ones(dimension)])) is None
    assert path.stat().st_size > 20_000


def test_many_readings_are_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The farthest are all there, the others evenly; of few nothing is left out."""
    given = fit(noise(1000))
    monkeypatch.setattr(tables, "MOST_ROWS", 100)
    write_fit(tmp_path / "fit.csv", given)
    lines = [int(row["line"]) for row in rows_of(tmp_path / "fit.csv")]
    farthest = given.lines[np.argsort(-np.abs(given.residual))[:10]]
    assert len(lines) == 100 and lines == sorted(set(lines)) and set(farthest) <= set(lines)
    assert np.diff(lines).max() < 30
    assert len(given.spread_out(1000)) == 1000


def test_logarithms_and_the_number_of_a_part_are_told(tmp_path: Path) -> None:
    """The scale on which sigma and residual are, and the place in words."""
    given = fit(noise(4), logarithmic=np.array([True, False, True, False]))
    write_fit(tmp_path / "fit.csv", given)
    assert [row["scale"] for row in rows_of(tmp_path / "fit.csv")] == ["log", "linear"] * 2
    on_parts = fit(noise(2), points=np.full((2, 2), np.nan), parts=("left", "7"), times=np.array([0.5, 1.0]))
    assert on_parts.place(1) == "7, t = 1"
