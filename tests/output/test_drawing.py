"""What pictures are made of: quantities, scales, sheets, slices, and the files that they become."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from elliptic import COMM, LSHAPE, box_space
from mpi4py import MPI
from PIL import Image

from app.mesh import MESHES, CoefficientSpace, discontinuous
from app.output import Border, Look, Quantity, Readings, Row, draw_fields, draw_state
from app.output.drawing import gathered
from app.output.drawing.fields import polygons
from app.output.drawing.panels import arranged, field, size
from app.output.drawing.scales import Scale, scales_of
from app.output.drawing.sheet import Sheet
from app.output.drawing.space import levels_of
from app.output.drawing.tetrahedra import cut
from app.output.folder import OURS
from app.types import Space

METRES = Look("m", "d")
CONDUCTIVITY = Quantity("conductivity", "m/s", logarithmic=True)


def row_on(space: Space, quantity: Quantity = CONDUCTIVITY) -> Row:
    """A bump, beside a truth of another height and its error."""
    x = space.tabulate_dof_coordinates()[: space.dofmap.index_map.size_local]
    bump = np.exp(-((x - 0.4) ** 2).sum(axis=1) / 0.05)
    return Row(quantity, {"recovered": 0.8 * bump, "truth": bump}, {"error": -0.2 * bump})


def readings_in(dimension: int) -> Readings:
    """Three, two of them at one place."""
    points = np.vstack([np.full((2, dimension), 0.25), np.full((1, dimension), 0.5)])
    return Readings(points, np.array([0.5, -2.0, 1.0]))


def test_a_logarithm_with_a_unit_is_drawn_as_the_quantity() -> None:
    """On a logarithmic scale that recovery and truth share; the error is that of the logarithm, about
    zero."""
    row = Row(CONDUCTIVITY, {"recovered": np.array([-1.0, 0.5]), "truth": np.array([0.0, 1.0])},
              {"error": np.array([-1.0, -0.5])})  # fmt: skip
    scales = scales_of(row, row.fields)
    assert scales["recovered"] == scales["truth"]
    shared, error = scales["truth"], scales["error"]
    assert (shared.low, shared.high) == pytest.approx((np.exp(-1.0), np.e)) and shared.logarithmic
    assert shared.label == "conductivity (m/s)"
    assert (error.low, error.high) == (-1.0, 1.0) and error.label == "error in log-conductivity"
    assert error.colours != shared.colours and not error.logarithmic


def test_a_scale_is_that_of_all_ranks() -> None:
    """A row has a rank's own values, which may be the smaller ones."""
    own = Row(Quantity("m"), {"recovered": np.array([0.0, 0.5])}, {"error": np.array([0.1, 0.1])})
    whole = {"recovered": np.array([-1.0, 0.0, 0.5, 2.0]), "error": np.array([0.1, 0.1, -0.4, 0.2])}
    scales = scales_of(own, whole)
    assert (scales["recovered"].low, scales["recovered"].high) == (-1.0, 2.0)
    assert (scales["error"].low, scales["error"].high) == (-0.4, 0.4)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e-30, 1e30])
def test_a_constant_has_a_scale(value: float) -> None:
    """With the value inside of it."""
    for quantity in (Quantity("m"), CONDUCTIVITY if abs(value) < 100 else Quantity("m")):
        scale = Scale.of(quantity, [np.full(3, value)])
        assert scale.low < quantity.shown(np.array(value)) < scale.high


def test_a_dollar_stands_for_itself() -> None:
    """It begins a formula elsewhere, which might be none."""
    assert Quantity("price", "$").axis == r"price (\$)"


def test_each_place_is_drawn_once() -> None:
    """By its largest residual; more than a thousand places, or none, are not drawn."""
    places, worst = readings_in(2).worst()
    assert places.tolist() == [[0.25, 0.25], [0.5, 0.5]] and worst.tolist() == [-2.0, 1.0]
    assert readings_in(2).shown and not Readings.nowhere(2).shown
    assert not Readings(np.random.default_rng(0).random((1001, 2)), np.zeros(1001)).shown


