"""Meshes: the named parts of their boundary, and files that cannot be used."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ufl
from dolfinx import fem
from dolfinx.mesh import meshtags
from elliptic import COMM, LSHAPE, raised_on_all_ranks, variants

from app.mesh import MESHES, MeshError, PointOutside, TaggedMesh, point_matrix

EXAMPLES: dict[str, dict[str, Any]] = {
    "interval": {"lower": -1.0, "upper": 2.0, "cells": 7},
    "rectangle": {"lower": [0.0, 1.0], "upper": [3.0, 1.5], "cells": [6, 4]},
    "box": {"lower": [0.0, 0.0, -1.0], "upper": [1.0, 2.0, 2.0], "cells": [2, 3, 3]},
    "file": {"file": LSHAPE},
}
"""Arguments of each kind with parts of its own; the one through electrodes has test_electrode_meshes.py."""

PARTS = {
    "interval": {"left": 1.0, "right": 1.0},
    "rectangle": {"left": 0.5, "right": 0.5, "bottom": 3.0, "top": 3.0},
    "box": {"left": 6.0, "right": 6.0, "front": 3.0, "back": 3.0, "bottom": 2.0, "top": 2.0},
    "file": {"bottom": 1.0, "right": 0.5, "corner": 1.0, "top": 0.5, "left": 1.0},
}
"""Measure of each named part; points count 1, `corner` is both sides of the L-shape's notch."""

VOLUMES = {"interval": 3.0, "rectangle": 1.5, "box": 6.0, "file": 0.75}

CORNERS = {
    "interval": ([-1.0], [2.0]),
    "rectangle": ([0.0, 1.0], [3.0, 1.5]),
    "box": ([0.0, 0.0, -1.0], [1.0, 2.0, 2.0]),
    "file": ([0.0, 0.0], [1.0, 1.0]),
}

ROUNDING = 1e-12


@pytest.fixture(scope="module", params=EXAMPLES)
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "file":
        request.getfixturevalue("gmsh")
    return request.param


@pytest.fixture(scope="module")
def domain(kind: str) -> TaggedMesh:
    """The example of each kind."""
    return MESHES[kind](COMM, **EXAMPLES[kind])


def measure(domain: TaggedMesh, names: str | list[str]) -> float:
    """∫ds over parts of the boundary."""
    tags = meshtags(domain.mesh, domain.mesh.topology.dim - 1, domain.boundary(names), 1)
    ds = ufl.Measure("ds", domain=domain.mesh, subdomain_data=tags)
    return COMM.allreduce(fem.assemble_scalar(fem.form(fem.Constant(domain.mesh, 1.0) * ds(1))))


@pytest.mark.distributed
def test_named_parts_have_their_measure(kind: str, domain: TaggedMesh) -> None:
    """The mesh has exactly the expected names, and ∫ds over each is known."""
    assert set(domain.facets) == set(PARTS[kind])
    for name, expected in PARTS[kind].items():
        assert measure(domain, name) == pytest.approx(expected, rel=ROUNDING)


def test_parts_may_be_joined(kind: str, domain: TaggedMesh) -> None:
    """A list of names is their union, named twice or not; all names together are `all`."""
    names = sorted(PARTS[kind])
    whole = sum(PARTS[kind].values())
    assert measure(domain, "all") == pytest.approx(whole, rel=ROUNDING)
    assert measure(domain, [*names, names[0], "all"]) == pytest.approx(whole, rel=ROUNDING)
    two = PARTS[kind][names[0]] + PARTS[kind][names[1]]
    assert measure(domain, names[:2]) == pytest.approx(two, rel=ROUNDING)


@pytest.mark.distributed
def test_cells_fill_the_bounding_box_or_their_shape(kind: str, domain: TaggedMesh) -> None:
    """∫dx, the corners of the bounding box and its diagonal are those of the shape, on all ranks."""
    volume = fem.assemble_scalar(fem.form(fem.Constant(domain.mesh, 1.0) * ufl.dx))
    assert COMM.allreduce(volume) == pytest.approx(VOLUMES[kind], rel=ROUNDING)
    lower, upper = domain.bounding_box()
    assert domain.dimension == len(lower)
    np.testing.assert_allclose([lower, upper], CORNERS[kind], atol=ROUNDING)
    diagonal = np.linalg.norm(np.subtract(*CORNERS[kind]))
    assert domain.diagonal == pytest.approx(diagonal, rel=ROUNDING)


