"""Numbers and sentences as a report has them."""

import math
import re
from collections.abc import Mapping

from app.types import Json

FORBIDDEN = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
"""Control characters, halves of pairs, and what Unicode has for no character."""

UNKNOWN = "–"
"""Stands for what is not known."""

MOST_DIGITS = 7
"""Before the point; larger numbers have an exponent."""


def number(value: Json, digits: int = 4) -> str:
    """A value of the summary: whole numbers as they are, others with so many digits, several by their names
    or one after the other."""
    match value:
        case None | "":
            return UNKNOWN
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value)
        case float() if digits < math.log10(max(abs(value), 1.0)) < MOST_DIGITS:
            return f"{value:.0f}"
        case float():
            return f"{value:.{digits}g}" if math.isfinite(value) else UNKNOWN
        case Mapping() | list() | tuple() if not value:
            return UNKNOWN
        case Mapping():
            return ", ".join(f"{name}: {number(each, digits)}" for name, each in value.items())
        case list() | tuple():
            return ", ".join(number(each, digits) for each in value)
        case _:
            return str(value)


def cell(text: str | None, digits: int = 4) -> str:
    """A cell of a table: numbers that are not whole with so many digits, a dash for an empty one."""
    if not text:
        return UNKNOWN
    value = numeric(text)
    if math.isnan(value) or re.fullmatch(r"[+-]?\d+", text):
        return text
    return number(value, digits)


def numeric(value: Json) -> float:
    """A value or a cell as a number, nan where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text.strip()
    end = "" if text.endswith((".", "!", "?")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}" if text else ""


def counted(count: int, noun: str) -> str:
    """`1 reading`, `2 readings`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def printable(text: str) -> str:
    """Without characters that a page must not have; what stands for them can be seen."""
    return re.sub(f"[{FORBIDDEN}]", "\ufffd", text)
