"""What is wrong with the user's input, and how it is said: found beside expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

LONGEST_SHOWN = 60
"""Characters of a found value that a message repeats."""


class InputError(Exception):
    """Bad input, one line of `problems` each. It pickles, so that rank 0 can share it."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(list(problems))
        self.problems: list[str] = list(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class CaseError(InputError):
    """A case file, or a `--set`, that does not describe a case."""


class DataError(InputError):
    """A data file that does not hold what its kind of observation needs."""


def shown(value: object) -> str:
    """A value from YAML as a message repeats it, cut when long."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case Mapping():
            keys = ", ".join(map(str, value))
            return _cut(f"a mapping of {keys}") if value else "an empty mapping"
        case list() | tuple():
            return _cut("[" + ", ".join(shown(item) for item in value[:LONGEST_SHOWN]) + "]")
        case str() | int() | float():
            return _cut(repr(value))
        case _:
            return _cut(f"{value} (a {type(value).__name__})")


def nearest(name: object, known: Iterable[object]) -> str:
    """` (did you mean 'x'?)` with the nearest known name, or nothing when none is near."""
    by_lower = {str(candidate).lower(): str(candidate) for candidate in known}
    close = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def read_text(path: Path, expected: str, error: type[InputError]) -> str:
    """The text of a UTF-8 file; raises `error` with one sentence when there is none to read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise error([f"{path}: found no such file, expected {expected}"]) from None
    except IsADirectoryError:
        raise error([f"{path}: found a directory, expected {expected}"]) from None
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise error([f"{path}: found an unreadable file ({reason}), expected {expected}"]) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = content.count(b"\n", 0, cause.start) + 1
        byte = f"0x{content[cause.start]:02x}"
        raise error([f"{path}:{line}: found the byte {byte}, expected UTF-8 text"]) from None
    if not text.strip():
        raise error([f"{path}: found an empty file, expected {expected}"])
    return text


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."
