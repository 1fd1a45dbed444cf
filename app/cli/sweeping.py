"""Runs in processes of their own, several at a time, and what came of each."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

import app
from app.cli.command import UsageError
from app.cli.exits import CONVERGED, STOPPED
from app.cli.grid import Job
from app.cli.ranks import LAUNCHERS
from app.cli.rows import TABLE, Row, begun, read_rows, row_of, write_rows

NAP = 0.05
"""Seconds between two looks at what runs."""

UNFINISHED = ("interrupted", "time_limit", "running")
"""Reasons of stopping after which a run goes on."""


class Process(Protocol):
    """A run on its way."""

    def poll(self) -> int | None:
        """The exit code, None as long as it runs."""

    def send_signal(self, sig: int) -> None:
        """Have it end."""


Launch = Callable[[Sequence[str], Path], Process]
"""Starts the program with these words, with a file for its output."""


@dataclass
class Sweep:
    """Jobs of a case, those that are done already and those that are not."""

    case: Path
    folder: Path
    jobs: list[Job]
    options: Sequence[str] = ()
    """Further words for each run."""
    rows: dict[Job, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take over the rows of an earlier sweep whose runs are these."""
        earlier = {row["folder"]: row for row in read_rows(self.folder / TABLE)}
        for job in self.jobs:
            row = earlier.get(job.folder.name)
            if row is not None and row["identity"] == job.identity:
                self.rows[job] = row

    @property
    def left(self) -> list[Job]:
        """Those that have not come to their end."""
        return [job for job in self.jobs if not _ended(self.rows.get(job))]

    def run(self, count: int, launch: Launch, say: Callable[[str], None]) -> bool:
        """Run what is left, so many at a time, and note each as it ends; whether all came to their end.

        At SIGINT, SIGTERM or SIGHUP all that run are interrupted, which save where they are; so they are
        where the sweep itself fails. Raises OSError where the table cannot be written.
        """
        waiting, running, sent = self.left, dict[Job, Process](), 0
        self.folder.mkdir(parents=True, exist_ok=True)
        with _interruptible() as interrupted, _ended_with(running):
            while running or (waiting and not interrupted):
                while waiting and len(running) < count and not interrupted:
                    job = waiting.pop(0)
                    words = self._words(job)  # before the row says that it runs
                    self._note(job, begun(job))
                    running[job] = launch(words, self.folder / f"{job.folder.name}.log")
                for job, process in list(running.items()):
                    code = process.poll()
                    if code is not None:
                        del running[job]
                        self._note(job, row_of(job, code))
                        say(self._told(job))
                if len(interrupted) > sent:
                    for process in running.values():
                        process.send_signal(signal.SIGTERM if sent else signal.SIGINT)
                    sent = len(interrupted)
                time.sleep(NAP)
            return not interrupted

    def _words(self, job: Job) -> list[str]:
        """The command line of a run, which goes on where it is the same as one that was stopped."""
        again = (job.folder / "checkpoint").is_dir() and job in self.rows
        settings = [word for each in job.overrides for word in ("--set", each)]
        how = "--resume" if again else "--overwrite"
        return [str(self.case), *settings, "--out", str(job.folder), how, *self.options]

    def _note(self, job: Job, row: Row) -> None:
        self.rows[job] = row
        write_rows(self.folder / TABLE, [self.rows[each] for each in self.jobs if each in self.rows])

    def _told(self, job: Job) -> str:
        """A line on a run that has ended."""
        row = self.rows[job]
        done = len(self.jobs) - len(self.left)
        error = f", relative error {float(row['relative_error']):.4f}" if row["relative_error"] else ""
        seconds = f", {float(row['wall_seconds']):.1f} s" if row["wall_seconds"] else ""
        log = (
            ""
            if row["status"] in ("converged", "stopped", "interrupted")
            else f" (see {job.folder.name}.log)"
        )
        how = f"{' '.join(job.overrides)}: {row['status']} ({row['stop_reason']})"
        return f"[{done}/{len(self.jobs)}] {how}{error}{seconds}{log}"


def _ended(row: Row | None) -> bool:
    """Whether a run came to its end, well or not so well."""
    return (
        row is not None and int(row["code"]) in (CONVERGED, STOPPED) and row["stop_reason"] not in UNFINISHED
    )


def launch_on(ranks: int) -> Launch:
    """Starts runs as programs of their own, on so many ranks each, which a signal of the terminal does not
    reach."""

    def launch(words: Sequence[str], log: Path) -> Process:
        beside = Path(sys.executable).parent / "mpirun"
        mpirun = str(beside) if beside.exists() else shutil.which("mpirun") or "mpirun"
        command = [mpirun, "-n", str(ranks)] if ranks > 1 else []
        prefixes = ("PMI", "PMIX", "HYDRA", "HYDI", "MPI_", "OMPI")  # the run is no rank of this process
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(prefixes) and key not in LAUNCHERS
        }
        source = str(Path(app.__file__).parents[1])
        environment["PYTHONPATH"] = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])
        log.unlink(missing_ok=True)  # no link is followed
        with log.open("x") as out:
            return subprocess.Popen(
                [*command, sys.executable, "-P", "-m", "app", *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    return launch


@contextmanager
def _interruptible() -> Iterator[list[bool]]:
    """Gathers signals that end a sweep while the body lasts, in place of ending the process."""
    found: list[bool] = []

    def heard(number: int, frame: FrameType | None) -> None:
        found.append(True)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` has it
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, heard) for number in numbers}
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _ended_with(running: Mapping[Job, Process]) -> Iterator[None]:
    """Where the body fails, interrupts what runs and waits for it."""
    try:
        yield
    except BaseException:
        for process in running.values():
            process.send_signal(signal.SIGINT)
        while any(process.poll() is None for process in running.values()):
            time.sleep(NAP)
        raise


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Makes the folder, and keeps other sweeps out of it while the body lasts, where the file system has
    locks.

    Raises UsageError where another one runs there, and OSError where it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        found = "found another sweep that runs there, expected a folder of its own (give --out)"
        raise UsageError(f"{folder}: {found}") from None
    except OSError:
        pass  # no locks there
    try:
        yield
    finally:
        os.close(descriptor)
