"""The laws that concern distributed arrays hold on three ranks as on one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from launch import environment, mpirun
from mpi4py import MPI

TESTS = Path(__file__).parent

RANKS = 3

TIMEOUT = 900
"""Seconds for all; 300 are too few where the three ranks share two cores with other programs."""

TEST_TIMEOUT = 90
"""Seconds for one test, after which its tracebacks are shown and the run ends: a collective call hangs."""


@pytest.mark.slow
@pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="runs already on several ranks")
@pytest.mark.parametrize(
    "names",
    [("electrical", "mesh", "observe", "parallel", "pde", "prior"), ("energy",), ("problem",)],
    ids=" and ".join,
)
def test_laws_hold_on_three_ranks(names: tuple[str, ...]) -> None:
    """The tests of these folders that are of distributed rows pass under mpirun, every rank running each.

    In several runs, as MPI has some 2000 communicators and each mesh and matrix of a test takes some.
    """
    folders = [str(TESTS / name) for name in names]
    hang = ["-o", f"faulthandler_timeout={TEST_TIMEOUT}", "-o", "faulthandler_exit_on_timeout=true"]
    command = [mpirun(), "-n", str(RANKS), sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider"]
    run = subprocess.Popen(
        [*command, *hang, *folders],
        cwd=TESTS.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = run.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        output, _ = run.communicate()
        output += f"\nended after {TIMEOUT} s"
    assert run.returncode == 0, output
    assert output.count(" passed") == RANKS, output
