"""What every finished run leaves behind, whatever it recovered: the contracts of the results folder."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from program import CHOOSING, COARSE, JOBS, QUICKSTART, Job, Run, run_here, same

from app.case import load_case

Titled = Callable[[str], Run]

SUMMARY = {
    "status", "stop_reason", "energy", "misfit", "misfit_target", "regularisation", "regularisation_kind",
    "regularisation_weight", "length_scale", "cross_validation", "candidates", "noise_level", "chi2",
    "relative_error", "alignment", "capture", "parameters", "widths", "outer_iterations", "inner_iterations",
    "expansions", "rejected_trials", "krylov_vectors", "state_solves", "linear_solves", "state_rhs",
    "adjoint_rhs", "incremental_rhs", "block_rhs", "block_seconds", "riesz_solves", "selection_riesz_solves",
    "factorisations", "ranks", "coefficient_dofs", "state_dofs", "edge_share", "wall_seconds", "seconds",
    "peak_memory_mb", "versions", "commit", "seed", "solvers", "posterior", "verdict",
}  # fmt: skip
"""Keys of summary.json that other programs may rely on."""

STAGES = {
    "startup", "compile", "assembly", "solve", "krylov", "selection", "jacobian", "flow_matrix", "retraction",
    "expansion", "posterior", "chains", "output", "other",
}  # fmt: skip
"""Keys of `seconds`."""

COLUMNS = (
    "iteration", "energy", "misfit", "regularisation", "weight", "relative_error", "alignment", "capture",
    "vectors", "lambda", "trials", "width", "parameters", "state_solves", "linear_solves", "inner_iterations",
    "seconds", "grown", "gain_predicted", "gain_seen", "pruned",
)  # fmt: skip
"""Columns of history.csv."""

FIELDS = {
    "m", "exp_m", "state", "gradient", "truth", "error", "std", "std_prior", "resolved",
    "exp_m_5", "exp_m_95",
}  # fmt: skip

everywhere = pytest.mark.parametrize("title", JOBS)


@everywhere
def test_run_converges_and_says_nothing_on_stderr(titled: Titled, title: str) -> None:
    """Exit code 0 at the minimum of what the data chose or, by discrepancy, at the target; standard error is
    for errors."""
    run = titled(title)
    assert run.code == 0, run.err
    assert run.err == ""
    reason = "minimum" if title in CHOOSING else "discrepancy"
    assert (run.summary["status"], run.summary["stop_reason"]) == ("converged", reason)
    # 300 readings fluctuate by a twelfth, and a fit uses up some degrees of freedom.
    most = 1.2 if title in CHOOSING else 1.0
    assert run.summary["misfit"] <= most * run.summary["misfit_target"]


@everywhere
def test_choice_is_told_where_there_was_one(titled: Titled, title: str) -> None:
    """Picture, candidates and lines; the summary's regularisation is the chosen candidate's. Elsewhere
    nothing of it."""
    run = titled(title)
    summary, chose = run.summary, title in CHOOSING
    assert (run.folder / "choice.png").exists() == chose
    assert (" by leave-one-out" in run.out) == chose
    assert (summary["cross_validation"] is not None) == chose
    chosen = [each for each in summary["candidates"] if each["chosen"]]
    assert len(chosen) == chose and len(summary["candidates"]) >= 5 * chose
    for each in chosen:
        assert each["kind"] == summary["regularisation_kind"]
        assert each["score"] == summary["cross_validation"]
        assert each["weight"] == pytest.approx(summary["regularisation_weight"])
        assert (each["length_scale"], each["edge_share"]) == (summary["length_scale"], summary["edge_share"])
    # Blocks of right-hand sides are those of sketches of J: the case's number of them, or fewer.
    assert (summary["block_rhs"] > 0) == chose
    if chose:
        assert summary["block_rhs"] >= 2 * summary["misfit_target"]


@everywhere
def test_summary_holds_every_key_of_the_contract(titled: Titled, title: str) -> None:
    """summary.json has all names that others rely on and says on how many ranks it was made."""
    summary = titled(title).summary
    assert summary.keys() >= SUMMARY
    assert summary["ranks"] == JOBS[title].ranks
    assert summary["versions"].keys() >= {"python", "torch", "numpy"}


@everywhere
def test_seconds_add_up_to_the_wall_time(titled: Titled, title: str) -> None:
    """The stages are exclusive, none is negative, and none is missing from the sum."""
    summary = titled(title).summary
    assert summary["seconds"].keys() == STAGES
    assert min(summary["seconds"].values()) >= 0
    assert sum(summary["seconds"].values()) == pytest.approx(summary["wall_seconds"], rel=1e-9)


@everywhere
def test_linear_solves_are_the_sum_of_their_parts(titled: Titled, title: str) -> None:
    """Every right-hand side is of one kind, and each state solve is one of them and one factorisation."""
    summary = titled(title).summary
    parts = ("state_rhs", "adjoint_rhs", "incremental_rhs", "block_rhs")
    assert summary["linear_solves"] == sum(summary[part] for part in parts)
    assert summary["state_rhs"] == summary["state_solves"] == summary["factorisations"]
    # Two right-hand sides a Krylov vector, one of them incremental.
    assert summary["incremental_rhs"] >= summary["krylov_vectors"] > 0


@everywhere
def test_misfit_is_told_in_three_ways_that_agree(titled: Titled, title: str) -> None:
    """target = tau^2 n / 2 with tau = 1, chi2 = 2 misfit / n, energy = misfit + regularisation."""
    summary = titled(title).summary
    readings = 2 * summary["misfit_target"]
    assert readings == int(readings)
    assert summary["chi2"] == pytest.approx(2 * summary["misfit"] / readings, rel=1e-12)
    assert summary["energy"] == pytest.approx(summary["misfit"] + summary["regularisation"], rel=1e-12)


@everywhere
def test_history_has_the_columns_of_the_contract(titled: Titled, title: str) -> None:
    """history.csv: its columns in their order, one row an outer iteration counted from 0."""
    run = titled(title)
    assert tuple(run.history[0]) == COLUMNS
    assert [row["iteration"] for row in run.history] == list(range(run.summary["outer_iterations"] + 1))


@everywhere
def test_growth_is_explained(titled: Titled, title: str) -> None:
    """expansions.csv, of networks only: as many rounds as the summary counts, each with what fell below its
    threshold, and the last of an iteration with why it was the last; the widths of history.csv follow. The
    round that no step was accepted after is not told."""
    run = titled(title)
    explained = run.folder / "expansions.csv"
    assert explained.exists() == (run.folder / "expansion.png").exists() == bool(run.summary["widths"])
    if not explained.exists():
        return
    with explained.open(newline="") as file:
        rounds = list(csv.DictReader(file))
    assert len(rounds) == run.summary["expansions"] > 0
    for each, following in zip(rounds, [*rounds[1:], None], strict=True):
        assert float(each["before"]) < float(each["threshold"])
        assert float(each["missing"]) > float(each["missing_threshold"])
        assert float(each["predicted"]) > 0 and int(each["candidates"]) >= int(each["neurons"]) > 0
        same_iteration = following is not None and following["iteration"] == each["iteration"]
        assert each["ended"] or same_iteration
    for before, after in pairwise(run.history):
        own = [int(each["neurons"]) for each in rounds if int(each["iteration"]) == after["iteration"]]
        assert after["grown"] == sum(own)
        assert after["width"] == before["width"] + after["grown"] - after["pruned"]


@everywhere
def test_history_adds_up_to_the_summary(titled: Titled, title: str) -> None:
    """The last row holds the summary's figures, the columns of single iterations add up to its totals."""
    run = titled(title)
    last, summary = run.history[-1], run.summary
    for column in (
        "energy", "misfit", "regularisation", "relative_error", "parameters", "state_solves",
        "linear_solves", "inner_iterations",
    ):  # fmt: skip
        told = math.nan if summary[column] is None else summary[column]
        assert last[column] == pytest.approx(told, nan_ok=True), column
    for column in ("alignment", "capture"):  # of the last iteration with an accepted step
        known = [row[column] for row in run.history if not math.isnan(row[column])]
        assert summary[column] == pytest.approx(known[-1]), column
    assert last["weight"] == pytest.approx(summary["regularisation_weight"])
    assert last["width"] == sum(summary["widths"])
    assert sum(row["vectors"] for row in run.history) == summary["krylov_vectors"]
    assert sum(row["trials"] for row in run.history) == summary["rejected_trials"]
    assert last["seconds"] <= summary["wall_seconds"]