@pytest.mark.distributed
def test_an_unknown_part_is_answered_with_the_names_there_are(kind: str, domain: TaggedMesh) -> None:
    """MeshError on all ranks names the stranger, every part, and `all`."""
    with raised_on_all_ranks(MeshError) as caught:
        domain.boundary([next(iter(PARTS[kind])), "rimm"])
    message = str(caught.value)
    assert "'rimm'" in message
    assert all(name in message for name in ["all", *PARTS[kind]])


def line(occ: Any) -> None:
    occ.addLine(occ.addPoint(0, 0, 0), occ.addPoint(1, 0, 0))


def square(occ: Any) -> None:
    occ.addRectangle(0, 0, 0, 1, 1)


def raised_square(occ: Any) -> None:
    occ.addRectangle(0, 0, 0.3, 1, 1)


def tilted_square(occ: Any) -> None:
    square(occ)
    occ.rotate([(2, 1)], 0, 0, 0, 1, 0, 0, 0.5)


def write_msh(
    gmsh: Any,
    path: Path,
    build: Callable[[Any], None],
    dimension: int,
    groups: tuple[str, ...] = ("domain",),
    recombine: bool = False,
) -> None:
    """On rank 0, mesh a shape whose cells are in these physical groups."""
    if COMM.rank == 0:
        gmsh.initialize(interruptible=False)
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.4)
        gmsh.option.setNumber("Mesh.RecombineAll", recombine)
        build(gmsh.model.occ)
        gmsh.model.occ.synchronize()
        for group in groups:
            cells = [tag for _, tag in gmsh.model.getEntities(dimension)]
            gmsh.model.addPhysicalGroup(dimension, cells, name=group)
        gmsh.model.mesh.generate(dimension)
        gmsh.write(str(path))
        gmsh.finalize()
    COMM.barrier()


def test_a_mesh_may_lie_in_any_plane_of_constant_z(gmsh: Any, shared_tmp_path: Path) -> None:
    """z is dropped: the mesh is plane."""
    write_msh(gmsh, shared_tmp_path / "raised.msh", raised_square, 2)
    domain = MESHES["file"](COMM, shared_tmp_path / "raised.msh")
    assert domain.dimension == 2
    assert domain.diagonal == pytest.approx(np.sqrt(2), rel=ROUNDING)


UNUSABLE: dict[str, dict[str, Any]] = {
    "a line": {"build": line, "dimension": 1},
    "a surface in space": {"build": tilted_square, "dimension": 2},
}
"""Meshes that gmsh can write and the program cannot use; more in test_mesh_files.py."""

USABLE: dict[str, dict[str, Any]] = {
    "cells without a physical group": {"groups": ()},
    "cells in two physical groups": {"groups": ("one", "other")},
    "quadrilaterals": {"recombine": True},
}
"""Meshes that gmsh writes and that are whole."""


@pytest.mark.distributed
@pytest.mark.parametrize("what", variants(list(USABLE), in_parallel=["quadrilaterals"]))
def test_what_gmsh_writes_of_the_square_fills_it(gmsh: Any, shared_tmp_path: Path, what: str) -> None:
    """Each group holds all of it; a mesh without groups is one too."""
    path, given = shared_tmp_path / "square.msh", {"groups": ("domain",), **USABLE[what]}
    write_msh(gmsh, path, square, 2, **given)
    domain = MESHES["file"](COMM, path)
    volume = fem.assemble_scalar(fem.form(fem.Constant(domain.mesh, 1.0) * ufl.dx))
    assert COMM.allreduce(volume) == pytest.approx(1.0, rel=ROUNDING)
    own = domain.mesh.topology.index_map(2)
    assert set(domain.cells) == set(given["groups"])
    assert all(len(cells) == own.size_local + own.num_ghosts for cells in domain.cells.values())


@pytest.mark.distributed
@pytest.mark.parametrize("what", variants(list(UNUSABLE), in_parallel=["a surface in space"]))
def test_an_unusable_mesh_is_named_on_all_ranks(gmsh: Any, shared_tmp_path: Path, what: str) -> None:
    """MeshError, naming the file; the next mesh is read all the same."""
    path = shared_tmp_path / "unusable.msh"
    write_msh(gmsh, path, **UNUSABLE[what])
    with raised_on_all_ranks(MeshError) as caught:
        MESHES["file"](COMM, path)
    assert str(path) in str(caught.value)
    write_msh(gmsh, path, square, 2)
    assert MESHES["file"](COMM, path).dimension == 2