def test_panels_are_of_one_size_and_true_to_the_domain() -> None:
    """Four are two by two; flat domains stand below each other, and none is too thin to be seen."""
    drawing = gathered(box_space(2, 4, 1).space, [])
    assert drawing is not None
    width, height = size(drawing, 2)
    assert width == pytest.approx(height)
    four = [[field("", drawing.x, Scale.plain("", [drawing.x]))] * 4]
    assert [len(row) for row in arranged(drawing, four)] == [2, 2]
    drawing.nodes[:, 0] *= 10
    width, height = size(drawing, 1)
    assert width == pytest.approx(10 * height) and [len(row) for row in arranged(drawing, four)] == [1] * 4
    drawing.nodes[:, 0] *= 100
    assert size(drawing, 1)[1] > 0.3
    sheet = Sheet([[(2.0, 1.0)] * 2, [(2.0, 1.0)]])
    boxes = [sheet.panel(*place).get_position().size for place in ((0, 0), (0, 1), (1, 0))]
    assert np.allclose(boxes, boxes[0])


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_the_outline_is_that_of_the_domain(degree: int) -> None:
    """An L in a square of side 1 has an outline of length 4, in one loop, also of discontinuous fields."""
    domain = MESHES["file"](MPI.COMM_SELF, file=LSHAPE)
    space = discontinuous(domain, 1) if degree == 0 else CoefficientSpace(domain, degree).space
    drawing = gathered(space, [])
    assert drawing is not None
    (loop,) = drawing.outline
    assert np.linalg.norm(np.diff(loop, axis=0), axis=1).sum() == pytest.approx(4.0)
    assert np.array_equal(loop[0], loop[-1])


def test_edges_become_lines() -> None:
    """An open line of three edges in any order, and a triangle."""
    line = [[[2, 0], [1, 0]], [[0, 0], [1, 0]], [[2, 0], [2, 1]]]
    triangle = [[[5, 5], [6, 5]], [[5, 6], [5, 5]], [[6, 5], [5, 6]]]
    opened, closed = polygons(np.array([*line, *triangle], dtype=float))
    assert opened.tolist() in ([[0, 0], [1, 0], [2, 0], [2, 1]], [[2, 1], [2, 0], [1, 0], [0, 0]])
    assert len(closed) == 4 and closed[0].tolist() == closed[-1].tolist()


def test_named_parts_of_the_boundary_are_marked(tmp_path: Path) -> None:
    """With the readings, by their names."""
    space = box_space(2, 2, 1).space
    borders = (Border("river", "robin", np.array([[[0.0, 0.0], [1.0, 0.0]]])),)
    readings = replace(readings_in(2), borders=borders)
    path, look = tmp_path / "part.png", Look(formats=("svg",))
    assert draw_fields(path, space, [row_on(space)], readings, look) is None
    assert "river" in path.with_suffix(".svg").read_text()


def test_cuts_of_a_box_have_the_areas_of_geometry() -> None:
    """A plane through the unit cube has area 1, also through nodes, and carries linear fields exactly; a
    sphere of radius 0.4 has 4πr² but for the cells, of an eighth."""
    drawing = gathered(box_space(3, 8, 1).space, [])
    assert drawing is not None
    for place in (0.5, 0.3, 1.0):
        found = cut(drawing.tetrahedra, drawing.nodes[:, 0] - place)
        points = found.of(drawing.nodes)
        assert _area(points) == pytest.approx(0.0 if place == 1.0 else 1.0)
        assert np.allclose(points[:, 0], place)
    found = cut(drawing.tetrahedra, np.linalg.norm(drawing.nodes - 0.5, axis=1) - 0.4)
    assert _area(found.of(drawing.nodes)) == pytest.approx(4 * np.pi * 0.4**2, rel=0.05)


