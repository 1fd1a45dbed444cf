"""Data that studies make for themselves: `python -m benchmarks.data WHAT WORD … --out DIR`."""

import argparse
import csv
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
HYBRID = {
    "smooth": ("1 + x**2 + y**2", "x", "y"),
    "hollow": ("1 + x**2*y**2 + (x - 1)**2*(y - 1)**2", "(x*y**2 + (x - 1)*(y - 1)**2)",
               "(x**2*y + (x - 1)**2*(y - 1))"),
}  # fmt: skip
"""q of κ = 1/q, and half of its derivatives, of Mitusch, Funke and Kuchta (2021)."""


def withheld(out: Path, case: str) -> dict[str, Any]:
    """The readings of a case without the column sigma, and the name of what is observed."""
    name, file = _observed(case)
    rows = list(csv.DictReader(file.read_text().splitlines()))
    kept = [column for column in rows[0] if column.strip() != "sigma"]
    _write(out / "readings.csv", kept, [[row[column] for column in kept] for row in rows])
    return {"observation": name}


def draw(out: Path, seed: str, case: str, *truth: str) -> dict[str, Any]:
    """The readings of a case with another draw of points and noise, and the name of what is observed; those
    in several files as they are named in cases/data."""
    sys.path.insert(0, str(ROOT / "cases"))
    import make_data

    readings = make_data.CASES[case] = replace(make_data.CASES[case], seed=int(seed))
    make_data.write(case, out, truth)
    if len(readings.all_files(case)) > 1:
        return {"files": readings.all_files(case)}
    (out / f"{case}.csv").rename(out / "readings.csv")
    return {"observation": _observed(case)[0]}


def hybrid(out: Path, problem: str, cells: str, noise: str = "0", told: str = "") -> dict[str, Any]:
    """The exact state at every inner node, with noise whose deviation may be told, and the case."""
    ticks = np.linspace(0.0, 1.0, int(cells) + 1)[1:-1]
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    exact = np.sin(np.pi * points[:, 0]) * np.sin(np.pi * points[:, 1])
    values = exact + float(noise) * np.random.default_rng(0).standard_normal(len(points))
    columns = [points, values, *([np.full(len(points), float(noise))] if told else [])]
    rows = [[f"{number:.15g}" for number in row] for row in np.column_stack(columns)]
    _write(out / "nodes.csv", ["x", "y", "value", "sigma"][: 4 if told else 3], rows)
    q, dx, dy = HYBRID[problem]
    case = Path(__file__).parent / "studies" / "hybrid.case"
    (out / "case.yaml").write_text(case.read_text().format(cells=cells, q=q, dx=dx, dy=dy))
    return {"cells": int(cells)}


def prior(out: Path, name: str, seed: str) -> dict[str, Any]:
    """Readings with 0.5 % noise at 300 points of a draw of the prior that studies/NAME.case states, and of a
    flux that says nothing; and the case."""
    from benchmarks.baselines.problem import prior_readings

    rng = np.random.default_rng(int(seed))
    points, case = rng.uniform(0.05, 0.95, (300, 2)), out / "case.yaml"
    case.write_text((Path(__file__).parent / "studies" / f"{name}.case").read_text())
    _write(out / "flux.csv", ["on", "value", "sigma"], [["bottom", 0, 1e9]])

    def write(values: np.ndarray, sigma: float) -> None:
        rows = np.column_stack([points, values, np.full(len(points), sigma)])
        _write(out / "heads.csv", ["x", "y", "value", "sigma"], rows.tolist())

    write(np.zeros(len(points)), 1.0)
    exact = prior_readings(case, rng)[: len(points)]
    sigma = 0.005 * float(np.abs(exact).max())
    write(exact + sigma * rng.standard_normal(len(points)), sigma)
    return {"sigma": sigma}


def cavity(out: Path, file: str, seed: str) -> dict[str, Any]:
    """Readings with 3 % noise of a disc of 1000 Ωm in 100 Ωm, a quarter of the section's equivalent radius
    wide, at its centroid, by the electrodes and the dipoles of a file."""
    sys.path.insert(0, str(ROOT / "cases"))
    import make_data

    from app.case import Expression
    from benchmarks.baselines.problem import centroid, closed_outline, enclosed_area, read_readings

    readings = read_readings(Path(file))
    outline = closed_outline(readings.electrodes).points
    (x, y), radius = centroid(outline), 0.25 * np.sqrt(abs(enclosed_area(outline)) / np.pi)
    disc = f"(x - ({x:.6f}))**2 + (y - ({y:.6f}))**2 < {radius:.6f}**2"
    truth = f"log(1000) if {disc} else log(100)"
    exact = make_data.measure_finely(readings.electrodes, readings.abmn, Expression(truth))
    noisy = exact * (1.0 + 0.03 * np.random.default_rng(int(seed)).standard_normal(len(exact)))
    make_data.write_readings(out / "readings.ohm", readings.electrodes, readings.abmn, noisy)
    return {"truth": truth}


def _observed(case: str) -> tuple[str, Path]:
    """The only observation of a case, by its name, and its file."""
    path = ROOT / "cases" / f"{case}.yaml"
    ((name, observation),) = YAML(typ="safe").load(path)["observations"].items()
    return name, path.parent / observation["file"]


def _write(path: Path, head: list[str], rows: list[list[Any]]) -> None:
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in (head, *rows)))


MAKERS: dict[str, Any] = {
    "withheld": withheld,
    "draw": draw,
    "hybrid": hybrid,
    "prior": prior,
    "cavity": cavity,
}


def main() -> int:
    """Make the data, with a summary that studies may refer to."""
    parser = argparse.ArgumentParser("python -m benchmarks.data", description=__doc__)
    parser.add_argument("what", choices=MAKERS)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    summary = MAKERS[options.what](options.out, *options.words)
    (options.out / "summary.json").write_text(json.dumps(summary) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
