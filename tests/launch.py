"""Programs on several ranks: the launcher, and what their environment says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def mpirun() -> str:
    """Return the launcher of the environment that the tests run in."""
    beside = Path(sys.executable).parent / "mpirun"
    found = str(beside) if beside.exists() else shutil.which("mpirun")
    assert found, f"found no mpirun beside {sys.executable} nor on the path"
    return found


def environment() -> dict[str, str]:
    """Return the environment of a program that is started: plain output, and one thread a rank.

    What this process has from a launcher, if any, and from pytest is left out. MPICH's ranks spin while they
    wait; where they outnumber the cores, as three ranks do on two, they keep those that they wait for from
    running. With the heavy yield they sleep instead, which halves the time (MPICH's
    `MPIR_CVAR_ENABLE_HEAVY_YIELD`; other implementations ignore it).
    """
    own = ("PMI", "HYD", "MPI_", "PYTEST_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(own)}
    return kept | {
        "OMP_NUM_THREADS": "1",
        "MPIR_CVAR_ENABLE_HEAVY_YIELD": "1",
        "FORCE_COLOR": "",
        "TTY_COMPATIBLE": "0",
    }


def end(process: subprocess.Popen[str]) -> None:
    """End a program and its ranks: mpirun hands SIGTERM on to them; what is left is killed by group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