CONTENTS: dict[str, Callable[[], str | None]] = {
    "missing.msh": lambda: None,
    "empty.msh": lambda: "",
    "garbage.msh": lambda: "this is no mesh\n",
    "truncated.msh": lambda: LSHAPE.read_text()[: LSHAPE.stat().st_size // 2],
    "geometry.geo": lambda: LSHAPE.with_suffix(".geo").read_text(),
}
"""Files that hold no mesh; the last is what a mesh is made from."""


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_without_a_mesh_is_named_on_all_ranks(gmsh: Any, shared_tmp_path: Path, name: str) -> None:
    """MeshError, naming the file."""
    path, text = shared_tmp_path / name, CONTENTS[name]()
    if COMM.rank == 0 and text is not None:
        path.write_text(text)
    COMM.barrier()
    with raised_on_all_ranks(MeshError) as caught:
        MESHES["file"](COMM, path)
    assert str(path) in str(caught.value)


LENGTHS = {
    "nanometres": (1e-9, 0.0),
    "map coordinates": (100.0, 4.5e6),
    "far": (1.0, 1e7),
    "vast": (1e7, -1e7),
}
"""Length of the unit, and the origin in every direction."""


@pytest.mark.distributed
def test_sides_go_by_their_axis_too(kind: str, domain: TaggedMesh) -> None:
    """x_min is where x is least; the last axis points upwards: its ends are `bottom` and `top`."""
    if kind == "file":
        assert domain.by_axis == {}
        return
    for axis, (least, greatest) in enumerate(zip(*CORNERS[kind], strict=True)):
        for end, plane in (("min", least), ("max", greatest)):
            name = f"{'xyz'[axis]}_{end}"
            assert np.allclose(domain.facet_midpoints(name)[:, axis], plane)
            assert domain.boundary(name).tolist() == domain.boundary(domain.by_axis[name]).tolist()
    if domain.dimension > 1:
        last = "xyz"[domain.dimension - 1]
        assert (domain.by_axis[f"{last}_min"], domain.by_axis[f"{last}_max"]) == ("bottom", "top")
    sides = ", ".join(f"{side} ({name})" for side, name in sorted((b, a) for a, b in domain.by_axis.items()))
    with pytest.raises(MeshError, match=f"it has all, {re.escape(sides)}$"):
        domain.boundary("lid")


@pytest.mark.parametrize("where", LENGTHS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_sides_are_the_same_in_any_unit_and_anywhere(where: str, dimension: int) -> None:
    """Facets of each side as of the unit cube at the origin, and the same cells hold the same points."""
    cells, (unit, origin) = [[5], [3, 4], [2, 3, 2]][dimension - 1], LENGTHS[where]
    kind = ["interval", "rectangle", "box"][dimension - 1]

    def built(lower: float, upper: float) -> TaggedMesh:
        if dimension == 1:
            return MESHES[kind](COMM, lower, upper, cells[0])
        return MESHES[kind](COMM, [lower] * dimension, [upper] * dimension, cells)

    plain, moved = built(0.0, 1.0), built(origin, origin + unit)
    assert {name: facets.tolist() for name, facets in moved.facets.items()} == {
        name: facets.tolist() for name, facets in plain.facets.items()
    }
    points = np.random.default_rng(1).uniform(0, 1, (30, dimension))
    points = np.vstack([points, np.eye(dimension), np.zeros(dimension), np.ones(dimension)])
    read = []
    for domain, places in ((plain, points), (moved, origin + unit * points)):
        matrix = point_matrix(domain, fem.functionspace(domain.mesh, ("Lagrange", 2)), places)
        read.append(matrix.convert("dense").getDenseArray().copy())
        matrix.destroy()
    np.testing.assert_allclose(read[1], read[0], atol=2e-7 if where == "far" else 1e-9)
    with pytest.raises(PointOutside):
        point_matrix(
            moved,
            fem.functionspace(moved.mesh, ("Lagrange", 1)),
            origin + unit * np.full((1, dimension), 1.001),
        )
