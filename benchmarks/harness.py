"""Jobs: each is a process of its own, and its results lie in a folder named by a digest of what went in.

What went in is the program with its sources (which stand for its commit, and hold what is not committed),
the case with the files that it names, overrides, options, seed, ranks, and the jobs whose results it needs.
A study that was interrupted therefore goes on where it was, and studies share what they have in common.
"""

import contextlib
import csv
import datetime
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parents[1]
STORE = ROOT / "results" / "benchmarks"
TIMEOUT = 3600.0  # seconds after which a run is given up
OTHERS = ("benchmarks/data.py", "benchmarks/*/*.case", "benchmarks/*/*.py", "cases/make_data.py")
"""Sources of what is not the program itself."""
RESULTS = (0, 3)  # exit codes with which a program leaves results: it converged, or stopped without

Execute = Callable[[Sequence[str], Path], dict[str, Any]]
"""Runs words, with a log file; returns `code`, `elapsed` and `peak_memory_mb` (of a launcher, its own)."""


@dataclass(frozen=True)
class Job:
    """What to run: the program `app`, `data`, or a method of benchmarks.baselines.

    In settings and options {data} and {after} stand for the folders of the results of these jobs, other
    {words} for values of their summaries.
    """

    program: str = "app"
    case: str | None = None
    settings: tuple[str, ...] = ()  # each behind --set
    options: tuple[str, ...] = ()
    ranks: int = 1
    data: "Job | None" = None
    after: "Job | None" = None

    @cached_property
    def digest(self) -> str:
        """Of all that goes in."""
        case = ROOT / (self.case or "")
        words = [content(word, ROOT) for word in (*self.settings, *self.options)]
        text = content(case.read_text(), case.parent) if case.is_file() else self.case
        needs = [job and job.digest for job in (self.data, self.after)]
        went_in = [self.program, version(self.program), text, words, self.ranks, needs]
        return hashlib.sha256(json.dumps(went_in).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        words = [self.program, self.case or "", *self.options, *self.settings, f"on {self.ranks} rank(s)"]
        return " ".join(word for word in words if word)


@dataclass
class Run:
    """A job that has ended."""

    job: Job
    folder: Path
    record: dict[str, Any]  # how it went: command, code, elapsed, peak_memory_mb, commit, date, machine

    @property
    def results(self) -> Path:
        """What the program has written."""
        return self.folder / "results"

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json; empty where there is none."""
        path = self.results / "summary.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @cached_property
    def history(self) -> list[dict[str, float | None]]:
        """The rows of history.csv; an empty cell is None."""
        path = self.results / "history.csv"
        rows = csv.DictReader(path.read_text().splitlines()) if path.exists() else ()
        return [{name: float(cell) if cell else None for name, cell in row.items()} for row in rows]

    @property
    def failed(self) -> str | None:
        """Why it has left no results, in a line; None if it has."""
        if self.record["code"] in RESULTS and self.summary.get("status") != "absent":
            return None if self.summary else "found no summary.json"
        lines = (self.folder / "log.txt").read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), f"exit code {self.record['code']}")


class Store:
    """Where the results of jobs are."""

    def __init__(self, root: Path = STORE, execute: Execute | None = None) -> None:
        self.root, self._execute = root, execute or run_process

    def find(self, job: Job) -> Run | None:
        """The run of a job that has ended, well or not."""
        record = self.root / job.digest / "record.json"
        return Run(job, record.parent, json.loads(record.read_text())) if record.exists() else None

    def run(self, job: Job) -> Run:
        """Make a run, unless there are results already; a failure is recorded, and tried again next time."""
        found = self.find(job)
        if found is not None and found.failed is None:
            return found
        folder = self.root / job.digest
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            words = self.command(job)
            ended = self._execute(words, folder / "log.txt")
        except LookupError as missing:
            words, ended = [], {"code": -1, "elapsed": 0.0, "peak_memory_mb": 0.0}
            (folder / "log.txt").write_text(f"{missing.args[0]}\n")
        record = {"job": str(job), "command": words, **ended, **origin()}
        (folder / "record.part").write_text(json.dumps(record, indent=1) + "\n")
        (folder / "record.part").replace(folder / "record.json")
        return Run(job, folder, record)

    def run_all(self, jobs: Sequence[Job]) -> None:
        """Run jobs and what they need, one after the other; no failure stops the rest."""
        ordered = list(dict.fromkeys(each for job in jobs for each in with_needs(job)))
        for number, job in enumerate(ordered, 1):
            print(f"[{number}/{len(ordered)}] {job}", end=": ", flush=True)
            run = self.run(job)
            print(f"failed: {run.failed}" if run.failed else f"{run.record['elapsed']:.1f} s", flush=True)

    def command(self, job: Job) -> list[str]:
        """The words that run a job; raises LookupError where one that it needs does not tell enough."""
        known: dict[str, Any] = {}
        for name, need in (("data", job.data), ("after", job.after)):
            if need is not None:
                run = self.find(need)
                if run is None or run.failed:
                    raise LookupError(f"needs a run that failed: {need}")
                known |= {**run.summary, name: str(run.results)}

        def value(match: re.Match[str]) -> str:
            if match[1] not in known:
                raise LookupError(f"found no {match[1]} in the results of what it needs: {job}")
            return known[match[1]] if isinstance(known[match[1]], str) else json.dumps(known[match[1]])

        def fill(words: Sequence[str]) -> list[str]:
            return [re.sub(r"\{(\w+)\}", value, word) if known else word for word in words]

        beside = Path(sys.executable).parent / "mpirun"
        mpirun = str(beside) if beside.exists() else shutil.which("mpirun") or "mpirun"
        words = [mpirun, "-n", str(job.ranks)] if job.ranks > 1 else []
        modules = {"app": ["app"], "data": ["benchmarks.data"]}
        words += [sys.executable, "-m", *modules.get(job.program, ["benchmarks.baselines", job.program])]
        words += fill(([job.case] if job.case else []) + list(job.options))
        words += [word for setting in fill(job.settings) for word in ("--set", setting)]
        return [*words, "--out", str(self.root / job.digest / "results")]


def with_needs(job: Job) -> Iterator[Job]:
    """The jobs that a job needs, each behind what it needs itself, and the job."""
    for need in (job.data, job.after):
        yield from with_needs(need) if need else ()
    yield job


def run_process(words: Sequence[str], log: Path) -> dict[str, Any]:
    """See Execute; what takes too long, and what runs at an interrupt, is ended with all its children."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    out, began = os.open(log, os.O_WRONLY | os.O_CREAT), time.perf_counter()
    given: Any = {"cwd": ROOT, "env": environment, "stdout": out, "stderr": out, "start_new_session": True}
    process = subprocess.Popen(words, **given)
    os.close(out)
    ended, status, usage = 0, 0, cast(Any, None)
    try:
        while not ended and time.perf_counter() - began < TIMEOUT:
            time.sleep(0.02)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    finally:
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
            _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    spent = time.perf_counter() - began
    return {"code": process.returncode, "elapsed": spent, "peak_memory_mb": usage.ru_maxrss * 1024 / 1e6}


def content(text: str, folder: Path) -> list[str]:
    """A text, and digests of the files below or beside a folder that it names."""
    named = sorted(set(re.findall(r"[\w./-]+\.\w+", text)))
    return [text, *(_digest([folder / name]) for name in named if (folder / name).is_file())]


@cache
def version(program: str) -> str:
    """A digest of the sources of a program."""
    patterns = ["app/**/*.py", *(() if program == "app" else OTHERS)]
    return _digest(sorted(path for pattern in patterns for path in ROOT.glob(pattern)))


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def origin() -> dict[str, str]:
    """What a figure has to name: commit (with + where what goes in differs), date, machine with software."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "app", "cases/*.yaml", "cases/data", "meshes", *OTHERS)
    commit = (git("rev-parse", "--short=7", "HEAD") or "unknown") + ("+" if changed else "")
    return {"commit": commit, "date": datetime.date.today().isoformat(), "machine": _machine()}


@cache
def _machine() -> str:
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        named = re.search(r"(?m)^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text())
        model = named[1] if named else model
    parts = [f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"]
    parts += [f"Python {platform.python_version()}"]
    for package in ("dolfinx-solver-real", "torch", "numpy", "scipy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            parts.append(f"{package} {metadata.version(package)}")
    return ", ".join(parts)
