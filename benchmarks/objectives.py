"""The objectives that others minimise on two of the cases, at the coefficients that a comparison has found.

`python -m benchmarks.objectives OUT`, behind `python -m benchmarks compare --out OUT`, prints them and writes
OUT/objectives.md. Serial.
"""

import sys
from pathlib import Path
from typing import Any

import app.wheel  # noqa: F401

# isort: split
import numpy as np
import pyvista
import ufl
from dolfinx import fem
from mpi4py import MPI
from scipy.spatial import KDTree

from app import build
from app.case import load_case

WEIGHTS = {"hippylib_poisson": (1e-8, 0.0), "peer64": (3e-6, 3e-6)}
"""Of ½∫|∇m|² and of ½∫m² beside ½∫(u − d)²."""

METHODS = ("default", "nodal", "nodal_h1")


def values(out: Path, case: str) -> dict[str, tuple[float, float]]:
    """½∫(u − d)² and the whole objective of each run, by folder; d interpolates one reading a node."""
    pictured = sorted(path.parent for path in (out / "runs" / case).glob("*/fields.pvd"))
    folders = [path for path in pictured if path.name.partition("-")[0] in METHODS]
    if not folders:
        return {}
    setup = build.prepare(MPI.COMM_SELF, load_case(folders[0] / "case.yaml", []))
    forward, nodes = setup.forward, setup.coefficient.coordinates
    m, d = fem.Function(setup.coefficient.space), fem.Function(forward.space)
    places = forward.space.tabulate_dof_coordinates()[:, : nodes.shape[1]]
    d.x.array[:] = setup.data.values[_nearest(setup.data.points, places)]
    by_gradient, by_value = WEIGHTS[case]
    misfit = fem.form(0.5 * (forward.state - d) ** 2 * ufl.dx)
    smooth = 0.5 * by_gradient * ufl.inner(ufl.grad(m), ufl.grad(m)) + 0.5 * by_value * m**2
    penalty = fem.form(smooth * ufl.dx)
    found = {}
    for folder in folders:
        written: Any = pyvista.read(next(folder.glob("fields*.pvtu")))
        m.x.array[:] = written["m"][_nearest(written.points[:, : nodes.shape[1]], nodes)]
        forward.solve(m.x.array.copy())
        part: Any = fem.assemble_scalar(misfit)
        found[folder.name] = (part, part + fem.assemble_scalar(penalty))
    return found


def _nearest(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """The point at each node; raises ValueError where there is none."""
    distance, index = KDTree(points).query(nodes)
    if distance.max() > 1e-6:
        raise ValueError(f"found no point within 1e-6 of a node, the nearest at {distance.max():.2g}")
    return index


def main(out: Path) -> int:
    """Write and print the table."""
    lines = ["| case | run | ½∫(u − d)² | objective |", "|---|---|---|---|"]
    for case in WEIGHTS:
        for run, (misfit, whole) in values(out, case).items():
            lines.append(f"| {case} | {run} | {misfit:.4e} | {whole:.4e} |")
    (out / "objectives.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
