"""Runs leave what their states say, go on from what they have saved, and can be told to end."""

import csv
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from small import ALONE, COMM, SMALL
from states import assert_same, bare, states_of

from app import output
from app.cli.exits import INTERRUPTED, of_run
from app.flow import FlowState
from app.output.history import cells
from app.problem import Problem
from app.problem.fit import report as fit_report
from app.run import Options, read_state, run, save_state, write_results

TIMES = {"seconds"}
"""Columns of history.csv that differ from run to run."""

QUIET = Options(quiet=True)

pytestmark = pytest.mark.usefixtures("undrawn")


def folder_of(shared_tmp_path: Path, name: str) -> Path:
    """An empty folder for results, the same on all ranks."""
    folder = shared_tmp_path / name
    if COMM.rank == 0:
        folder.mkdir()
    COMM.barrier()
    return folder


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name not in TIMES} for row in csv.DictReader(file)
        ]


def coefficient(folder: Path) -> bytes:
    """What was found, to the last bit."""
    names = ("coefficient.safetensors", "network.safetensors")
    return b"".join((folder / name).read_bytes() for name in names if (folder / name).exists())


def check_alike(found: Path, expected: Path) -> None:
    """Results of one run and of another: to the last bit on one rank, and of nodal values to 1e-6 in the
    history on several."""
    if ALONE:
        assert history(found) == history(expected)
        assert coefficient(found) == coefficient(expected)
        return
    for row, wanted in zip(history(found), history(expected), strict=True):
        for name in ("iteration", "parameters", "trials", "vectors"):
            assert row[name] == wanted[name]
        np.testing.assert_allclose(float(row["misfit"]), float(wanted["misfit"]), rtol=1e-6)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The results of a run that was left alone, made when they are first asked for."""
    made: dict[str, Path] = {}

    def results(name: str) -> Path:
        if name not in made:
            made[name] = COMM.bcast(tmp_path_factory.mktemp("whole") if COMM.rank == 0 else None)
            with SMALL[name].built() as problem:
                run(problem, made[name], QUIET)
        return made[name]

    return results


@pytest.mark.parametrize("name", ["network", "two unknowns", "convex"] if ALONE else ["convex"])
def test_a_run_leaves_what_its_states_say(
    shared_tmp_path: Path, undrawn: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """history.csv has the cells of the records and the summary their sums; the last checkpoint is the last
    state; `--overwrite` removes every file that was written."""
    folder = folder_of(shared_tmp_path, "results")
    for picture, draw in undrawn.items():
        monkeypatch.setattr(output, picture, draw)
    with SMALL[name].built() as problem:
        summary = run(problem, folder, QUIET)
        _, last, _ = read_state(problem, folder)
        sums = output.records_summary(last.records) | output.work_summary(last.spent)
    assert COMM.allgather(summary["stop_reason"]) == [last.stop_reason] * COMM.size
    if COMM.rank:
        return
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert {key: summary[key] for key in sums if key != "widths"} == {
        key: value for key, value in sums.items() if key != "widths"
    }
    rows = history(folder)
    assert len(rows) == len(last.records)
    for index, row in enumerate(rows):
        told = {key: cell for key, cell in cells(last.records, index).items() if key not in TIMES}
        assert row == {key: "" if cell is None else str(cell) for key, cell in told.items()}
    output.prepare(folder, Path("elsewhere") / "case.yaml", overwrite=True)
    assert [path.name for path in folder.iterdir()] == ["history.csv"]


def saved(problem: Problem, state: FlowState, folder: Path) -> FlowState:
    """The state as it was read again after it was written."""
    save_state(problem, state, folder)
    _, again, warnings = read_state(problem, folder)
    assert warnings == ()
    return again


@pytest.mark.parametrize(
    "name", ["nodal", "two unknowns", "lagged R chosen"] if ALONE else ["lagged R chosen"]
)
def test_a_checkpoint_is_the_state(shared_tmp_path: Path, name: str) -> None:
    """Of every state of a run, to the last bit; another problem of the same case reads it as well."""
    folder = folder_of(shared_tmp_path, "results")
    with SMALL[name].built() as problem, SMALL[name].built() as other:
        states = states_of(problem)
        for state in states:
            assert_same(saved(problem, state, folder), bare(state))
        _, again, _ = read_state(other, folder)
        assert_same(again, bare(states[-1]))


def before_the_selection(state: FlowState) -> bool:
    return state.stage == "selection"


def after_one(state: FlowState) -> bool:
    return len(state.records) > 1


def in_the_minimisation(state: FlowState) -> bool:
    return state.stage == "minimisation" and len(state.records) > 1


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("network", before_the_selection),
        ("network", in_the_minimisation),
        ("lagged R chosen", in_the_minimisation),
        ("in time", in_the_minimisation),
        ("convex", after_one),
    ]
    if ALONE
    else [("nodal", in_the_minimisation)],
)
def test_a_run_that_was_killed_goes_on(
    shared_tmp_path: Path, whole: Callable[[str], Path], name: str, there: Callable[[FlowState], bool]
) -> None:
    """From the state that it had saved, in another problem: with the same history and the same coefficient as
    the run that was left alone."""
    expected, broken = whole(name), folder_of(shared_tmp_path, "broken")
    with SMALL[name].built() as problem:
        state = problem.start()
        while not there(state):
            state = problem.advance(state)
        save_state(problem, state, broken)
    with SMALL[name].built() as problem:
        again, state, _ = read_state(problem, broken)
        run(again, broken, QUIET, state)
    if COMM.rank == 0:
        check_alike(broken, expected)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] if ALONE else [signal.SIGTERM], ids=str)
def test_a_run_that_is_told_to_end_goes_on_later(
    shared_tmp_path: Path, whole: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It ends as interrupted with the last whole iteration and all results, and goes on from there."""
    name = "network" if ALONE else "nodal"
    expected, broken = whole(name), folder_of(shared_tmp_path, "broken")
    told = output.History.state

    def tell_and_kill(self: output.History, state: FlowState) -> None:
        told(self, state)
        if state.iteration == 2:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch, SMALL[name].built() as problem:
        patch.setattr(output.History, "state", tell_and_kill)
        summary = run(problem, broken, QUIET)
    assert (summary["stop_reason"], summary["status"]) == ("interrupted", "interrupted")
    assert summary["outer_iterations"] == 2
    if COMM.rank == 0:
        assert (broken / "summary.json").exists() and coefficient(broken)
    with SMALL[name].built() as problem:
        again, state, _ = read_state(problem, broken)
        assert state.iteration == 2
        run(again, broken, QUIET, state)
    if COMM.rank == 0:
        check_alike(broken, expected)


