"""The ground below electrodes on a plane: its potential, its vertices, and electrodes that have none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bodies import combined
from elliptic import COMM, raised_on_all_ranks

from app.electrical import IN_THE_MESH, Contacts, ElectricalModel
from app.mesh import MESHES, CoefficientSpace, MeshError, TaggedMesh
from app.parallel import LinearSolver

HALF_A_PERCENT = 5e-3

DIPOLES = [(i, i + 1, j, j + 1) for i in range(3) for j in range(i + 2, 9)]
WENNER = [(i, i + 3 * k, i + k, i + 2 * k) for k in (1, 2, 3) for i in range(10 - 3 * k)]

ROW = np.array([[x, 0.0, 0.0] for x in range(10)])
"""Ten electrodes a metre apart."""

GRID = np.array([4.3e5, 5.6e6, 120.0]) + 0.5 * np.array([[x, y, 0.0] for x in range(4) for y in range(4)])
"""Four by four electrodes in a map's coordinates."""

LAYOUTS = {
    "row": (ROW, np.array(DIPOLES + WENNER)),
    "four": (ROW[:4], np.array([(0, 3, 1, 2), (0, 1, 2, 3)])),
    "grid": (GRID, np.array([(0, 1, 8, 9), (0, 4, 12, 8), (0, 15, 1, 14), (0, 4, 3, 7), (0, 3, 13, 14)])),
}


@pytest.fixture(autouse=True)
def _needs_gmsh(gmsh: Any) -> None:
    """The meshes are generated."""


def on_half_space(electrodes: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """1/(2πr) of two electrodes by number, the potential on an insulated plane of a unit current there."""
    return lambda i, j: 1 / (2 * np.pi * np.linalg.norm(electrodes[i] - electrodes[j], axis=1))


def electrical(domain: TaggedMesh, layout: str, contacts: Contacts | None = None) -> ElectricalModel:
    electrodes, abmn = LAYOUTS[layout]
    solver = LinearSolver(COMM, "direct", "test_ground_")
    return ElectricalModel(CoefficientSpace(domain, 1), electrodes, abmn, IN_THE_MESH, 2, solver, contacts)


@pytest.mark.parametrize("layout", ["row", "grid"])
def test_geometric_factors_are_those_of_a_half_space(layout: str) -> None:
    """K = 2π/(1/AM − 1/AN − 1/BM + 1/BN) to 0.5 %, with no more than some hundred vertices an electrode."""
    electrodes, abmn = LAYOUTS[layout]
    domain = MESHES["electrodes"](COMM, positions=electrodes)
    found, exact = electrical(domain, layout).geometric_factors, 1 / combined(on_half_space(electrodes), abmn)
    np.testing.assert_allclose(found, exact, rtol=HALF_A_PERCENT)
    assert domain.mesh.topology.index_map(0).size_global < 400 * len(electrodes)


@pytest.mark.distributed
def test_electrodes_are_vertices_of_the_surface() -> None:
    """Each is a vertex, bit for bit, of a box of the size asked for, whose top is `surface`."""
    domain = MESHES["electrodes"](COMM, positions=GRID, margin=2.0, depth=3.0)
    vertices = np.vstack(COMM.allgather(domain.mesh.geometry.x))
    for electrode in GRID:
        assert (vertices == electrode).all(axis=1).any()
    lower, upper = domain.bounding_box()
    np.testing.assert_allclose(lower, np.subtract(GRID.min(axis=0), [2, 2, 3]), rtol=1e-12)
    np.testing.assert_allclose(upper, np.add(GRID.max(axis=0), [2, 2, 0]), rtol=1e-12)
    assert set(domain.facets) == {"surface", "walls"} and set(domain.cells) == {"ground"}
    np.testing.assert_array_equal(domain.boundary(["surface", "walls"]), domain.boundary("all"))


def test_size_is_that_of_cells_far_from_electrodes() -> None:
    """Half of it makes many more cells; without it they grow up to the sides."""
    cells = [
        MESHES["electrodes"](COMM, positions=ROW[:4], margin=5.0, depth=5.0, size=size)
        .mesh.topology.index_map(3)
        .size_global
        for size in (None, 1.5, 0.75)
    ]
    assert cells[0] < cells[1] and 3 * cells[1] < 2 * cells[2]


def test_a_mesh_of_larger_cells_goes_through_the_same_electrodes() -> None:
    """With cells twice as large there are less than a third as many, and each electrode is a vertex still."""
    given = {"positions": ROW[:4], "margin": 5.0, "depth": 5.0}
    meshes = [MESHES["electrodes"](COMM, coarsening=factor, **given).mesh for factor in (1, 2)]
    cells = [mesh.topology.index_map(3).size_global for mesh in meshes]
    assert 3 * cells[1] < cells[0]
    vertices = np.vstack(COMM.allgather(meshes[1].geometry.x))
    for electrode in ROW[:4]:
        assert (vertices == electrode).all(axis=1).any()


def test_electrodes_with_a_width_have_facets() -> None:
    """Wide electrodes without a resistance of their own lie within a few percent of points."""
    contacts = Contacts(width=0.3, impedance=1e-3)
    domain = MESHES["electrodes"](COMM, positions=ROW[:4], width=contacts.width, margin=3.0, depth=3.0)
    points = electrical(domain, "four").geometric_factors
    np.testing.assert_allclose(electrical(domain, "four", contacts).geometric_factors, points, rtol=0.05)


BAD = {
    "too few": (ROW[:3], None, "found 3 electrodes, expected at least 4"),
    "two at one place": (ROW[[0, 1, 2, 3, 1]], None, "found electrodes 2 and 5 at one place"),
    "wider than apart": (ROW, 1.0, "found electrodes 1 m apart, expected more than their width of 1 m"),
    "on a slope": (
        ROW @ [[1, 0, 0.5], [0, 1, 0], [0, 0, 1]], None,
        "found electrodes from z = 0 to 4.5 m, expected all in one horizontal plane: meshes of other bodies",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_electrodes_without_a_half_space_are_refused(what: str) -> None:
    """MeshError on all ranks says which."""
    electrodes, width, message = BAD[what]
    with raised_on_all_ranks(MeshError) as caught:
        MESHES["electrodes"](COMM, positions=electrodes, width=width)
    assert message in str(caught.value)
