"""Nodes, elements and physical groups of a mesh file of gmsh, of the formats 2 and 4.1."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.mesh.sections import SHOWN, MshError, Numbers, Sections, read_sections

ROWS = 64
"""Elements of one kind that are looked ahead for at first."""


class Kind(NamedTuple):
    """A kind of element: cell and degree as DOLFINx has them, and the number of nodes."""

    cell: str
    dimension: int
    degree: int
    nodes: int


KINDS = {
    15: Kind("point", 0, 0, 1),
    1: Kind("interval", 1, 1, 2),
    2: Kind("triangle", 2, 1, 3),
    3: Kind("quadrilateral", 2, 1, 4),
    4: Kind("tetrahedron", 3, 1, 4),
    5: Kind("hexahedron", 3, 1, 8),
    6: Kind("prism", 3, 1, 6),
    7: Kind("pyramid", 3, 1, 5),
    8: Kind("interval", 1, 2, 3),
    9: Kind("triangle", 2, 2, 6),
    10: Kind("quadrilateral", 2, 2, 9),
    11: Kind("tetrahedron", 3, 2, 10),
    12: Kind("hexahedron", 3, 2, 27),
    13: Kind("prism", 3, 2, 18),
    14: Kind("pyramid", 3, 2, 14),
    16: Kind("quadrilateral", 2, 2, 8),
    17: Kind("hexahedron", 3, 2, 20),
    18: Kind("prism", 3, 2, 15),
    19: Kind("pyramid", 3, 2, 13),
}
"""By gmsh's number. Those of degree 2 that lack nodes inside are gmsh's serendipity elements."""


@dataclass(frozen=True)
class Elements:
    """Elements of one kind, in the order of the file."""

    kind: int
    tags: np.ndarray
    """gmsh's numbers, shape (elements,)."""
    nodes: np.ndarray
    """Rows of the nodes' coordinates, in gmsh's order, shape (elements, nodes)."""
    groups: np.ndarray
    """Which of the file's `combinations` of physical groups, shape (elements,)."""


@dataclass(frozen=True)
class MshFile:
    """What a file holds."""

    path: Path
    points: np.ndarray
    """Shape (nodes, 3)."""
    elements: dict[int, Elements]
    """By gmsh's number of their kind."""
    combinations: list[frozenset[int]]
    """Numbers of the physical groups, of the elements' own dimension, that elements are in together."""
    names: dict[tuple[int, int], str]
    """Of physical groups, by dimension and number; a group without a name is called by its number."""


def read_msh(path: Path) -> MshFile:
    """Read a file; serial. Raises MshError, whose message has the line or the section, and OSError."""
    file = read_sections(path)
    names = _names(file)
    read = _read_4 if file.version >= 4 else _read_2
    tags, points, parts, combinations = read(file)
    if not np.isfinite(points).all():
        number = tags[np.flatnonzero(~np.isfinite(points).all(axis=1))[0]]
        raise MshError(f"{path}: $Nodes: found node {number} at no finite place, expected finite coordinates")
    order = np.argsort(tags, kind="stable")
    ranked = tags[order]
    twice = np.flatnonzero(np.diff(ranked) == 0)
    if len(twice):
        raise MshError(f"{path}: $Nodes: found node {ranked[twice[0]]} twice, expected numbers of their own")
    elements = {}
    for kind, pieces in parts.items():
        numbers, nodes, groups = (np.concatenate(each) for each in zip(*pieces, strict=True))
        place = np.minimum(np.searchsorted(ranked, nodes), max(len(ranked) - 1, 0))
        known = ranked[place] == nodes if len(ranked) else np.zeros(nodes.shape, dtype=bool)
        if not known.all():
            row, column = (int(i) for i in np.argwhere(~known)[0])
            found = f"element {numbers[row]} with the node {nodes[row, column]}"
            raise MshError(f"{path}: $Elements: found {found}, expected a node of the section $Nodes")
        elements[kind] = Elements(kind, numbers, order[place], groups)
    return MshFile(path, points, elements, combinations, names)


