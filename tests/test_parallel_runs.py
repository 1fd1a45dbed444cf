"""The laws that concern distributed arrays hold on several ranks as on one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from launch import environment, mpirun
from mpi4py import MPI

TESTS = Path(__file__).parent

ROOMS = {
    3: ("mesh", "parallel", "pde"),
    2: ("electrical", "energy", "observe", "posterior", "prior", "problem"),
}
"""Folders by the number of ranks that their laws are tried on. Rows that have two neighbours, and nodes that
three ranks share, are of the rooms that make them; what stands on these adds sums over ranks, and rows of
others, which two have."""

TIMEOUT = 900
"""Seconds for all; 300 are too few where the ranks share two cores with other programs."""

TEST_TIMEOUT = 90
"""Seconds for one test, after which its tracebacks are shown and the run ends: a collective call hangs."""


@pytest.mark.slow
@pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="runs already on several ranks")
@pytest.mark.parametrize("ranks", ROOMS)
def test_laws_hold_on_several_ranks(ranks: int) -> None:
    """The tests of these folders that are of distributed rows pass under mpirun, every rank running each."""
    folders = [str(TESTS / name) for name in ROOMS[ranks]]
    hang = ["-o", f"faulthandler_timeout={TEST_TIMEOUT}", "-o", "faulthandler_exit_on_timeout=true"]
    command = [mpirun(), "-n", str(ranks), sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider"]
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
    assert output.count(" passed") == ranks, output
