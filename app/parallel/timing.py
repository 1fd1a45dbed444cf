"""Where the time goes: exclusive seconds by stage, which are PETSc's named log stages too."""

import contextlib
import os
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from mpi4py import MPI

from app.activity import doing

STAGES = (
    "startup", "compile", "assembly", "solve", "krylov", "selection", "jacobian", "flow_matrix", "retraction",
    "expansion", "posterior", "chains", "output", "other",
)  # fmt: skip
"""All that time is charged to."""

ACTIVITIES = {
    "compile": "compiling forms",
    "assembly": "assembling forms",
    "solve": "solving linear systems",
    "krylov": "making a model of the energy",
    "selection": "selecting the regularisation",
    "jacobian": "differentiating the network",
    "flow_matrix": "making the flow matrix",
    "retraction": "fitting the network",
    "expansion": "growing the network",
    "posterior": "working out how sure the result is",
    "chains": "drawing from the posterior",
    "output": "writing results",
}
"""What is done in a stage, for the user who waits."""

WHOLE = ("selection", "posterior", "chains")
"""Stages that are charged with all that is done in them, solves and assembly too."""


class Clock:
    """Seconds of one problem, charged to stages while the clock runs; an inner stage is not charged to the
    outer one, but for those that are charged as a WHOLE. Of several problems in a process each has a clock of
    its own, and one runs at a time."""

    def __init__(self, startup: float = 0.0) -> None:
        """`startup` seconds have been spent already."""
        self._spent: dict[str, float] = defaultdict(float, startup=startup)
        self._open = ["other"]
        self._since: float | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the clock run; one that ran before stands still meanwhile."""
        outer = _RUNNING.get()
        if outer is self:
            yield
            return
        if outer is not None:
            outer._charge(go_on=False)
        token = _RUNNING.set(self)
        self._since = time.perf_counter()
        try:
            yield
        finally:
            self._charge(go_on=False)
            _RUNNING.reset(token)
            if outer is not None:
                outer._since = time.perf_counter()

    def seconds(self) -> dict[str, float]:
        """Seconds charged to each stage so far, on this rank; they add up to the time that the clock ran."""
        self._charge(go_on=self._since is not None)
        return {stage: self._spent.get(stage, 0.0) for stage in STAGES}

    @property
    def stage(self) -> str:
        """The one that time is charged to."""
        return self._open[-1]

    def _charge(self, *, go_on: bool) -> None:
        now = time.perf_counter()
        if self._since is not None:
            self._spent[self.stage] += now - self._since
        self._since = now if go_on else None

    @contextmanager
    def _stage(self, stage: str) -> Iterator[None]:
        self._charge(go_on=True)
        self._open.append(self.stage if self.stage in WHOLE else stage)
        try:
            yield
        finally:
            self._charge(go_on=True)
            self._open.pop()


_RUNNING: ContextVar[Clock | None] = ContextVar("running", default=None)


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Charge the time of the body to `stage` of the clock that runs, if one does."""
    from petsc4py import PETSc

    clock = _RUNNING.get()
    log = PETSc.Log.Stage(stage)
    log.push()
    try:
        with (
            contextlib.nullcontext() if clock is None else clock._stage(stage),
            doing(ACTIVITIES.get(stage, stage)),
        ):
            yield
    finally:
        log.pop()


def stage() -> str | None:
    """What time is charged to, None where no clock runs."""
    clock = _RUNNING.get()
    return None if clock is None else clock.stage


def process_age() -> float:
    """Seconds since this process started, 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
        return max(age, 0.0)  # a container may tell another uptime
    return 0.0


def peak_memory_mb() -> float:
    """Largest resident set of this process so far, in MB (10⁶ bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


class Every:
    """Whether so many seconds have passed since it was last the case; rank 0 decides."""

    def __init__(self, seconds: float, comm: MPI.Comm) -> None:
        self._seconds, self._comm, self._last = seconds, comm, time.monotonic()

    def due(self) -> bool:
        """Alike on all ranks; collective."""
        due = bool(self._comm.bcast(time.monotonic() - self._last >= self._seconds, root=0))
        self._last = time.monotonic() if due else self._last
        return due
