"""Columns, bars and records on made-up runs, and RESULTS.md as what is recorded says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import report, study
from benchmarks.bars import Bar
from benchmarks.columns import COLUMNS, Column
from benchmarks.harness import Job, Run, Store
from benchmarks.study import Case, Method, Study, load

ORIGIN = {"commit": "abc1234", "date": "2026-01-01", "machine": "a machine"}


def made_up(misfits: Sequence[float] = (6e4, 900.0, 145.0), **changes: Any) -> Run:
    """A run that converged, with changes to its summary."""
    run = Run(Job(case="cases/quickstart.yaml"), Path(), {"code": 0, "elapsed": 9.5, **ORIGIN})
    run.__dict__["summary"] = {
        "status": "converged", "stop_reason": "minimum", "misfit": misfits[-1], "misfit_target": 150.0,
        "relative_error": 0.15, "state_solves": 8, "linear_solves": 340, "block_rhs": 300,
        "block_seconds": 1.0, "single_seconds": 0.32, "adjoint_rhs": 7, "incremental_rhs": 25,
        "wall_seconds": 9.0, "seconds": {"compile": 2.0}, "parameters": 277, "state_dofs": 16641,
        "regularisation_kind": "bilaplacian", "length_scale": 0.5, **changes,
    }  # fmt: skip
    rows = zip(misfits, (1.0, 20.0, 340.0), (4.0, 5.0, 9.0), (17.0, 100.0, 277.0), strict=True)
    names = ("misfit", "linear_solves", "seconds", "parameters")
    run.__dict__["history"] = [dict(zip(names, row, strict=True)) for row in rows]
    return run


def seen(bar: Bar, runs: dict[tuple[str, str], list[Run]]) -> tuple[str, str]:
    """What the bar says of runs by case and method, and whether it is met."""
    cells = bar.cells(list(dict.fromkeys(case for case, _ in runs)), lambda *at: runs.get(at, []))
    return cells["seen"], cells["met"]


def measure(name: str, *runs: Run) -> Any:
    return COLUMNS[name].measure(*runs)


def test_block_counts_at_its_cost() -> None:
    """block_seconds over the seconds of a single one: 40 + 1.0 / (0.32 / 32) = 140."""
    ours, other = made_up(), made_up(state_dofs=4225, single_seconds=0.0)
    assert measure("rhs single", ours) == 40 and measure("rhs, block at cost", ours) == pytest.approx(140)
    assert measure("rhs, block at cost", other) is None  # another mesh, whose cost is unknown
    assert measure("rhs, block at cost", made_up(block_rhs=0)) == 340


def test_compiling_is_not_counted() -> None:
    assert measure("seconds", made_up()) == 7.0 and measure("seconds from command to end", made_up()) == 7.5


def test_training_is_compared_at_equal_misfit() -> None:
    """The target, or our misfit if larger; a training that is not there counts 2000."""
    ours, there = made_up((6e4, 900.0, 140.0)), made_up((6e4, 160.0, 150.0))
    assert measure("rhs to equal misfit", ours, there) == 1.0
    assert measure("rhs to equal misfit", made_up((6e4, 900.0, 160.0)), there) == 340 / 20
    assert measure("rhs to equal misfit", ours, made_up((6e4, 170.0, 155.0))) == 340 / 2000


def test_growth_is_compared_at_equal_size() -> None:
    """The least distance with no more parameters than the other ends with; of zero it is 1."""
    assert measure("distance at that size", made_up(), made_up(parameters=200)) == (900 / 6e4) ** 0.5
    assert measure("distance at that size", made_up(), made_up(parameters=10)) is None


def test_histories_are_compared() -> None:
    """Seconds aside, by the relative difference; other decisions are told."""
    one, other, third = made_up(), made_up(), made_up()
    for run, width, seconds in ((one, 4, 1.0), (other, 4, 2.0), (third, 8, 1.0)):
        run.__dict__["history"] = [
            {"misfit": 2.0, "seconds": seconds, "vectors": 1.0, "width": width, "trials": 0.0}
        ]
    assert measure("early difference", one, other) == 0.0 and measure("same decisions", one, other)
    assert measure("early difference", one, third) == 0.5 and not measure("same decisions", one, third)


def test_unknown_is_blank() -> None:
    """Without a target there is no misfit over target; of several unknowns each has its error."""
    assert measure("misfit / target", made_up(misfit_target=None)) is None
    assert Column().show(None) == "" and Column().cell([None]) is None
    assert measure("error", made_up(relative_error={"k": 0.15857, "r": 0.1051})) == "0.1586 of k, 0.1051 of r"


def test_several_values_make_a_cell() -> None:
    """Median, least and greatest; one where they do not differ or are written alike; words are counted."""
    column = Column(form=".1f")
    assert column.show(column.cell([1.0, 3.0, 2.5])) == "2.5 [1.0–3.0]"
    assert column.show(column.cell([2.0, 2.01])) == "2.0" and column.cell([2, 2]) == 2
    assert column.cell(["a", "b", "a"]) == "a ×2, b ×1" and column.cell(["a", "a"]) == "a"
    assert Column(total=True).cell([1, 2]) == 3


CASES = {"a": (0.1, 0.2, 0.4), "b": (0.3, 0.3, 0.3), "c": (0.5, 0.5, 0.9)}
RUNS = {(case, "ours"): [made_up(relative_error=error) for error in errors] for case, errors in CASES.items()}
RUNS |= {(case, "theirs"): [made_up(relative_error=0.4)] for case in CASES}


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        (Bar("", "error", "ours", "theirs", most=0.8), ("0.750 (0.500 to 1.250 in 3 cases)", "yes")),
        (Bar("", "error", "ours", "theirs", "worst", most=1.2), ("1.250 (c)", "**no**")),
        (Bar("", "error", "ours", over="worst", most=0.9), ("0.9000 (c)", "yes")),
        (Bar("", "error", "ours", over="each", least=0.2, most=1.0), ("0.1000 to 0.9000", "**no**")),
        (Bar("", "error", ("ours", "theirs"), cases=("a",), least=0.3), ("0.3000", "yes")),
        (Bar("", "converged", "ours", over="all"), ("9 of 9", "yes")),
        (Bar("", "by discrepancy", "ours", over="all"), ("0 of 9", "**no**")),
        (Bar("", "parameters at target", "theirs", "ours", cases=("a",), most=2.0), ("nan", "**no**")),
        (
            Bar("", "error / other", "ours", "theirs", "each", cases=("a",), most=0.9),
            ("0.250 to 1.000", "**no**"),
        ),
        (Bar("", "error / other", "ours", "theirs", cases=("a",), most=0.9), ("0.500", "yes")),
        (Bar("", "error", "nobody", "theirs", most=0.8), ("", "")),
    ],
)
def test_bars_are_met_and_missed(bar: Bar, expected: tuple[str, str]) -> None:
    """Medians over the runs within a case, then over the cases; nothing is said of what was not run."""
    assert seen(bar, RUNS) == expected


def test_pairs_are_of_the_same_data() -> None:
    """Each draw with its own reference: 0.1 / 0.2 and 0.4 / 0.4 are 0.75 in the middle."""
    runs: dict[tuple[str, str], list[Run]] = {("a", "ours"): [], ("a", "theirs"): []}
    for draw, ours, theirs in (("1", 0.1, 0.2), ("2", 0.4, 0.4)):
        for method, error in (("ours", ours), ("theirs", theirs)):
            run = made_up(relative_error=error)
            run.job = replace(run.job, data=Job("data", options=("draw", draw, "a")))
            runs["a", method].append(run)
    bar = Bar("", "error / other", "ours", "theirs", most=0.8)
    assert seen(bar, runs) == ("0.750", "yes")
    assert seen(replace(bar, over="each"), runs) == ("0.500 to 1.000", "**no**")


def test_exponent_is_the_slope_in_logarithms() -> None:
    """Of seconds 2 N^1.5, whatever else is run; of a single case there is none."""
    runs = {
        (str(dofs), "ours"): [made_up(state_dofs=dofs, wall_seconds=2 + 2 * dofs**1.5)]
        for dofs in (100, 200, 900)
    }
    bar = Bar("", "seconds", "ours", over="exponent", most=1.15, form=".2f")
    assert seen(bar, runs) == ("1.50", "**no**")
    assert seen(replace(bar, cases=("100",)), runs) == ("", "")


def test_what_was_done_on_the_finest_mesh() -> None:
    """The last of the levels, or all; stages are shares of the seconds, none where one is not told."""
    levels = made_up(levels=[{"linear_solves": 300}, {"linear_solves": 4}])
    assert measure("finest rhs", levels) == 4 and measure("finest rhs", made_up()) == 340
    spent = {"compile": 2.0, "jacobian": 1.0, "flow_matrix": 0.5, "retraction": 1.5, "expansion": 0.5}
    assert measure("share of the network", made_up(seconds=spent)) == 0.5
    assert measure("share of the selection", made_up(seconds=spent)) is None


def test_random_growth_that_fails_counts_as_met() -> None:
    """Never at the target is infinitely many parameters."""
    bar = Bar("", "parameters at target", "gain", "random", most=0.5)
    gain = made_up(stop_reason="discrepancy", parameters=200)
    assert seen(bar, {("a", "gain"): [gain], ("a", "random"): [made_up()]}) == ("0.000", "yes")
    random = made_up(stop_reason="discrepancy", parameters=300)
    assert seen(bar, {("a", "gain"): [gain], ("a", "random"): [random]}) == ("0.667", "**no**")


STUDY = Study("a", dict.fromkeys("ab", Case()), {"x": Method(), "y": Method(set=("a=1",))}, ("error", "stop"),
              (Bar("all converge", "converged", "x", over="all"),))  # fmt: skip


def record(case: str, method: str, error: float, commit: str, table: str = "") -> dict[str, Any]:
    cells = {"case": case, "method": method, "runs": 1, "error": error}
    return {"table": table, "commit": commit, "date": "2026-01-01", "machine": "m", "cells": cells}


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of records, of a study."""
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    monkeypatch.setattr(study, "NAMES", ("compare",))
    monkeypatch.setattr(study, "load", lambda name: STUDY)
    (tmp_path / "head.md").write_text("# R\n")
    (tmp_path / "compare.md").write_text("## One\n\n<!-- table bars -->\n\nSaid.\n\n<!-- tables -->\n")
    return tmp_path


