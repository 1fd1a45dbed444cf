"""What the results of runs say: the functions behind columns.yaml."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from benchmarks.harness import Run

NOT_MET = 2000  # right-hand sides of a training that did not meet the target: two for each of its solves
CAVITY = (-0.05, -0.02)  # where the cavity of the measured trunk is, in m, as other programs see it
QUADRATURE = np.array([[2 / 3, 1 / 6, 1 / 6], [1 / 6, 2 / 3, 1 / 6], [1 / 6, 1 / 6, 2 / 3]])
"""Barycentric points of equal weight, exact for quadratic functions on a triangle."""


@dataclass(frozen=True)
class Column:
    """See columns.yaml."""

    key: str = ""
    function: str = ""
    words: Sequence[str] = ()
    form: str = ".0f"
    pair: bool = False
    total: bool = False

    def measure(self, *runs: Run) -> Any:
        """The value of a run or pair; None where that is not known."""
        if self.function:
            return FUNCTIONS[self.function](*runs, *self.words)
        value: Any = runs[0].summary
        for part in self.key.split("."):
            value = value.get(part) if value else None
        if isinstance(value, dict):  # of several unknowns
            return ", ".join(f"{format(part, self.form)} of {name}" for name, part in value.items())
        return value

    def cell(self, values: Iterable[Any]) -> Any:
        """What a table keeps of several: text, a number, or [median, least, greatest] where they differ."""
        known = [value for value in values if value is not None]
        if not known:
            return None
        if isinstance(known[0], str):
            counts = Counter(known).most_common()
            return known[0] if len(counts) == 1 else ", ".join(f"{word} ×{count}" for word, count in counts)
        if self.total:
            return sum(known)
        spread = [statistics.median(known), min(known), max(known)]
        return spread[0] if spread[1] == spread[2] else spread

    def show(self, cell: Any) -> str:
        """A cell as text, without least and greatest if all three are written alike."""
        if cell is None or isinstance(cell, str):
            return cell or ""
        if not isinstance(cell, list):
            return format(cell, self.form)
        middle, low, high = (format(value, self.form) for value in cell)
        return middle if low == high else f"{middle} [{low}–{high}]"


def seconds(run: Run) -> float:
    """Without those of compiling forms, which are kept for the next run."""
    spent = run.summary.get("seconds")
    whole = run.summary.get("wall_seconds", run.record["elapsed"])
    return whole - (spent["compile"] if isinstance(spent, dict) else 0.0)


def share(run: Run) -> float | None:
    """Misfit over target."""
    target = run.summary.get("misfit_target")
    return run.summary["misfit"] / target if target else None


def regularisation(run: Run) -> str | None:
    """R's kind and what distinguishes it."""
    kind, length, edges = map(run.summary.get, ("regularisation_kind", "length_scale", "edge_share"))
    if edges is not None:
        return f"{kind} {edges:g}"
    return kind if kind in (None, "h1") or length is None else f"{kind} {length:.2g}"


def without_block(run: Run) -> int | None:
    """Right-hand sides, those of blocks left out."""
    solves = run.summary.get("linear_solves")
    return None if solves is None else solves - run.summary.get("block_rhs", 0)


def at_cost(run: Run) -> float | None:
    """Right-hand sides with those of blocks at their measured cost in single adjoints and tangents."""
    told, single = run.summary, without_block(run)
    if single is None or not told.get("block_rhs"):
        return single
    count, spent = told["adjoint_rhs"] + told["incremental_rhs"], told.get("single_seconds")
    return single + told["block_seconds"] * count / spent if spent and told.get("block_seconds") else None


def reaches(run: Run, what: str, level: float, by: str = "misfit") -> float:
    """A column of the history where another one first was at most the level; infinite if it never was."""
    there = (row[what] for row in run.history if (row.get(by) or math.inf) <= level * (1 + 1e-12))
    found = next(there, None)
    return math.inf if found is None else float(found)


def to_equal_misfit(run: Run, training: Run, what: str) -> float:
    """Work to equal misfit, as a share of that of a training.

    Equal misfit is the target, or the misfit that the run ended with if that is larger. A training that does
    not get there counts NOT_MET right-hand sides, or all of its seconds.
    """
    level = max(run.summary["misfit_target"], run.summary["misfit"])
    theirs = reaches(training, what, level)
    if math.isinf(theirs):
        theirs = NOT_MET if what == "linear_solves" else training.summary["wall_seconds"]
    return reaches(run, what, level) / theirs


def order(run: Run, coarse: Run, column: str) -> float:
    """The order of convergence of an error between two meshes of so many cells."""
    error, coarser = (COLUMNS[column].measure(each) for each in (run, coarse))
    cells = [float(each.job.data.options[2]) for each in (run, coarse) if each.job.data]
    return math.log(coarser / error) / math.log(cells[0] / cells[1])


def iterations_to_level(run: Run, own: Run) -> str:
    """Iterations until the error is that of the other run's end, or a lower bound with the error there."""
    reached = reaches(run, "iteration", own.summary["relative_error"], by="relative_error")
    if math.isfinite(reached):
        return f"{reached:.0f}"
    return f"> {run.history[-1]['iteration']:.0f} (at {run.summary['relative_error']:.1e})"


def within_size(run: Run, other: Run) -> float | None:
    """The least distance with no more parameters than the other run ends with; of zero it is 1."""
    rows: Any = run.history
    kept = [row["misfit"] for row in rows if row["parameters"] <= other.summary["parameters"]]
    return math.sqrt(min(kept) / rows[0]["misfit"]) if kept else None