@everywhere
def test_cumulative_columns_never_fall(titled: Titled, title: str) -> None:
    """Solves, inner iterations and seconds count from the start of the run."""
    rows = titled(title).history
    for column in ("state_solves", "linear_solves", "inner_iterations", "seconds"):
        assert (np.diff([row[column] for row in rows]) >= 0).all(), column


@everywhere
def test_alignment_and_capture_are_shares(titled: Titled, title: str) -> None:
    """Both lie in [0, 1] wherever they are known."""
    for row in titled(title).history[1:]:
        for column in ("alignment", "capture"):
            assert math.isnan(row[column]) or 0 <= row[column] <= 1 + 1e-9, column  # 1e-9: rounding


@everywhere
def test_start_is_the_reference(titled: Titled, title: str) -> None:
    """Iteration 0 is m = m_ref = 0, whose relative error is 1, at the cost of one solve."""
    first = titled(title).history[0]
    assert first["relative_error"] == pytest.approx(1, abs=1e-9)  # the reference of both cases is 0
    assert first["state_solves"] == first["linear_solves"] == 1


@everywhere
def test_fields_hold_the_named_arrays(titled: Titled, title: str) -> None:
    """fields.pvd opens with one finite value a node of each array, on any number of pieces."""
    run = titled(title)
    assert set(run.grid.point_data.keys()) >= FIELDS
    assert len(list(run.folder.glob("*.vtu"))) == JOBS[title].ranks
    for name in FIELDS:
        assert np.isfinite(run.field(name)).all(), name
    # Nodes on the border between two pieces are in both.
    assert len(run.field("m")) >= run.summary["state_dofs"]


