"""Make the cases' data: `python cases/make_data.py [CASE …]`, all that can be made by default.

The truth of a case is put into the case's own equation on a mesh three times as fine (twice for a mesh from a
file), with elements one degree higher than the inversion's, so that no inversion uses the discretisation that
made its data. A state of several components is read whole at each point, into a file a component; each
experiment has files of its own; of `calderon` the fluxes through the pieces of the boundary are read in place
of the state. Some differ: those with two components (`elastic`, `helmholtz`, `scatterer`, `stiff`) are made
on 110 × 110 cells; `cube` is made on 37³ cells, whose nodes are not those of its own 24³, by conjugate
gradients with multigrid to a relative residual of 1e-12, a factorisation being too large (14 s and 1.3 GB in
all); `hippylib_poisson` on its own mesh and elements, as its authors define it. The data of `peer64` are
given. Those of `trunk` are four-electrode readings from a mesh with cells half as large. Equations in time
are solved in four times as many steps, by Crank and Nicolson's scheme; the data of `heat_pinnacle` are its
exact solution, as its authors define it.

Serial; the points and the noise come from fixed seeds, so that the files are the same each time. Where they
have twelve digits, the last is the solver's rounding and may differ from machine to machine.
"""

import csv
import dataclasses
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import app  # noqa: E402, F401, I001
import numpy as np  # noqa: E402
from mpi4py import MPI  # noqa: E402

from app.problem import physics  # noqa: E402
from app.case import Case, SpaceTimeExpression, load_case  # noqa: E402
from app.electrical import ElectricalModel, across_the_section  # noqa: E402
from app.mesh import MESHES, CoefficientSpace, TaggedMesh, closed_outline, joint_space, point_matrix  # noqa: E402
from app.mesh.rows import empty_rows  # noqa: E402
from app.observe.averages import ball_averages  # noqa: E402
from app.observe.fluxes import flux_weights  # noqa: E402
from app.parallel import LinearSolver  # noqa: E402
from app.pde import ForwardModel, TransientModel  # noqa: E402

FINER = 3
"""Refinement of generated meshes; a mesh from a file is refined uniformly once instead."""

SHORTER = 4
"""Steps in time for one of the case's."""


@dataclasses.dataclass(frozen=True)
class Discretisation:
    """What the truth is solved on."""

    cells: tuple[int, ...] | None = None
    """Cells of a generated mesh; None refines the case's own."""
    higher: int = 1
    """Degrees above the case's, of state and coefficient."""
    solver: Literal["direct", "iterative"] = "direct"


@dataclasses.dataclass(frozen=True)
class Readings:
    """Where a case is measured, and with which noise as a share of the largest state (of fluxes, of the
    largest of them)."""

    places: Callable[[np.random.Generator], np.ndarray]
    """Points, shape (readings, dimension), or names of parts of the boundary, shape (readings,)."""
    noise: float
    seed: int
    digits: int = 8
    """Significant digits of coordinates and values."""
    discretisation: Discretisation = Discretisation()
    outliers: float = 0.0
    """Share of readings that are off by 0.2 to 0.5 of the largest state, up or down."""
    components: tuple[str, ...] = ()
    """Those of the state, each with a file NAME_COMPONENT.csv of its own."""
    exact: str | None = None
    """The state itself, an expression in x, y, z and t, where it is known."""
    of: Literal["state", "readings"] = "state"
    """What the noise is a share of the largest of; a state is infinite at a well."""

    experiments: tuple[str, ...] = ()
    """Those of the case, each with files NAME_EXPERIMENT of its own."""

    def all_files(self, name: str) -> list[str]:
        """The names of all data files of the case of this name."""
        return [file for experiment in self.experiments or ("",) for file in self.files(name, experiment)]

    def files(self, name: str, experiment: str = "") -> list[str]:
        """The names of the data files of the case, or of its experiment, of this name."""
        name = f"{name}_{experiment}" if experiment else name
        return [f"{name}_{part}.csv" for part in self.components] or [f"{name}.csv"]


