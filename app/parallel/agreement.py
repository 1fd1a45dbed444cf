"""Failure that all ranks know of before any of them raises, so that nothing hangs."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from mpi4py import MPI


class FailedElsewhere(RuntimeError):
    """Another rank failed in the same collective step; that rank's own error tells why."""


@contextmanager
def agreed(comm: MPI.Comm) -> Iterator[None]:
    """Run rank-local work; if it raises anywhere, the error of the lowest failing rank is raised everywhere.

    The body must hold no collective call that another rank's failure could leave waiting.
    """
    failure: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failure = error
    first = comm.allreduce(comm.rank if failure is not None else comm.size, op=MPI.MIN)
    if first == comm.size:
        return
    shared: Any = comm.bcast(_sendable(failure) if comm.rank == first else None, root=first)
    raised: Any = failure if comm.rank == first else shared
    raised.agreed = True  # so that one rank can speak for all
    raise raised


def known_to_all(error: BaseException, comm: MPI.Comm) -> bool:
    """Whether no rank goes on without the error: it was agreed on, or there is but one rank."""
    return comm.size == 1 or getattr(error, "agreed", False) is True


def on_root[T](comm: MPI.Comm, function: Callable[[], T]) -> T:
    """Call `function` on rank 0 and return its result, or raise its error, on all ranks."""
    result: T | None = None
    with agreed(comm):
        if comm.rank == 0:
            result = function()
    shared: T = comm.bcast(result, root=0)
    return shared


def check_identical(comm: MPI.Comm, array: np.ndarray, what: str) -> None:
    """Raise on all ranks unless `array` is the same, bit for bit, on all of them (by its CRC-32)."""
    checksum = zlib.crc32(np.ascontiguousarray(array).tobytes())
    low, high = comm.allreduce(checksum, op=MPI.MIN), comm.allreduce(checksum, op=MPI.MAX)
    if low != high:
        raise RuntimeError(f"{what} differ between ranks: checksums {low:08x} to {high:08x}")


def _sendable(error: BaseException | None) -> BaseException:
    """The error itself if it survives pickling, else its message."""
    try:
        MPI.pickle.loads(MPI.pickle.dumps(error))
    except Exception:
        return FailedElsewhere(str(error))
    assert error is not None
    return error