def _area(points: np.ndarray) -> float:
    corners = points.reshape(-1, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return 0.5 * float(np.linalg.norm(normals, axis=1).sum())


def test_surfaces_are_where_all_fields_have_them() -> None:
    """Halfway to the extreme that is closest; none of an extreme that is close to the median."""
    one, other = np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.0, 0.0, -0.1, 2.0])
    assert levels_of([one, other]) == (0.5,) and levels_of([other, -other]) == ()


@pytest.mark.parametrize(("dimension", "formats"), [(1, ("pdf",)), (2, ("pdf", "svg")), (3, ("svg",))])
def test_pictures_are_true_colours_and_vectors_on_request(
    dimension: int, formats: tuple[str, ...], tmp_path: Path
) -> None:
    """PNG without a palette, other formats beside it, all of them known to --overwrite."""
    space = box_space(dimension, 2, 1).space
    path = tmp_path / "coefficient.png"
    assert draw_fields(path, space, [row_on(space)], readings_in(dimension), Look("m", "", formats)) is None
    with Image.open(path) as image:
        assert image.mode in ("RGB", "RGBA")
    if "pdf" in formats:
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    if "svg" in formats:
        text = path.with_suffix(".svg").read_text()
        assert "x (m)" in text and "conductivity (m/s)" in text and "readings" in text
    assert {file.name for file in tmp_path.iterdir()} <= set(OURS)
    assert len(list(tmp_path.iterdir())) == 1 + len(formats)


def test_without_a_truth_there_is_one_panel(tmp_path: Path) -> None:
    """Of full size, without readings."""
    space = box_space(2, 4, 1).space
    row = Row(Quantity("m"), {"recovered": row_on(space).alike["truth"]})
    assert draw_fields(tmp_path / "one.png", space, [row], Readings.nowhere(2), METRES) is None
    with Image.open(tmp_path / "one.png") as image:
        assert image.height > 700


def test_electrodes_have_numbers(tmp_path: Path) -> None:
    """Outside of the domain, on the first panel."""
    space = box_space(2, 4, 1).space
    readings = Readings(np.array([[0.0, 0.5], [1.0, 0.5]]), numbered=True)
    look = Look("m", formats=("svg",))
    assert draw_fields(tmp_path / "trunk.png", space, [row_on(space)], readings, look) is None
    assert tmp_path.joinpath("trunk.svg").stat().st_size > 10_000


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_state_is_drawn_at_several_times(dimension: int, tmp_path: Path) -> None:
    """In one scale, with the time and its unit."""
    space = box_space(dimension, 4, 1).space
    bump = row_on(space).alike["truth"]
    look, path = Look("m", "d", ("svg",)), tmp_path / "state.png"
    states = [bump, 0.5 * bump, 0.25 * bump]
    quantity = Quantity("temperature", "K")
    assert draw_state(path, space, [0.0, 0.5, 1.0], states, quantity, look) is None
    text = path.with_suffix(".svg").read_text()
    assert "t = 0.5 d" in text and "temperature (K)" in text


@pytest.mark.skipif(COMM.size > 1, reason="the law above, on several ranks at once")
def test_cells_of_all_kinds_are_drawn(tmp_path: Path) -> None:
    """Quadrilaterals and hexahedra, of both degrees, as simplices that fill the domain."""
    from dolfinx import fem, mesh

    square = mesh.create_unit_square(MPI.COMM_SELF, 3, 3, mesh.CellType.quadrilateral)
    cube = mesh.create_unit_cube(MPI.COMM_SELF, 2, 2, 2, mesh.CellType.hexahedron)
    for domain in (square, cube):
        for degree in (1, 2):
            drawing = gathered(fem.functionspace(domain, ("Lagrange", degree)), [])
            assert drawing is not None
            if domain is square:
                corners = drawing.nodes[drawing.triangles, :2]
                edges = corners[:, 1:] - corners[:, :1]
                assert np.abs(np.linalg.det(edges)).sum() / 2 == pytest.approx(1.0)
            else:
                corners = drawing.nodes[drawing.tetrahedra]
                edges = corners[:, 1:] - corners[:, :1]
                assert np.abs(np.linalg.det(edges)).sum() / 6 == pytest.approx(1.0)
