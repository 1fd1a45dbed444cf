"""Small gmsh files, written out so that tests need no gmsh."""

import struct
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

SQUARE = np.array([[x, y, 0.0] for y in (0.0, 0.5, 1.0) for x in (0.0, 0.5, 1.0)])
"""Nodes 1 to 9 of the unit square, row by row."""

TRIANGLES = [cell for n in (1, 2, 4, 5) for cell in ((n, n + 1, n + 4), (n, n + 4, n + 3))]
QUADRILATERALS = [(n, n + 1, n + 4, n + 3) for n in (1, 2, 4, 5)]
LEFT, BOTTOM = [(4, 1), (7, 4)], [(1, 2), (2, 3)]
RIM = [*LEFT, *BOTTOM, (3, 6), (6, 9), (9, 8), (8, 7)]

type Group = tuple[int, str, Sequence[Sequence[int]], int]
"""Dimension, name (empty for none), elements by their nodes, and gmsh's number of their kind."""


def text_2(nodes: np.ndarray, groups: Sequence[Group]) -> bytes:
    """Format 2.2 as text, an element repeated in each of its groups; group i has the number i, from 1."""
    rows = [
        f"{kind} 2 {number} {number} {' '.join(map(str, element))}"
        for number, (_, _, elements, kind) in enumerate(groups, 1)
        for element in elements
    ]
    return _lines([
        "$MeshFormat", "2.2 0 8", "$EndMeshFormat", *_names(groups),
        "$Nodes", str(len(nodes)), *(f"{i} {x} {y} {z}" for i, (x, y, z) in enumerate(nodes, 1)), "$EndNodes",
        "$Elements", str(len(rows)), *(f"{i} {row}" for i, row in enumerate(rows, 1)), "$EndElements",
    ])  # fmt: skip


def binary_2(nodes: np.ndarray, groups: Sequence[Group]) -> bytes:
    """The same as bytes."""
    out = b"$MeshFormat\n2.2 1 8\n" + struct.pack("<i", 1) + b"\n$EndMeshFormat\n" + _lines(_names(groups))
    out += f"$Nodes\n{len(nodes)}\n".encode()
    out += b"".join(struct.pack("<i3d", i, *place) for i, place in enumerate(nodes, 1))
    out += f"\n$EndNodes\n$Elements\n{sum(len(group[2]) for group in groups)}\n".encode()
    count = 0
    for number, (_, _, elements, kind) in enumerate(groups, 1):
        out += struct.pack("<3i", kind, len(elements), 2)
        for element in elements:
            count += 1
            out += struct.pack(f"<{3 + len(element)}i", count, number, number, *element)
    return out + b"\n$EndElements\n"


def text_4(nodes: np.ndarray, groups: Sequence[Group]) -> bytes:
    """Format 4.1 as text, each element once, on an entity that is in all groups that it is in."""
    together: dict[tuple[int, tuple[int, ...]], set[int]] = {}
    for number, (_, _, elements, kind) in enumerate(groups, 1):
        for element in elements:
            together.setdefault((kind, tuple(element)), set()).add(number)
    entities = sorted({(kind, tuple(sorted(own))) for (kind, _), own in together.items()})
    blocks, listed, count = [], [[], [], [], []], 0
    for tag, (kind, numbers) in enumerate(entities, 1):
        own = [
            element for (k, element), held in together.items() if (k, tuple(sorted(held))) == (kind, numbers)
        ]
        dimension = {15: 0, 1: 1, 2: 2, 3: 2, 8: 1, 9: 2}[kind]
        box = "0 0 0" if dimension == 0 else "0 0 0 1 1 0"
        bounding = "" if dimension == 0 else " 0"
        listed[dimension].append(f"{tag} {box} {len(numbers)} {' '.join(map(str, numbers))}{bounding}")
        blocks.append(f"{dimension} {tag} {kind} {len(own)}")
        for element in own:
            count += 1
            blocks.append(f"{count} {' '.join(map(str, element))}")
    return _lines([
        "$MeshFormat", "4.1 0 8", "$EndMeshFormat", *_names(groups),
        "$Entities", " ".join(str(len(each)) for each in listed), *chain(*listed), "$EndEntities",
        "$Nodes", f"1 {len(nodes)} 1 {len(nodes)}", f"2 1 0 {len(nodes)}",
        *(str(i) for i in range(1, len(nodes) + 1)), *(f"{x} {y} {z}" for x, y, z in nodes), "$EndNodes",
        "$Elements", f"{len(entities)} {count} 1 {count}", *blocks, "$EndElements",
    ])  # fmt: skip


def write(path: Path, content: bytes) -> Path:
    """Write a file; on rank 0 alone where there are several."""
    path.write_bytes(content)
    return path


def _names(groups: Sequence[Group]) -> list[str]:
    named = [f'{group[0]} {number} "{group[1]}"' for number, group in enumerate(groups, 1) if group[1]]
    return ["$PhysicalNames", str(len(named)), *named, "$EndPhysicalNames"]


def _lines(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
