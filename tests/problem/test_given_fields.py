"""Problems with given fields from files, of earlier results and by region: those of expressions."""

from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from small import CASES, COMM, FEW, on_square

from app.api import load_result, solve
from app.case import InputError, load_case
from app.mesh import MESHES, CoefficientSpace
from app.output import Coefficient, Losses, Part
from app.problem import Problem, build

pytestmark = pytest.mark.usefixtures("undrawn")

PLANE = "1 + x - 0.5*y"

REFERENCE = "unknowns.m.reference"


def quickstart(*overrides: str) -> Problem:
    """The quickstart on a coarse mesh, one level."""
    return on_square("quickstart", "levels=1", *overrides).built()


def misfit(problem: Problem) -> float:
    """At the start, which knows the reference, the source and the conditions; closes the problem."""
    with problem:
        return float(problem.start().evaluation.value)


@pytest.fixture
def folder(shared_tmp_path: Path) -> Path:
    """With a table and a grid of PLANE, and results of a run that has found it."""
    axis = np.linspace(0.0, 1.0, 6)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    plane = 1 + x - 0.5 * y
    if COMM.rank == 0:
        rows = [f"{a},{b},{c}" for a, b, c in zip(x.ravel(), y.ravel(), plane.ravel(), strict=True)]
        (shared_tmp_path / "plane.csv").write_text("\n".join(["x,y,height", *rows[1:], rows[0]]))
        np.savez(shared_tmp_path / "plane.npz", x=axis, y=axis, value=plane)
        earlier(shared_tmp_path / "earlier")
    COMM.barrier()
    return shared_tmp_path


def earlier(folder: Path) -> None:
    """Results with an unknown that is PLANE; serial."""
    domain = MESHES["rectangle"](MPI.COMM_SELF, [0.0, 0.0], [1.0, 1.0], [7, 5])
    space = CoefficientSpace(domain, 1)
    x, y = space.coordinates.T
    folder.mkdir()
    Coefficient("earlier", (Part("m", "log_diffusivity", "exp", space, 1 + x - 0.5 * y),)).save(
        folder, Losses()
    )


SAME = {
    "a table": (REFERENCE, PLANE, "{file: FOLDER/plane.csv, column: height}"),
    "a grid": (REFERENCE, PLANE, "{file: FOLDER/plane.npz}"),
    "results": (REFERENCE, PLANE, "{results: FOLDER/earlier}"),
    "source": ("equation.source", PLANE, "{file: FOLDER/plane.npz}"),
    "values on the boundary": ("equation.boundary.rim.value", PLANE, "{results: FOLDER/earlier, unknown: m}"),
    "flux": (
        "equation.boundary",
        "{rim: {on: left, kind: dirichlet}, in: {on: top, kind: neumann, value: 1 + x - 0.5*y}}",
        "{rim: {on: left, kind: dirichlet}, in: {on: top, kind: neumann, value: {file: FOLDER/plane.npz}}}",
    ),
}
"""A key, an expression, and a field that is the same."""


@pytest.mark.parametrize("name", SAME)
def test_a_linear_field_is_its_expression(folder: Path, name: str) -> None:
    """The start has the same misfit."""
    key, expression, field = SAME[name]
    found = misfit(quickstart(f"{key}={field}".replace("FOLDER", str(folder))))
    assert found == pytest.approx(misfit(quickstart(f"{key}={expression}")), rel=1e-7)


def test_the_exponential_of_earlier_results_is_a_diffusivity(folder: Path) -> None:
    """By its name, as `evaluate` writes it."""
    source = "unknowns={f: {role: source}}"
    rest = ("equation.source=null", source, "equation.wells={}")
    said = f"equation.diffusivity={{results: {folder}/earlier, unknown: exp_m}}"
    given = misfit(quickstart(*rest, said))
    expected = misfit(quickstart(*rest, "equation.diffusivity=exp(1 + x - 0.5*y)"))
    assert given == pytest.approx(expected, rel=5e-2)


def regions(*overrides: str) -> Problem:
    """A mesh with the regions core and frame."""
    return build(load_case(CASES / "known_part.yaml", ["levels=1", FEW, *overrides]), COMM)


INNER = "0.125 < x and x < 0.875 and 0.125 < y and y < 0.875"
"""The region core of the mesh of known_part."""


