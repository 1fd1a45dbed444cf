"""What electrical tomography is to reach on measured readings and on a made-up cavity.

`python -m benchmarks trunk FILE.ohm`; the file is not part of this project. The cavity is made up between the
file's electrodes.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "cases" / "trunk.yaml"
DISCREPANCY = ("regularisation.m.kind=h1", "regularisation.m.weight=discrepancy")
CAVITY = (-0.05, -0.02)
"""Where the cavity of the measured trunk is, in m, as other programs see it."""

BACKGROUND, RESISTIVE = 100.0, 1000.0
"""Resistivity around and within the made-up cavity, in Ωm."""

NOISE = 0.03
SEEDS = (0, 1, 2)
"""Of the made-up readings' noise."""

NO_TRUTH = "unknowns.m.truth=null"


def main(file: Path, out: Path) -> int:
    """Run everything, print and write the table; 0 if every bar is met."""
    file = file.resolve()
    out.mkdir(parents=True, exist_ok=True)
    measured = (f"observations.readings.file={file}", NO_TRUTH)
    rows: list[tuple[str, str, str, bool]] = []

    discrepancy = run(out / "measured-discrepancy", *measured, *DISCREPANCY)
    found = discrepancy["chi2"]
    rows.append(
        (
            "measured, h1, weight by discrepancy: chi² a reading",
            "0.8 to 1.0",
            f"{found:.3f}",
            0.8 <= found <= 1.0,
        )
    )
    chosen = run(out / "measured-chosen", *measured)
    level = chosen["noise_level_found"]
    rows.append(("measured, R from the data: noise found", "", f"{100 * level:.2f} %", True))
    rows.append(("measured, R from the data: chi² a reading at 3 %", "", f"{chosen['chi2']:.3f}", True))
    for title, folder in (
        ("h1, discrepancy", "measured-discrepancy"),
        ("R from the data", "measured-chosen"),
    ):
        centre = resistive_centre(out / folder)
        away = float(np.linalg.norm(centre - CAVITY))
        rows.append((
            f"measured, {title}: centroid of the most resistive tenth to the cavity",
            "<= 4 cm", f"{100 * away:.1f} cm, at ({centre[0]:.3f}, {centre[1]:.3f}) m", away <= 0.04,
        ))  # fmt: skip
    errors = [made_up(file, out / f"made-up-{seed}", seed) for seed in SEEDS]
    seen = ", ".join(f"{error:.3f}" for error in errors)
    rows.append(
        ("made-up cavity, defaults: relative L2 error of ln(ρ/100)", "<= 0.55", seen, max(errors) <= 0.55)
    )
    table = ["| what | bar | seen | met |", "|---|---|---|---|"]
    table += [f"| {what} | {bar} | {value} | {'yes' if met else 'NO'} |" for what, bar, value, met in rows]
    (out / "trunk.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))
    return 0 if all(met for *_, met in rows) else 1


def run(folder: Path, *overrides: str, ranks: int = 1) -> dict[str, Any]:
    """Run cases/trunk.yaml into the folder and return its summary; raises RuntimeError where it fails."""
    settings = [word for override in overrides for word in ("--set", override)]
    launch = [str(Path(sys.executable).parent / "mpirun"), "-n", str(ranks)] if ranks > 1 else []
    print(f"{folder.name} ...", end=" ", flush=True)
    began = time.perf_counter()
    done = subprocess.run(
        [*launch, sys.executable, "-m", "app", str(CASE), *settings, "--out", str(folder), "--overwrite"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 3):  # converged, or stopped with its results
        raise RuntimeError(f"{folder.name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    (folder / "log.txt").write_text(done.stdout)
    summary = json.loads((folder / "summary.json").read_text())
    print(f"{summary['stop_reason']}, {time.perf_counter() - began:.1f} s", flush=True)
    return summary


def resistive_centre(folder: Path, share: float = 0.1) -> np.ndarray:
    """Centroid of the part of the area with the highest resistivity, as fields.pvd has it; shape (2,)."""
    import pyvista

    pieces: Any = pyvista.get_reader(str(folder / "fields.pvd")).read().combine()
    ghost = np.asarray(pieces.cell_data.get("vtkGhostType", np.zeros(pieces.n_cells)))
    grid = pieces.extract_cells(np.flatnonzero(ghost == 0))
    centres = grid.cell_centers().points[:, :2]
    cells = grid.cells.reshape(grid.n_cells, -1)[:, 1:4]
    corners = np.asarray(grid.points)[cells, :2]
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = 0.5 * np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    values = np.asarray(grid.point_data["m"])[cells].mean(axis=1)
    order = np.argsort(-values)
    taken = order[np.cumsum(area[order]) <= share * area.sum()]
    return area[taken] @ centres[taken] / area[taken].sum()


def made_up(file: Path, folder: Path, seed: int, *overrides: str) -> float:
    """Relative L2 error of ln(ρ/100) for a disc a quarter of the section's equivalent radius wide, at its
    centroid, read as the file's trunk was."""
    sys.path.insert(0, str(ROOT / "cases"))
    import make_data

    from app import fem
    from app.case import Expression
    from app.data import read_readings

    folder.mkdir(parents=True, exist_ok=True)
    readings = read_readings(file)
    outline = fem.closed_outline(readings.electrodes)
    x, y = fem.centroid(outline.points)
    area = abs(fem.enclosed_area(outline.points))
    radius = 0.25 * np.sqrt(area / np.pi)
    disc = f"(x - ({x:.6f}))**2 + (y - ({y:.6f}))**2 < {radius:.6f}**2"
    truth = f"log({RESISTIVE:g}) if {disc} else log({BACKGROUND:g})"
    exact = make_data.measure_finely(readings.electrodes, readings.abmn, Expression(truth))
    noise = 1.0 + NOISE * np.random.default_rng(seed).standard_normal(len(exact))
    data = folder.with_suffix(".ohm")
    make_data.write_readings(data, readings.electrodes, readings.abmn, exact * noise)
    summary = run(
        folder, f"observations.readings.file={data.resolve()}", f'unknowns.m.truth="{truth}"', *overrides
    )
    # The summary's error is relative to ‖ln ρ‖, the bar's to ‖ln(ρ/100)‖; the disc is 1/16 of the area.
    low, high = np.log(BACKGROUND), np.log(RESISTIVE)
    return float(summary["relative_error"] * np.sqrt(15 * low**2 + high**2) / (high - low))
