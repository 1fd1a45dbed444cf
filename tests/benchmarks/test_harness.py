"""Jobs: digests of all that goes in, what is kept and what is made again, processes that end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import harness
from benchmarks.harness import Job, Store

SUMMARY = {"status": "converged", "stop_reason": "minimum", "misfit": 145.0, "widths": [69], "weight": 0.125}
HISTORY = "misfit,linear_solves,relative_error\n60000,1,\n140,340,0.2\n"


class Fake:
    """Runs nothing and leaves a summary, or fails where a word of the command says so."""

    def __init__(self, failing: str = "nothing") -> None:
        self.commands: list[list[str]] = []
        self._failing = failing

    def __call__(self, words: Sequence[str], log: Path) -> dict[str, Any]:
        """See harness.Execute."""
        self.commands.append(list(words))
        failed = any(self._failing in word for word in words)
        log.write_text("some lines\ninternal failure: broken\n\n")
        if not failed:
            results = Path(words[-1])
            results.mkdir(parents=True)
            (results / "summary.json").write_text(json.dumps(SUMMARY))
            (results / "history.csv").write_text(HISTORY)
        return {"code": 1 if failed else 3, "elapsed": 0.5, "peak_memory_mb": 100.0}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a program, a case and its data."""
    for name, text in {
        "app/flow/loop.py": "pass", "benchmarks/baselines/cg.py": "pass", "cases/data/a.csv": "x\n",
        "cases/a.yaml": "{heads: {file: data/a.csv}}", "README.md": "",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(harness, "ROOT", tmp_path)
    harness.version.cache_clear()
    yield tmp_path
    harness.version.cache_clear()


def digest_of(job: Job) -> str:
    """The digest as another process would find it."""
    harness.version.cache_clear()
    return replace(job).digest


JOB = Job(case="cases/a.yaml", settings=("seed=0",))
CHANGES = {
    "case": ("cases/a.yaml", "{heads: {file: data/a.csv}, seed: 1}"),
    "data": ("cases/data/a.csv", "x,y\n1,3\n"),
    "program": ("app/flow/loop.py", "x = 1"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_digest_changes_with_files_that_go_in(root: Path, what: str) -> None:
    """And is what it was when the file is."""
    name, text = CHANGES[what]
    before, old = digest_of(JOB), (root / name).read_text()
    (root / name).write_text(text)
    assert digest_of(JOB) != before
    (root / name).write_text(old)
    assert digest_of(JOB) == before


def test_digest_changes_with_what_is_asked_for_and_nothing_else(root: Path) -> None:
    """Overrides, options, method, ranks and what a job needs; the README is no part of the program, nor are
    the baselines of a run without one."""
    others = [
        replace(JOB, settings=("seed=1",)), replace(JOB, options=("--allow-code",)), replace(JOB, ranks=2),
        replace(JOB, program="newton_cg"), replace(JOB, after=Job(case="cases/a.yaml")),
        replace(JOB, after=Job(case="cases/a.yaml", settings=("seed=3",))), replace(JOB, data=Job("data")),
    ]  # fmt: skip
    assert len({digest_of(job) for job in (JOB, *others)}) == 1 + len(others)
    cg = replace(JOB, program="newton_cg")
    before = digest_of(JOB), digest_of(cg)
    (root / "README.md").write_text("new")
    assert (digest_of(JOB), digest_of(cg)) == before
    (root / "benchmarks/baselines/cg.py").write_text("x = 1")
    assert digest_of(JOB) == before[0] and digest_of(cg) != before[1]


def test_file_that_an_override_names_goes_in(root: Path) -> None:
    """By its content."""
    file = root / "readings.csv"
    file.write_text("1")
    job = replace(JOB, settings=(f"observations.heads.file={file}",))
    before = digest_of(job)
    file.write_text("2")
    assert digest_of(job) != before


def test_interrupted_study_goes_on(root: Path) -> None:
    """What has left results is kept, what was interrupted or failed is made again."""
    jobs = [replace(JOB, settings=(f"seed={seed}",)) for seed in range(3)]
    store = Store(root / "store", first := Fake(failing="seed=1"))
    store.run_all(jobs)
    assert len(first.commands) == 3
    (root / "store" / jobs[2].digest / "record.json").unlink()  # as if the process had been killed
    (root / "store" / jobs[2].digest / "results" / "half").write_text("")
    Store(root / "store", again := Fake()).run_all(jobs)
    assert [words[-3] for words in again.commands] == ["seed=1", "seed=2"]
    runs = [store.find(job) for job in jobs]
    assert all(run is not None and run.failed is None for run in runs)
    assert not (root / "store" / jobs[2].digest / "results" / "half").exists()


def test_record_says_how_it_went(root: Path) -> None:
    """Command, exit code, seconds, memory, commit, day and machine; an empty cell of the history is None."""
    run = Store(root / "store", Fake()).run(JOB)
    assert run.record["command"][-4:-1] == ["--set", "seed=0", "--out"]
    assert {"code", "elapsed", "peak_memory_mb", "commit", "date", "machine"} <= run.record.keys()
    assert run.history[0]["relative_error"] is None and run.history[1]["linear_solves"] == 340


def test_job_takes_what_the_one_before_ended_with(root: Path) -> None:
    """Folders of results and values of the summary, in the words of options and overrides."""
    data = Job("data", options=("withheld",))
    job = Job(
        "newton_cg", "cases/a.yaml", ("file={data}/readings.csv", "hidden={widths}"),
        ("--weight", "{weight}"), data=data, after=JOB,
    )  # fmt: skip
    store = Store(root / "store", fake := Fake())
    store.run_all([job])
    assert len(fake.commands) == 3 and "benchmarks.data" in fake.commands[0]
    words = fake.commands[2]
    assert words[1:5] == ["-m", "benchmarks.baselines", "newton_cg", "cases/a.yaml"]
    assert words[5:7] == ["--weight", "0.125"] and "hidden=[69]" in words
    assert f"file={root / 'store' / data.digest / 'results'}/readings.csv" in words


def test_failure_is_recorded_and_stops_nothing(root: Path) -> None:
    """The last line is the reason; what needs the run fails too, the rest goes on."""
    needs = Job("newton_cg", "cases/a.yaml", options=("--weight", "{weight}"), after=JOB)
    lacks = Job("newton_cg", "cases/a.yaml", options=("--weight", "{missing}"), after=replace(JOB, ranks=2))
    store = Store(root / "store", Fake(failing="seed=0"))
    store.run_all([needs, Job(case="cases/a.yaml")])
    found = {job: store.find(job) for job in (JOB, needs, Job(case="cases/a.yaml"))}
    assert [run.failed for run in found.values() if run] == [
        "internal failure: broken", f"needs a run that failed: {JOB}", None,
    ]  # fmt: skip
    store = Store(root / "store", Fake())
    store.run_all([lacks])
    assert (run := store.find(lacks)) and "found no missing in" in str(run.failed)


def test_process_is_measured_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exit code, seconds, memory and output; one that takes too long is killed with its children."""
    hold = "import sys; held = b'x' * 200_000_000; print('held'); sys.exit(3)"
    # In a process of its own: no child's peak is less than its parent's.
    ask = "import json, sys; from benchmarks.harness import run_process as run, Path; "
    ask += f"print(json.dumps(run([sys.executable, '-c', {hold!r}], Path({str(tmp_path / 'log')!r}))))"
    told = subprocess.run([sys.executable, "-c", ask], cwd=harness.ROOT, capture_output=True, check=True)
    found = json.loads(told.stdout)
    assert found["code"] == 3 and 200 < found["peak_memory_mb"] < 400 and 0 < found["elapsed"] < 60
    assert (tmp_path / "log").read_text() == "held\n"
    monkeypatch.setattr(harness, "TIMEOUT", 1.0)
    mark = tmp_path / "mark"
    child = f"import time; time.sleep(4); open({str(mark)!r}, 'w')"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    found = harness.run_process([sys.executable, "-c", parent], tmp_path / "log")
    assert found["code"] < 0 and found["elapsed"] < 4
    time.sleep(4.5 - found["elapsed"])
    assert not mark.exists()
