"""summary.json: what a run was, in names and numbers that other programs rely on."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from mpi4py import MPI
from rows import record

from app.output import records_summary, resources, status, work_summary, write_json

STATUS = [
    ("discrepancy", True, "converged"),
    ("minimum", True, "converged"),
    ("minimum", False, "converged"),
    ("noise_not_met", True, "stopped"),
    ("stalled", True, "stopped"),
    ("stalled", False, "converged"),
    ("no_accepted_step", True, "stopped"),
    ("no_accepted_step", False, "stopped"),
    ("max_iterations", True, "stopped"),
    ("max_iterations", False, "stopped"),
    ("time_limit", True, "stopped"),
    ("error", True, "failed"),
    ("tolerance", True, "converged"),
    ("interrupted", True, "interrupted"),
    ("interrupted", False, "interrupted"),
]


@pytest.mark.parametrize(("reason", "target_known", "expected"), STATUS)
def test_status_follows_from_the_reason(reason: str, target_known: bool, expected: str) -> None:
    """Convergence is meeting the stopping test; a stall meets it only where there was no target."""
    assert status(reason, target_known=target_known) == expected  # type: ignore[arg-type]


def test_records_add_up() -> None:
    """Totals are sums over the iterations, the rest is the last iteration's."""
    records = [
        record(iteration=0, energy=None, vectors=0, expansions=0, trials=0, inner_iterations=0),
        record(iteration=1, vectors=2, expansions=1, trials=3, inner_iterations=3),
        record(
            iteration=2, vectors=5, expansions=2, trials=0, inner_iterations=9, widths=(8,),
            energy=7.0, misfit=4.0, regularisation=3.0, weight=0.5, relative_error=0.1,
        ),
    ]  # fmt: skip
    summary = records_summary(records)
    assert (summary["krylov_vectors"], summary["expansions"], summary["rejected_trials"]) == (7, 3, 3)
    assert (summary["outer_iterations"], summary["inner_iterations"]) == (2, 12)
    assert (summary["energy"], summary["misfit"], summary["regularisation"]) == (7.0, 4.0, 3.0)
    assert (summary["regularisation_weight"], summary["relative_error"]) == (0.5, 0.1)
    assert summary["widths"] == [8]


def test_resources_are_those_of_this_process() -> None:
    """One rank; its stages add up; its memory is that of a process that has loaded DOLFINx."""
    used = resources(MPI.COMM_SELF, {"seconds_solve": 2.0, "seconds_output": 0.5, "state_solves": 7})
    assert used["ranks"] == 1
    assert (used["seconds"], used["wall_seconds"]) == ({"solve": 2.0, "output": 0.5}, 2.5)
    assert used["peak_memory_mb"] > 50  # Python with NumPy alone takes about 30
    assert used["versions"]["python"].startswith("3.")


def test_work_is_what_was_counted() -> None:
    """Every count by its name; seconds are told elsewhere."""
    assert work_summary({"state_solves": 3, "seconds_solve": 0.5, "riesz_solves": 0}) == {
        "state_solves": 3,
        "riesz_solves": 0,
    }


def test_several_errors_are_told_by_name() -> None:
    """As JSON takes them."""
    errors = {"kappa": 0.3, "q": 0.4}
    told = records_summary([record(relative_error=errors)])["relative_error"]
    assert json.loads(json.dumps(told)) == errors


def test_json_is_written_whole(tmp_path: Path) -> None:
    """What was written is read back, and no other file is left."""
    path = tmp_path / "summary.json"
    path.write_text("old")
    write_json(path, {"energy": 0.1, "relative_error": None, "widths": [4]})
    assert json.loads(path.read_text()) == {"energy": 0.1, "relative_error": None, "widths": [4]}
    assert path.read_text().endswith("\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]


@pytest.mark.parametrize("content", [{"energy": math.nan}, {"energy": math.inf}, {"energy": object()}])
def test_failed_write_leaves_the_earlier_file(tmp_path: Path, content: dict[str, object]) -> None:
    """What JSON cannot hold raises, with the earlier file as it was and no piece of the new one."""
    path = tmp_path / "summary.json"
    path.write_text("old")
    with pytest.raises((ValueError, TypeError)):
        write_json(path, content)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]
