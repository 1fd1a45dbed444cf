"""Where a case was written: the lines of its YAML text, and what `--set` put over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.case.document import EXPECTED_FILE, LARGEST_FILE, Document, Key, NotYaml, read_document
from app.schema.files import read_text
from app.schema.problems import CaseError, named, shown
from app.types import Json, Summary


@dataclass(frozen=True)
class Origin:
    """Where each key of a case comes from."""

    file: Path = Path("case")
    folder: Path = field(default_factory=Path.cwd)
    """The case file's folder, absolute."""
    lines: Mapping[tuple[Key, ...], int] = field(default_factory=dict)
    """Line of each key in the file, counted from 1; the empty path is the whole."""
    overrides: frozenset[tuple[Key, ...]] = frozenset()
    """Paths that the command line has set."""

    def where(self, path: Sequence[Key]) -> str:
        """`file:line: dotted.key`, or `--set dotted.key`; a missing key has its mapping's line."""
        starts = [tuple(path[:n]) for n in range(len(path), -1, -1)]
        override = next((start for start in starts if start in self.overrides), None)
        if override is not None:
            option = f"--set {dotted(override)}"
            return option if len(override) == len(path) else f"{option}: {dotted(path)}"
        below = [name for name in self.overrides if name[: len(path)] == tuple(path)]
        if below and starts[0] not in self.lines:  # a mapping that only the command line has
            return f"--set {dotted(min(below, key=dotted))}: {dotted(path)}"
        line = next((self.lines[start] for start in starts if start in self.lines), 1)
        return f"{self.file}:{line}: {dotted(path)}".removesuffix(": ")


def dotted(path: Sequence[Key]) -> str:
    """`mesh.cells[0]`, the name of a path in messages."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{named(key)}" for key in path).lstrip(".")


def read_case_file(path: Path, overrides: Sequence[str]) -> tuple[Summary, Origin]:
    """Plain data of a YAML file with the overrides applied, and where each key was written."""
    document = _parse(path, read_text(path, EXPECTED_FILE, CaseError, LARGEST_FILE))
    data: Summary = document.data
    problems: list[str] = []
    applied = set()
    for override in overrides:
        try:
            applied.add(_apply(data, override))
        except CaseError as cause:
            problems += cause.problems
    if problems:
        raise CaseError(problems)
    return data, Origin(path, path.absolute().parent, document.lines, frozenset(applied))


def _parse(path: Path, text: str) -> Document:
    try:
        document = read_document(text)
    except NotYaml as cause:
        where = str(path) if cause.line is None else f"{path}:{cause.line}"
        raise CaseError([f"{where}: {cause}"]) from None
    if document.data is None:
        raise CaseError([f"{path}: found an empty file, expected {EXPECTED_FILE}"])
    if not isinstance(document.data, dict):
        # what is no list may be the first line of a file that is not meant to be shown
        found = shown(document.data) if isinstance(document.data, list) else "text without a key"
        raise CaseError([f"{path}:1: found {found}, expected a mapping such as mesh: ..."])
    return document


def _apply(data: Summary, override: str) -> tuple[str, ...]:
    """Put one `dotted.key=value` into the data; returns its path."""
    name, equals, text = override.partition("=")
    path = tuple(part.strip() for part in name.split("."))
    if not equals or not all(path):
        raise CaseError([f"--set {shown(override)}: found no key, expected dotted.key=value"])
    try:
        value: Json = read_document(text).data
    except NotYaml as cause:
        expected = "a YAML value (put it in quotes if it is text)"
        found = f"{shown(text)} ({cause.reason})"
        raise CaseError([f"--set {dotted(path)}: found {found}, expected {expected}"]) from None
    target = data
    for depth, key in enumerate(path[:-1], 1):
        if target.get(key) is None:
            target[key] = {}
        target = target[key]
        if not isinstance(target, dict):
            found = f"{shown(target)} at {dotted(path[:depth])}"
            raise CaseError([f"--set {dotted(path)}: found {found}, expected a mapping"])
    target[path[-1]] = value
    return path