def in_square(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Points uniform in [.05, .95]²."""
    return lambda rng: rng.uniform(0.05, 0.95, (count, 2))


def in_double_square(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Points uniform in [−1, 1]²."""
    return lambda rng: rng.uniform(-1.0, 1.0, (count, 2))


def in_inner_square(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Points uniform in [.1, .9]²."""
    return lambda rng: rng.uniform(0.1, 0.9, (count, 2))


def in_window(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Points uniform in [.25, .75] × [.35, .65]."""
    return lambda rng: rng.uniform((0.25, 0.35), (0.75, 0.65), (count, 2))


def in_cube(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Points uniform in [.05, .95]³."""
    return lambda rng: rng.uniform(0.05, 0.95, (count, 3))


def in_lshape(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Points uniform in the L-shape, at least 0.03 from its boundary."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        points = rng.uniform(0.03, 0.97, (20 * count, 2))
        return points[~((points > 0.47).all(axis=1))][:count]

    return draw


def in_aquifer(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Points uniform in the aquifer, at least 40 m from its sides and from the lake."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        points = rng.uniform((40.0, 40.0), (1960.0, 1050.0), (2 * count, 2))
        return points[np.hypot(*(points - (1350.0, 500.0)).T) > 190.0][:count]

    return draw


def between_cells(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """A grid of count × count points in the middle of equal parts of the unit square."""
    ticks = (np.arange(count) + 0.5) / count
    return lambda rng: np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def on_grid(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """The unit square's grid of count × count points, its boundary included."""
    ticks = np.linspace(0.0, 1.0, count)
    return lambda rng: np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def through_pieces(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """The unit square's sides in so many pieces each, named SIDE_1 and so on."""
    sides = ("bottom", "right", "top", "left")
    return lambda rng: np.array([f"{side}_{i}" for side in sides for i in range(1, count + 1)])


def in_lower_half(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Points uniform in [.1, .9] × [.1, .5]."""
    return lambda rng: rng.uniform((0.1, 0.1), (0.9, 0.5), (count, 2))


CASES = {
    "quickstart": Readings(in_square(300), 0.01, seed=1, digits=12),
    "lshape": Readings(in_lshape(120), 0.01, seed=2, digits=12),
    "aquifer": Readings(in_aquifer(80), 0.005, seed=30),
    "inclusions": Readings(in_square(300), 0.01, seed=3),
    "sparse": Readings(in_square(50), 0.01, seed=4),
    "noisy": Readings(in_square(300), 0.05, seed=5),
    "precise": Readings(in_square(1000), 0.001, seed=6),
    "channels": Readings(in_square(400), 0.01, seed=7),
    "cube": Readings(in_cube(500), 0.01, 8, discretisation=Discretisation((37, 37, 37), 1, "iterative")),
    "anisotropic": Readings(in_square(300), 0.01, seed=10),
    "reaction": Readings(in_square(300), 0.01, seed=11),
    "advection": Readings(in_square(300), 0.01, seed=12),
    "nonlinear": Readings(in_square(300), 0.01, seed=13),
    "power_law": Readings(in_square(300), 0.01, seed=14),
    "sources": Readings(in_square(300), 0.01, seed=17),
    "boundary_flux": Readings(in_square(200), 0.01, seed=16),
    "cubic": Readings(in_square(300), 0.01, seed=18),
    "outliers": Readings(in_square(300), 0.01, seed=19, outliers=0.05),
    "averages": Readings(in_inner_square(150), 0.01, seed=20),
    "partial": Readings(in_window(300), 0.001, seed=21),
    "calderon": Readings(through_pieces(8), 0.001, seed=22),
    "known_part": Readings(in_square(150), 0.01, seed=23),
    "elastic": Readings(
        in_square(200), 0.01, 19, discretisation=Discretisation((110, 110)), components=("x", "y")
    ),
    "helmholtz": Readings(
        in_square(100),
        0.01,
        20,
        discretisation=Discretisation((110, 110)),
        components=("real", "imaginary"),
        experiments=("left_low", "left_high", "below_low", "below_high"),
    ),
    "heat_pinnacle": Readings(in_double_square(2500), 0.1, seed=21, exact="exp(-t)*sin(pi*x)*sin(pi*y)"),
    "cooling": Readings(in_square(300), 0.01, seed=22),
    "wells": Readings(
        between_cells(5), 0.01, 23, of="readings", experiments=("north", "west", "centre", "east", "south")
    ),
    "two_unknowns": Readings(in_square(200), 0.01, 24, experiments=("everywhere", "alternating")),
    "scattered": Readings(
        in_square(500), 0.05, seed=26, exact="sin(2*pi*x)*cos(pi*y) + exp(-((x-.6)**2 + (y-.4)**2)/.05)"
    ),
    "subsurface": Readings(in_lower_half(50), 0.01, seed=27, of="readings"),
    "stiff": Readings(
        in_square(200), 0.01, 28, discretisation=Discretisation((110, 110)), components=("x", "y")
    ),
    "scatterer": Readings(
        in_square(100),
        0.01,
        29,
        discretisation=Discretisation((110, 110)),
        components=("real", "imaginary"),
        experiments=("left", "below"),
    ),
    "hot_region": Readings(in_square(200), 0.01, seed=30),
    "fault": Readings(in_square(300), 0.01, seed=31),
    "polygons": Readings(in_square(300), 0.01, seed=32),
    "mixed": Readings(in_square(300), 0.01, seed=33),
    # Every node of quadratic elements on 64 × 64 cells.
    "hippylib_poisson": Readings(on_grid(129), 0.05, 9, discretisation=Discretisation((64, 64), higher=0)),
}


@dataclasses.dataclass(frozen=True)
class Survey:
    """Electrodes around a body, and the noise of the readings as a share of each."""

    electrodes: Callable[[np.random.Generator], np.ndarray]
    noise: float
    seed: int


def around_a_trunk(count: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Electrodes on an irregular outline 15 to 20 cm from its middle, in m, counter-clockwise, no two at the
    same distance from each other."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        angle = 2 * np.pi * (np.arange(count) + rng.uniform(-0.1, 0.1, count)) / count
        radius = (
            0.176 + 0.012 * np.cos(2 * angle + 0.6) + 0.008 * np.sin(3 * angle) + 0.005 * np.cos(5 * angle)
        )
        return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])

    return draw


SURVEYS = {"trunk": Survey(around_a_trunk(24), noise=0.03, seed=10)}
"""Cases of electrical tomography, read by every pair of neighbouring electrodes against every other pair."""

GIVEN = ("peer64",)
"""Cases whose data were made elsewhere and are the same for every program that runs them."""


def main(names: list[str]) -> None:
    """Write data/NAME.csv (or .ohm) for each case, or for all that can be made; what cannot is refused."""
    for name in names:
        if name in GIVEN:
            raise SystemExit(f"{name}: its data are given and part of the problem; they cannot be made here")
        if name not in CASES | SURVEYS:
            raise SystemExit(f"{name}: found no such case, expected one of {', '.join(CASES | SURVEYS)}")
    for name in names or CASES | SURVEYS:
        print(write(name, FOLDER / "data"), flush=True)
    if not names:
        print(f"left alone, as given: {', '.join(GIVEN)}")


def write(name: str, folder: Path, overrides: Sequence[str] = ()) -> str:
    """Make a case's data, write them into the folder as NAME.csv or NAME.ohm and say what they are.

    `overrides` change the case, as `--set` does: its truth, of another one's data.
    """
    if name in SURVEYS:
        return write_survey(name, folder)
    readings = CASES[name]
    case = _load(name, overrides)
    rng = np.random.default_rng(readings.seed)
    places = readings.places(rng)
    told = []
    for experiment, part in case.parts.items():
        dry = _away_from_wells(part, places)
        times = _times(part, len(dry), rng)
        if readings.exact is None:
            exact, largest = solve_finely(part, dry, readings.discretisation, times)
        else:
            exact, largest = SpaceTimeExpression(readings.exact).numpy(dry, times)[:, None], 1.0
        if readings.of == "readings":
            largest = float(np.abs(exact).max())
        sigma = readings.noise * largest
        files = readings.files(name, experiment)
        for file_name, component in zip(files, exact.T, strict=True):
            values = component + sigma * rng.standard_normal(len(dry))
            if readings.outliers:
                wrong = rng.permutation(len(dry))[: round(readings.outliers * len(dry))]
                values[wrong] += rng.choice([-1, 1], len(wrong)) * rng.uniform(0.2, 0.5, len(wrong)) * largest
            _write(folder / file_name, dry, times, values, sigma, readings.digits)
        told.append(f"{', '.join(files)}: {len(dry)} readings, sigma {sigma:.4g}")
    return "\n".join(told)


def _away_from_wells(case: Case, points: np.ndarray) -> np.ndarray:
    """The points without those where a well of the case is."""
    wells = [well.at for well in getattr(case.equation, "wells", {}).values()]
    apart = [np.linalg.norm(points - well, axis=1) > 1e-6 for well in wells]
    return points[np.logical_and.reduce(apart)] if wells else points


def _times(case: Case, count: int, rng: np.random.Generator) -> np.ndarray | None:
    """Of an equation in time, a time for each reading."""
    steps = physics.time_steps(case)
    return None if steps is None else rng.uniform(0.0, steps.end, count)


def _write(
    path: Path, places: np.ndarray, times: np.ndarray | None, values: np.ndarray, sigma: float, digits: int
) -> None:
    """Readings at points (and times), or of parts of the boundary by name."""
    named = places.ndim == 1
    numbers = [*([] if named else places.T), *([] if times is None else [times]), values]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        where = ["on"] if named else [*"xyz"[: places.shape[1]]]
        writer.writerow([*where, *([] if times is None else ["t"]), "value", "sigma"])
        for place, row in zip(places, np.column_stack(numbers), strict=True):
            said = [f"{number:.{digits}g}" for number in row]
            writer.writerow([*([place] if named else []), *said, f"{sigma:.6g}"])


def solve_finely(
    case: Case, places: np.ndarray, on: Discretisation | None = None, times: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """The state at the points (and times), or its means over the case's discs about them, shape (points,
    components), and its largest nodal value, for the truths on the fine discretisation. Of names of parts of
    the boundary the fluxes through them, shape (parts, 1), and the largest."""
    on = on or Discretisation()
    comm = MPI.COMM_SELF
    domain = _fine_mesh(comm, case, on.cells)
    unknowns = case.unknowns.values()
    spaces = [CoefficientSpace(domain, unknown.degree + on.higher) for unknown in unknowns]
    space = joint_space(spaces)
    equation: Any = physics.equation(case, domain)
    solver = LinearSolver(comm, on.solver, "data_", symmetric=equation.symmetric)
    truth = np.concatenate([
        own.interpolate(unknown.truth) for own, unknown in zip(spaces, unknowns, strict=True)
    ])  # fmt: skip
    degree = case.equation.degree + on.higher
    steps = physics.time_steps(case)
    if steps is not None:
        finer = dataclasses.replace(steps, steps=SHORTER * steps.steps, scheme="crank_nicolson")
        at = np.zeros(len(places)) if times is None else times
        with closing(TransientModel(equation, space, degree, solver, finer)) as model:
            model.observe_at(point_matrix(domain, model.space, places), at)
            found = model.at(truth)
            return found.readings[:, None], max(float(np.abs(state).max()) for state in model.states(found))
    with closing(ForwardModel(equation, space, degree, solver)) as forward:
        physics.feed(case, forward)
        return _solved(case, forward, truth, places)


def _solved(
    case: Case, forward: ForwardModel, truth: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, float]:
    """See solve_finely, of a stationary equation."""
    domain = forward.coefficient.domain
    count = max(1, len(forward.components))
    component = np.tile(np.arange(count), len(places))
    radius = getattr(next(iter(case.observations.values())), "radius", None)
    if places.ndim == 1:
        given = physics.observed_state(case, forward).given
        weights = flux_weights(domain, forward.space, places.tolist(), given)
        forward.observe_with(empty_rows(forward.space, len(places)), weights)
    elif radius is None:
        points = places.repeat(count, axis=0)
        forward.observe_with(point_matrix(domain, forward.space, points, component))
    else:
        radii = np.full(len(places), radius)
        forward.observe_with(ball_averages(domain, forward.space, places, radii))
    found = forward.at(truth)
    values = found.readings.reshape(-1, count)
    compared = values if places.ndim == 1 else found.state
    return values, float(np.abs(compared).max())


def write_survey(name: str, folder: Path) -> str:
    """Make the readings of an electrical case and write them in the unified data format."""
    survey, case = SURVEYS[name], _load(name)
    rng = np.random.default_rng(survey.seed)
    electrodes = np.round(survey.electrodes(rng), 4)
    abmn = neighbours(len(electrodes))
    resistances = measure_finely(electrodes, abmn, next(iter(case.unknowns.values())).truth)
    resistances *= 1.0 + survey.noise * rng.standard_normal(len(abmn))
    path = folder / f"{name}.ohm"
    write_readings(path, electrodes, abmn, resistances)
    return f"{path.name}: {len(abmn)} readings, sigma {100 * survey.noise:g} %"


def neighbours(count: int) -> np.ndarray:
    """Dipoles of neighbouring electrodes in a ring, each pair of dipoles without a common electrode once;
    shape (readings, 4), counted from 0."""
    return np.array([
        (i, (i + 1) % count, j, (j + 1) % count)
        for i in range(count)
        for j in range(i + 2, count)
        if (j + 1) % count != i
    ])  # fmt: skip


def measure_finely(electrodes: np.ndarray, abmn: np.ndarray, truth: Any) -> np.ndarray:
    """Resistances in Ω for a log-resistivity in 2.5 dimensions; cells away from the electrodes half as large
    as usual, elements one degree higher."""
    comm = MPI.COMM_SELF
    usual = closed_outline(electrodes).sizes.largest
    domain = MESHES["electrodes"](comm, positions=electrodes, size=usual / 2)
    space = CoefficientSpace(domain, 2)
    apart = [np.linalg.norm(p - q) for i, p in enumerate(electrodes) for q in electrodes[:i]]
    waves = across_the_section(min(apart), max(apart))
    solver = LinearSolver(comm, "direct", "data_")
    with closing(ElectricalModel(space, electrodes, abmn, waves, 3, solver)) as model:
        return model.at(space.interpolate(truth)).resistances


def write_readings(path: Path, electrodes: np.ndarray, abmn: np.ndarray, resistances: np.ndarray) -> None:
    """Write positions and resistances in the unified data format."""
    lines = [f"{len(electrodes)}# Number of sensors", "#x y"]
    lines += [f"{x:.6g} {y:.6g}" for x, y in electrodes]
    lines += [f"{len(abmn)}# Number of data", "#a b m n r/Ohm"]
    lines += [" ".join(map(str, four + 1)) + f" {r:.8g}" for four, r in zip(abmn, resistances, strict=True)]
    path.write_text("\n".join(lines) + "\n")


def _load(name: str, overrides: Sequence[str] = ()) -> Case:
    """The case; its data file need not exist yet."""
    for file in [f"{name}.ohm"] if name in SURVEYS else CASES[name].all_files(name):
        data = FOLDER / "data" / file
        data.parent.mkdir(exist_ok=True)
        data.touch()
    return load_case(FOLDER / f"{name}.yaml", overrides)


def _fine_mesh(comm: MPI.Comm, case: Case, cells: tuple[int, ...] | None) -> TaggedMesh:
    options: dict[str, Any] = dict(case.mesh)
    kind = options.pop("kind")
    if kind == "file":
        with tempfile.TemporaryDirectory() as folder:
            return MESHES["file"](comm, _refined(case.resolve(options["file"]), Path(folder)))
    coarse = options["cells"]
    finer = FINER * coarse if np.isscalar(coarse) else [FINER * n for n in coarse]
    options["cells"] = finer if cells is None else cells
    return MESHES[kind](comm, **options)


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
