"""Make the cases' data: `python cases/make_data.py [CASE …]`.

The truth of a case is put into the case's own equation on a mesh three times as fine (twice for a mesh from a
file), with elements one degree higher than the inversion's, so that no inversion uses the discretisation that
made its data. Serial; the points and the noise come from fixed seeds, so that the files are the same each
time.
"""

import csv
import dataclasses
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import app  # noqa: E402, F401, I001
import numpy as np  # noqa: E402
from mpi4py import MPI  # noqa: E402

from app import fem  # noqa: E402
from app.case import Case, load_case  # noqa: E402
from app.parallel import LinearSolver  # noqa: E402

FINER = 3
"""Refinement of generated meshes; a mesh from a file is refined uniformly once instead."""


@dataclasses.dataclass(frozen=True)
class Readings:
    """Where a case is measured, and with which noise as a share of the largest state."""

    points: Callable[[np.random.Generator], np.ndarray]
    noise: float
    seed: int


def in_square(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Points uniform in [.05, .95]²."""
    return lambda rng: rng.uniform(0.05, 0.95, (count, 2))


def in_lshape(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Points uniform in the L-shape, at least 0.03 from its boundary."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        points = rng.uniform(0.03, 0.97, (20 * count, 2))
        return points[~((points > 0.47).all(axis=1))][:count]

    return draw


CASES = {
    "quickstart": Readings(in_square(300), 0.01, seed=1),
    "lshape": Readings(in_lshape(120), 0.01, seed=2),
}


def main(names: list[str]) -> None:
    """Write data/NAME.csv for each case."""
    for name in names or list(CASES):
        readings = CASES[name]
        path = FOLDER / "data" / f"{name}.csv"
        case = _load(FOLDER / f"{name}.yaml", path)
        rng = np.random.default_rng(readings.seed)
        points = readings.points(rng)
        exact, largest = solve_finely(case, points)
        sigma = readings.noise * largest
        values = exact + sigma * rng.standard_normal(len(points))
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*"xyz"[: points.shape[1]], "value", "sigma"])
            for point, value in zip(points, values, strict=True):
                writer.writerow([f"{x:.12g}" for x in point] + [f"{value:.12g}", f"{sigma:.6g}"])
        print(f"{path.name}: {len(points)} readings, sigma {sigma:.4g}")


def solve_finely(case: Case, points: np.ndarray) -> tuple[np.ndarray, float]:
    """The state at the points, and its largest nodal value, for the truth on the fine discretisation."""
    comm = MPI.COMM_SELF
    domain = _fine_mesh(comm, case)
    unknown = next(iter(case.unknowns.values()))
    space = fem.CoefficientSpace(domain, unknown.degree + 1)
    conditions = {
        name: fem.BoundaryCondition(given.tags or ("all",), given.kind, given.value)
        for name, given in case.equation.boundary.items()
    }
    equation = fem.EQUATIONS[case.equation.kind](source=case.equation.source, boundary=conditions)
    solver = LinearSolver(comm, "direct", "data_")
    forward = fem.ForwardModel(equation, space, case.equation.degree + 1, solver)
    forward.observe_with(fem.point_matrix(domain, forward.space, points))
    values = forward.solve(space.interpolate(unknown.truth))
    return values, float(np.abs(forward.state.x.array).max())


def _load(path: Path, data: Path) -> Case:
    """The case; its data file need not exist yet."""
    if not data.exists():
        data.parent.mkdir(exist_ok=True)
        data.touch()
    return load_case(path)


def _fine_mesh(comm: MPI.Comm, case: Case) -> fem.TaggedMesh:
    options: dict[str, Any] = dict(case.mesh)
    kind = options.pop("kind")
    if kind == "file":
        with tempfile.TemporaryDirectory() as folder:
            return fem.MESHES["file"](comm, _refined(case.resolve(options["file"]), Path(folder)))
    cells = options["cells"]
    options["cells"] = FINER * cells if np.isscalar(cells) else [FINER * n for n in cells]
    return fem.MESHES[kind](comm, **options)


def _refined(path: Path, folder: Path) -> Path:
    """The mesh with every cell cut by its edges' midpoints."""
    import gmsh

    gmsh.initialize(interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.merge(str(path))
    gmsh.model.mesh.refine()
    fine = folder / "fine.msh"
    gmsh.option.setNumber("Mesh.SaveAll", 0)
    gmsh.write(str(fine))
    gmsh.finalize()
    return fine


if __name__ == "__main__":
    main(sys.argv[1:])
