"""A variational problem from a case file to its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from program import Run

from app.case import load_case
from app.problem import build
from app.run import Options
from app.run import run as carry_out

CASE = """\
mesh: {kind: rectangle, cells: [12, 12]}
energy:
  kind: ritz
  functional: semilinear
  source: "20*x"
  boundary:
    wall: {on: left, kind: dirichlet, value: "1 - y/3"}
    side: {on: top, kind: robin, value: 1, transfer: 2}
"""

EXACT = """\
mesh: {kind: interval, cells: 4}
energy:
  kind: ritz
  functional: reaction_diffusion
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, run_on_ranks: Callable[..., Run]) -> Run:
    """The case on three ranks."""
    folder = tmp_path_factory.mktemp("ritz")
    path = folder / "plate.yaml"
    path.write_text(CASE)
    return run_on_ranks(path, out=folder / "results")


def test_run_converges_without_a_solve(run: Run) -> None:
    assert run.code == 0, run.err
    assert run.summary["stop_reason"] == "tolerance"
    assert run.summary["distance"] <= 1.1e-3 and run.summary["distance_h1"] <= 3e-3
    assert run.summary["linear_solves"] == run.summary["state_solves"] == 0
    assert run.summary["energy"] >= run.summary["least_energy"]
    assert run.history[0]["width"] == 1


def test_fields_are_the_function_the_solution_and_their_difference(run: Run) -> None:
    """With the given values exactly."""
    m, solution, error = (run.field(name) for name in ("m", "solution", "error"))
    np.testing.assert_allclose(m - solution, error, atol=1e-13)
    points = np.asarray(run.grid.points)
    wall = np.isclose(points[:, 0], 0)
    assert wall.sum() >= 13
    np.testing.assert_allclose(m[wall], 1 - points[wall, 1] / 3, rtol=1e-14)
    assert 0 < np.abs(error).max() < 0.01
    assert (run.folder / "coefficient.png").exists()


@pytest.mark.parametrize("value", [0, "1 + x"])
def test_exact_start_has_converged(value: float | str, tmp_path: Path) -> None:
    """The lifting is the solution already, zero or not: no step leads away from it."""
    path = tmp_path / "exact.yaml"
    path.write_text(EXACT + f"  boundary: {{rim: {{on: all, kind: dirichlet, value: {value}}}}}\n")
    (tmp_path / "results").mkdir()
    with build(load_case(path), MPI.COMM_SELF) as problem:
        summary = carry_out(problem, tmp_path / "results", Options(quiet=True))
    assert summary["stop_reason"] == "tolerance" and summary["status"] == "converged"
    assert summary["distance"] in (None, 0.0) or summary["distance"] < 1e-9
    assert (tmp_path / "results" / "summary.json").is_file()
