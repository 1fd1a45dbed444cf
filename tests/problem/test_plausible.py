"""Numbers that cannot be are refused, and those that hardly can are told, with the likely cause."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from app.case import InputError, load_case
from app.problem import check

CASE = """\
mesh: {kind: rectangle, lower: [0, 0], upper: [10000, 8000], cells: [8, 8]}
equation:
  kind: diffusion
  source: "1e-6"
  boundary: {rim: {on: all, kind: dirichlet, value: "0"}}
unknowns: {m: {role: log_diffusivity}}
observations: {heads: {kind: points, file: heads.csv}}
"""

PLACES = np.random.default_rng(6).uniform(0.1, 0.9, (12, 2)) * [10000, 8000]


def told(
    folder: Path,
    overrides: Sequence[str] = (),
    places: np.ndarray = PLACES,
    sigma: float = 0.2,
    values: np.ndarray | None = None,
) -> list[str]:
    """What `--check` warns of, of readings at these places."""
    values = 4.0 + np.sin(np.arange(len(places))) if values is None else values
    table = np.column_stack([places, values, np.full(len(places), sigma)])
    np.savetxt(folder / "heads.csv", table, delimiter=",", header="x,y,value,sigma", comments="")
    (folder / "case.yaml").write_text(CASE)
    lines = check(load_case(folder / "case.yaml", overrides)).lines
    return [line for line in lines if line.startswith("warning")]


def refused(folder: Path, overrides: Sequence[str] = (), places: np.ndarray = PLACES) -> str:
    with pytest.raises(InputError) as error:
        told(folder, overrides, places)
    return str(error.value)


def test_what_is_in_order_is_not_spoken_of(tmp_path: Path) -> None:
    """Nor is a line of sensors, or two of them that are close to each other."""
    assert told(tmp_path) == []
    line = np.column_stack([np.linspace(1000, 9000, 5), np.full(5, 4000.0)])
    assert told(tmp_path, places=line) == []
    assert told(tmp_path, places=np.array([[2000.0, 2000.0], [2003.0, 2001.0]])) == []


def test_sensors_in_kilometres_are_refused(tmp_path: Path) -> None:
    """All are within a cell, and a thousand times their coordinates would fill the mesh."""
    says = refused(tmp_path, places=PLACES / 1000)
    assert "heads (heads.csv): found readings within a cell of the mesh" in says
    assert "a thousand times them would fill it" in says


def test_sensors_in_millimetres_are_outside_with_the_reason(tmp_path: Path) -> None:
    """Those outside are refused by their line anyway; the message has the cause where all would fit."""
    says = refused(tmp_path, places=PLACES * 1000)
    assert "heads.csv:2: point 1 at" in says and "lies outside the mesh" in says
    assert "all of the file would be inside with 0.001 times its coordinates: another unit?" in says
    outlier = PLACES.copy()
    outlier[3] *= 1000
    assert "another unit" not in refused(tmp_path, places=outlier)


def test_sensors_at_one_end_are_told(tmp_path: Path) -> None:
    """With the axis, the share, and both extents."""
    (warning,) = told(tmp_path, places=PLACES * [0.05, 1.0])
    assert "all readings lie within" in warning and "along x, from (" in warning


@pytest.mark.parametrize(
    "reference, says",
    [
        ("100", "found 100 for the natural logarithm of the diffusivity, which is 1e+43 then"),
        ("-80", "found -80 for the natural logarithm of the diffusivity, which is 1e-35 then"),
        ("100*exp(-x)", "found 100 for"),
    ],
)
def test_a_reference_that_is_no_logarithm_is_refused(tmp_path: Path, reference: str, says: str) -> None:
    """By its key; of a positive number the logarithm is told."""
    found = refused(tmp_path, [f"unknowns.m.reference={reference}"])
    assert "case.yaml:6: unknowns.m.reference" in found or "--set unknowns.m.reference" in found
    assert says in found and ("that of 100 is 4.605" in found) == ("100" in reference)


def test_an_unusual_reference_is_told(tmp_path: Path) -> None:
    """A resistivity of 1e13 Ωm is hardly meant; a hydraulic conductivity of clay, 1e-12 m/s, may be."""
    warnings = told(tmp_path, ["unknowns.m.reference=30"])
    assert "found 30 for the natural logarithm" in warnings[0] and "that of 30 is 3.401" in warnings[0]
    assert not any("logarithm" in each for each in told(tmp_path, ["unknowns.m.reference=-27.6"]))


@pytest.mark.parametrize(
    "sigma, says",
    [
        (3.0, "sigma of heads (3, median) is larger than the range of its readings"),
        (1e-7, "no instrument and no mesh is as exact"),
    ],
)
def test_sigma_is_compared_with_the_range(tmp_path: Path, sigma: float, says: str) -> None:
    """A hundred times too large, or beyond six digits."""
    assert any(says in each for each in told(tmp_path, sigma=sigma))


def test_a_misfit_of_a_million_targets_is_told(tmp_path: Path) -> None:
    """With how many times as large predictions are; so are predictions of another size where the noise is
    not large."""
    (warning,) = told(tmp_path, ["equation.source=1e-2"])
    assert "at the reference the predicted readings of heads are" in warning
    assert "times as large as those read" in warning
