"""What a method does and spends, and the files that say so under the program's names."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.baselines.problem import Counts, Point, Problem

Rows = list[dict[str, Any]]
Result = tuple[dict[str, Any], Rows]
"""Summary and history of a method."""
RIGHT_HAND_SIDES = ("state_rhs", "adjoint_rhs", "incremental_rhs", "block_rhs", "recomputed_rhs")
ENDED = {"minimum": "converged", "discrepancy": "converged", "error": "failed"}
"""Status by the reason to stop; any other is `stopped`."""


class Known(NamedTuple):
    """Of a coefficient that another program has found: nodal values and ½‖e‖²."""

    m: np.ndarray
    value: float


class Trace:
    """The history of a run, and what it has spent beyond the counts that are not its own.

    `since` are those; by default all so far. Time between the problem's being ready and the run's beginning
    is not charged to it.
    """

    def __init__(self, problem: Problem, since: Counts | None = None) -> None:
        self.rows: Rows = []
        self._problem, self._waited = problem, problem.passed() - problem.ready
        self._before = self._so_far() if since is None else asdict(since)

    @property
    def spent(self) -> dict[str, Any]:
        """Counts and `wall_seconds` of the run so far."""
        spent = {name: count - self._before.get(name, 0) for name, count in self._so_far().items()}
        spent["linear_solves"] = sum(spent[name] for name in RIGHT_HAND_SIDES)
        return spent | {"wall_seconds": self._problem.passed() - self._waited}

    def row(
        self, point: Point | Known, weight: float | None, parameters: int, vectors: int = 0, trials: int = 0
    ) -> None:
        """Add an outer iteration; the first row is the start."""
        spent, error = self.spent, self._problem.error
        row = dict[str, Any](iteration=len(self.rows), parameters=parameters, vectors=vectors, trials=trials)
        energy = None if weight is None else self._problem.energy(point, weight)
        row |= {"energy": energy, "weight": weight, "misfit": point.value}
        row["relative_error"] = error(point.m) if error else None
        row |= {name: spent[name] for name in ("state_solves", "linear_solves")}
        self.rows.append(row | {"seconds": spent["wall_seconds"]})

    def summary(self, method: str, stop_reason: str, **more: Any) -> dict[str, Any]:
        """The summary of the run so far, with the method's own keys behind the program's."""
        problem, last = self._problem, self.rows[-1]
        found = {"name": problem.case.name, "method": method, "seed": problem.case.seed}
        found |= {"status": ENDED.get(stop_reason, "stopped"), "stop_reason": stop_reason}
        found |= {name: last[name] for name in ("energy", "misfit", "relative_error", "parameters")}
        found |= {"regularisation_kind": "h1", "regularisation_weight": last["weight"]}
        found |= {"misfit_target": problem.target, "outer_iterations": last["iteration"]}
        found |= {"krylov_vectors": sum(row["vectors"] for row in self.rows)}
        found |= {"rejected_trials": sum(row["trials"] for row in self.rows), **problem.told(self.spent)}
        return found | {"state_dofs": problem.forward.size, **more}

    def _so_far(self) -> dict[str, Any]:
        return asdict(self._problem.counts) | self._problem.work


def write(folder: Path, summary: dict[str, Any], rows: Sequence[dict[str, Any]] = ()) -> None:
    """summary.json and, of rows, history.csv into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if rows:
        with (folder / "history.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