@everywhere
def test_fields_are_the_functions_that_their_names_say(titled: Titled, title: str) -> None:
    """exp_m = exp(m) and error = m - truth at the nodes, and u = 0 is attained and not all there is."""
    run = titled(title)
    m = run.field("m")
    assert np.abs(run.field("exp_m") / np.exp(m) - 1).max() < 1e-12
    assert np.abs(run.field("error") - (m - run.field("truth"))).max() < 1e-12
    # Both cases have a positive source and inflow: by the maximum principle no minimum inside. P2 may
    # undershoot by the discretisation error.
    state = run.field("state")
    assert state.min() > -1e-3 * state.max() and state.max() > 0


def test_relative_error_is_that_of_the_fields(run_of: Callable[[Job], Run]) -> None:
    """The summary's error is that of the fields to rounding, where the truth is one that they hold: m, which
    is piecewise linear, and a linear truth."""
    linear = "unknowns.m.truth=x - 2*y + 1"
    run = run_of(Job(QUICKSTART, (COARSE, linear, "flow.max_iterations=2")))
    nodes = run.grid.cells.reshape(run.grid.n_cells, -1)[:, 1:]
    assert nodes.shape[1] == 6  # quadratic triangles: corners, then the middles of the edges
    areas = run.grid.compute_cell_sizes(length=False, volume=False).cell_data["Area"]

    def norm(name: str) -> float:
        """By the rule of the edges' middles, exact for the squares of linear functions."""
        return math.sqrt(float(areas @ (run.field(name)[nodes[:, 3:]] ** 2).mean(axis=1)))

    assert norm("error") / norm("truth") == pytest.approx(run.summary["relative_error"], rel=1e-9)


@everywhere
def test_picture_shows_something(titled: Titled, title: str) -> None:
    """coefficient.png is a PNG of at least 600 x 300 pixels and of many colours."""
    from matplotlib.image import imread

    path = titled(title).folder / "coefficient.png"
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = imread(path)
    assert pixels.shape[0] >= 300 and pixels.shape[1] >= 600
    colours = np.unique((255 * pixels[::4, ::4, :3]).astype(int).reshape(-1, 3), axis=0)
    assert len(colours) > 100  # a text on white has a few dozen greys


@everywhere
def test_a_report_is_written(titled: Titled, title: str) -> None:
    """report.html, first among what the run names, begins with what was asked and shows every picture."""
    run = titled(title)
    text = (run.folder / "report.html").read_text()
    assert len(text) < 3e6 and "was asked to recover m, the logarithm of the diffusivity" in text
    assert text.count("<img ") == len([path for path in run.folder.glob("*.png") if path.stat().st_size])
    assert f"results in {run.folder}: report.html, " in run.out


@everywhere
def test_output_is_plain_lines_one_an_iteration(titled: Titled, title: str) -> None:
    """To a pipe go no control characters: a heading, a line for each row, and where the results are."""
    run = titled(title)
    assert "\x1b" not in run.out and "\r" not in run.out
    rows = [line for line in run.out.splitlines() if re.match(r" *\d+  ", line)]
    assert [int(line.split()[0]) for line in rows] == [row["iteration"] for row in run.history]
    for heading in ("energy", "misfit", "error", "align", "capture", "params", "vectors", "solves", "rhs"):
        assert heading in run.out
    assert str(run.folder) in run.out


@everywhere
def test_memory_of_a_rank_is_told(titled: Titled, title: str) -> None:
    """In megabytes: the imports alone take more than a hundred, and no machine has a million."""
    assert 100 < titled(title).summary["peak_memory_mb"] < 1e6


def test_rerun_of_the_effective_case_gives_the_same_history(titled: Titled, tmp_path: Path) -> None:
    """case.yaml of the results is a case of its own, from its own folder, that says the same."""
    first = titled("chosen on 1 rank")
    effective = first.folder / "case.yaml"
    assert load_case(effective).name == "quickstart"
    again = run_here(effective, out=tmp_path / "again")
    assert again.code == 0 and len(again.history) == len(first.history)
    for before, after in zip(first.history, again.history, strict=True):
        for column in set(COLUMNS) - {"seconds"}:
            assert same(before[column], after[column], 1e-12), column
    assert load_case(again.folder / "case.yaml") == load_case(effective)
