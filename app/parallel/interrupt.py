"""Ctrl-C and termination as a wish to stop, which all ranks learn of at the same place."""

import signal
from types import FrameType, TracebackType

from mpi4py import MPI

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """While it is entered, a first signal is remembered and a second one acts as it always does."""

    def __init__(self, comm: MPI.Comm) -> None:
        self._comm = comm
        self._wished = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interrupt":
        self._before = {number: signal.signal(number, self._remember) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def wished(self) -> bool:
        """Whether any rank was asked to stop; collective."""
        return self._comm.allreduce(self._wished, op=MPI.LOR)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._wished = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