Pieces = dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]]
"""Numbers, nodes' numbers and combinations of elements, by kind."""

type Read = tuple[np.ndarray, np.ndarray, Pieces, list[frozenset[int]]]
"""Nodes' numbers and coordinates, elements, and combinations of groups."""


class _Combinations:
    """Numbers that sets of physical groups are known by."""

    def __init__(self) -> None:
        self.all: list[frozenset[int]] = []
        self._number: dict[frozenset[int], int] = {}

    def number(self, groups: frozenset[int]) -> int:
        if groups not in self._number:
            self._number[groups] = len(self.all)
            self.all.append(groups)
        return self._number[groups]


def _names(file: Sections) -> dict[tuple[int, int], str]:
    """Names of physical groups; the section is text in binary files too."""
    if "PhysicalNames" not in file.places:
        return {}
    begin, end = file.places["PhysicalNames"]
    names, at = {}, begin
    lines = file.data[begin:end].split(b"\n")
    for position, line in enumerate(lines):
        entry = re.fullmatch(rb"\s*([0-3])\s+(-?\d{1,10})\s+\"([^\"]*)\"\s*", line)
        if entry is not None:
            try:
                name = entry[3].decode()
            except UnicodeDecodeError:
                name = entry[3].decode("latin-1")
            names[int(entry[1]), abs(int(entry[2]))] = name
        elif line.strip() and (position or not line.strip().isdigit()):
            shown = line.strip()[:SHOWN].decode("ascii", "replace")
            expected = 'expected a dimension, a number and a "name"'
            raise file.refused(f"$PhysicalNames: found {shown!r}, {expected}", at)
        at += len(line) + 1
    return names


def _kind(numbers: Numbers, kind: int) -> Kind:
    if kind not in KINDS:
        raise numbers.refused(
            f"found elements of gmsh's type {kind}, expected simplices, quadrilaterals or hexahedra "
            "of the first or second order"
        )
    return KINDS[kind]


def _read_4(file: Sections) -> Read:
    if "PartitionedEntities" in file.places:
        raise MshError(
            f"{file.path}: found a mesh in partitions ($PartitionedEntities), expected it whole: it is cut "
            "into parts as it is read"
        )
    combinations, numbers, parts = _Combinations(), Numbers(file, "Nodes"), Pieces()
    groups = dict(_groups_4(file)) if "Entities" in file.places else {}
    blocks, count = numbers.count(), numbers.count()
    numbers.sizes(2)
    tags, points = [np.empty(0, dtype=np.int64)], [np.empty((0, 3))]
    for _ in range(blocks):
        dimension, _, parametric = numbers.integers(3).tolist()
        own = numbers.count()
        tags.append(numbers.sizes(own))
        if parametric not in (0, 1) or not 0 <= dimension <= 3:
            raise numbers.refused("found a block of no dimension, expected one of 0 to 3")
        width = 3 + (dimension if parametric else 0)
        points.append(numbers.reals(own * width).reshape(own, width)[:, :3])
    numbers.close()
    if sum(map(len, tags)) != count:
        found = f"found {sum(map(len, tags))} nodes, expected {count} as its first line says"
        raise numbers.refused(found)

    numbers = Numbers(file, "Elements")
    blocks, count = numbers.count(), numbers.count()
    numbers.sizes(2)
    for _ in range(blocks):
        dimension, entity, number = numbers.integers(3).tolist()
        kind, own = _kind(numbers, number), numbers.count()
        rows = numbers.sizes(own * (1 + kind.nodes)).reshape(own, 1 + kind.nodes)
        count -= own
        combination = combinations.number(groups.get((dimension, entity), frozenset()))
        together = np.full(own, combination)
        parts.setdefault(number, []).append((rows[:, 0], rows[:, 1:], together))
    numbers.close()
    if count:
        raise numbers.refused("found another number of elements than its first line says, expected as many")
    return np.concatenate(tags), np.concatenate(points), parts, combinations.all


