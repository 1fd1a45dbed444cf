"""The figures that settled the defaults: `python -m benchmarks defaults`.

The quickstart with two truths (its smooth one and one with sharp edges), two draws of points and noise, two
seeds, H¹ with the weight by discrepancy, each default changed alone. Every error is divided by that of the
nodal unknown on the same data.
"""

import csv
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "cases" / "quickstart.yaml"

TRUTHS = {
    "smooth": (),
    "sharp": (
        "unknowns.m.truth=1 if (x-.35)**2+(y-.4)**2 < .04 else "
        "(-1 if abs(x-.7) < .12 and abs(y-.65) < .2 else 0)",
    ),
}
NODAL = ("unknowns.m.representation.kind=nodal",)
VARIANTS: dict[str, tuple[str, ...]] = {
    "default": (),
    "capture 0.6": ("expansion.capture=0.6",),
    "capture 0.9": ("expansion.capture=0.9",),
    "progress 0": ("expansion.progress=0",),
    "100 candidates": ("expansion.candidates=100",),
    "slopes to 20": ("expansion.scales=[1, 20]",),
    "sine": ("unknowns.m.representation.activation=sine",),
    "edge_preserving": ("regularisation.m.kind=edge_preserving",),
    "weight 1": ("regularisation.m.weight=1",),
}
DRAWS, SEEDS = (11, 12), (0, 1)


def main(out: Path) -> int:
    """Run everything, print and write the table."""
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for truth, setting in TRUTHS.items():
        data = [_data(out, truth, setting, draw) for draw in DRAWS]
        for name, variant in VARIANTS.items():
            runs = []
            for path in data:
                common = (*setting, f"observations.heads.file={path.resolve()}")
                felt = [part for part in variant if part.startswith("regularisation")]
                nodal = _nodal_error(out, (*common, *felt))
                for seed in SEEDS:
                    summary = _run(out, (*common, *variant, f"seed={seed}"))
                    runs.append(summary | {"ratio": summary["relative_error"] / nodal})
            rows.append({"truth": truth, "variant": name, **_medians(runs)})
            print(rows[-1], flush=True)
    lines = ["| truth | changed | error / nodal | error | solves | right-hand sides | rejected | neurons |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in rows:
        lines.append(
            f"| {row['truth']} | {row['variant']} | {row['ratio']:.3f} | {row['relative_error']:.3f} "
            f"| {row['state_solves']:g} | {row['linear_solves']:g} | {row['rejected_trials']} "
            f"| {row['width']:g} |"
        )
    (out / "defaults.md").write_text("\n".join(lines) + "\n")
    (out / "defaults.json").write_text(json.dumps(rows, indent=2))
    print("\n".join(lines))
    return 0


def _data(out: Path, truth: str, setting: Sequence[str], draw: int) -> Path:
    """Readings of a truth with another draw of points and noise, from the fine discretisation."""
    path = out / f"{truth}-{draw}.csv"
    if not path.exists():
        sys.path.insert(0, str(ROOT / "cases"))
        import make_data

        from app.case import load_case

        rng = np.random.default_rng(draw)
        points = make_data.CASES["quickstart"].points(rng)
        exact, largest = make_data.solve_finely(load_case(CASE, setting), points)
        sigma = make_data.CASES["quickstart"].noise * largest
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["x", "y", "value", "sigma"])
            noisy = exact + sigma * rng.standard_normal(len(points))
            writer.writerows([*point, value, sigma] for point, value in zip(points, noisy, strict=True))
    return path


@cache
def _nodal_error(out: Path, settings: tuple[str, ...]) -> float:
    return _run(out, (*settings, *NODAL))["relative_error"]


def _run(out: Path, settings: Sequence[str]) -> dict[str, Any]:
    folder = out / "run"
    command = [sys.executable, "-m", "app", str(CASE), "--quiet", "--overwrite", "--out", str(folder)]
    command += ["--set", "regularisation.m.weight=discrepancy"]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}")
    return json.loads((folder / "summary.json").read_text())


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over draws and seeds; the rejected trials are summed."""
    result: dict[str, Any] = {
        key: statistics.median(run[key] for run in runs)
        for key in ("ratio", "relative_error", "state_solves", "linear_solves")
    }
    result["width"] = statistics.median(sum(run["widths"]) for run in runs)
    result["rejected_trials"] = sum(run["rejected_trials"] for run in runs)
    result["stopped"] = sorted({run["stop_reason"] for run in runs})
    return result
