"""A failure of one rank, whatever it is, ends all: one message, an exit code of the contract."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from launch import environment, mpirun
from program import ROOT, TIMEOUT

HARNESS = ROOT / "tests" / "long" / "failures.py"

FAULTS = {
    ("reading", "SystemExit"): "internal failure: SystemExit: 0 (--debug shows where)",
    ("reading", "SIGKILL"): "the program was ended by the signal 9 (SIGKILL)",
}


@pytest.mark.parametrize(("place", "fault"), FAULTS)
def test_a_fault_on_one_rank_ends_all(place: str, fault: str, tmp_path: Path) -> None:
    """On two ranks, the second of which fails; tests/long/failures.py has all places and faults."""
    inject = [sys.executable, str(HARNESS), "inject", place, fault, "1", str(tmp_path / "mark")]
    case = ["cases/quickstart.yaml", "--set", "mesh.cells=[4,4]", "--out", str(tmp_path / "out"), "--quiet"]
    words = [mpirun(), "-n", "2", *inject, *case]
    done = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=TIMEOUT)
    assert (tmp_path / "mark").exists()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{FAULTS[place, fault]}\n")
