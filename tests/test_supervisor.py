"""The process that computes is watched over: how it ends is told, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mpi4py import MPI

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="starts programs of its own")

ROOT = Path(__file__).parents[1]

ENDS = {
    "sys.exit(done(0))": (0, ""),
    "sys.exit(done(3))": (3, ""),
    "sys.exit(done(1))": (1, ""),
    "os._exit(0)": (1, "ended from within"),
    "sys.exit(0)": (1, "ended from within"),
    "os._exit(59)": (1, "exit code 59"),
    "os.abort()": (1, "SIGABRT"),
    "os.kill(os.getpid(), signal.SIGKILL)": (1, "SIGKILL"),
    "os.kill(os.getpid(), signal.SIGSEGV)": (1, "SIGSEGV"),
    "os.kill(os.getppid(), signal.SIGTERM); signal.pause()": (130, ""),
    "os.kill(os.getppid(), signal.SIGHUP); signal.pause()": (130, ""),
}
"""What the child does, the exit code, and what is said."""


def run(body: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """A child with this body, alone and under no launcher."""
    script = (
        f"import os, signal, sys\n{before}\nfrom app.supervisor import supervise\ndone = supervise()\n{body}"
    )
    environment = {key: each for key, each in os.environ.items() if not key.startswith(("PMI", "HYD"))}
    words = [sys.executable, "-c", script]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("body", ENDS)
def test_every_end_is_one_of_the_contract(body: str) -> None:
    """One message where the child cannot have said anything."""
    code, said = ENDS[body]
    done = run(body)
    assert done.returncode == code
    assert said in done.stderr and len(done.stderr.splitlines()) == bool(said)


WAITS = """
from app import activity
from app.activity import doing
activity.begin()
with doing("factorising an operator"):
    ctypes.PyDLL(None).usleep(900_000)  # as libraries do, without giving another thread its turn
activity.end()
ctypes.PyDLL(None).usleep(900_000)
sys.exit(done(0))
"""


def test_what_takes_long_before_the_first_iteration_is_told() -> None:
    """While a library computes, as often as it lasts; nothing after that."""
    done = run(WAITS, "import ctypes, app.supervisor\napp.supervisor.PATIENCE = 0.25")
    assert done.returncode == 0 and not done.stderr
    assert "s, before the first iteration: factorising an operator" in done.stdout
    assert len(done.stdout.splitlines()) <= 4


def test_a_signal_that_is_ignored_stays_so() -> None:
    """SIGHUP under nohup."""
    body = "os.kill(os.getppid(), signal.SIGHUP); sys.exit(done(3))"
    assert run(body, "signal.signal(signal.SIGHUP, signal.SIG_IGN)").returncode == 3
