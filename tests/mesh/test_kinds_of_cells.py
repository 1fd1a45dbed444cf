"""Quadrilaterals, hexahedra and curved cells: functions are read and boundaries found as on straight ones."""

import numpy as np
import pytest
import ufl
from dolfinx import fem
from elliptic import COMM, box_mesh, raised_on_all_ranks
from msh_files import text_2, write

from app.equations.advection import _diameter
from app.mesh import MESHES, PlaceError, StoredMesh, TaggedMesh, point_matrix, restored
from app.observe.traces import nearest_on
from app.parallel import multiply


def ring(quarters: int, kind: int) -> bytes:
    """A ring between the radii 1 and 2 in curved cells of the second order, its rim as a group."""
    angles = 2 * np.pi * np.arange(2 * quarters) / (2 * quarters)
    circles = [np.column_stack([r * np.cos(angles), r * np.sin(angles), 0 * angles]) for r in (1.0, 1.5, 2.0)]
    count = len(angles)

    def node(circle: int, step: int) -> int:
        return 1 + circle * count + step % count

    cells, rim = [], []
    for i in range(0, count, 2):
        a, b, c, d = node(0, i), node(2, i), node(2, i + 2), node(0, i + 2)
        ab, bc, cd, da, middle = node(1, i), node(2, i + 1), node(1, i + 2), node(0, i + 1), node(1, i + 1)
        rim += [(b, c, bc), (a, d, da)]
        if kind == 10:
            cells.append((a, b, c, d, ab, bc, cd, da, middle))
        else:
            cells += [(a, b, c, ab, bc, middle), (a, c, d, middle, cd, da)]
    return text_2(np.vstack(circles), [(2, "ring", cells, kind), (1, "rim", rim, 8)])


def hexahedra() -> bytes:
    """Eight warped hexahedra that fill the unit cube, its sides as a group."""
    steps = (0.0, 0.5, 1.0)
    nodes = np.array([[x, y, z] for z in steps for y in steps for x in steps])
    nodes[13] += [0.06, -0.04, 0.05]
    corners = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
    places = [(i, j, k) for k in (0, 1) for j in (0, 1) for i in (0, 1)]
    cells = [tuple(1 + i + a + 3 * (j + b) + 9 * (k + c) for a, b, c in corners) for i, j, k in places]
    sides = [(0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (3, 2, 6, 7), (0, 3, 7, 4), (1, 2, 6, 5)]
    outer = [
        tuple(cell[i] for i in side)
        for cell in cells
        for side in sides
        if any(
            np.ptp(nodes[[cell[i] - 1 for i in side], axis]) == 0 and nodes[cell[side[0]] - 1, axis] != 0.5
            for axis in range(3)
        )
    ]
    return text_2(nodes, [(3, "cube", cells, 5), (2, "rim", outer, 3)])


FILES = {
    "curved triangles": (lambda: ring(6, 9), 2, 3 * np.pi, 6 * np.pi, 5e-3),
    "curved quadrilaterals": (lambda: ring(6, 10), 2, 3 * np.pi, 6 * np.pi, 5e-3),
    "hexahedra": (hexahedra, 3, 1.0, 6.0, 1e-12),
}
"""By name: the file, its dimension, volume and measure of the rim, and how nearly."""


@pytest.fixture(scope="module", params=FILES)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def domain(kind: str, tmp_path_factory: pytest.TempPathFactory) -> TaggedMesh:
    path = COMM.bcast(tmp_path_factory.mktemp("cells") / "mesh.msh" if COMM.rank == 0 else None)
    if COMM.rank == 0:
        write(path, FILES[kind][0]())
    COMM.barrier()
    return MESHES["file"](COMM, path)


def inside(kind: str, count: int) -> np.ndarray:
    """Points of the domain."""
    chance = np.random.default_rng(1)
    if kind == "hexahedra":
        return chance.uniform(0.0, 1.0, (count, 3))
    radius, angle = chance.uniform(1.02, 1.98, count), chance.uniform(0, 2 * np.pi, count)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


@pytest.mark.distributed
def test_cells_and_rim_have_their_measure(kind: str, domain: TaggedMesh) -> None:
    """∫dx and ∫ds are those of the shape; the group is the whole boundary."""
    _, dimension, volume, rim, near = FILES[kind]
    one = fem.Constant(domain.mesh, 1.0)
    found = [COMM.allreduce(fem.assemble_scalar(fem.form(one * measure))) for measure in (ufl.dx, ufl.ds)]
    assert found == pytest.approx([volume, rim], rel=near)
    assert domain.dimension == dimension
    np.testing.assert_array_equal(domain.boundary("rim"), domain.boundary("all"))


@pytest.mark.distributed
def test_points_are_read_wherever_they_are(kind: str, domain: TaggedMesh) -> None:
    """Each in the cell that holds it: (Bx)_i is the point itself; one that no cell holds is told."""
    points = inside(kind, 60)
    dimension = domain.dimension
    space = fem.functionspace(domain.mesh, ("Lagrange", 2))
    matrix = point_matrix(domain, space, points)
    for axis in range(dimension):
        u = fem.Function(space)
        u.interpolate(lambda x, axis=axis: x[axis])
        read = multiply(matrix, u.x.array[: space.dofmap.index_map.size_local])
        np.testing.assert_allclose(read, points[slice(*matrix.getOwnershipRange()), axis], atol=1e-12)
    matrix.destroy()
    with raised_on_all_ranks(PlaceError):
        point_matrix(domain, space, np.full((1, dimension), 2.0))


@pytest.mark.distributed
def test_traces_are_taken_on_the_curved_boundary(kind: str, domain: TaggedMesh) -> None:
    """The nearest points of the rim lie on it as nearly as its cells do, and in the mesh."""
    points = inside(kind, 20)
    if kind == "hexahedra":
        points[:, 2] = 1.0
        exact = points
    else:
        exact = 2.0 * points / np.linalg.norm(points, axis=1)[:, None]
    near = nearest_on(domain, ("rim",), exact)
    np.testing.assert_allclose(near, exact, atol=1e-12 if kind == "hexahedra" else 1e-2)
    point_matrix(domain, fem.functionspace(domain.mesh, ("Lagrange", 1)), near).destroy()


@pytest.mark.parametrize("dimension", [2, 3])
def test_cells_of_the_second_order_have_the_diameter_of_straight_ones(dimension: int) -> None:
    """Where they are straight: the length in advection's stabilisation is that of the same mesh."""
    straight = box_mesh(dimension, 2)
    space = fem.functionspace(straight.mesh, ("Lagrange", 2))
    nodes = space.tabulate_dof_coordinates()[:, :dimension]
    cell = straight.mesh.topology.cell_name()
    bent = restored(COMM, StoredMesh(nodes, space.dofmap.list, cell, 2))
    lengths = [
        fem.assemble_scalar(fem.form(_diameter(mesh.coordinates) ** 2 * ufl.dx)) for mesh in (straight, bent)
    ]
    assert lengths[1] == pytest.approx(lengths[0], rel=1e-12)
