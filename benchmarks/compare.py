"""The program against other methods on the suite's cases: `python -m benchmarks compare`.

Each run is a process of its own in OUT/runs/CASE/METHOD[-SEED], with the record of how it went in run.json.
A report covers all runs that OUT holds, so that a comparison may be made in several goes.
"""

import argparse
import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.methods import CASES, METHODS, Method, command

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 1200
"""Seconds after which a run is given up."""

RESULTS = (0, 3)
"""Exit codes with which a program leaves results: it converged, or stopped without."""

REPORT_EVERY = 60.0
"""Least seconds between two reports while runs go on."""

HISTORY = ("misfit", "relative_error", "state_solves", "linear_solves", "parameters", "seconds")
"""Columns of a run's history that the report keeps."""

Runner = Callable[[Sequence[str], Path], tuple[int, str]]
"""Runs words behind `python` that write into a folder; returns the exit code and what was printed."""


@dataclass(frozen=True)
class Job:
    """A run to make."""

    case: str
    method: str
    seed: int | None

    @property
    def how(self) -> Method:
        return METHODS[self.method]

    @property
    def after(self) -> "Job | None":
        """The run that this one needs."""
        if self.how.after is None:
            return None
        seed = None if METHODS[self.how.after].seeds == 0 else self.seed
        return Job(self.case, self.how.after, seed)

    def __str__(self) -> str:
        return f"{self.case}: {self.method}" + ("" if self.seed is None else f", seed {self.seed}")

    def folder(self, out: Path) -> Path:
        name = self.method.replace(" ", "_")
        return out / "runs" / self.case / (name if self.seed is None else f"{name}-{self.seed}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-command's arguments."""
    parser.add_argument(
        "--cases", nargs="+", choices=CASES, default=CASES, metavar="NAME", help="all by default"
    )
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME",
        help=f"all by default: {', '.join(METHODS)}",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... to run (default 5)")
    parser.add_argument("--withheld-seeds", type=int, metavar="N", help="of `withheld`, if fewer")
    parser.add_argument("--out", type=Path, default=Path("results/compare"), help="folder for the results")
    parser.add_argument("--workers", type=int, default=1, help="runs at once (default 1)")
    parser.add_argument("--reuse", action="store_true", help="keep runs that are there with the same command")
    parser.add_argument("--report-only", action="store_true", help="run nothing, report on what is there")


def main(options: argparse.Namespace) -> int:
    """Run what is asked for and report on all that there is; 0 if every bar that was measured is met."""
    from benchmarks import figures, report

    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if not options.report_only:
        jobs = planned(options.cases, options.methods, options.seeds, options.withheld_seeds)
        run_all(jobs, out, workers=options.workers, reuse=options.reuse, after_each=_reporter(out))
    runs = collect(out)
    bars = report.write(out, runs)
    figures.draw(out, runs)
    print(f"\n{report.bar_table(bars)}\nwritten to {out / 'compare.md'}")
    return 0 if all(bar.met is not False for bar in bars) else 1


def planned(
    cases: Sequence[str], methods: Sequence[str], seeds: int, withheld_seeds: int | None = None
) -> list[Job]:
    """All runs, case by case, each behind the one that it needs."""
    jobs = []
    for case in CASES:
        for name, method in METHODS.items():
            if case not in cases or name not in methods or case not in method.cases:
                continue
            count = seeds if withheld_seeds is None or not method.withheld else min(seeds, withheld_seeds)
            jobs += [Job(case, name, seed) for seed in method.wants(count)]
    return jobs


def run_all(
    jobs: Sequence[Job],
    out: Path,
    *,
    workers: int = 1,
    reuse: bool = False,
    after_each: Callable[[], None] = lambda: None,
    runner: Runner | None = None,
) -> None:
    """Run the jobs, `workers` at once; those that need another one wait for it. No failure stops the rest."""
    runner = runner or run_python
    warm_up = _WarmUp(out, runner)
    futures: dict[Job, Future[str]] = {}

    def work(job: Job) -> str:
        if job.after in futures:  # submitted earlier, so running or done: no worker waits for ever
            futures[job.after].result()
        try:
            return run_job(job, out, reuse=reuse, runner=runner, warm=lambda: warm_up(job.case))
        except (OSError, ValueError) as failure:
            _record(job, job.folder(out), [], 0.0, f"{type(failure).__name__}: {failure}")
            return f"{job}: failed: {failure}"

    with ThreadPoolExecutor(workers) as pool:
        try:
            for job in jobs:
                futures[job] = pool.submit(work, job)
            for number, done in enumerate(as_completed(futures.values()), 1):
                print(f"[{number}/{len(jobs)}] {done.result()}", flush=True)
                after_each()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def run_job(
    job: Job, out: Path, *, reuse: bool, runner: Runner, warm: Callable[[], None] = lambda: None
) -> str:
    """Make a run, or keep the one that is there, and return a line about it; a failure is recorded."""
    folder = job.folder(out)
    try:
        words = _words(job, out)
    except LookupError as missing:
        _record(job, folder, [], 0.0, str(missing))
        return f"{job}: failed: {missing}"
    if reuse and _there(folder, words):
        return f"{job}: kept"
    warm()
    if folder.exists():
        shutil.rmtree(folder)
    began = time.perf_counter()
    code, printed = runner(words, folder)
    elapsed = time.perf_counter() - began
    failed = None
    if code not in RESULTS or not (folder / "summary.json").exists():
        failed = next((line for line in reversed(printed.splitlines()) if line.strip()), f"exit code {code}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.txt").write_text(printed)
    _record(job, folder, words, elapsed, failed)
    return f"{job}: {elapsed:.1f} s" + ("" if failed is None else f", failed: {failed}")


def run_python(words: Sequence[str], folder: Path) -> tuple[int, str]:
    """See Runner; a run that takes longer than PATIENCE is ended."""
    try:
        done = subprocess.run(
            [sys.executable, *words, "--out", str(folder)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as late:
        printed = (late.output or b"").decode(errors="replace")  # bytes, whatever `text` says
        return -1, f"{printed}\nnot done after {PATIENCE} s"
    return done.returncode, done.stdout


def collect(out: Path) -> list[dict[str, Any]]:
    """All runs that the folder holds: the harness's record of each with its summary and history."""
    found = {}
    for path in sorted(out.glob("runs/*/*/run.json")):
        run = json.loads(path.read_text())
        summary = path.with_name("summary.json")
        run["summary"] = json.loads(summary.read_text()) if summary.exists() else {}
        run["history"] = _history(path.with_name("history.csv"))
        run["folder"] = path.parent.relative_to(out).as_posix()
        found[run["case"], run["method"], run["seed"]] = run
    known = {name: place for place, name in enumerate((*CASES, *METHODS))}
    return sorted(
        found.values(), key=lambda r: (known[r["case"]], known.get(r["method"], 99), r["seed"] or 0)
    )


def withhold_sigma(source: Path, target: Path) -> Path:
    """A copy of the readings without the column sigma."""
    with source.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name.strip() != "sigma"]
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}-{time.perf_counter_ns()}")
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return part.replace(target)


def _words(job: Job, out: Path) -> list[str]:
    """The job's command; raises LookupError where the run that it needs has not left what is needed."""
    extra = []
    if job.how.withheld:
        path = ROOT / "cases" / f"{job.case}.yaml"
        for name, observation in YAML(typ="safe").load(path)["observations"].items():
            single = out / "data" / f"{job.case}.csv"
            withhold_sigma(path.parent / observation["file"], single)
            extra.append(f"observations.{name}.file={single}")
    earlier: Mapping[str, Any] | None = None
    if job.after is not None:
        record = job.after.folder(out) / "summary.json"
        if not record.exists():
            raise LookupError(f"needs a run of {job.after.method}, which is not there")
        earlier = json.loads(record.read_text())
    try:
        return command(job.how, job.case, job.seed, earlier=earlier, extra=extra)
    except (KeyError, TypeError):
        raise LookupError(f"the run of {job.how.after} does not tell what is needed") from None


def _there(folder: Path, words: Sequence[str]) -> bool:
    """Whether the folder holds the results of this command."""
    record = folder / "run.json"
    if not record.exists() or not (folder / "summary.json").exists():
        return False
    run = json.loads(record.read_text())
    return run["failed"] is None and run["command"] == list(words)


def _record(job: Job, folder: Path, words: Sequence[str], elapsed: float, failed: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "case": job.case, "method": job.method, "seed": job.seed, "command": list(words), "elapsed": elapsed,
        "failed": failed,
    }  # fmt: skip
    part = folder / "run.part"
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(folder / "run.json")


class _WarmUp:
    """Compiles a case's forms once, so that no run's seconds hold it."""

    def __init__(self, out: Path, runner: Runner) -> None:
        self._out, self._runner = out, runner
        self._done: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, case: str) -> None:
        with self._lock:
            if case in self._done:
                return
            nodal = Method(settings=(*METHODS["nodal"].settings, "flow.max_iterations=1"))
            folder = self._out / "warm-up" / case
            shutil.rmtree(folder, ignore_errors=True)
            self._runner(command(nodal, case, None), folder)
            self._done.add(case)


def _history(path: Path) -> dict[str, list[float | None]]:
    """Columns of a history; empty where there is none."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) if row.get(name) else None for row in rows] for name in HISTORY}


def _reporter(out: Path) -> Callable[[], None]:
    """Writes the report, but not too often."""
    from benchmarks import report

    last = time.monotonic()

    def write() -> None:
        nonlocal last
        if time.monotonic() - last > REPORT_EVERY:
            with contextlib.suppress(OSError, ValueError):  # another run's folder is just being replaced
                report.write(out, collect(out))
            last = time.monotonic()

    return write
