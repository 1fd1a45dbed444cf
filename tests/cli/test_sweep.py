"""Sweeps: which runs they are, how they go on after an interruption, and what they tell."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import Mock

import pytest
from mpi4py import MPI

from app.__main__ import main
from app.cli import sweep
from app.cli.command import UsageError
from app.cli.grid import jobs_of, read_varied, split
from app.cli.rows import read_rows, row_of
from app.cli.sweeping import Launch, Sweep, alone_in, launch_on
from app.output.sweep import draw_sweep
from app.schema.problems import InputError

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="starts runs, serially")

CASE = """
mesh: {kind: interval, cells: 8}
equation: {kind: identity}
unknowns: {m: {role: value, truth: "x"}}
observations: {heads: {kind: points, file: heads.csv}}
regularisation: {m: {kind: h1, weight: 0.1}}
posterior: {kind: none}
flow: {max_iterations: 1}
"""

VARIED = ["seed=0,1", "observations.heads.noise.sigma=0.01,0.05"]


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case and its readings."""
    (tmp_path / "heads.csv").write_text("x,value\n0.2,0.21\n0.5,0.52\n0.9,0.87\n")
    (tmp_path / "case.yaml").write_text(CASE)
    return tmp_path / "case.yaml"


@dataclass
class Ended:
    """A run that was over at once."""

    code: int

    def poll(self) -> int:
        return self.code

    def send_signal(self, sig: int) -> None:
        raise AssertionError("found a signal for a run that has ended")


@dataclass
class Fake:
    """Runs that leave a summary, and remember their words."""

    codes: list[int] = field(default_factory=list)
    """Of the first ones; the others converge."""
    words: list[Sequence[str]] = field(default_factory=list)

    def __call__(self, words: Sequence[str], log: Path) -> Ended:
        self.words.append(words)
        code = self.codes.pop(0) if self.codes else 0
        folder = Path(words[words.index("--out") + 1])
        (folder / "checkpoint").mkdir(parents=True, exist_ok=True)
        status = {0: ("converged", "minimum"), 3: ("stopped", "stalled"), 130: ("interrupted", "interrupted")}
        if code in status:
            told = dict(zip(("status", "stop_reason"), status[code], strict=True))
            error = {"a": 3.0, "b": 4.0} if code == 3 else 0.25
            summary = {
                **told,
                "relative_error": error,
                "misfit": 2.0,
                "misfit_target": 1.0,
                "wall_seconds": 1.5,
            }
            (folder / "summary.json").write_text(json.dumps(summary))
        return Ended(code)


def swept(case: Path, fake: Launch, varied: Sequence[str] = VARIED, at_once: int = 2) -> tuple[Sweep, bool]:
    """A sweep of the case, and whether it came to its end."""
    folder = case.parent / "sweep"
    found = Sweep(case, folder, jobs_of(case, read_varied(varied), folder))
    return found, found.run(at_once, fake, lambda line: None)


@pytest.mark.parametrize(
    "text, parts",
    [
        ("0,1,2", ["0", "1", "2"]),
        ("[16,16],[32, 32]", ["[16,16]", "[32, 32]"]),
        ("'a,b', {kind: h1, weight: 1}", ["'a,b'", "{kind: h1, weight: 1}"]),
        ("1", ["1"]),
    ],
)
def test_values_are_parted_where_no_bracket_is_open(text: str, parts: list[str]) -> None:
    assert split(text) == parts


@pytest.mark.parametrize("word", ["seed", "seed=", "=1", "seed=0,,1", "seed=1,1"])
def test_values_that_are_none_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match=r"--set: found .* expected"):
        read_varied([word])
    with pytest.raises(UsageError, match="found seed twice"):
        read_varied(["seed=1", "seed=2"])


def test_a_sweep_is_every_combination(case: Path) -> None:
    """A row each in their order, a folder each by its settings; a bad value is refused before any runs."""
    fake = Fake()
    found, whole = swept(case, fake)
    rows = read_rows(found.folder / "sweep.csv")
    assert whole and [(row["seed"], row["observations.heads.noise.sigma"]) for row in rows] == [
        ("0", "0.01"), ("0", "0.05"), ("1", "0.01"), ("1", "0.05"),
    ]  # fmt: skip
    assert [row["folder"] for row in rows][:2] == ["seed=0_sigma=0.01", "seed=0_sigma=0.05"]
    assert {(row["status"], row["relative_error"], row["misfit"]) for row in rows} == {
        ("converged", "0.25", "2.0")
    }
    assert all("--overwrite" in words for words in fake.words)
    with pytest.raises(InputError, match="--set seed: found -1"):
        swept(case, fake, ["seed=0,-1"])
    assert len(fake.words) == 4


