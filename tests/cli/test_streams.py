"""A run goes on where its standard streams do not."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mpi4py import MPI

from app.cli.streams import Lasting

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="of one process")

ROOT = Path(__file__).parents[2]

CLOSED = """\
import os, sys
from app.cli.streams import keep
keep()
print("unheard"), print("unheard", file=sys.stderr)
with open(sys.argv[1], "w") as file:
    os.write(1, b"from a library")
    file.write(str(file.fileno()))
"""


def test_a_stream_whose_reader_has_left_falls_silent() -> None:
    """Python's own raises BrokenPipeError; what is written later goes nowhere."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python has it; PETSc may have changed it
    reading, writing = os.pipe()
    os.close(reading)
    with Lasting(open(writing, "wb"), "utf-8") as stream:
        for _ in range(3):
            assert stream.write("a line\n") == 7
            stream.flush()
        assert stream.lost is not None and stream.lost.errno == errno.EPIPE
    signal.signal(signal.SIGPIPE, before)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_what_an_encoding_lacks_is_replaced(encoding: str, tmp_path: Path) -> None:
    """The dot, Greek letters and names of files that are no text."""
    with Lasting((tmp_path / "out").open("wb"), encoding, "replace") as stream:
        stream.write("· σ \udcff\n")
    assert (tmp_path / "out").read_bytes()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_no_file_gets_the_number_of_a_closed_stream(closed: str, tmp_path: Path) -> None:
    """What libraries print would stand in it."""
    words = ["sh", "-c", f'"$0" -c "$1" "$2" {closed}', sys.executable, CLOSED, str(tmp_path / "file")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True)
    assert done.returncode == 0
    assert int((tmp_path / "file").read_text()) > 2
