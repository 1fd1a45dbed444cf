"""How a process ends on an error: one message, the exit code of the contract, and with it all other ranks."""

import contextlib
import sys
import time
import traceback
from typing import TYPE_CHECKING

from app.cli.command import RunError, UsageError
from app.cli.exits import BAD_INPUT, INTERNAL, INTERRUPTED
from app.cli.ranks import speaks, world
from app.types import Done

if TYPE_CHECKING:
    from mpi4py import MPI

TOGETHER = 2.0
"""Seconds within which ranks that fail alike, but without having agreed on it, learn of each other."""

HEARD = 0.5
"""Seconds after a message until all ranks are ended: the launcher drops what it has not read by then."""

FAILED = 32001
"""Tag by which a rank tells the others that it has failed; no larger than any MPI allows."""


def end(error: BaseException, done: Done, *, debug: bool) -> int:
    """Say what has happened and return the exit code; where only some ranks failed, end all of them."""
    code, message = explained(error)
    comm = None if getattr(error, "agreed", False) else world()
    failed = {0} if comm is None else _failed(comm)
    if speaks() if comm is None else comm.rank == min(failed):
        _tell(error, message, debug=debug)
    if comm is not None and len(failed) < comm.size:
        time.sleep(HEARD)
        done(code, everywhere=True)
        comm.Abort(code)
    return done(code)


def explained(error: BaseException) -> tuple[int, str]:
    """The exit code of an error, and the message about it."""
    from app.schema.problems import InputError

    if isinstance(error, (InputError, UsageError)):
        return BAD_INPUT, str(error)
    if isinstance(error, RunError):
        return INTERNAL, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, ""
    if isinstance(error, MemoryError):
        reason = f" ({error})" if str(error) else ""
        return INTERNAL, f"found too little memory{reason}, expected more of it, or a smaller mesh or network"
    told = f"{type(error).__name__}: {error}".rstrip(": ")
    return INTERNAL, f"internal failure: {told} (--debug shows where)"


def _tell(error: BaseException, message: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    if message:
        print(message, file=sys.stderr, flush=True)


def _failed(comm: "MPI.Comm") -> set[int]:
    """Ranks that fail at about this time, with this one; the lowest of them speaks for all."""
    from mpi4py import MPI

    failed, everybody, deadline = {comm.rank}, set(range(comm.size)), time.monotonic() + TOGETHER
    with contextlib.suppress(MPI.Exception):
        told = [comm.Isend([bytearray(1), MPI.BYTE], rank, FAILED) for rank in everybody - failed]
        while failed < everybody and time.monotonic() < deadline:
            if comm.Iprobe(tag=FAILED, status=(status := MPI.Status())):
                comm.Recv([bytearray(1), MPI.BYTE], status.Get_source(), FAILED)
                failed.add(status.Get_source())
            time.sleep(0.01)
        del told
    return failed
