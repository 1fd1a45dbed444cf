"""A variational problem from a case file to its folder."""

from __future__ import annotations

import numpy as np
import pytest
from program import Run, run_program

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


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The case on two ranks."""
    folder = tmp_path_factory.mktemp("ritz")
    path = folder / "plate.yaml"
    path.write_text(CASE)
    return run_program(path, out=folder / "results", ranks=2)


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
    wall = points[:, 0] == 0.0
    assert wall.sum() >= 13
    np.testing.assert_allclose(m[wall], 1 - points[wall, 1] / 3, rtol=1e-15)
    assert 0 < np.abs(error).max() < 0.01
    assert (run.folder / "coefficient.png").stat().st_size > 0