def test_new_figures_replace_those_of_their_rows_alone(records: Path) -> None:
    """Each table says at which commit, on which day and machine its figures were measured, the rows in the
    order of the study; other rows keep their origin."""
    old = [("b", "x", 0.5), ("a", "y", 0.25), ("a", "x", 1.0)]
    report.keep("compare", [record(*each, "old") for each in old])
    report.keep("compare", [record("a", "x", 0.125, "new")])
    assert report.text() == (
        "# R\n\n- Machine A: m\n\n## One\n\nSaid.\n\n"
        "| case | method | runs | error |\n| --- | --- | --- | --- |\n| a | x | 1 | 0.1250 |\n"
        "| a | y | 1 | 0.2500 |\n| b | x | 1 | 0.5000 |\n\n"
        "Measured at `new`, 2026-01-01, machine A (a x); all others at `old`, 2026-01-01, machine A.\n"
    )
    assert len((records / "compare.jsonl").read_text().splitlines()) == 3


def test_results_are_what_is_recorded() -> None:
    """RESULTS.md is `python -m benchmarks report`, byte for byte, and all its tables name a commit."""
    written = report.RESULTS.read_bytes()
    assert written == report.text().encode()
    assert "<!--" not in report.text()
    for name in study.NAMES:
        for each in report.read(name):
            assert each["commit"] and each["date"] and each["machine"], name