def _groups_4(file: Sections) -> Iterator[tuple[tuple[int, int], frozenset[int]]]:
    """Physical groups of each entity, by dimension and number."""
    numbers = Numbers(file, "Entities")
    for dimension, count in enumerate(numbers.sizes(4).tolist()):
        for _ in range(count):
            tag = numbers.integer()
            numbers.reals(3 if dimension == 0 else 6)
            groups = frozenset(np.abs(numbers.integers(numbers.count())).tolist())
            if dimension:
                numbers.integers(numbers.count())
            yield (dimension, tag), groups
    numbers.close()


def _read_2(file: Sections) -> Read:
    numbers = Numbers(file, "Nodes")
    count = numbers.line()
    if file.binary:
        tags, points = numbers.nodes(count)
    else:
        table = numbers.reals(count * 4).reshape(count, 4)
        if (table[:, 0] != np.round(table[:, 0])).any() or not (np.abs(table[:, 0]) < 2.0**53).all():
            raise numbers.refused("found a node whose number is no integer, expected integers")
        tags, points = table[:, 0].astype(np.int64), table[:, 1:]
    numbers.close()

    combinations, parts = _Combinations(), Pieces()
    numbers = Numbers(file, "Elements")
    read = _rows_2_binary if file.binary else _rows_2
    for number, physical, rows in read(numbers, numbers.line()):
        present, which = np.unique(np.abs(physical), return_inverse=True)
        sets = [combinations.number(frozenset({group} - {0})) for group in present.tolist()]
        together = np.array(sets, dtype=np.int64)[which]
        parts.setdefault(number, []).append((rows[:, 0], rows[:, 1:], together))
    numbers.close()
    return tags, points, parts, combinations.all


type _Rows = Iterator[tuple[int, np.ndarray, np.ndarray]]
"""Kind, physical groups, and rows of the elements' numbers and nodes."""


def _rows_2(numbers: Numbers, count: int) -> _Rows:
    """Elements as text, as many at once as follow one another with one kind and number of tags."""
    values = numbers.integers(numbers.left)
    at = 0
    while count:
        if at + 3 > len(values):
            raise numbers.refused(f"found {count} elements too few, expected as many as its first line says")
        number, tags = int(values[at + 1]), int(values[at + 2])
        kind = _kind(numbers, number)
        if not 0 <= tags <= 64:
            raise numbers.refused(f"found element {values[at]} with {tags} tags, expected 0 to 64")
        width, ahead = 3 + tags + kind.nodes, min(ROWS, count)
        same = 0
        while same < count:
            most = min(ahead, count, (len(values) - at) // width)
            rows = values[at : at + most * width].reshape(most, width)
            other = np.flatnonzero((rows[:, 1] != number) | (rows[:, 2] != tags))
            same = int(other[0]) if len(other) else most
            if same < ahead or most < ahead:
                break
            ahead *= 2
        if not same:
            raise numbers.refused(f"found element {values[at]} cut off, expected {kind.nodes} nodes")
        rows = rows[:same]
        physical = rows[:, 3] if tags else np.zeros(same, dtype=np.int64)
        yield number, physical, np.delete(rows, np.s_[1 : 3 + tags], axis=1)
        at, count = at + same * width, count - same
    if at != len(values):
        raise numbers.refused("found more than its first line says, expected as many elements")


def _rows_2_binary(numbers: Numbers, count: int) -> _Rows:
    while count > 0:
        number, own, tags = numbers.integers(3).tolist()
        kind = _kind(numbers, number)
        if not 0 < own <= count or not 0 <= tags <= 64:
            raise numbers.refused(f"found {own} elements of {tags} tags, expected 1 to {count}, and 0 to 64")
        rows = numbers.integers(own * (1 + tags + kind.nodes)).reshape(own, -1)
        physical = rows[:, 1] if tags else np.zeros(own, dtype=np.int64)
        yield number, physical, np.delete(rows, np.s_[1 : 1 + tags], axis=1)
        count -= own