def test_a_sweep_goes_on_where_it_was(case: Path) -> None:
    """What has ended is not run again, what was interrupted is resumed, what failed is tried again, and what
    is another case by now runs anew."""
    found, _ = swept(case, Fake([0, 3, 130, 1]))
    assert [row["status"] for row in read_rows(found.folder / "sweep.csv")] == [
        "converged", "stopped", "interrupted", "failed",
    ]  # fmt: skip
    assert float(found.rows[found.jobs[1]]["relative_error"]) == pytest.approx(12.5**0.5)
    again = Fake()
    assert swept(case, again)[1]
    assert [words[words.index("--out") + 1].rpartition("/")[2] for words in again.words] == [
        "seed=1_sigma=0.01", "seed=1_sigma=0.05",
    ]  # fmt: skip
    assert all("--resume" in words for words in again.words)
    nothing = Fake()
    assert swept(case, nothing)[1] and not nothing.words
    more = Fake()
    swept(case, more, ["seed=0,1,2", VARIED[1]])
    assert len(more.words) == 2
    (case.parent / "heads.csv").write_text("x,value\n0.2,0.3\n")
    anew = Fake()
    swept(case, anew)
    assert len(anew.words) == 4 and all("--overwrite" in words for words in anew.words)


def test_an_interrupted_sweep_lets_its_runs_save(case: Path) -> None:
    """SIGINT is passed on to those that run; no further one starts, and the sweep is not whole."""

    class Waiting(Ended):
        def poll(self) -> int | None:  # type: ignore[override]
            os.kill(os.getpid(), signal.SIGINT) if self.code == 0 else None
            return self.code or None

        def send_signal(self, sig: int) -> None:
            assert sig == signal.SIGINT
            self.code = 130

    started = []
    folder = case.parent / "sweep"
    found = Sweep(case, folder, jobs_of(case, read_varied(VARIED), folder))

    def launch(words: Sequence[str], log: Path) -> Waiting:
        started.append(words)
        return Waiting(0)

    assert not found.run(1, launch, lambda line: None)
    assert len(started) == 1 and len(found.left) == 4
    assert found.rows[found.jobs[0]]["stop_reason"] == "interrupted"


