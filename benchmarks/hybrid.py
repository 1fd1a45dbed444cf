"""The error study of Mitusch, Funke and Kuchta (2021), hybrid FEM–NN models: `python -m benchmarks hybrid`.

−∇·(κ∇u) = f on the unit square with u = sin πx sin πy and κ = 1/(1 + x² + y²), linear elements for both, the
state read at every inner node without noise: the errors of state and coefficient are to fall as h². The data
are the exact state, not one of the mesh. The program's defaults throughout; the noise level is not told.

Its study of noise: κ = 1/(1 + x²y² + (x − 1)²(y − 1)²) at h = 1/80, noise of standard deviation ‖u‖/10 at
every node, the defaults beside H¹ with the weight that stands for the reference's α = 1e-4 on ∫|∇κ|².
"""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CELLS = (5, 10, 20, 40, 80)
ORDER = 1.8
"""The order of convergence that counts as h², between neighbouring meshes."""

NOISY, NOISE, ALPHA = 80, 0.05, 1e-4
"""Cells of the noise study, ‖u‖/10, and the reference's weight of ∫|∇κ|² beside ∫(u − d)²."""

SMOOTH = "2*pi**2*sin(pi*x)*sin(pi*y)/({q}) + 2*pi*(x*cos(pi*x)*sin(pi*y) + y*sin(pi*x)*cos(pi*y))/({q})**2"
HOLLOW = (
    "2*pi**2*sin(pi*x)*sin(pi*y)/({q}) + 2*pi*((x*y**2 + (x - 1)*(y - 1)**2)*cos(pi*x)*sin(pi*y) "
    "+ (x**2*y + (x - 1)**2*(y - 1))*sin(pi*x)*cos(pi*y))/({q})**2"
)
PROBLEMS = {
    "smooth": ("1 + x**2 + y**2", SMOOTH),
    "hollow": ("1 + x**2*y**2 + (x - 1)**2*(y - 1)**2", HOLLOW),
}
"""q of κ = 1/q, and the source ∇q·∇u/q² − Δu/q."""

CASE = """\
mesh: {{kind: rectangle, cells: [{cells}, {cells}]}}
equation:
  kind: diffusion
  degree: 1
  source: "{source}"
  boundary:
    rim: {{on: all, kind: dirichlet, value: "0"}}
unknowns:
  kappa:
    role: diffusivity
    truth: "1/({q})"
observations:
  state: {{kind: points, file: nodes.csv}}
"""

QUADRATURE = np.array([[2 / 3, 1 / 6, 1 / 6], [1 / 6, 2 / 3, 1 / 6], [1 / 6, 1 / 6, 2 / 3]])
"""Barycentric points of equal weight, exact for quadratic functions on a triangle."""


@dataclass(frozen=True)
class Row:
    """What a mesh gave; errors are relative, in L2."""

    cells: int
    state: float
    coefficient: float
    summary: dict[str, Any]


def exact_state(points: np.ndarray) -> np.ndarray:
    """u at points (n, 2)."""
    return np.sin(np.pi * points[..., 0]) * np.sin(np.pi * points[..., 1])


def main(out: Path, meshes: tuple[int, ...] = CELLS) -> int:
    """Run every mesh, print and write the table and the figure; 0 if both errors fall as h² throughout."""
    rows = []
    for cells in meshes:
        rows.append(run(out / f"cells-{cells}", cells))
        print(f"1/{cells}: state {rows[-1].state:.3e}, coefficient {rows[-1].coefficient:.3e}", flush=True)
    table, met = report(rows)
    (out / "hybrid.md").write_text(table + "\n")
    draw(rows, out / "hybrid.png")
    print(table)
    noisy = noise_report(out)
    (out / "hybrid_noise.md").write_text(noisy + "\n")
    print(noisy)
    return 0 if met else 1


