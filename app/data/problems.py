"""What is wrong in a data file: the first few problems are told, the rest is counted, and not for ever."""

from __future__ import annotations

from app.schema.problems import DataError

MOST_TOLD = 10
"""Problems of a file that a message names."""

MOST_COUNTED = 1000
"""Problems after which a file is not read further: it is no file of the kind."""

LONGEST_ECHO = 40
"""Characters of a file's text that a message repeats."""


class Problems:
    """Collects what is wrong; raises DataError when there is too much of it, or when it is asked to."""

    def __init__(self) -> None:
        self._told: list[str] = []
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, problem: str) -> None:
        """One more. Raises DataError where it is the last that is counted."""
        self._count += 1
        if self._count <= MOST_TOLD:
            self._told.append(problem)
        if self._count == MOST_COUNTED:
            raise DataError(
                [*self._told, f"... and {MOST_COUNTED - MOST_TOLD} more, perhaps others behind them"]
            )

    def check(self) -> None:
        """Raise DataError if there are any."""
        if self._count > MOST_TOLD:
            raise DataError([*self._told, f"... and {self._count - MOST_TOLD} more"])
        if self._told:
            raise DataError(self._told)


def echo(text: str) -> str:
    """A file's text as a message repeats it: on one line, printable and short."""
    clean = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return clean if len(clean) <= LONGEST_ECHO else clean[: LONGEST_ECHO - 3] + "..."
