"""Places without readings, where a state is predicted or may be measured next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

READING = "value"
"""The column that places lack."""


@dataclass(frozen=True)
class InlineRows:
    """Rows that a case holds itself: cells in the order of the columns that a file would have."""

    where: str
    """The file, line and key of the case, for messages."""
    rows: tuple[tuple[float | str, ...], ...]

    def __str__(self) -> str:
        return self.where


@dataclass(frozen=True)
class Places:
    """What a kind of observation reads, as a file of readings but without them: it takes them for nan."""

    source: Path | InlineRows

    def __str__(self) -> str:
        return str(self.source)


type Source = Path | Places
"""What a kind of observation reads."""