def test_a_run_stops_before_its_time_is_over(shared_tmp_path: Path, whole: Callable[[str], Path]) -> None:
    """With the reason `time_limit`, with results, and it goes on when there is more time."""
    expected, short = whole("nodal"), folder_of(shared_tmp_path, "short")
    with SMALL["nodal"].built() as problem:
        summary = run(problem, short, Options(quiet=True, minutes=1e-9))
    assert (summary["stop_reason"], summary["status"]) == ("time_limit", "stopped")
    assert summary["outer_iterations"] == 0
    with SMALL["nodal"].built() as problem:
        again, state, _ = read_state(problem, short)
        summary = run(again, short, Options(quiet=True, minutes=60.0), state)
    assert summary["status"] == "converged"
    if COMM.rank == 0:
        check_alike(short, expected)


def test_a_checkpoint_of_another_case_is_refused(shared_tmp_path: Path) -> None:
    """On all ranks, with the keys that differ."""
    folder = folder_of(shared_tmp_path, "results")
    with SMALL["network"].built() as problem:
        save_state(problem, problem.start(), folder)
    message = r"found .* differs in .*representation.*, expected"
    with SMALL["nodal"].built() as problem, pytest.raises(output.NoCheckpoint, match=message):
        read_state(problem, folder)


def test_a_checkpoint_that_is_damaged_is_told_and_not_used(shared_tmp_path: Path) -> None:
    """The one before it is; where none is whole, or there is none, that is an error."""
    folder = folder_of(shared_tmp_path, "results")
    with SMALL["network"].built() as problem:
        with pytest.raises(output.NoCheckpoint, match="found no checkpoint"):
            read_state(problem, folder)
        states = states_of(problem)
        for state in states[:3]:
            save_state(problem, state, folder)
        COMM.barrier()
        kept = sorted((folder / "checkpoint").iterdir())
        assert len(kept) == 2
        for number, (path, expected) in enumerate(zip(reversed(kept), (1, None), strict=True)):
            file = path / ("arrays.safetensors", "state.json")[number]
            if COMM.rank == 0:
                content = file.read_bytes()
                file.write_bytes(content[:-1] if number else content[:-1] + bytes([content[-1] ^ 1]))
            COMM.barrier()
            if expected is None:
                with pytest.raises(output.NoCheckpoint, match="damaged"):
                    read_state(problem, folder)
                continue
            _, state, warnings = read_state(problem, folder)
            assert_same(state, bare(states[expected]))
            assert len(warnings) == 1 and "arrays.safetensors was altered" in warnings[0]


