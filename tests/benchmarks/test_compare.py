"""The comparison: command lines, what is kept, what is withheld, and the report on made-up runs."""

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.case import load_case
from benchmarks import compare, figures, report
from benchmarks.bars import Bar, all_bars
from benchmarks.compare import ROOT, Job, collect, planned, run_all, withhold_sigma
from benchmarks.measures import Suite, against_training, share, to_target, without_block
from benchmarks.methods import CASES, METHODS, command


def made_up(
    case: str = "quickstart", method: str = "default", seed: int | None = 0, **changes: Any
) -> dict[str, Any]:
    """A run that converged, with changes to its summary."""
    summary = {
        "status": "converged", "stop_reason": "minimum", "misfit": 145.0, "misfit_target": 150.0,
        "relative_error": 0.15, "state_solves": 8, "linear_solves": 340, "block_rhs": 300,
        "block_seconds": 1.0, "single_seconds": 0.32, "adjoint_rhs": 7, "incremental_rhs": 25,
        "factorisations": 8, "wall_seconds": 9.0, "parameters": 277, "rejected_trials": 0,
        "regularisation_kind": "bilaplacian", "length_scale": 0.5, "state_dofs": 16641,
        "regularisation_weight": 2.5, "widths": [69],
    }  # fmt: skip
    history = {
        "misfit": [6e4, 900.0, 140.0], "linear_solves": [1.0, 20.0, 340.0], "seconds": [4.0, 5.0, 9.0],
        "state_solves": [1.0, 2.0, 8.0], "relative_error": [1.0, 0.5, 0.15],
        "parameters": [17.0, 100.0, 277.0],
    }  # fmt: skip
    return {
        "case": case, "method": method, "seed": seed, "command": [], "elapsed": 9.5, "failed": None,
        "summary": summary | changes, "history": history, "folder": "",
    }  # fmt: skip


def bar(runs: Sequence[dict[str, Any]], what: str) -> Bar:
    """The bar whose text begins so."""
    found = [each for each in all_bars(Suite(runs)) if each.what.startswith(what)]
    assert len(found) == 1, [each.what for each in found]
    return found[0]


class Fake:
    """A runner that leaves a summary, or fails where it is told to."""

    def __init__(self, failing: str = "nothing") -> None:
        self.commands: list[list[str]] = []
        self._failing = failing

    def __call__(self, words: Sequence[str], folder: Path) -> tuple[int, str]:
        """See compare.Runner."""
        assert not folder.exists()  # the program refuses a folder that holds anything
        if "warm-up" in folder.parts:
            return 0, ""
        self.commands.append(list(words))
        if self._failing in " ".join(words):
            return 1, "some lines\ninternal failure: broken\n\n"
        folder.mkdir(parents=True)
        (folder / "summary.json").write_text(json.dumps(made_up()["summary"]))
        (folder / "history.csv").write_text("misfit,linear_solves,relative_error\n60000,1,\n140,340,0.2\n")
        return 3, "stopped\n"


@pytest.mark.parametrize("case", CASES)
def test_every_method_fits_the_program(case: str) -> None:
    """What a method sets is a key and a value that the program takes."""
    earlier = {"regularisation_weight": 2.5, "widths": [69]}
    for method in METHODS.values():
        if case not in method.cases:
            continue
        words = command(method, case, 0 if method.wants(1) == [0] else None, earlier=earlier)
        settings = [word for flag, word in pairwise(words) if flag == "--set"]
        load_case(ROOT / "cases" / f"{case}.yaml", settings)


def test_commands_take_what_the_earlier_run_ended_with() -> None:
    """{weight} and {widths} are filled, and missed where they are unknown."""
    words = command(METHODS["newton_cg a"], "peer64", None, earlier={"regularisation_weight": 0.125})
    assert words == ["-m", "benchmarks.baselines", "newton_cg", "cases/peer64.yaml", "--weight", "0.125"]
    words = command(METHODS["fixed network"], "cube", 3, earlier={"widths": [52]})
    assert "unknowns.m.representation.hidden=[52]" in words and words[-1] == "seed=3"
    with pytest.raises(KeyError):
        command(METHODS["adam"], "peer64", 0, earlier={})


