"""Where the time goes: exclusive seconds by stage, which are PETSc's named log stages too."""

import contextlib
import os
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STAGES = (
    "startup", "compile", "assembly", "solve", "krylov", "jacobian", "flow_matrix", "retraction",
    "expansion", "output", "other",
)  # fmt: skip
"""All that time is charged to."""


def _age() -> float:
    """Seconds since this process started, where the system tells."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
        return max(age, 0.0)  # a container may tell another uptime
    return 0.0


_spent: dict[str, float] = defaultdict(float)
_open: list[str] = ["startup"]
_since = time.perf_counter() - _age()


def started() -> None:
    """End the stage `startup`, which began with the process."""
    _switch()
    _open[0] = "other"


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Charge the time of the body to `stage`; an inner stage is not charged to the outer one."""
    from petsc4py import PETSc

    _switch()
    _open.append(stage)
    log = PETSc.Log.Stage(stage)
    log.push()
    try:
        yield
    finally:
        log.pop()
        _switch()
        _open.pop()


def seconds() -> dict[str, float]:
    """Seconds charged to each stage so far on this rank; they add up to the process's wall time."""
    _switch()
    return {stage: _spent.get(stage, 0.0) for stage in STAGES}


def peak_memory_mb() -> float:
    """Largest resident set of this process so far, in MB (10⁶ bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _switch() -> None:
    global _since
    now = time.perf_counter()
    _spent[_open[-1]] += now - _since
    _since = now
