"""A file's mesh refined: the domain, its parts and its regions stay what they are, in smaller cells."""

from collections.abc import Iterator
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import ufl
from dolfinx import fem
from dolfinx import mesh as dmesh
from elliptic import COMM, LSHAPE, Formula, forward_model, raised_on_all_ranks
from mpi4py import MPI
from msh_files import QUADRILATERALS, RIM, SQUARE, TRIANGLES, Group, text_2, write

from app.mesh import MESHES, CoefficientSpace, MeshError, TaggedMesh, stored
from app.mesh.files import read_mesh
from app.mesh.groups import GroupedCells, grouped_cells
from app.mesh.msh import read_msh
from app.mesh.refinement import refined
from app.pde import BoundaryCondition

STEPS = 5
"""Nodes of a box along each direction, every second of which is a corner of cells of the second order."""

CUBE = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
"""Corners of a hexahedron as gmsh has them."""

BETWEEN = {
    11: [(0, 1), (1, 2), (0, 2), (0, 3), (2, 3), (1, 3)],
    12: [(0, 1), (0, 3), (0, 4), (1, 2), (1, 5), (2, 3), (2, 6), (3, 7), (4, 5), (4, 7), (5, 6), (6, 7),
         (0, 1, 2, 3), (0, 1, 4, 5), (0, 3, 4, 7), (1, 2, 5, 6), (2, 3, 6, 7), (4, 5, 6, 7), range(8)],
}  # fmt: skip
"""Corners that each further node of gmsh's kinds 11 (tetrahedra) and 12 (hexahedra) is in the middle of."""

SIDES = {
    11: [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)],
    12: [(0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (3, 2, 6, 7), (0, 3, 7, 4), (1, 2, 6, 5)],
}
"""Corners of the facets."""


def warped(kind: int) -> bytes:
    """A bent box in curved cells; its boundary, a surface within, one half and a point as groups."""
    lattice = np.array(list(product(range(STEPS), repeat=3)))
    s, t, r = lattice.T / (STEPS - 1)
    places = np.column_stack([s + 0.15 * t * r, t + 0.1 * s**2, r + 0.2 * np.sin(2 * s + t)])

    def number(where: np.ndarray) -> int:
        return 1 + int(where @ [STEPS**2, STEPS, 1])

    shapes: list[np.ndarray] = [np.array(CUBE)]
    if kind == 11:
        axes = np.eye(3, dtype=int)
        shapes = [np.cumsum([[0, 0, 0], *axes[list(order)]], axis=0) for order in permutations(range(3))]
    cells, facets = [], {}
    for origin, shape in product(product((0, 2), repeat=3), shapes):
        corners = np.array(origin) + 2 * shape
        nodes = [*corners, *(corners[list(of)].mean(axis=0) for of in BETWEEN[kind])]
        cells.append(tuple(number(node) for node in nodes))
        for side in SIDES[kind]:
            facets[frozenset(map(number, corners[list(side)]))] = corners[list(side)]
    flat = {3: 2, 4: 3}[len(SIDES[kind][0])]
    outer = [side for side in facets.values() if any(np.ptp(x) == 0 and x[0] in (0, 4) for x in side.T)]
    inner = [side for side in facets.values() if (side[:, 0] == 2).all()]
    half = [cell for cell in cells if cell[0] <= STEPS**2]
    groups: list[Group] = [(3, "body", cells, kind), (3, "half", half, kind), (0, "well", [(5,)], 15)]
    for name, sides in {"rim": outer, "middle": inner, "": inner[:1]}.items():
        groups.append((2, name, [tuple(map(number, side)) for side in sides], flat))
    return text_2(places, groups)


def plane(kind: int) -> bytes:
    """A warped square with the same groups."""
    cells = {2: TRIANGLES, 3: QUADRILATERALS}[kind]
    nodes = SQUARE.copy()
    nodes[4, :2] += [0.05, -0.08]
    half = [cell for cell in cells if 3 not in cell and 9 not in cell]
    middle = [(2, 5), (5, 8)]
    groups: list[Group] = [(2, "body", cells, kind), (2, "half", half, kind), (0, "well", [(5,)], 15)]
    return text_2(nodes, [*groups, (1, "rim", RIM, 1), (1, "middle", middle, 1), (1, "", middle[:1], 1)])


