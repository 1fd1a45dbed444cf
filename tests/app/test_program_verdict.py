"""The last lines of a run say whether its fit is as good as the noise allows, and the exit code follows."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from program import NODAL, ROOT, Run, run_here, settings

SPARSE = ROOT / "cases" / "sparse.yaml"

SIGMA = 0.00570765
"""Of the shipped readings."""

FEW = "mesh.cells=[10,10]", NODAL


@pytest.fixture
def readings(tmp_path: Path) -> str:
    """The shipped ones without their sigma, of which case says that."""
    rows = np.loadtxt(ROOT / "cases" / "data" / "sparse.csv", delimiter=",", skiprows=1)
    np.savetxt(tmp_path / "heads.csv", rows[:, :3], delimiter=",", header="x,y,value", comments="")
    return f"observations.heads.file={tmp_path / 'heads.csv'}"


def run(readings: str, folder: Path, noise: str, *overrides: str) -> Run:
    said = (readings, f"observations.heads.noise={noise}")
    return run_here(SPARSE, *settings(*FEW, *said, *overrides), out=folder / "results")


CASES = {
    "as it is": (f"{{kind: absolute, sigma: {SIGMA}}}", 0, "good"),
    "ten times too small": (f"{{kind: absolute, sigma: {SIGMA / 10}}}", 3, "worse"),
    "a guess": (f"{{kind: absolute, sigma: {SIGMA / 10}, guess: true}}", 0, "worse"),
    "ten times too large": (f"{{kind: absolute, sigma: {10 * SIGMA}}}", 0, "too_good"),
    "found": ("absolute", 0, "noise_found"),
}
"""The noise that the case says, the exit code, and the verdict."""


@pytest.mark.parametrize("title", CASES)
def test_the_verdict_is_the_last_that_is_said(readings: str, tmp_path: Path, title: str) -> None:
    """And in the summary; every reading stands in fit.csv with its residual, and there is a picture."""
    noise, code, kind = CASES[title]
    done = run(readings, tmp_path, noise)
    assert done.code == code, done.out + done.err
    verdict = done.summary["verdict"]
    assert verdict["kind"] == kind
    lines = done.out.splitlines()
    last = lines.index(f"verdict: {verdict['sentence']}")
    assert all(line.startswith("  ") for line in lines[last + 1 :])
    with (done.folder / "fit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    residuals = np.array([float(row["residual"]) for row in rows])
    assert len(rows) == 50 and np.mean(residuals**2) == pytest.approx(verdict["chi2"], rel=1e-6)
    assert (done.folder / "fit.png").exists()
