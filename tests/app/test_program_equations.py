"""Equations and roles beside log-diffusivity, from the command to the fields: what only a whole run shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from program import ROOT, run_here

COARSE = ("--set", "mesh.cells=[12, 12]")
"""A mesh on which these cases take a few seconds and still converge."""

FIELDS = {
    "reaction": {"m", "exp_m", "state", "gradient", "truth", "error"},
    "boundary_flux": {"m", "state", "gradient"},  # the truth of a trace is none inside
    "elastic": {"m", "exp_m", "state", "gradient", "truth", "error"},
    "cooling": {"m", "state", "gradient", "truth", "error", "initial temperature"},
    "heat_pinnacle": {"m", "state", "gradient", "truth", "error"},
    "cubic": {"m", "state", "gradient", "truth", "error"},
}
"""Fields of a case's results beside those of its posterior: eᵐ only where the equation takes it so."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
def test_a_case_converges_and_writes_what_its_role_has(tmp_path: Path, name: str) -> None:
    """Exit code 0; the error is well below that of the reference, which is 1; the state meets its conditions,
    and Newton's steps are counted."""
    words = ROOT / "cases" / f"{name}.yaml", "--allow-code", "--quiet", *COARSE
    run = run_here(*words, out=tmp_path / "results")
    assert (run.code, run.err) == (0, "")
    assert run.summary["relative_error"] < 0.8
    physical = "exp_m" if "exp_m" in FIELDS[name] else "m"
    sure = {"std", "std_prior", "resolved", f"{physical}_5", f"{physical}_95"}
    phases = run.summary.get("phases", {}).get("number", 0)
    sure |= {f"{of}_{number + 1}" for number in range(phases) for of in ("phase", "probability")}
    assert {field for field in run.grid.point_data if not field.startswith("vtk")} == FIELDS[name] | sure
    assert (run.folder / "coefficient.png").exists()
    if name == "elastic":  # its foot does not move, what presses and shears it does so
        points, moved = run.grid.points, run.field("state")
        assert moved.shape == (len(points), 3) and not moved[:, 2].any()
        np.testing.assert_allclose(moved[np.isclose(points[:, 1], 0)], 0, atol=1e-12)
        across, down, _ = moved[np.isclose(points[:, 1], 1)].mean(axis=0)
        assert across > 0 > down
    if name == "heat_pinnacle":  # the state at each step, where u = exp(-t) sin(pi x) sin(pi y)
        np.testing.assert_allclose(run.times, np.linspace(0, 1, 11), atol=1e-12)
        for time in run.times:
            grid = run.grid_at(time)
            x, y, u = *grid.points[:, :2].T, grid.point_data["state"]
            exact = np.exp(-time) * np.sin(np.pi * x) * np.sin(np.pi * y)
            assert np.linalg.norm(u - exact) < 0.1 * np.linalg.norm(exact)
            np.testing.assert_array_equal(grid.point_data["m"], run.field("m"))
    if name == "cubic":  # its file says u = x/2 on the rim
        x, u = run.grid.points, run.field("state")
        rim = np.isclose(x[:, 1], 0)
        np.testing.assert_allclose(u[rim], 0.5 * x[rim, 0], atol=1e-12)
        assert run.summary["factorisations"] > run.summary["state_rhs"] > run.summary["state_solves"]