def test_records_are_rows_of_their_studies() -> None:
    """Their tables are the study's, their labels its cases and methods, no two of them the same."""
    for name in study.NAMES:
        known, found = load(name), report.read(name)
        keys = [(each["table"], *report.labels(each, known)) for each in found]
        assert len(set(keys)) == len(keys), name
        for table, *told in keys:
            assert table in ("", "bars", *known.cases), (name, table)
            assert table == "bars" or set(told) <= {*known.cases, *known.methods}, (name, told)


def test_study_is_run_reported_and_recorded(
    records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command to RESULTS.md and the picture; a second time nothing is run; what failed is told by
    the exit code. Of a part of the study neither bars nor a picture are kept."""
    commands: list[list[str]] = []

    def execute(words: Sequence[str], log: Path) -> dict[str, Any]:
        commands.append(list(words))
        log.write_text("broken\n")
        results = Path(words[-1])
        results.mkdir(parents=True)
        (results / "summary.json").write_text(json.dumps(made_up().summary))
        (results / "history.csv").write_text("misfit,seconds\n60000,1\n145,2\n")
        failed = "cases/b.yaml" in words
        return {"code": 1 if failed else 0, "elapsed": 9.0, "peak_memory_mb": 1.0}

    picture = tmp_path / "picture.png"
    drawn = replace(STUDY, figure={"file": str(picture), "x": "seconds", "y": "misfit"})
    monkeypatch.setattr(command, "load", lambda name, file="", quick=False, large=False: drawn)
    monkeypatch.setattr(command, "Store", lambda root: Store(root, execute))
    monkeypatch.setattr(report, "RESULTS", tmp_path / "RESULTS.md")
    words = ["compare", "--seeds", "2", "--store", str(tmp_path / "store")]
    assert command.main([*words, "--cases", "a", "--record"]) == 0
    assert len(commands) == 4 and "| a | x | 2 | 0.1500 |" in capsys.readouterr().out
    assert "| a | y | 2 | 0.1500 |" in (tmp_path / "RESULTS.md").read_text()
    assert "all converge" not in (tmp_path / "RESULTS.md").read_text() and not picture.exists()
    assert command.main([*words, "--cases", "a"]) == 0 and len(commands) == 4
    assert command.main([*words, "--record"]) == 1 and picture.stat().st_size > 0
    assert "failed: broken" in capsys.readouterr().out
    assert "| all converge | all |  | 2 of 2 | yes |" in (tmp_path / "RESULTS.md").read_text()
    picture.unlink()
    drawn = replace(drawn, figure={"file": str(picture), "x": "state dofs", "y": "seconds", "family": True})
    command.main([*words, "--record"])
    assert picture.stat().st_size > 0


def test_case_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are."""
    with pytest.raises(SystemExit) as ended:
        command.main(["compare", "--cases", "quickstrat"])
    assert ended.value.code == 2
    assert "--cases: found quickstrat, expected one of quickstart, inclusions" in capsys.readouterr().err


def test_studies_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its sentence."""
    with pytest.raises(SystemExit):
        command.main(["--help"])
    told = capsys.readouterr().out
    assert all(f"  {name} " in told and load(name).what in told for name in study.NAMES)