def test_each_file_that_is_missing_is_named(shared_tmp_path: Path) -> None:
    """In the summary with why, and in what the run ends with; pictures and a report that cannot be made in
    the summary and the output only. What could be written is there."""
    folder, lost = folder_of(shared_tmp_path, "results"), output.Losses()
    if COMM.rank == 0:
        for name in ("network.safetensors", "coefficient.safetensors"):
            (folder / name).mkdir()  # so that no file can take its place
    COMM.barrier()
    with SMALL["network"].built() as problem, pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "draw_fields", lambda *_, **__: "no graphics")
        patch.setattr(output, "write_report", Mock(side_effect=ValueError("no words")))
        state = states_of(problem)[0]
        _, told = write_results(problem, state, "interrupted", folder, lost)
    unseen, unsaid = told
    assert unseen == f"no picture {folder / 'coefficient.png'}: no graphics"
    assert unsaid == f"no {folder / 'report.html'}: no words"
    written = json.loads((folder / "summary.json").read_text())["unwritten"]
    assert list(written) == [
        "network.safetensors",
        "coefficient.safetensors",
        "coefficient.png",
        "report.html",
    ]
    with pytest.raises(output.Unwritten, match=r"network\.safetensors, coefficient\.safetensors \("):
        lost.check(folder)
    assert (folder / "network.json").exists() and (folder / "fields.pvd").exists()


def test_a_verdict_that_fails_loses_nothing(shared_tmp_path: Path) -> None:
    """The results are there, the summary without it, and it is said."""
    folder, lost = folder_of(shared_tmp_path, "results"), output.Losses()
    with SMALL["network"].built() as problem, pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_report, "verdict", Mock(side_effect=ValueError("no judge")))
        state = states_of(problem)[0]
        summary, told = write_results(problem, state, "interrupted", folder, lost)
    assert told == ["no verdict on the fit: no judge"] and "verdict" not in summary
    lost.check(folder)
    assert "verdict" not in json.loads((folder / "summary.json").read_text())
    assert of_run(summary) == INTERRUPTED and (folder / "network.json").exists()


@pytest.mark.parametrize("name", ["network", "convex"] if ALONE else ["convex"])
def test_results_are_those_of_a_state(shared_tmp_path: Path, name: str) -> None:
    """Written for a state that was read again, they are those written for the state itself."""
    one, other = (folder_of(shared_tmp_path, each) for each in ("one", "other"))
    with SMALL[name].built() as problem:
        state = states_of(problem)[2]
        summaries = [
            write_results(problem, given, "interrupted", folder, output.Losses())[0]
            for given, folder in ((state, one), (bare(state), other))
        ]
    for key in set(summaries[0]) - {"wall_seconds", "seconds", "peak_memory_mb"}:
        assert summaries[0][key] == summaries[1][key] or not ALONE, key
    if ALONE:
        assert coefficient(one) == coefficient(other)