def test_fields_by_region_are_expressions_with_a_condition() -> None:
    """In the equation, as the reference, and where the unknown is known."""
    both = "{regions: {frame: .6*cos(pi*x)}, else: .6*cos(pi*x)}"
    by_region = (
        f"{REFERENCE}={both}",
        f"unknowns.m.known.value={both}",
        "equation.source={regions: {core: 10}, else: 10}",
    )
    assert misfit(regions(*by_region)) == pytest.approx(misfit(regions()), rel=1e-10)
    steps = misfit(regions("equation.source={regions: {core: 3}, else: 10 + x}"))
    assert steps == pytest.approx(misfit(regions(f"equation.source=3 if {INNER} else 10 + x")), rel=1e-7)


REFUSED = {
    "beyond the table": (
        "mesh.upper=[2, 1]",
        "equation.source={file: FOLDER/plane.csv, column: height}",
        "found values of plane.csv, from (0, 0) to (1, 1), expected from (0, 0) to (2, 1), where the mesh "
        "needs it",
    ),
    "beyond the results": (
        "mesh.lower=[-1, 0]",
        "unknowns.m.reference={results: FOLDER/earlier}",
        "found the mesh of FOLDER/earlier, from (0, 0) to (1, 1), expected from (-1, 0) to (1, 1), where the "
        "mesh needs it",
    ),
    "no such column": (
        "seed=0",
        "unknowns.m.truth={file: FOLDER/plane.csv}",
        "plane.csv:1: found the columns x, y, height, expected also value",
    ),
    "no such array": (
        "seed=0",
        "unknowns.m.truth={file: FOLDER/plane.npz, column: values}",
        "plane.npz: found the arrays x, y, value, expected also values (did you mean 'value'?)",
    ),
    "no such unknown": (
        "seed=0",
        "unknowns.m.reference={results: FOLDER/earlier, unknown: exp}",
        "reference.unknown: found 'exp', expected one of m, exp_m (did you mean 'exp_m'?)",
    ),
    "another dimension": (
        "mesh={kind: interval, cells: 8}",
        "unknowns.m.reference={results: FOLDER/earlier}",
        "reference.results: found results in 2 dimensions, expected 1 (the mesh's)",
    ),
    "no regions": (
        "seed=0",
        "unknowns.m.reference={regions: {clay: 1}}",
        "reference.regions.clay: the mesh has no region 'clay'; only mesh files have regions",
    ),
}


@pytest.mark.distributed
@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_the_mesh_is_told(folder: Path, name: str) -> None:
    """With both extents, or what there is; on all ranks."""
    mesh, said, told = REFUSED[name]
    here = str(folder)
    with pytest.raises(InputError) as refused:
        quickstart("unknowns.m.truth=null", mesh, said.replace("FOLDER", here))
    (problem,) = refused.value.problems
    assert problem.endswith(told.replace("FOLDER", here))


def test_cells_without_a_value_are_told_by_their_regions() -> None:
    with pytest.raises(
        InputError, match=r"cells without a value \(regions core\), expected a value for each"
    ):
        regions(f"{REFERENCE}={{regions: {{frame: 1}}}}")


def test_points_on_a_line_are_refused(folder: Path) -> None:
    (folder / "line.csv").write_text("x,y,value\n0,0,1\n1,1,2\n2,2,3\n")
    with pytest.raises(
        InputError, match=r"line\.csv: found points on one line, expected points that enclose"
    ):
        quickstart(f"equation.source={{file: {folder}/line.csv}}")


def test_a_run_about_a_given_field_is_read_back_without_its_file(folder: Path, shared_tmp_path: Path) -> None:
    """Networks are added to the reference, whose values at the nodes are stored with them; on all levels."""
    table = folder / "plane.csv"
    said = f"{REFERENCE}={{file: {table}, column: height}}"
    with on_square("quickstart", "levels=2", "flow.max_iterations=2", said, cells=12).built() as problem:
        found = solve(problem)
        found.save(shared_tmp_path / "results")
        points = np.random.default_rng(0).uniform(size=(20, 2))
        expected = found.evaluate(points)["m"]
    if COMM.rank == 0:
        table.unlink()
    COMM.barrier()
    result = load_result(shared_tmp_path / "results")
    np.testing.assert_allclose(result.evaluate(points)["m"], expected, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="a reference of m that varies"):
        result.networks()
