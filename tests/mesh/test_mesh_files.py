"""gmsh's files: each form is one mesh, each group is held, and what is none of it is refused in words."""

import random
from pathlib import Path

import numpy as np
import pytest
from elliptic import COMM, LSHAPE, raised_on_all_ranks
from msh_files import (
    BOTTOM,
    LEFT,
    QUADRILATERALS,
    RIM,
    SQUARE,
    TRIANGLES,
    Group,
    binary_2,
    text_2,
    text_4,
    write,
)

from app.mesh import MESHES, MeshError, TaggedMesh
from app.mesh.groups import GroupedCells, grouped_cells
from app.mesh.msh import read_msh
from app.mesh.sections import MshError

FORMS = {"text 2.2": text_2, "bytes 2.2": binary_2, "text 4.1": text_4}

GROUPS: list[Group] = [
    (2, "plate", TRIANGLES, 2),
    (2, "corner", TRIANGLES[:2], 2),
    (1, "rim", RIM, 1),
    (1, "corner", [*LEFT, *BOTTOM], 1),
    (1, "", LEFT, 1),
    (0, "well", [(5,)], 15),
]
"""Of facets and cells in several groups, a name in two dimensions, a group without a name."""


def grouped(path: Path, content: bytes) -> GroupedCells:
    """The cells and groups of a file that is written."""
    return grouped_cells(read_msh(write(path, content)))


def read(tmp_path: Path, content: bytes) -> TaggedMesh:
    """On all ranks."""
    path = tmp_path / "mesh.msh"
    if COMM.rank == 0:
        write(path, content)
    COMM.barrier()
    return MESHES["file"](COMM, path)


@pytest.mark.distributed
@pytest.mark.parametrize("form", FORMS)
def test_each_group_holds_what_the_file_says(shared_tmp_path: Path, form: str) -> None:
    """In every form; a facet and a cell belong to all of their groups; others are answered by their name."""
    domain = read(shared_tmp_path, FORMS[form](SQUARE, GROUPS))
    assert domain.contents() == [
        "8 cells (triangle) in 2 dimensions",
        "part 5: 2 facets of length 1",
        "part corner: 4 facets of length 2",
        "part rim: 8 facets of length 4",
        "region corner: 2 cells",
        "region plate: 8 cells",
        "group well is of dimension 0, expected 1 of a part of the boundary or 2 of a region",
    ]
    with raised_on_all_ranks(MeshError) as caught:
        domain.boundary("well")
    assert "'well' is of dimension 0" in str(caught.value)


def test_cells_without_a_group_belong_to_the_mesh(tmp_path: Path) -> None:
    """As in gmsh, where all elements are saved; what is in no region is told."""
    plate = grouped(tmp_path / "a.msh", text_2(SQUARE, [(2, "half", TRIANGLES[:4], 2)]))
    assert len(plate.cells) == 4
    content = text_2(SQUARE, [(2, "half", TRIANGLES[:4], 2), (2, "rest", TRIANGLES[4:], 2)])
    none = grouped(tmp_path / "b.msh", content.replace(b" 2 2 2 2 ", b" 2 2 0 2 "))
    assert len(none.cells) == 8 and set(none.regions) == {"half"}


def test_nodes_off_the_plane_by_rounding_are_on_it(tmp_path: Path) -> None:
    """And nodes of no cell, as construction points are, may be anywhere."""
    noisy = SQUARE + np.array([0.0, 0.0, 1e-17]) * np.arange(9)[:, None]
    helper = np.vstack([noisy, [0.5, 0.5, 3.0]])
    file = read_msh(write(tmp_path / "mesh.msh", text_4(helper, GROUPS[:1])))
    assert grouped_cells(file).points.shape == (9, 2)


def test_straight_cells_of_the_second_order_are_those_of_the_first(tmp_path: Path) -> None:
    """The same nodes and cells, whatever the midpoints' rounding; bent ones stay of the second order."""
    sides = {
        tuple(sorted((a, b))) for cell in TRIANGLES for a, b in zip(cell, (*cell[1:], cell[0]), strict=True)
    }
    middle = {side: 10 + i for i, side in enumerate(sorted(sides))}
    nodes = np.vstack([SQUARE, *(SQUARE[[a - 1, b - 1]].mean(axis=0) + 1e-16 for a, b in sorted(sides))])
    cells = [
        (a, b, c, *(middle[tuple(sorted(side))] for side in ((a, b), (b, c), (a, c))))
        for a, b, c in TRIANGLES
    ]
    first = grouped(tmp_path / "first.msh", text_2(SQUARE, [(2, "plate", TRIANGLES, 2)]))
    second = grouped(tmp_path / "second.msh", text_4(nodes, [(2, "plate", cells, 9)]))
    assert second.degree == 1
    np.testing.assert_array_equal(second.points, first.points)
    np.testing.assert_array_equal(second.cells, first.cells)
    nodes[middle[1, 2] - 1, 1] -= 0.05
    assert grouped(tmp_path / "bent.msh", text_4(nodes, [(2, "plate", cells, 9)])).degree == 2


