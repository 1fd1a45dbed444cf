"""A YAML text as plain data and the line of each key; whatever is written, it is read within bounds.

Aliases, tags and deep nesting let a few bytes stand for gigabytes or for objects: a case has use for
neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from app.types import Json, Untyped

type Key = str | int
"""A key of a mapping or a position in a list."""

EXPECTED_FILE = "a YAML case file"
LARGEST_FILE = 200_000
"""Bytes of the largest case; its parser, which keeps the lines, reads some 20 kB in a second."""
DEEPEST_NESTING = 50
MOST_ENTRIES = 20_000
"""Entries of mappings and lists, those that aliases repeat included; two thousand wells have 8000."""
LARGEST_INTEGER = 10**300
"""Beyond it, it is no number of double precision; Python refuses to write those of thousands of digits."""


class NotYaml(ValueError):
    """Text that is no plain YAML: the `reason`, and the line where one is known."""

    def __init__(self, reason: str, line: int | None = None, expected: str = EXPECTED_FILE) -> None:
        super().__init__(reason, line, expected)
        self.reason = reason
        self.line = line
        self.expected = expected

    def __str__(self) -> str:
        return f"found {self.reason}, expected {self.expected}"


@dataclass
class Document:
    """Plain data of a YAML text, and the line of each key and list item, counted from 1."""

    data: Json = None
    lines: dict[tuple[Key, ...], int] = field(default_factory=dict)
    """By the path to it; the empty path is the whole."""
    entries: int = 0

    def line(self, path: tuple[Key, ...]) -> int | None:
        """Of a key, or of the nearest mapping or list around it that has one."""
        starts = (path[:n] for n in range(len(path), -1, -1))
        return next((self.lines[start] for start in starts if start in self.lines), None)


def read_document(text: str) -> Document:
    """The plain data of a text and their lines. Raises NotYaml."""
    _check_brackets(text)
    try:
        node = YAML().load(text)
    except DuplicateKeyError as cause:
        key = re.search(r'duplicate key "(.*?)"', str(cause.problem))
        reason = f"the key {key[1]!r} twice" if key else "a key twice"
        raise NotYaml(reason, _line(cause), "it once") from None
    except MarkedYAMLError as cause:
        reason = ", ".join(str(part) for part in (cause.context, cause.problem) if part)
        raise NotYaml(f"text that is not YAML ({reason})", _line(cause)) from None
    except ReaderError as cause:
        line = text.count("\n", 0, int(cause.position)) + 1
        reason = f"the character U+{int(cause.character):04X}"
        raise NotYaml(f"text that is not YAML ({reason})", line) from None
    except RecursionError:
        raise _too_deep() from None
    except Exception as cause:  # ruamel lets faults of dates, numbers and tags through as they come
        reason = str(cause).partition("\n")[0]
        raise NotYaml(f"text that is not YAML ({reason})") from None
    document = Document()
    if isinstance(node, CommentedMap | CommentedSeq):
        document.lines[()] = node.lc.line + 1
    document.data = _plain(node, document, ())
    return document


def _check_brackets(text: str) -> None:
    """Refuse brackets nested so deep that the parser would search through them for minutes."""
    depth = 0
    for sign in re.finditer(r"[\[\]{}]", text):
        depth = max(0, depth + (1 if sign[0] in "[{" else -1))
        if depth > DEEPEST_NESTING:
            raise _too_deep(text.count("\n", 0, sign.start()) + 1)


def _too_deep(line: int | None = None) -> NotYaml:
    found = "mappings or lists nested too deeply, or one within itself"
    return NotYaml(found, line, f"at most {DEEPEST_NESTING} levels")


def _line(cause: MarkedYAMLError) -> int:
    mark = cause.problem_mark or cause.context_mark
    return mark.line + 1 if mark else 1


def _plain(node: Untyped, document: Document, path: tuple[Key, ...]) -> Json:
    """A node without ruamel's types, which carry comments and formats; notes the lines below it.

    Aliases are followed as often as they stand there.
    """
    line = document.line(path)
    document.entries += 1
    if document.entries > MOST_ENTRIES:
        found = f"more than {MOST_ENTRIES} entries, those that aliases repeat included"
        raise NotYaml(found, line, "fewer (long tables belong into files)")
    if len(path) > DEEPEST_NESTING:
        raise _too_deep(line)
    tag = getattr(getattr(node, "tag", None), "value", None)
    if tag is not None and isinstance(node, CommentedMap | CommentedSeq | TaggedScalar):
        raise NotYaml(f"the YAML tag {tag}", line, "plain values")
    match node:
        case Mapping():
            return {key: _below(node, old, key, document, path) for old, key in _keys(node, line)}
        case list():
            return [_below(node, i, i, document, path) for i in range(len(node))]
        case bool() | None:
            return node
        case int():
            if abs(node) >= LARGEST_INTEGER:
                raise NotYaml("an integer of more than 300 digits", line, "a number below 1e300")
            return int(node)
        case float():
            return float(node)
        case str():
            return str(node)
        case _:
            found = f"a {type(node).__name__.lower()}"
            raise NotYaml(found, line, "numbers, text, true, false, lists and mappings (text in quotes)")


def _below(node: Untyped, old: Untyped, key: Key, document: Document, path: tuple[Key, ...]) -> Json:
    """What a node has at a key or position of its own, the plain one being `key`."""
    # keys that come in by a merge (<<) have no place of their own
    if getattr(node, "lc", None) and node.lc.data and old in node.lc.data:
        document.lines[*path, key] = node.lc.data[old][0] + 1
    return _plain(node[old], document, (*path, key))


def _keys(node: Untyped, line: int | None) -> list[tuple[Untyped, str]]:
    """The keys of a mapping, and what they are as text."""
    found: dict[str, Untyped] = {}
    for key in node:
        if isinstance(key, bool) or not isinstance(key, str | int | float):
            raise NotYaml("a key that is neither text nor a number", line, "text (in quotes if need be)")
        if isinstance(key, int) and abs(key) >= LARGEST_INTEGER:
            raise NotYaml("an integer of more than 300 digits as a key", line, "text")
        text = str(key)
        if text in found:
            raise NotYaml(f"the key {text!r} twice", line, "it once")
        found[text] = key
    return [(key, text) for text, key in found.items()]