def bent(kind: int) -> bytes:
    """Half a ring between the radii 1 and 2 in four curved cells, or eight, with the same groups."""
    angles = np.pi * np.arange(9) / 8
    nodes = np.vstack(
        [np.column_stack([r * np.cos(angles), r * np.sin(angles), 0 * angles]) for r in (1, 1.5, 2)]
    )
    cells: list[tuple[int, ...]] = []
    rim: list[tuple[int, ...]] = [(1, 19), (9, 27)]
    for i in range(1, 9, 2):
        a, b, c, d, ab, bc, cd, da, centre = i, i + 18, i + 20, i + 2, i + 9, i + 19, i + 11, i + 1, i + 10
        quadrilateral = (a, b, c, d, ab, bc, cd, da, centre)
        both = [(a, b, c, ab, bc, centre), (a, c, d, centre, cd, da)]
        cells += [quadrilateral] if kind == 10 else both
        rim += [(b, c), (d, a)]
    middle = [(5, 23)]
    half = cells[: len(cells) // 2]
    groups: list[Group] = [(2, "body", cells, kind), (2, "half", half, kind), (0, "well", [(5,)], 15)]
    return text_2(nodes, [*groups, (1, "rim", rim, 1), (1, "middle", middle, 1), (1, "", middle, 1)])


FINE = 14
"""Degree of the quadrature for lengths and areas of curved facets, which are no integrals of polynomials."""

FILES = {
    "triangles": plane(2),
    "quadrilaterals": plane(3),
    "curved triangles": bent(9),
    "curved quadrilaterals": bent(10),
    "curved tetrahedra": warped(11),
    "curved hexahedra": warped(12),
}


@pytest.fixture(scope="module", params=FILES)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of each kind."""
    path = COMM.bcast(tmp_path_factory.mktemp("refined") / "mesh.msh" if COMM.rank == 0 else None)
    if COMM.rank == 0:
        write(path, FILES[request.param])
    COMM.barrier()
    return path


@pytest.fixture(scope="module")
def levels(path: Path) -> list[TaggedMesh]:
    """The file's mesh as it is and refined once."""
    return [MESHES["file"](COMM, file=path, refine=refine) for refine in range(2)]


def counts(domain: TaggedMesh) -> dict[str, int]:
    """Facets of each part and cells of each region, over all ranks."""
    own = domain.mesh.topology.index_map(domain.dimension).size_local
    held = {f"part {name}": len(domain.boundary(name)) for name in domain.facets}
    held |= {f"region {name}": np.count_nonzero(rows < own) for name, rows in domain.cells.items()}
    return {name: COMM.allreduce(int(count)) for name, count in held.items()}


def measures(domain: TaggedMesh) -> Iterator[float]:
    """∫dx over each region, ∫ds and ∫dS over each part."""
    for dimension, groups, kinds, degree in (
        (domain.dimension, domain.cells, ("dx",), None),
        (domain.dimension - 1, domain.facets, ("ds", "dS"), FINE),
    ):
        for name in sorted(groups):
            tags = dmesh.meshtags(domain.mesh, dimension, np.unique(groups[name]), 1)
            one = fem.Constant(domain.mesh, 1.0)
            over = [ufl.Measure(kind, domain.mesh, subdomain_data=tags)(1, degree=degree) for kind in kinds]
            yield sum(COMM.allreduce(fem.assemble_scalar(fem.form(one * each))) for each in over)


@pytest.mark.distributed
def test_parts_and_regions_are_carried_over(levels: list[TaggedMesh]) -> None:
    """A facet becomes 2^(d-1) facets of the same parts, a cell 2^d cells of the same regions; parts stay
    inside or outside, and groups that are neither keep their reason."""
    coarse, fine = levels
    d = coarse.dimension
    expected = {name: count * 2 ** (d - name.startswith("part")) for name, count in counts(coarse).items()}
    assert set(expected) == {"part 6", "part middle", "part rim", "region body", "region half"}
    assert counts(fine) == expected
    assert fine.refused == coarse.refused and set(fine.refused) == {"well"}
    np.testing.assert_array_equal(fine.boundary("rim"), fine.boundary("all"))
    assert not np.isin(fine.boundary("middle"), fine.boundary("all")).any()


def test_parts_and_regions_keep_their_measure(levels: list[TaggedMesh]) -> None:
    """Curved ones too: children lie where the parent's map has them."""
    coarse, fine = map(measures, levels)
    np.testing.assert_allclose(list(fine), list(coarse), rtol=1e-12)


@pytest.mark.distributed
def test_any_number_of_ranks_has_one_refined_mesh(path: Path, levels: list[TaggedMesh]) -> None:
    """Nodes, cells and measures are those of one rank; parts are where they are there."""
    whole = stored(levels[1])
    alone = MESHES["file"](MPI.COMM_SELF, file=path, refine=1)
    if COMM.rank == 0:
        expected = stored(alone)
        assert whole is not None and expected is not None
        np.testing.assert_array_equal(whole.nodes, expected.nodes)
        np.testing.assert_array_equal(np.sort(whole.cells), np.sort(expected.cells))
    for name in levels[1].facets:
        found = np.vstack(COMM.allgather(levels[1].facet_midpoints(name)))
        one = alone.facet_midpoints(name)
        np.testing.assert_allclose(*(x[np.lexsort(x.round(9).T)] for x in (found, one)), atol=1e-14)


def whole_mesh(tmp_path: Path, content: bytes) -> GroupedCells:
    return grouped_cells(read_msh(write(tmp_path / "mesh.msh", content)))


@pytest.mark.parametrize("name", FILES)
def test_each_level_has_the_nodes_of_the_one_before(tmp_path: Path, name: str) -> None:
    """To the last bit; refined twice is refined and refined again, and no node stands twice."""
    whole = whole_mesh(tmp_path, FILES[name])
    levels = [{tuple(place) for place in refined(whole, times).points} for times in range(3)]
    assert levels[0] < levels[1] < levels[2]
    assert len(levels[2]) == len(refined(whole, 2).points)


def quality(whole: GroupedCells) -> np.ndarray:
    """Of tetrahedra, 12 (3 volume)^(2/3) / Σ edge²: 1 for an equilateral one (A. Liu and B. Joe, 1994)."""
    corners = whole.points[whole.cells[:, :4]]
    volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 6
    edges = [corners[:, i] - corners[:, j] for i in range(4) for j in range(i)]
    return 12 * (3 * volumes) ** (2 / 3) / np.sum(np.square(edges), axis=(0, 2))


def test_tetrahedra_do_not_degenerate(tmp_path: Path) -> None:
    """Refined again and again they have the shapes of the first two times, in any order of their corners."""
    chance = np.random.default_rng(0)
    lattice = np.array(list(product(range(3), repeat=3))) + chance.uniform(-0.2, 0.2, (27, 3))
    chains = [np.cumsum([[0, 0, 0], *np.eye(3, dtype=int)[list(p)]], axis=0) for p in permutations(range(3))]
    cells = [
        tuple(chance.permutation((np.array(origin) + chain) @ [9, 3, 1] + 1))
        for origin, chain in product(product((0, 1), repeat=3), chains)
    ]
    whole = whole_mesh(tmp_path, text_2(lattice, [(3, "body", cells, 4)]))
    worst = [quality(refined(whole, times)).min() for times in range(5)]
    assert worst[1] > 0.9 * worst[0]
    assert worst[3:] == pytest.approx([worst[2]] * 2, rel=1e-9)


def test_a_mesh_without_parts_is_refined(tmp_path: Path) -> None:
    """A file may have groups of cells only."""
    fine = refined(whole_mesh(tmp_path, text_2(SQUARE, [(2, "plate", TRIANGLES, 2)])), 2)
    assert len(fine.cells) == len(fine.regions["plate"]) == 16 * len(TRIANGLES)
    assert fine.facets.shape == (0, 2) and fine.parts == {}


@pytest.mark.distributed
def test_curved_cells_that_turn_over_between_their_nodes_are_refused(shared_tmp_path: Path) -> None:
    """What the cells' own nodes do not show, their children's do; as it is the mesh is read."""
    nodes = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.5, -0.2, 0], [0.3, 0.8, 0], [0.2, 0.7, 0]])
    if COMM.rank == 0:
        write(shared_tmp_path / "mesh.msh", text_2(nodes, [(2, "plate", [range(1, 7)], 9)]))
    COMM.barrier()
    given = read_mesh(COMM, shared_tmp_path / "mesh.msh")
    assert (given.cell, given.dimension, given.cells, given.vertices) == ("triangle", 2, 1, 3)
    with raised_on_all_ranks(MeshError) as caught:
        given.refined(1)
    assert "refined cells that are flat or turn over, expected none" in str(caught.value)
    assert str(caught.value).startswith(str(shared_tmp_path / "mesh.msh"))


def test_a_state_converges_under_refinement() -> None:
    """-Δu = 2π² cos πx cos πy, u given on two parts and without flux through the others: of degree 1, its
    error in L² falls fourfold."""
    cosines = Formula(lambda x, library: library.cos(np.pi * x[0]) * library.cos(np.pi * x[1]))
    source = Formula(lambda x, library: 2 * np.pi**2 * library.cos(np.pi * x[0]) * library.cos(np.pi * x[1]))
    given = BoundaryCondition(("corner", "left"), "dirichlet", cosines)
    errors = []
    for refine in range(2):
        space = CoefficientSpace(MESHES["file"](COMM, file=LSHAPE, refine=refine), 1)
        model = forward_model(space, 1, {"given": given}, source=source, points=np.array([[0.2, 0.2]]))
        u = model.function(model.at(np.zeros(space.owned)))
        error = u - cosines.ufl(space.domain.coordinates)
        errors.append(np.sqrt(COMM.allreduce(fem.assemble_scalar(fem.form(error**2 * ufl.dx(degree=6))))))
        model.close()
    assert errors[0] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(4.0, abs=0.2)
