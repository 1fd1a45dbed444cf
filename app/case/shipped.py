"""The cases that come with the program's source, and what each says of itself."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "cases"
"""Beside the program in its source; a wheel has none."""

MODELINE = "# yaml-language-server:"
"""How the comment begins that tells an editor the schema."""


def comment_of(case: Path) -> str:
    """What a case says of itself: its first lines of comment, as one."""
    lines = re.match(r"(?:#.*\n)*", case.read_text(encoding="utf-8"))
    told = lines[0].splitlines() if lines else []
    return " ".join(line.strip("# ") for line in told if not line.startswith(MODELINE))


def sentence_of(case: Path) -> str:
    """The first sentence of it."""
    sentence, stop, _ = comment_of(case).partition(". ")
    return sentence + stop.strip()


def shipped_cases() -> list[Path]:
    """All of them by name; none where the program was installed without."""
    return sorted(FOLDER.glob("*.yaml"))
