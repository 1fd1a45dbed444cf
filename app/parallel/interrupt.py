"""Signals as wishes to stop, which all ranks learn of at the same place."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType, TracebackType

from mpi4py import MPI

AT_ONCE = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Signals that end a run as soon as it lets go; SIGINT ends it after the iteration."""


class Interrupted(Exception):
    """The run was told to end at once; raised on all ranks alike, in the middle of an iteration."""


class Interrupt:
    """While it is entered, signals are remembered as wishes; alike on all ranks once one of them asks."""

    def __init__(self, comm: MPI.Comm) -> None:
        self._comm = comm
        self._wish = 0
        self._held = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interrupt":
        numbers = [signal.SIGINT, *AT_ONCE]
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as `nohup` has it
            numbers.remove(signal.SIGHUP)
        self._before = {number: signal.signal(number, self._remember) for number in numbers}
        self._token = _ACTIVE.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ACTIVE.reset(self._token)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def wished(self) -> bool:
        """Whether any rank was asked to stop, after the iteration or at once; collective."""
        return self._agreed() > 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """In the body nothing is interrupted."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before

    def check(self) -> None:
        """Raise Interrupted on all ranks if any was asked to stop at once; collective."""
        if not self._held and self._agreed() > 1:
            raise Interrupted

    def _agreed(self) -> int:
        count: int = self._comm.allreduce(self._wish, op=MPI.MAX)
        return count

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._wish = max(self._wish, 2 if number in AT_ONCE else 1)


def plain_signals() -> None:
    """Let signals that end a run at once end this process, whatever libraries have made of them; for the time
    before there is a run that could be saved, after MPI and PETSc have started."""
    for number in AT_ONCE:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


_ACTIVE: ContextVar[Interrupt | None] = ContextVar("interrupt", default=None)


def let_go() -> None:
    """Let a run that was told to end do so here: raises Interrupted on all ranks alike; collective.

    Called where all ranks pass alike and much time is spent: before solves and flow matrices.
    """
    active = _ACTIVE.get()
    if active is not None:
        active.check()
