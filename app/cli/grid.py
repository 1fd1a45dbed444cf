"""The runs of a sweep: every combination of the values that keys are given, each with a folder of its own."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.command import UsageError

if TYPE_CHECKING:
    from app.case import BaseCase

MOST_JOBS = 2000
"""Runs of a sweep: each is read as a case before the first begins."""

LONGEST = 80
"""Characters of a folder's name; what is longer ends in a digest."""


@dataclass(frozen=True)
class Varied:
    """A key and its values, as they are written."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """A run of a sweep."""

    settings: tuple[tuple[str, str], ...]
    """Keys and their values."""
    folder: Path
    identity: str
    """Digest of all that goes in."""

    @property
    def overrides(self) -> list[str]:
        """As --set has them."""
        return [f"{key}={value}" for key, value in self.settings]


def read_varied(words: Sequence[str]) -> list[Varied]:
    """The keys and values of `KEY=VALUE,VALUE,…`; commas within brackets and quotes part no values. Raises
    UsageError."""
    found: list[Varied] = []
    for word in words:
        key, equals, text = word.partition("=")
        values = tuple(split(text))
        if not equals or not key.strip() or not all(values):
            expected = "KEY=VALUE,VALUE,... with a value before and behind each comma"
            raise UsageError(f"--set: found {word!r}, expected {expected}")
        if key in [one.key for one in found]:
            raise UsageError(f"--set: found {key} twice, expected all of its values together")
        if len(set(values)) < len(values):
            raise UsageError(f"--set: found {key} with a value twice, expected different ones")
        found.append(Varied(key, values))
    return found


def split(text: str) -> list[str]:
    """The parts of a text between its commas that stand in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote or letter in "\"'":
            quote = "" if letter == quote else quote or letter
        depth += (letter in "[{(") - (letter in "]})") if not quote else 0
        if letter == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def jobs_of(case: Path, varied: Sequence[Varied], folder: Path) -> list[Job]:
    """One job for each combination, the last key's values changing first.

    Raises CaseError for any that is no case, before the first one runs, and UsageError for too many.
    """
    count = math.prod(len(one.values) for one in varied)
    if count > MOST_JOBS:
        raise UsageError(f"--set: found {count} combinations, expected at most {MOST_JOBS} in a sweep")
    from app.case import load_case

    keys = [one.key for one in varied]
    found = []
    for values in product(*(one.values for one in varied)):
        settings = tuple(zip(keys, values, strict=True))
        own = load_case(case, [f"{key}={value}" for key, value in settings])
        found.append(Job(settings, folder / name_of(settings), identity_of(own)))
    return found


def name_of(settings: Sequence[tuple[str, str]]) -> str:
    """A folder's name that tells the settings."""
    told = " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in settings) or "run"
    name = re.sub(r"[^\w.=+-]+", "_", told).strip("_.")
    keys = [key.rpartition(".")[2] for key, _ in settings]
    if len(name) <= LONGEST and len(set(keys)) == len(keys) and name == told.replace(" ", "_"):
        return name
    return f"{name[:LONGEST]}-{hashlib.sha256(repr(settings).encode()).hexdigest()[:8]}"


def identity_of(case: BaseCase) -> str:
    """A digest of a case with what is in its files."""
    from app.case import case_digest

    text = json.dumps([case_digest(case), case.effective()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