def test_plan_has_every_run_behind_the_one_it_needs() -> None:
    """Seeds are as many as asked for, methods without chance run once, earlier runs come earlier."""
    jobs = planned(CASES, list(METHODS), 5, withheld_seeds=3)
    assert [job.seed for job in jobs if job.case == "cube" and job.method == "default"] == [0, 1, 2, 3, 4]
    assert [job.seed for job in jobs if job.case == "cube" and job.method == "withheld"] == [0, 1, 2]
    assert [job.seed for job in jobs if job.case == "cube" and job.method == "newton_cg b"] == [None]
    assert {job.case for job in jobs if job.method == "peer"} == {"peer64"}
    for place, job in enumerate(jobs):
        assert job.after is None or job.after in jobs[:place]


def test_a_run_that_is_there_is_kept_only_with_the_same_command(tmp_path: Path) -> None:
    """--reuse skips what has results from the same command, and makes the rest."""
    jobs = planned(["sparse"], ["default", "nodal", "fixed network"], 2)
    first = Fake()
    run_all(jobs, tmp_path, runner=first)
    assert len(first.commands) == 5
    changed = tmp_path / "runs" / "sparse" / "default-1" / "run.json"
    changed.write_text(changed.read_text().replace("seed=1", "seed=7"))
    again = Fake()
    run_all(jobs, tmp_path, reuse=True, runner=again)
    assert len(again.commands) == 1 and again.commands[0][-1] == "seed=1"
    afresh = Fake()
    run_all(jobs, tmp_path, workers=2, runner=afresh)
    assert sorted(afresh.commands) == sorted(first.commands)


def test_a_failure_is_recorded_and_stops_nothing(tmp_path: Path) -> None:
    """The last line is the reason; what needs the run fails too, the rest goes on; reuse tries again."""
    jobs = planned(["sparse"], ["nodal h1", "newton_cg a", "newton_cg b"], 1)
    run_all(jobs, tmp_path, runner=Fake(failing="kind=nodal"))
    failed = {run["method"]: run["failed"] for run in collect(tmp_path)}
    assert failed == {
        "nodal h1": "internal failure: broken",
        "newton_cg a": "needs a run of nodal h1, which is not there",
        "newton_cg b": None,
    }
    assert "internal failure: broken" in "\n".join(report.failures(collect(tmp_path)))
    run_all(jobs, tmp_path, reuse=True, runner=(repaired := Fake()))
    assert len(repaired.commands) == 2
    assert all(run["failed"] is None for run in collect(tmp_path))
    assert collect(tmp_path)[0]["history"]["relative_error"] == [None, 0.2]


def test_sigma_is_withheld(tmp_path: Path) -> None:
    """The copy has the same points and values, and the run reads it."""
    copy = withhold_sigma(ROOT / "cases" / "data" / "lshape.csv", tmp_path / "lshape.csv")
    lines = (ROOT / "cases" / "data" / "lshape.csv").read_text().splitlines()
    assert copy.read_text().splitlines() == [line.rpartition(",")[0] for line in lines]
    run_all([Job("lshape", "withheld", 0)], tmp_path, runner=(fake := Fake()))
    assert f"observations.heads.file={tmp_path / 'data' / 'lshape.csv'}" in fake.commands[0]


def test_bars_are_blank_without_runs() -> None:
    """No run, no verdict and no crash."""
    assert all(each.met is None and each.seen == "" for each in all_bars(Suite([])))


def test_bars_are_met_and_missed() -> None:
    """Medians over the seeds within a case, then over the cases."""
    errors = {"quickstart": (0.1, 0.2, 0.4), "sparse": (0.3, 0.3, 0.3), "cube": (0.5, 0.5, 0.9)}
    runs = [
        made_up(case, "default", seed, relative_error=error)
        for case, three in errors.items()
        for seed, error in enumerate(three)
    ]
    runs += [made_up(case, "nodal h1", None, relative_error=0.4) for case in errors]
    by_what = {each.what: each for each in all_bars(Suite(runs))}
    against = by_what["error: default / nodal h1"]
    assert against.met and against.seen.startswith("0.750 (0.500 to 1.250 in 3 cases)")
    worst = by_what["error: default / nodal h1, the worst case"]
    assert worst.met is False and worst.seen == "1.25 (cube)"
    assert by_what["default: converged by its own stopping test"].seen == "9 of 9"
    runs[0]["failed"] = "broken"
    assert bar(runs, "default: converged").seen == "8 of 9" and bar(runs, "default: converged").met is False


