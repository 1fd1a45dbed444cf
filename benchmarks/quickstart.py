"""What cases/quickstart.yaml is to reach with a given regularisation, as a user runs it."""

import csv
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "cases" / "quickstart.yaml"
PATIENCE = 3600
"""Seconds after which a run is given up; eight ranks on two cores take minutes."""

GIVEN = ("regularisation.m.weight=1", f"regularisation.m.length_scale={10**0.5}")
"""R = ∫|∇m|² + 0.1∫m² with weight 1, smaller than the discrepancy principle would take."""

DISCREPANCY = ("regularisation.m.kind=h1",)
"""H¹ with the weight by discrepancy."""

NODAL = ("unknowns.m.representation.kind=nodal",)
RANKS = (1, 2, 3, 8)
USUAL_RANKS = 2
"""Ranks of the runs whose rank count does not matter: as many as the bar for the time has."""

DECISIONS = ("vectors", "width", "trials")
"""Columns of the history that have to be equal on all rank counts to the end."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    ranks: int
    elapsed: float
    """Seconds from the command to its end, seen from outside."""

    @cached_property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.folder / "summary.json").read_text())

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """An empty cell is nan."""
        with (self.folder / "history.csv").open(newline="") as file:
            return [{key: float(cell or "nan") for key, cell in row.items()} for row in csv.DictReader(file)]

    @property
    def share(self) -> float:
        """Misfit over target."""
        return self.summary["misfit"] / self.summary["misfit_target"]


@dataclass(frozen=True)
class Bar:
    """A line of the table."""

    what: str
    bar: str
    seen: str
    met: bool


def run(folder: Path, *overrides: str, ranks: int = USUAL_RANKS) -> Run:
    """Run the case into the folder; raises RuntimeError where the program fails."""
    settings = [word for override in overrides for word in ("--set", override)]
    beside = Path(sys.executable).parent / "mpirun"
    mpirun = str(beside) if beside.exists() else str(shutil.which("mpirun"))
    program = [mpirun, "-n", str(ranks), sys.executable, "-m", "app", str(CASE)]
    print(f"{folder.name} on {ranks} ranks ...", end=" ", flush=True)
    began = time.perf_counter()
    done = subprocess.run(
        [*program, *settings, "--out", str(folder.resolve()), "--overwrite"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    elapsed = time.perf_counter() - began
    print(f"{elapsed:.1f} s", flush=True)
    if done.returncode not in (0, 3):  # converged, or stopped with its results
        raise RuntimeError(f"{folder.name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return Run(folder, ranks, elapsed)


def main(seeds: int, out: Path) -> int:
    """Run everything, print and write the table; 0 if every bar is met."""
    out.mkdir(parents=True, exist_ok=True)
    run(out / "warm-up", "mesh.cells=[8, 8]", "flow.max_iterations=1")  # compiles the forms
    found = [run(out / f"discrepancy-seed-{seed}", f"seed={seed}", *DISCREPANCY) for seed in range(seeds)]
    given = [run(out / f"given-weight-seed-{seed}", f"seed={seed}", *GIVEN) for seed in range(seeds)]
    nodal = run(out / "nodal", *NODAL, *DISCREPANCY)
    nodal_given = run(out / "nodal-given-weight", *NODAL, *GIVEN)
    spread = {
        ranks: found[0] if ranks == USUAL_RANKS else run(out / f"ranks-{ranks}", *DISCREPANCY, ranks=ranks)
        for ranks in RANKS
    }
    bars = [
        *discrepancy_bars(found, nodal),
        *given_bars(given, nodal_given),
        *nodal_bars(nodal),
        *rank_bars(spread),
        *cost_bars(found),
    ]
    runs = [*found, *given, nodal, nodal_given, *(spread[ranks] for ranks in RANKS if ranks != USUAL_RANKS)]
    _write(out, bars, runs)
    return 0 if all(bar.met for bar in bars) else 1


def discrepancy_bars(runs: Sequence[Run], nodal: Run) -> list[Bar]:
    """H¹, weight by discrepancy."""
    what = f"H¹, weight by discrepancy, {len(runs)} seeds"
    stops = {run.summary["stop_reason"] for run in runs}
    return [
        Bar(f"{what}: stop", "discrepancy", ", ".join(sorted(stops)), stops == {"discrepancy"}),
        _within(f"{what}: misfit / target", [run.share for run in runs], 0.8, 1.0),
        _at_most(f"{what}: state solves", _of(runs, "state_solves"), 12),
        _at_most(f"{what}: right-hand sides", _of(runs, "linear_solves"), 220),
        _against(f"{what}: median error / nodal error", runs, nodal, 0.98),
        _at_most(f"{what}: relative error", _of(runs, "relative_error"), 0.26, "{:.4f}"),
    ]


def given_bars(runs: Sequence[Run], nodal: Run) -> list[Bar]:
    """Weight 1 and length scale √10."""
    what = f"weight 1, length scale √10, {len(runs)} seeds"
    return [
        _within(f"{what}: misfit / target", [run.share for run in runs], 0.5, 1.0),
        _at_most(f"{what}: state solves", _of(runs, "state_solves"), 8),
        _at_most(f"{what}: right-hand sides", _of(runs, "linear_solves"), 110),
        _at_most(f"{what}: rejected trials", _of(runs, "rejected_trials"), 2),
        _against(f"{what}: median error / nodal error", runs, nodal, 0.93),
    ]


def nodal_bars(run: Run) -> list[Bar]:
    """The finite-element coefficients themselves."""
    stop = run.summary["stop_reason"]
    return [
        Bar("nodal: stop", "discrepancy", stop, stop == "discrepancy"),
        _at_most("nodal: state solves", _of([run], "state_solves"), 8),
        _at_most("nodal: right-hand sides", _of([run], "linear_solves"), 90),
    ]


def rank_bars(runs: dict[int, Run]) -> list[Bar]:
    """The same history on any number of ranks."""
    what = f"{', '.join(map(str, runs))} ranks"
    first, *others = runs.values()
    early = max(_difference(first.history[:4], other.history[:4]) for other in others)
    decided = [_decisions(run) for run in runs.values()]
    alike = all(decisions == decided[0] for decisions in decided)
    errors = _of(list(runs.values()), "relative_error")
    apart = max(errors) / min(errors) - 1
    return [
        Bar(
            f"{what}: iterations 0 to 3, largest relative difference", "≤ 1e-8", f"{early:.1e}", early <= 1e-8
        ),
        Bar(
            f"{what}: widths, trials, vectors, stop reason",
            "the same",
            "the same" if alike else "differ",
            alike,
        ),
        Bar(f"{what}: errors apart", "≤ 1 %", f"{100 * apart:.2g} %", apart <= 0.01),
    ]


def cost_bars(runs: Sequence[Run]) -> list[Bar]:
    """Time and memory on two ranks, after the first compilation."""
    memory = max(_of(runs, "peak_memory_mb"))
    what = f"{USUAL_RANKS} ranks, {len(runs)} seeds"
    return [
        _at_most(f"{what}: seconds from command to end", [run.elapsed for run in runs], 30, "{:.1f}"),
        Bar(f"{what}: memory per rank", "≤ 1300 MB", f"{memory:.0f} MB", memory <= 1300),
    ]


def _of(runs: Sequence[Run], key: str) -> list[float]:
    return [run.summary[key] for run in runs]


def _range(values: Sequence[float], form: str) -> str:
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def _at_most(what: str, values: Sequence[float], bar: float, form: str = "{}") -> Bar:
    return Bar(what, f"≤ {bar:g}", _range(values, form), max(values) <= bar)


def _within(what: str, values: Sequence[float], low: float, high: float) -> Bar:
    return Bar(what, f"{low} to {high}", _range(values, "{:.3f}"), low <= min(values) and max(values) <= high)


def _against(what: str, runs: Sequence[Run], nodal: Run, bar: float) -> Bar:
    median, other = statistics.median(_of(runs, "relative_error")), nodal.summary["relative_error"]
    seen = f"{median:.4f} / {other:.4f} = {median / other:.3f}"
    return Bar(what, f"≤ {bar}", seen, median / other <= bar)


def _difference(left: Sequence[dict[str, float]], right: Sequence[dict[str, float]]) -> float:
    """Largest relative difference of two histories, seconds aside; infinite if one is longer."""
    if len(left) != len(right):
        return math.inf
    worst = 0.0
    for one, other in zip(left, right, strict=True):
        for column in one.keys() - {"seconds"}:
            a, b = one[column], other[column]
            if math.isnan(a) != math.isnan(b):
                return math.inf
            if a != b and not math.isnan(a):
                worst = max(worst, abs(a - b) / max(abs(a), abs(b)))
    return worst


def _decisions(run: Run) -> tuple[Any, ...]:
    rows = [tuple(row[column] for column in DECISIONS) for row in run.history]
    return run.summary["stop_reason"], run.summary["widths"], rows


def _machine() -> str:
    """Processor, cores, system."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _write(out: Path, bars: Sequence[Bar], runs: Sequence[Run]) -> None:
    machine = _machine()
    lines = [f"Measured on {machine}.", "", "| what | bar | seen | met |", "|---|---|---|---|"]
    lines += [f"| {bar.what} | {bar.bar} | {bar.seen} | {'yes' if bar.met else '**no**'} |" for bar in bars]
    table = "\n".join(lines) + "\n"
    print("\n" + table)
    (out / "quickstart.md").write_text(table)
    content = {
        "machine": machine,
        "bars": [asdict(bar) for bar in bars],
        "runs": {run.folder.name: {"elapsed": run.elapsed, "summary": run.summary} for run in runs},
    }
    (out / "quickstart.json").write_text(json.dumps(content, indent=2) + "\n")
    print(f"written to {out / 'quickstart.md'} and {out / 'quickstart.json'}")
