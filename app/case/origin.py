"""Where a case was written: its YAML text with line numbers, and what `--set` put over it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from app.schema.problems import CaseError, read_text, shown
from app.types import Json, Summary

type Key = str | int
"""A key of a mapping or a position in a list."""

EXPECTED_FILE = "a YAML case file"
DEEPEST_NESTING = 50


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
            named = f"--set {dotted(override)}"
            return named if len(override) == len(path) else f"{named}: {dotted(path)}"
        below = [name for name in self.overrides if name[: len(path)] == tuple(path)]
        if below and starts[0] not in self.lines:  # a mapping that only the command line has
            return f"--set {dotted(min(below, key=dotted))}: {dotted(path)}"
        line = next((self.lines[start] for start in starts if start in self.lines), 1)
        return f"{self.file}:{line}: {dotted(path)}".removesuffix(": ")


def dotted(path: Sequence[Key]) -> str:
    """`mesh.cells[0]`, the name of a path in messages."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def read_case_file(path: Path, overrides: Sequence[str]) -> tuple[Summary, Origin]:
    """Plain data of a YAML file with the overrides applied, and where each key was written."""
    document = _parse(path, read_text(path, EXPECTED_FILE, CaseError))
    lines = dict(_lines(document))
    try:
        data = _plain(document, path)
    except RecursionError:
        raise CaseError([f"{path}: found a mapping within itself, expected finite YAML"]) from None
    problems: list[str] = []
    applied = set()
    for override in overrides:
        try:
            applied.add(_apply(data, override))
        except CaseError as cause:
            problems += cause.problems
    if problems:
        raise CaseError(problems)
    return data, Origin(path, path.absolute().parent, lines, frozenset(applied))


def _parse(path: Path, text: str) -> CommentedMap:
    try:
        document = YAML().load(text)
    except DuplicateKeyError as cause:
        key = re.search(r'duplicate key "(.*?)"', str(cause.problem))
        named = f"the key {key[1]!r}" if key else "a key"
        raise CaseError([f"{path}:{_line(cause)}: found {named} twice, expected it once"]) from None
    except MarkedYAMLError as cause:
        reason = ", ".join(str(part) for part in (cause.context, cause.problem) if part)
        raise CaseError([f"{path}:{_line(cause)}: {_unreadable(reason)}"]) from None
    except (YAMLError, ValueError, TypeError, AttributeError, RecursionError) as cause:
        # ruamel lets faults of dates and tags through as they come
        reason = str(cause).partition("\n")[0]
        raise CaseError([f"{path}: {_unreadable(reason)}"]) from None
    if document is None:
        raise CaseError([f"{path}: found an empty file, expected {EXPECTED_FILE}"])
    if not isinstance(document, CommentedMap):
        found = shown(document)
        raise CaseError([f"{path}:1: found {found}, expected a mapping such as mesh: ..."])
    return document


def _line(cause: MarkedYAMLError) -> int:
    mark = cause.problem_mark or cause.context_mark
    return mark.line + 1 if mark else 1


def _unreadable(reason: str) -> str:
    return f"found text that is not YAML ({reason}), expected {EXPECTED_FILE}"


def _lines(node: object, path: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], int]]:
    """The line of every key and list item below a node of the document."""
    if len(path) > DEEPEST_NESTING or not isinstance(node, CommentedMap | CommentedSeq):
        return
    if not path:
        yield path, node.lc.line + 1
    named = node.items() if isinstance(node, CommentedMap) else enumerate(node)
    for key, value in named:
        name = key if isinstance(node, CommentedSeq) else str(key)
        # keys that come in by a merge (<<) have no place of their own
        if node.lc.data and key in node.lc.data:
            yield (*path, name), node.lc.data[key][0] + 1
        yield from _lines(value, (*path, name))


def _plain(node: object, path: Path, depth: int = 0) -> Json:
    """The document without ruamel's types, which carry comments and formats."""
    if depth > DEEPEST_NESTING:
        raise RecursionError
    match node:
        case Mapping():
            return {str(key): _plain(value, path, depth + 1) for key, value in node.items()}
        case list():
            return [_plain(value, path, depth + 1) for value in node]
        case TaggedScalar():
            raise CaseError([f"{path}: found the YAML tag {node.tag}, expected plain values"])
        case bool() | None:
            return node
        case int():
            return int(node)
        case float():
            return float(node)
        case str():
            return str(node)
        case _:
            return node


def _apply(data: Summary, override: str) -> tuple[str, ...]:
    """Put one `dotted.key=value` into the data; returns its path."""
    name, equals, text = override.partition("=")
    path = tuple(part.strip() for part in name.split("."))
    if not equals or not all(path):
        raise CaseError([f"--set {shown(override)}: found no key, expected dotted.key=value"])
    try:
        value = YAML().load(io.StringIO(text))
        value = _plain(value, Path(f"--set {dotted(path)}"))
    except (YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        expected = "a YAML value (put it in quotes if it is text)"
        raise CaseError([f"--set {dotted(path)}: found {shown(text)}, expected {expected}"]) from None
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
