"""How files are written: whole or not at all, never through a link; and what could not be written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = "part-"
"""What the name of a file begins with until it is whole."""


class Unwritten(Exception):
    """Some of the results could not be written; says which and why."""


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Where the body is to write what becomes `path`; a link of that name is replaced, not followed. Serial.

    Where the body fails, what was there before stays.
    """
    part = path.with_name(f"{PART}{path.name}")
    try:
        part.unlink(missing_ok=True)
        yield part
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


class Losses:
    """Files that could not be written, and why; the same on all ranks."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._said: set[str] = set()

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

    def check(self, folder: Path) -> None:
        """Raise Unwritten if there are any."""
        if self._told:
            reasons = ", ".join(dict.fromkeys(self._told.values()))
            raise Unwritten(f"{folder}: could not write {', '.join(self._told)} ({reasons})")
