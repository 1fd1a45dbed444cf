"""What the program does just now: told by the process that computes, read by the one that watches over it.

The words stand in memory that both share, since a process within a library that computes for minutes can
print nothing itself: not even another thread of it gets its turn.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 100
_BOARD = mmap.mmap(-1, _LONGEST)
"""Shared with whatever is forked later; begins with NUL where nothing is to be told."""

PREPARING = "preparing the first iteration"
"""What a run does until something is said of it."""

_doing = ["reading the case and loading libraries"]
_telling = False


def begin() -> None:
    """Have it told from now on, what is being done included."""
    global _telling
    _telling = True
    _write()


def end() -> None:
    """Have it told no more."""
    global _telling
    _telling = False
    _write()


@contextmanager
def doing(what: str) -> Iterator[None]:
    """While the body lasts this is what is done, and not what it is a part of."""
    _doing.append(what)
    _write()
    try:
        yield
    finally:
        _doing.pop()
        _write()


def told() -> str | None:
    """What the process that computes does, by its own words; None where that is not to be told."""
    return _BOARD[:].split(b"\0", 1)[0].decode(errors="replace") or None


def current() -> str:
    """What this process does, for whoever shows it while it computes."""
    return _doing[-1]


def _write() -> None:
    words = _doing[-1].encode()[: _LONGEST - 1] if _telling else b""
    _BOARD[:] = words.ljust(_LONGEST, b"\0")