def early_difference(run: Run, other: Run) -> float:
    """Largest relative difference of the histories' first four rows, seconds aside."""
    rows = zip(run.history[:4], other.history[:4], strict=True)
    pairs = [(one[name], two[name]) for one, two in rows for name in one if name != "seconds"]
    changed = [(a, b) for a, b in pairs if a != b]
    return max((abs(a - b) / max(abs(a), abs(b)) if a and b else math.inf for a, b in changed), default=0.0)


def share_of(run: Run, *stages: str) -> float | None:
    """Of the seconds, those of these stages; None where one of them is not told."""
    spent = run.summary.get("seconds")
    known = isinstance(spent, dict) and all(stage in spent for stage in stages)
    return sum(spent[stage] for stage in stages) / seconds(run) if known else None


def same_decisions(*runs: Run) -> bool:
    """Whether widths, trials, vectors and the reason to stop are the same to the end."""
    names = ("vectors", "width", "trials")
    rows = [[[row[name] for name in names] for row in run.history] for run in runs]
    return rows[0] == rows[1] and runs[0].summary["stop_reason"] == runs[1].summary["stop_reason"]


def triangles(results: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners of the triangles, shape (n, 3, 2), a field there, shape (n, 3), and areas, shape (n,)."""
    import pyvista

    pieces: Any = pyvista.get_reader(str(results / "fields.pvd")).read().combine()
    ghost = np.asarray(pieces.cell_data.get("vtkGhostType", np.zeros(pieces.n_cells)))
    grid = pieces.extract_cells(np.flatnonzero(ghost == 0))
    corners = grid.cells.reshape(grid.n_cells, -1)[:, 1:4]
    nodes, values = np.asarray(grid.points)[corners, :2], np.asarray(grid.point_data[name])[corners]
    one, two = nodes[:, 1] - nodes[:, 0], nodes[:, 2] - nodes[:, 0]
    return nodes, values, 0.5 * np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])


def state_error(run: Run) -> float:
    """‖u_h − u‖ / ‖u‖ in L2 of the state for u = sin πx sin πy."""
    nodes, values, area = triangles(run.results, "state")
    at = np.einsum("qc,tcd->tqd", QUADRATURE, nodes)
    exact = np.sin(np.pi * at[..., 0]) * np.sin(np.pi * at[..., 1])
    difference = values @ QUADRATURE.T - exact
    return float(np.sqrt(area @ (difference**2).mean(axis=1) / (area @ (exact**2).mean(axis=1))))


def resistive_centre(results: Path, share: float = 0.1) -> np.ndarray:
    """Centroid of the part of the area with the highest resistivity; shape (2,)."""
    nodes, values, area = triangles(results, "m")
    falling = np.argsort(-values.mean(axis=1))
    taken = falling[np.cumsum(area[falling]) <= share * area.sum()]
    return area[taken] @ nodes[taken].mean(axis=1) / area[taken].sum()


DEFINED = (
    seconds, share, regularisation, without_block, at_cost, to_equal_misfit, order, iterations_to_level,
    within_size, early_difference, same_decisions, share_of, state_error,
)  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{function.__name__: function for function in DEFINED},
    "says": lambda run, name, word: run.summary[name] == word,
    "near_the_target": lambda run: (
        run.summary["stop_reason"] == "discrepancy" and 0.8 <= (share(run) or 0.0) <= 1.0
    ),
    "elapsed": lambda run: run.record["elapsed"] - run.summary["wall_seconds"] + seconds(run),
    "finest": lambda run, name: run.summary.get("levels", [run.summary])[-1].get(name),
    "neurons": lambda run: sum(run.summary["widths"]),
    "candidates": lambda run: len(run.summary["candidates"] or ()),
    "at_target": lambda run, name: (
        run.summary[name] if run.summary["stop_reason"] == "discrepancy" else math.inf
    ),
    "excess": lambda run: abs(run.summary["energy"] / run.summary["least_energy"] - 1),
    "ratio": lambda run, other, name, its="": run.summary[name] / other.summary[its or name],
    "apart": lambda run, other, name: abs(run.summary[name] / other.summary[name] - 1),
    "pod": lambda run, name: ", ".join(
        f"{modes}: {found[name]:.4g}" for modes, found in run.summary["reduction"]["pod"].items()
    ),
    # Of ln(ρ/100), ‖ln ρ‖/‖ln(ρ/100)‖ = √(15·2² + 3²)/√(15·0² + 1²): the disc of 10³ Ωm is 1/16 of the area.
    "cavity_error": lambda run: run.summary["relative_error"] * (15 * 4 + 9) ** 0.5,
    "to_cavity": lambda run: 100 * math.dist(resistive_centre(run.results), CAVITY),
}  # fmt: skip

COLUMNS: dict[str, Column] = {
    name: Column(**content)
    for name, content in YAML(typ="safe").load(Path(__file__).with_suffix(".yaml")).items()
}
"""By the names that studies use."""


def show(name: str, cell: Any) -> str:
    """A cell of a column, or of one that only records have, as text."""
    return COLUMNS[name].show(cell) if name in COLUMNS else "" if cell is None else str(cell)


def cells(columns: Sequence[str], pairs: Sequence[tuple[Run, Run | None]]) -> dict[str, Any]:
    """A row of a table: what the runs, each with the one it is compared with, say by column."""
    found = {}
    for name in columns:
        column = COLUMNS[name]
        given = [[run, other] if column.pair else [run] for run, other in pairs if other or not column.pair]
        found[name] = column.cell(column.measure(*runs) for runs in given)
    return found
