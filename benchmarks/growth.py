"""Growth by gain beside random growth, a fixed network of the same size and that network trained by L-BFGS.

`python -m benchmarks growth`: regression of three functions, by ridges (`features: linear`) and by the
default features, five seeds each. Fixed networks have the widths with which growth by gain ended.
"""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import app.wheel  # noqa: F401

# isort: split
import numpy as np
from mpi4py import MPI
from scipy.optimize import minimize

from app import build
from app.case import load_case
from app.parallel import gram

ROOT = Path(__file__).resolve().parents[1]

RIDGES = "unknowns.m.representation.features=linear"

PROBLEMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "smooth": ("smooth", ()),
    "smooth, ridges": ("smooth", (RIDGES, "flow.tolerance=3e-3")),
    "rings": ("rings", ()),
    "rings, ridges": ("rings", (RIDGES, "flow.tolerance=0.1")),
    "steep": ("steep", ()),
    "steep, ridges": ("steep", (RIDGES, "flow.tolerance=0.1", "mesh.cells=[64, 64]")),
}
"""Case and overrides; ridges are asked for less, or runs would take minutes."""

WAYS: dict[str, tuple[str, ...]] = {
    "gain": (),
    "random": ("expansion.strategy=random",),
    "depth": ("expansion.depth=true",),
}
"""Of growing."""

STANDSTILL, MOST = 1e-9, 5000
"""L-BFGS stops where an iteration gains less than this share of the energy, or after so many iterations."""


@dataclass(frozen=True)
class Run:
    """Where a network ended."""

    parameters: int
    distance: float
    """Relative, in the energy's norm, to the function on the mesh."""
    converged: bool
    seconds: float
    widths: list[int]


def main(out: Path, seeds: int, names: Sequence[str], ways: Sequence[str]) -> int:
    """Run, print the medians and write growth.json; 0 if growth by gain needs fewest in every median."""
    found: dict[str, dict[str, list[Run]]] = {}
    for name in names:
        runs = {way: [_grown(out, name, way, seed) for seed in range(seeds)] for way in ways}
        runs["fixed"] = [_fixed(out, name, seed, run) for seed, run in enumerate(runs["gain"])]
        runs["L-BFGS"] = [_trained(name, seed, run) for seed, run in enumerate(runs["gain"])]
        found[name] = runs
        for way, part in runs.items():
            print(f"{name:16} {way:8} {_line(part)}", flush=True)
        _print_equal(out, name, ways, seeds, round(median(run.parameters for run in runs["gain"])))
    out.mkdir(parents=True, exist_ok=True)
    plain = {
        name: {way: [vars(run) for run in part] for way, part in runs.items()} for name, runs in found.items()
    }
    (out / "growth.json").write_text(json.dumps(plain, indent=2) + "\n")
    fewest = [
        median(run.parameters for run in runs["gain"]) <= median(run.parameters for run in runs["random"])
        for runs in found.values()
        if "random" in runs
    ]
    return 0 if all(fewest) else 1


def _line(runs: Sequence[Run]) -> str:
    parameters = median(run.parameters for run in runs)
    distance = median(run.distance for run in runs)
    converged = sum(run.converged for run in runs)
    seconds = median(run.seconds for run in runs)
    return f"{parameters:6.0f} parameters  distance {distance:.2e}  {converged}/{len(runs)}  {seconds:5.1f} s"


def _print_equal(out: Path, name: str, ways: Sequence[str], seeds: int, budget: int) -> None:
    """Medians of the least distance that each way reaches with no more parameters than `budget`."""
    told = []
    for way in ways:
        distances = [_within(_folder(out, name, way, seed), budget) for seed in range(seeds)]
        told.append(f"{way} {median(distances):.2e}")
    print(f"{name:16} with at most {budget} parameters: {', '.join(told)}", flush=True)


def _within(folder: Path, budget: int) -> float:
    """By the history: a run starts from 0, whose relative distance is 1."""
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [float(row["misfit"]) for row in rows if int(row["parameters"]) <= budget]
    return float(np.sqrt(min(kept) / float(rows[0]["misfit"])))


def _folder(out: Path, name: str, way: str, seed: int) -> Path:
    return out / f"{name}_{way}_{seed}".replace(", ", "_")


def _grown(out: Path, name: str, way: str, seed: int) -> Run:
    return _run(_folder(out, name, way, seed), name, seed, WAYS[way])


def _fixed(out: Path, name: str, seed: int, grown: Run) -> Run:
    """The same flow with a network that has the grown one's widths from the start."""
    return _run(_folder(out, name, "fixed", seed), name, seed, _without_growth(grown))


def _without_growth(grown: Run) -> tuple[str, ...]:
    widths = ", ".join(map(str, grown.widths))
    return ("expansion.strategy=none", f"unknowns.m.representation.hidden=[{widths}]")


def _overrides(name: str, seed: int, more: Sequence[str]) -> tuple[Path, list[str]]:
    case, given = PROBLEMS[name]
    return ROOT / "cases" / f"{case}.yaml", [f"seed={seed}", *given, *more]


def _run(folder: Path, name: str, seed: int, more: Sequence[str]) -> Run:
    """In a process of its own; a run that is there already is kept."""
    path = folder / "summary.json"
    if not path.exists():
        case, overrides = _overrides(name, seed, more)
        words = [sys.executable, "-m", "app", str(case), "--out", str(folder), "--overwrite", "--quiet"]
        for override in overrides:
            words += ["--set", override]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run(words, cwd=ROOT, env=environment, check=False)
    summary: dict[str, Any] = json.loads(path.read_text())
    converged = summary["status"] == "converged"
    seconds = summary["wall_seconds"]
    return Run(summary["parameters"], summary["distance"], converged, seconds, summary["widths"])


def _trained(name: str, seed: int, grown: Run) -> Run:
    """The network of the grown one's widths, trained by L-BFGS from the program's own start to a standstill.

    Outgoing weights start at random in place of zero, from which all hidden layers have no slope.
    """
    case, overrides = _overrides(name, seed, _without_growth(grown))
    setup: Any = build.prepare(MPI.COMM_SELF, load_case(case, overrides))
    energy, network, theta = setup.energy, setup.step.network, setup.step.theta.copy()
    outgoing = slice(network.size - 1 - network.widths[-1], network.size - 1)
    rng = np.random.default_rng(seed)
    theta[outgoing] = rng.standard_normal(network.widths[-1]) / np.sqrt(network.widths[-1])
    memory: np.ndarray | None = None

    def value_and_slope(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal memory
        residual = energy.residual(network.values(parameters))
        memory = network.jacobian(parameters, memory)
        return energy.misfit(residual), gram(MPI.COMM_SELF, memory, energy.derivative(residual))

    first = energy.misfit(energy.residual(np.zeros(setup.size)))
    started = MPI.Wtime()
    options = {"maxiter": MOST, "maxfun": 2 * MOST, "ftol": STANDSTILL, "gtol": 0.0, "maxcor": 100}
    found = minimize(value_and_slope, theta, jac=True, method="L-BFGS-B", options=options)
    distance = float(np.sqrt(found.fun / first))
    reached = distance <= setup.case.flow.tolerance
    return Run(network.size, distance, reached, MPI.Wtime() - started, grown.widths)


def add_arguments(parser: Any) -> None:
    """--out, --seeds, --problems, --ways."""
    parser.add_argument("--out", type=Path, default=Path("results/growth"), help="folder for the results")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... to run (default 5)")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS), metavar="NAME")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
