"""Meshes through electrodes: their outline, their vertices, their sizes, and electrodes that allow none."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import ufl
from bodies import RADIUS, ring
from dolfinx import fem
from elliptic import COMM, raised_on_all_ranks, variants

from app.mesh import MESHES, MeshError, TaggedMesh, centroid, closed_outline, enclosed_area

AROUND = ring(24) * (1 + 0.15 * np.cos(3 * np.linspace(0, 2 * np.pi, 24, endpoint=False)))[:, None]
"""Electrodes around three lobes."""


@pytest.fixture(autouse=True)
def _needs_gmsh(gmsh: Any) -> None:
    """The meshes are generated."""


def area(domain: TaggedMesh) -> float:
    return COMM.allreduce(fem.assemble_scalar(fem.form(fem.Constant(domain.mesh, 1.0) * ufl.dx)))


@pytest.mark.parametrize("turn", [1, -1])
def test_electrodes_are_vertices_on_the_outline(turn: int) -> None:
    """Each electrode is a vertex, bit for bit, whichever way round they are listed; the rim is `outline`."""
    electrodes = AROUND[::turn]
    domain = MESHES["electrodes"](COMM, positions=electrodes)
    vertices = np.vstack(COMM.allgather(domain.mesh.geometry.x[:, :2]))
    for electrode in electrodes:
        assert (vertices == electrode).all(axis=1).any()
    assert set(domain.facets) == {"outline"}
    np.testing.assert_array_equal(domain.boundary("outline"), domain.boundary("all"))


@pytest.mark.distributed
def test_the_section_has_the_area_within_the_outline() -> None:
    """The mesh fills the polygon; of electrodes on a circle that is the disc to 0.1 %."""
    assert area(MESHES["electrodes"](COMM, positions=AROUND)) == pytest.approx(
        enclosed_area(closed_outline(AROUND).points), rel=1e-12
    )
    outline = closed_outline(ring(24))
    assert enclosed_area(outline.points) == pytest.approx(np.pi * RADIUS**2, rel=1e-3)
    np.testing.assert_allclose(centroid(outline.points), 0.0, atol=1e-4 * RADIUS)


def test_cells_are_small_at_electrodes_and_as_large_as_asked_for_elsewhere() -> None:
    """Edges at an electrode are at most twice its size; half the size elsewhere makes many more cells."""
    outline = closed_outline(AROUND, 0.02)
    steps = np.linalg.norm(np.diff(outline.points, axis=0, append=outline.points[:1]), axis=1)
    assert steps[outline.electrodes].max() < 2 * outline.sizes.smallest
    cells = [
        MESHES["electrodes"](COMM, positions=AROUND, size=size).mesh.topology.index_map(2).size_global
        for size in (0.02, 0.01)
    ]
    assert cells[1] > 1.5 * cells[0]


def test_a_mesh_of_larger_cells_goes_through_the_same_electrodes() -> None:
    """With cells twice as large everywhere there are a quarter as many, less those on the outline, and each
    electrode is a vertex still."""
    meshes = [MESHES["electrodes"](COMM, positions=AROUND, coarsening=factor).mesh for factor in (0.5, 1, 2)]
    cells = [mesh.topology.index_map(2).size_global for mesh in meshes]
    assert all(2.5 * few < many < 5 * few for many, few in pairwise(cells))
    vertices = np.vstack(COMM.allgather(meshes[-1].geometry.x[:, :2]))
    for electrode in AROUND:
        assert (vertices == electrode).all(axis=1).any()


def test_the_mesh_is_the_same_each_time() -> None:
    """Two generations have the same vertices."""
    one, other = (MESHES["electrodes"](COMM, positions=AROUND).mesh.geometry.x for _ in range(2))
    np.testing.assert_array_equal(one, other)


LINE = np.linspace(0.0, 15.0, 16)

BAD = {
    "on a line": (np.stack([LINE, 0 * LINE], axis=1), "15 m from electrode 1 to 16, at most 1 m between all"),
    "on a hill": (np.stack([LINE, 2 * np.exp(-((LINE - 7) ** 2) / 9)], axis=1), "on an open line"),
    "on half a circle": (ring(32)[10:26], "on an open line"),
    "too few": (ring(3), "found 3 electrodes, expected at least 4"),
    "two at one place": (np.vstack([ring(5), ring(5)[:1]]), "found electrodes 1 and 6 at one place"),
    "out of order": (ring(6)[[0, 3, 1, 2, 4, 5]], "crosses itself"),
}


@pytest.mark.distributed
@pytest.mark.parametrize("what", variants(list(BAD), in_parallel=["out of order"]))
def test_electrodes_without_an_outline_are_refused(what: str) -> None:
    """MeshError on all ranks says which."""
    electrodes, message = BAD[what]
    with raised_on_all_ranks(MeshError) as caught:
        MESHES["electrodes"](COMM, positions=electrodes)
    assert message in str(caught.value)