def noise_report(out: Path, cells: int = NOISY) -> str:
    """The table of the noise study.

    ∫(u − d)² + α∫|∇κ|² is, over 2h²σ², ½Σ(u − d)²/σ² + ½w∫|∇κ|² with w = α/(h²σ²). With that weight, and
    σ told, the program stops where the misfit is what the noise leaves.
    """
    weight = ALPHA * cells**2 / NOISE**2
    settings = {
        "defaults": (),
        f"H¹, α = {ALPHA:g}": ("kind=h1", f"weight={weight:g}", "length_scale=.inf"),
    }
    lines = [
        "| setting | error of the state | error of the coefficient | R | noise | stop | seconds |",
        "|---" * 7 + "|",
    ]
    for i, (name, options) in enumerate(settings.items()):
        told = [word for option in options for word in ("--set", f"regularisation.kappa.{option}")]
        row = run(out / f"noise-{i}", cells, "hollow", NOISE, told)
        s = row.summary
        lines.append(
            f"| {name} | {row.state:.2e} | {row.coefficient:.3f} | {s['regularisation_kind']} "
            f"| {s['noise_level_found'] or NOISE:.4f} | {s['stop_reason']} | {s['wall_seconds']:.0f} |"
        )
    return "\n".join(lines)


def run(
    folder: Path, cells: int, problem: str = "smooth", noise: float = 0.0, told: Sequence[str] = ()
) -> Row:
    """One mesh; the standard deviation `noise` is told where there are `told` words for the command line.

    Raises RuntimeError where the program fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ticks = np.linspace(0.0, 1.0, cells + 1)[1:-1]
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    values = exact_state(points) + noise * np.random.default_rng(0).standard_normal(len(points))
    columns = [points, values] + ([np.full(len(points), noise)] if told else [])
    with (folder / "nodes.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["x", "y", "value", "sigma"][: 4 if told else 3])
        writer.writerows([f"{number:.15g}" for number in row] for row in np.column_stack(columns))
    q, source = PROBLEMS[problem]
    (folder / "case.yaml").write_text(CASE.format(cells=cells, q=q, source=source.format(q=q)))
    results = folder / "results"
    done = subprocess.run(
        [sys.executable, "-m", "app", str(folder / "case.yaml"), "--out", str(results), "--overwrite", *told],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 3):  # converged, or stopped with its results
        raise RuntimeError(f"{folder.name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    summary = json.loads((results / "summary.json").read_text())
    return Row(cells, state_error(results), summary["relative_error"], summary)


def state_error(results: Path) -> float:
    """‖u_h − u‖ / ‖u‖ of the state in fields.pvd, linear on triangles."""
    import pyvista

    pieces: Any = pyvista.get_reader(str(results / "fields.pvd")).read().combine()
    corners = pieces.cells.reshape(pieces.n_cells, -1)[:, 1:4]
    nodes, values = np.asarray(pieces.points)[corners, :2], np.asarray(pieces.point_data["state"])[corners]
    one, two = nodes[:, 1] - nodes[:, 0], nodes[:, 2] - nodes[:, 0]
    area = 0.5 * np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    exact = exact_state(np.einsum("qc,tcd->tqd", QUADRATURE, nodes))
    difference = values @ QUADRATURE.T - exact
    return float(np.sqrt(area @ (difference**2).mean(axis=1) / (area @ (exact**2).mean(axis=1))))


def report(rows: list[Row]) -> tuple[str, bool]:
    """The table, and whether both orders are ORDER at least between all neighbouring meshes."""
    columns = (
        "h", "error of the state", "order", "error of the coefficient", "order", "stop", "state solves",
        "parameters", "seconds",
    )  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    met = True
    for i, row in enumerate(rows):
        orders = ["", ""]
        if i:
            finer = np.log(row.cells / rows[i - 1].cells)
            for k, name in enumerate(("state", "coefficient")):
                order = float(np.log(getattr(rows[i - 1], name) / getattr(row, name)) / finer)
                orders[k], met = f"{order:.2f}", met and order >= ORDER
        s = row.summary
        lines.append(
            f"| 1/{row.cells} | {row.state:.3e} | {orders[0]} | {row.coefficient:.3e} | {orders[1]} "
            f"| {s['stop_reason']} | {s['state_solves']} | {s['parameters']} | {s['wall_seconds']:.0f} |"
        )
    return "\n".join(lines), met


def draw(rows: list[Row], path: Path) -> None:
    """Both errors against h, with a line of slope two."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    h = np.array([1 / row.cells for row in rows])
    figure = Figure(figsize=(5, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.loglog(h, [row.state for row in rows], "o-", label="state")
    axes.loglog(h, [row.coefficient for row in rows], "s-", label="coefficient")
    axes.loglog(h, rows[0].coefficient * (h / h[0]) ** 2, "k:", label="h²")
    axes.set(xlabel="h", ylabel="relative L2 error")
    axes.legend()
    figure.savefig(path, dpi=120)