def test_discrepancy_has_to_stop_near_the_target() -> None:
    """0.8 to 1 of the target, by discrepancy."""
    near = made_up(method="discrepancy", stop_reason="discrepancy")
    far = made_up(method="discrepancy", stop_reason="discrepancy", misfit=100.0)
    assert bar([near], "discrepancy: stop").met
    assert bar([near, far], "discrepancy: stop").seen == "1 of 2"


def test_a_block_counts_at_its_cost() -> None:
    """block_seconds over the seconds of a single one: 40 + 1.0 / (0.32 / 32) = 140."""
    suite = Suite([made_up()])
    assert without_block(made_up()) == 40
    assert suite.at_cost(made_up()) == pytest.approx(140)
    assert suite.at_cost(made_up(state_dofs=4225)) is None  # another mesh, whose cost is unknown
    assert suite.at_cost(made_up(block_rhs=0, block_seconds=0.0, state_dofs=4225)) == 340


def test_training_is_compared_at_equal_misfit() -> None:
    """The target, or our misfit if larger; a training that is not there counts 2000."""
    ours, theirs = made_up(method="default@32", misfit=140.0), made_up(method="lbfgs")
    theirs["history"] |= {"misfit": [6e4, 160.0, 150.0], "linear_solves": [2.0, 400.0, 680.0]}
    assert to_target(theirs, "linear_solves") == 680
    assert against_training(Suite([ours, theirs]), "default@32", "lbfgs", "linear_solves") == {
        "quickstart": 0.5
    }
    theirs["history"]["misfit"] = [6e4, 170.0, 155.0]
    ratios = against_training(Suite([ours, theirs]), "default@32", "lbfgs", "linear_solves")
    assert ratios == {"quickstart": 340 / 2000}


def test_random_growth_that_fails_counts_as_met() -> None:
    """Never at the target is infinitely many parameters."""
    gain = made_up(method="discrepancy", stop_reason="discrepancy", parameters=200)
    never = made_up(method="random growth", stop_reason="stalled", parameters=300)
    assert bar([gain, never], "parameters").met
    there = made_up(method="random growth", stop_reason="discrepancy", parameters=300)
    assert bar([gain, there], "parameters").met is False
    assert "0 of 1 cases" in bar([gain, there], "parameters").seen


def test_unknown_noise_has_no_share() -> None:
    """Without a target there is no misfit over target."""
    assert share(made_up(misfit_target=None)) is None


def test_report_and_figures_of_odd_runs(tmp_path: Path) -> None:
    """Failed, absent and bare runs have their place; files are written."""
    absent = made_up("peer64", "peer", None)
    absent["summary"] = {"status": "absent", "reason": "no such package"}
    absent["history"] = {}
    broken = made_up("peer64", "default", 1)
    broken |= {"failed": "broken", "summary": {}, "history": {}}
    oracle = made_up("peer64", "oracle", None, linear_solves=None, state_solves=None)
    oracle["history"] = {}
    runs = [made_up("peer64"), broken, absent, oracle, made_up("peer64", "withheld", misfit_target=None)]
    report.write(tmp_path, runs)
    figures.draw(tmp_path, runs)
    text = (tmp_path / "compare.md").read_text()
    assert "| default | 1 of 2 | minimum |" in text
    assert "- peer64, default, seed 1: broken" in text and "absent, no such package" in text
    assert len(json.loads((tmp_path / "runs.json").read_text())) == 5
    assert (tmp_path / "compare.png").exists() and (tmp_path / "compare-seconds.png").exists()


def test_command_line_reports_on_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--report-only runs nothing and ends well where no bar is missed."""
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    options = parser.parse_args(["--out", str(tmp_path), "--report-only"])
    assert compare.main(options) == 0
    assert "compare.md" in capsys.readouterr().out