def test_the_command_tells_all(
    case: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real runs, one after the other in this process: the table, the figure, and the worst exit code."""
    monkeypatch.setattr(sweep, "launch_on", lambda ranks: lambda words, log: Ended(main([*words, "--quiet"])))
    folder = case.parent / "out"
    code = main(["sweep", str(case), "--set", "seed=0,1", "--out", str(folder)])
    lines = capsys.readouterr().out.splitlines()
    with (folder / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert code == max(int(row["code"]) for row in rows) and len(rows) == 2
    assert lines[0].startswith("2 runs, 1 at a time") and lines[1].startswith("[1/2] seed=0: ")
    assert lines[-1] == f"results in {folder}: sweep.csv, sweep.png"
    assert all(float(row["relative_error"]) < 1 for row in rows)


def test_a_figure_that_cannot_be_drawn_ends_nothing(
    case: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is there, and the exit code is that of the runs."""
    monkeypatch.setattr(sweep, "launch_on", lambda ranks: Fake())
    monkeypatch.setattr("app.output.sweep.draw_sweep", Mock(side_effect=ValueError("no canvas")))
    folder = case.parent / "out"
    assert main(["sweep", str(case), "--set", "seed=0,1", "--out", str(folder)]) == 0
    assert f"no picture {folder / 'sweep.png'}: no canvas" in capsys.readouterr().out
    assert len(read_rows(folder / "sweep.csv")) == 2


@pytest.mark.parametrize(
    "table",
    [
        b"\xff\xfe\x00",
        b"folder,identity,code,stop_reason\nseed=0\n",
        b"folder,identity,code,stop_reason\n" + b"x" * 200_000,
        b"folder,identity,code,stop_reason,misfit\nseed=0,ID,0,minimum,abc\n",
        b"folder,identity,code,stop_reason\nseed=0,ID,many,minimum\n",
    ],
)
def test_a_table_of_something_else_is_made_anew(case: Path, table: bytes) -> None:
    """As if there were none."""
    folder = case.parent / "sweep"
    folder.mkdir()
    identity = jobs_of(case, read_varied(["seed=0"]), folder)[0].identity
    (folder / "sweep.csv").write_bytes(table.replace(b"ID", identity.encode()))
    fake = Fake()
    assert swept(case, fake, ["seed=0"])[1] and len(fake.words) == 1
    assert [row["status"] for row in read_rows(folder / "sweep.csv")] == ["converged"]


@pytest.mark.parametrize("text", ["[1]", "null", "[" * 100_000, "{}", '{"status": ["a"], "stop_reason": 1}'])
def test_a_run_without_a_summary_has_failed(case: Path, text: str) -> None:
    """Whatever its exit code; it is tried again by the next sweep."""
    job = jobs_of(case, read_varied(["seed=0"]), case.parent)[0]
    job.folder.mkdir()
    (job.folder / "summary.json").write_text(text)
    row = row_of(job, 0)
    assert (row["status"], row["code"]) == ("failed", 1)


def test_a_summary_that_has_no_numbers_leaves_cells_empty(case: Path) -> None:
    """So that a table of a sweep has numbers only."""
    job = jobs_of(case, read_varied(["seed=0"]), case.parent)[0]
    job.folder.mkdir()
    told = {"relative_error": {"a": "b"}, "misfit": {"a": 3.0, "b": 4.0}, "energy": "abc", "work_units": True}
    told |= {"status": "converged", "stop_reason": "minimum", "wall_seconds": [1], "state_solves": 3}
    (job.folder / "summary.json").write_text(json.dumps(told))
    row = row_of(job, 0)
    assert [row[name] for name in ("relative_error", "energy", "work_units", "wall_seconds")] == [""] * 4
    assert row["state_solves"] == 3 and row["misfit"] == pytest.approx(12.5**0.5)


def test_too_many_combinations_are_refused_at_once(case: Path) -> None:
    """Before any is read as a case."""
    values = ",".join(map(str, range(1, 1001)))
    with pytest.raises(UsageError, match="found 1000000 combinations, expected at most 2000"):
        jobs_of(case, read_varied([f"seed={values}", f"flow.max_iterations={values}"]), case.parent)


def test_links_in_the_folder_are_not_followed(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on writing the table nor for what a run prints."""
    monkeypatch.setattr("subprocess.Popen", lambda command, stdout, **how: Ended(stdout.write("said") and 0))
    folder, other = case.parent / "sweep", case.parent / "other"
    folder.mkdir()
    other.write_text("kept")
    for name in ("sweep.csv", "part-sweep.csv", "seed=0.log"):
        (folder / name).symlink_to(other)
    swept(case, launch_on(1), ["seed=0"])
    assert other.read_text() == "kept" and (folder / "seed=0.log").read_text() == "said"


@pytest.mark.parametrize("place", ["case.yaml", "case.yaml/sweep", "n" * 300])
def test_a_folder_that_cannot_be_is_refused(
    case: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a line."""
    assert main(["sweep", str(case), "--set", "seed=0", "--out", str(case.parent / place)]) == 2
    assert "found a path that cannot be used" in capsys.readouterr().err


def test_two_sweeps_into_one_folder_are_refused(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second one, before it changes anything."""
    folder = case.parent / "sweep"
    with alone_in(folder):
        assert main(["sweep", str(case), "--set", "seed=0", "--out", str(folder)]) == 2
    assert "found another sweep that runs there, expected a folder of its own" in capsys.readouterr().err
    assert not [*folder.iterdir()]


@dataclass
class Running:
    """A run that ends when it is told to; the sweep gets a signal when it looks at it, if one is given."""

    number: int | None
    code: int | None = None

    def poll(self) -> int | None:
        if self.code is None and self.number is not None:
            os.kill(os.getpid(), self.number)
        return self.code

    def send_signal(self, sig: int) -> None:
        self.code = 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_sweep_with_its_runs(case: Path, number: int) -> None:
    """Also that of a terminal which is closed."""
    runs: list[Running] = []

    def launch(words: Sequence[str], log: Path) -> Running:
        runs.append(Running(number))
        return runs[-1]

    assert not swept(case, launch)[1]
    assert [run.code for run in runs] == [130, 130]


def test_a_sweep_that_fails_ends_its_runs(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the table cannot be written any more."""
    runs: list[Running] = []

    def launch(words: Sequence[str], log: Path) -> Running:
        runs.append(Running(None))
        (log.parent / "part-sweep.csv").mkdir()
        return runs[-1]

    with pytest.raises(OSError, match=r"part-sweep\.csv"):
        swept(case, launch)
    assert [run.code for run in runs] == [130]


def test_the_figure_takes_any_text_and_number(tmp_path: Path) -> None:
    """Values that look like formulas, and numbers that are not finite."""
    values = (r"$\frac{x$", "x" * 3000, "1e999")
    numbers = {"misfit": "inf", "misfit_target": "0"}
    rows = [
        {"label": value, "relative_error": error, **numbers}
        for value, error in zip(values, ("nan", "0.5", "inf"), strict=True)
    ]
    draw_sweep(tmp_path / "sweep.png", {"label": values}, rows)
    assert (tmp_path / "sweep.png").stat().st_size > 1000
