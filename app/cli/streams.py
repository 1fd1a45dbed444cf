"""Standard streams of a run that goes on where they do not: a reader that has left, a terminal that lacks a
character, a stream that was closed, a full disk."""

import errno
import io
import os
import sys
from typing import TextIO

MODES = {0: os.O_RDONLY, 1: os.O_WRONLY, 2: os.O_WRONLY}
"""By the numbers of standard input, output and error."""


class Lasting(io.TextIOWrapper):
    """A stream that is silent from its first failure on."""

    lost: OSError | None = None
    """The failure."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._fall_silent(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._fall_silent(error)

    def _fall_silent(self, error: OSError) -> None:
        """Let what is still held back, and what libraries print, go nowhere."""
        self.lost = self.lost or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def keep() -> None:
    """Make this process's streams such.

    One that was closed is opened on nothing, so that no file of the results gets its number, on which
    libraries print.
    """
    for number, mode in MODES.items():
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)  # the lowest number that is free: this one
    sys.stdout, sys.stderr = _lasting(sys.stdout, 1, "replace"), _lasting(sys.stderr, 2, "backslashreplace")


def lost() -> str | None:
    """Why standard output did not get all that was written; None where it did, or where its reader had
    enough."""
    sys.stdout.flush()
    error = getattr(sys.stdout, "lost", None)
    return None if error is None or error.errno == errno.EPIPE else str(error.strerror)


def _lasting(stream: TextIO | None, number: int, errors: str) -> Lasting:
    """In place of a stream of Python's, None where Python found it closed."""
    encoding = "utf-8" if stream is None else stream.encoding
    lines = stream is None or stream.isatty() or number == 2
    return Lasting(open(number, "wb", closefd=False), encoding, errors, line_buffering=lines)
