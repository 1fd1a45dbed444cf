"""How files are written: whole or not at all, never through a link; and what could not be written."""

import errno
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mpi4py import MPI

from app.parallel import agreed, known_to_all
from app.schema.files import KINDS

PART = "part-"
"""What the name of a file begins with until it is whole."""


class Unwritten(Exception):
    """Some of the results could not be written; says which and why."""


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Where the body is to write what becomes `path`; a link of that name is replaced, not followed. Serial.

    Where the body fails, what was there before stays. Raises OSError, before the body, for what is neither a
    file nor a link: a device or a named pipe would be lost.
    """
    if kind := not path.is_symlink() and path.exists() and KINDS.get(stat.S_IFMT(path.stat().st_mode)):
        raise OSError(errno.EEXIST, f"it is {kind}", str(path))
    part = path.with_name(f"{PART}{path.name}")
    try:
        part.unlink(missing_ok=True)
        yield part
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def drawn(comm: MPI.Comm, draw: Callable[[], None]) -> str | None:
    """Have rank 0 draw a picture; returns, on all ranks, why there is none, None if there is one.

    Raises OSError on all ranks where it cannot be written.
    """
    failure = None
    with agreed(comm):
        if comm.rank == 0:
            try:
                draw()
            except OSError:
                raise
            except Exception as error:
                failure = _told(error)
    told: str | None = comm.bcast(failure, root=0)
    return told


class Losses:
    """Files that could not be written or drawn, and why; the same on all ranks."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._said: set[str] = set()
        self.undrawn: dict[str, str] = {}
        """Pictures that could not be drawn, by the files' names: a machine without graphics loses some."""

    def __bool__(self) -> bool:
        return bool(self._told)

    def attempt(self, path: Path, write: Callable[[], None]) -> str | None:
        """Call what writes a file, and raises OSError on all ranks alike; what there is to say of it, once.

        A file that is written later is none of the losses.
        """
        try:
            write()
        except OSError as error:
            self._told[path.name] = reason = error.strerror or str(error)
            if path.name in self._said:
                return None
            self._said.add(path.name)
            return f"warning: {path} could not be written ({reason}); the run goes on"
        self._told.pop(path.name, None)
        return None

    def draw(self, path: Path, draw: Callable[[], str | None]) -> None:
        """Call what draws a picture and returns why there is none (see drawn); one that cannot be written is
        lost as any file is. One that fails otherwise, and all ranks know it, is missing too."""

        def write() -> None:
            try:
                reason = draw()
            except OSError:
                raise
            except Exception as error:
                if not known_to_all(error, MPI.COMM_WORLD):
                    raise
                reason = _told(error)
            if reason:
                self.undrawn[path.name] = reason

        self.undrawn.pop(path.name, None)
        self.attempt(path, write)

    @property
    def unwritten(self) -> dict[str, str]:
        """All files that are missing by their names, and why."""
        return self._told | self.undrawn

    def check(self, folder: Path) -> None:
        """Raise Unwritten if there are any."""
        if self._told:
            reasons = ", ".join(dict.fromkeys(self._told.values()))
            raise Unwritten(f"{folder}: could not write {', '.join(self._told)} ({reasons})")


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