STRAY: Group = (1, "fault", [(1, 5), (2, 9)], 1)
REFUSED = {
    "no facets": ([*GROUPS[:3], STRAY], "fault", "holds elements that are facets of no cell \\(1\\)"),
    "not saved": ([*GROUPS[:3], (1, "lid", [], 1)], "lid", "holds no elements"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_group_that_is_no_part_is_refused_where_it_is_used(tmp_path: Path, what: str) -> None:
    """The mesh is read; the name is answered with what is wrong with it."""
    groups, name, says = REFUSED[what]
    domain = read(tmp_path, text_2(SQUARE, groups))
    assert len(domain.boundary("rim")) == 8
    with pytest.raises(MeshError, match=f"'{name}' {says}"):
        domain.boundary(name)


FLAT = [*TRIANGLES[:-1], (5, 5, 8)]
UNUSABLE: dict[str, tuple[bytes, str]] = {
    "mixed": (
        text_2(SQUARE, [(2, "a", TRIANGLES[:2], 2), (2, "b", QUADRILATERALS[1:], 3)]),
        "2 triangles of 3",
    ),
    "lines": (text_2(SQUARE, [(1, "a", RIM, 1)]), "dimension 1, expected 2 or 3"),
    "prisms": (text_2(SQUARE, [(3, "a", [(1, 2, 4, 5, 6, 8)], 6)]), "1 prisms of 6 nodes"),
    "bent": (text_2(SQUARE + [0, 0, 1] * SQUARE[:, :1], GROUPS[:1]), "surface in space, z from 0 to 1"),
    "flat cell": (text_2(SQUARE, [(2, "a", FLAT, 2)]), r"flat or turn over \(element 8, 1 in all\)"),
    "overlapping": (text_2(SQUARE, [(2, "a", [*TRIANGLES, (1, 5, 9)], 2)]), "flat or turn over"),
    "branching": (text_2(SQUARE, [(2, "a", [*TRIANGLES, (1, 5, 8)], 2)]), "a facet of 3 cells"),
    "all of a part": (
        text_2(SQUARE, [*GROUPS[:1], (1, "all", LEFT, 1)]),
        "called all that holds a part only",
    ),
    "no node": (text_2(SQUARE[:8], GROUPS[:1]), r"element \d with the node 9, expected a node"),
    "nan": (text_2(SQUARE, GROUPS[:1]).replace(b"9 1.0 1.0", b"9 nan 1.0"), "node 9 at no finite place"),
    "a word": (text_2(SQUARE, GROUPS[:1]).replace(b"9 1.0", b"9 l.0"), r"msh:\d+: \$Nodes: found 'l.0'"),
    "too few": (
        text_2(SQUARE, GROUPS[:1]).replace(b"$Nodes\n9", b"$Nodes\n10"),
        r"\$Nodes: found 36 of the 40",
    ),
    "a huge count": (
        text_4(SQUARE, GROUPS[:1]).replace(b"2 1 0 9", b"2 1 0 900000000000"),
        r"\$Nodes: found \d+ of the 900000000000 entries",
    ),
    "cut off": (text_2(SQUARE, GROUPS)[:-30], "without an end"),
    "format 1": (b"$NOD\n1\n1 0 0 0\n$ENDNOD\n", "no line \\$MeshFormat"),
    "format 4.0": (b"$MeshFormat\n4 0 8\n$EndMeshFormat\n", "format 4 of gmsh, expected 4.1 or 2.2"),
    "empty": (b"", "no line"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_an_unusable_file_is_told_by_line_or_section(tmp_path: Path, what: str) -> None:
    """One sentence."""
    content, says = UNUSABLE[what]
    with pytest.raises(MshError, match=says) as caught:
        grouped(tmp_path / "mesh.msh", content)
    assert str(caught.value).startswith(str(tmp_path / "mesh.msh"))


@pytest.mark.parametrize("suffix", ["msh", "geo", "pos", "stl", "opt", "msh.gz", ""])
@pytest.mark.parametrize(
    "before", [b"", b"$Comments\nscript\n$EndComments\n", b"$MeshFormat\n4.1 0 8\n$EndMeshFormat\n"]
)
def test_no_script_is_run(tmp_path: Path, suffix: str, before: bytes) -> None:
    """Whatever a file is called and however it begins, gmsh's statements are none."""
    trace = tmp_path / "trace"
    script = f'SystemCall "touch {trace}";\nPrintf("x") > "{trace}";\nMerge "{LSHAPE}";\nExit;\n'
    with pytest.raises(MshError):
        grouped(tmp_path / f"mesh.{suffix}", before + script.encode())
    good = text_2(SQUARE, GROUPS) + script.encode()
    assert len(grouped(tmp_path / f"mesh.{suffix}", good).cells) == 8
    assert not trace.exists()


def test_corrupt_files_are_read_or_refused(tmp_path: Path) -> None:
    """Bytes changed, lost, added, and numbers replaced, 600 times: a mesh, or a sentence."""
    chance, contents = random.Random(1), [form(SQUARE, GROUPS) for form in FORMS.values()]
    for _ in range(600):
        content, way = bytearray(chance.choice(contents)), chance.randrange(4)
        for _ in range(chance.choice((1, 2, 8))):
            at = chance.randrange(len(content) - 8)
            size = chance.choice((1, 4, 40))
            if way == 0:
                content[at] = chance.randrange(256)
            elif way == 1:
                del content[at : at + min(size, len(content) - 20)]
            elif way == 2:
                content[at:at] = chance.randbytes(size)
            else:
                content[at : at + 1] = chance.choice([b"-1", b"99999999999", b"nan", b"1e300", b" 0 "])
            if len(content) < 20:
                break
        try:
            grouped(tmp_path / "mesh.msh", bytes(content))
        except MshError as error:
            assert str(error).startswith(str(tmp_path)) and len(str(error).splitlines()) == 1
