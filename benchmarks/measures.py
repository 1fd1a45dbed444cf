"""What a run of the comparison shows, and what several show together: pure functions of run records.

A run is a dictionary with the keys case, method, seed, failed, summary and history (see compare.collect).
"""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

Run = dict[str, Any]
Measure = Callable[[Run], float | None]

MANY = 20
"""Single right-hand sides from which the cost of one is taken."""

NOT_MET = 2000
"""Right-hand sides of a training that did not meet the target: two for each of its solves."""


def finished(run: Run) -> bool:
    """Whether it has left results."""
    return run["failed"] is None and run["summary"].get("misfit") is not None


def key(name: str) -> Measure:
    """The summary's value of this name."""
    return lambda run: run["summary"].get(name)


def share(run: Run) -> float | None:
    """Misfit over target."""
    target = run["summary"].get("misfit_target")
    return run["summary"]["misfit"] / target if target else None


def without_block(run: Run) -> float | None:
    """Right-hand sides, those of blocks left out."""
    summary = run["summary"]
    if summary.get("linear_solves") is None:
        return None
    return summary["linear_solves"] - summary.get("block_rhs", 0)


class Suite:
    """All runs, asked by case and method."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = list(runs)
        self.cases = list(dict.fromkeys(run["case"] for run in runs))
        self._singles = _single_costs(runs)

    def all(self, method: str, case: str | None = None) -> list[Run]:
        """Runs of a method, failed ones too."""
        return [r for r in self.runs if r["method"] == method and case in (None, r["case"])]

    def of(self, method: str, case: str | None = None) -> list[Run]:
        """Runs of a method that have left results."""
        return [run for run in self.all(method, case) if finished(run)]

    def values(self, method: str, measure: Measure, case: str | None = None) -> list[float]:
        """What is known of a measure."""
        found = [measure(run) for run in self.of(method, case)]
        return [value for value in found if value is not None]

    def median(self, method: str, measure: Measure, case: str) -> float | None:
        """Over the seeds."""
        values = self.values(method, measure, case)
        return statistics.median(values) if values else None

    def medians(self, method: str, measure: Measure) -> dict[str, float]:
        """Over the seeds, by case."""
        found = {case: self.median(method, measure, case) for case in self.cases}
        return {case: value for case, value in found.items() if value is not None}

    def ratios(
        self, one: str, other: str, measure: Measure, other_measure: Measure | None = None
    ) -> dict[str, float]:
        """Of the medians over the seeds, by case, where both are known."""
        left, right = self.medians(one, measure), self.medians(other, other_measure or measure)
        return {case: left[case] / right[case] for case in left if right.get(case)}

    def at_cost(self, run: Run) -> float | None:
        """Right-hand sides with those of blocks at their measured cost in single ones."""
        single = self._singles.get(_problem(run))
        plain, block = without_block(run), run["summary"].get("block_seconds")
        if plain is None or (run["summary"].get("block_rhs") and not (single and block)):
            return None
        return plain + (block / single if block and single else 0.0)


def to_target(run: Run, what: str, level: float | None = None) -> float:
    """`what`, a column of the history, where the misfit first was at most `level`, by default the target.

    Infinite if it never was.
    """
    history = run["history"]
    level = run["summary"].get("misfit_target") if level is None else level
    if level is None or not history:
        return math.inf
    for misfit, value in zip(history["misfit"], history[what], strict=True):
        if misfit is not None and misfit <= level * (1 + 1e-12):
            return math.inf if value is None else value
    return math.inf


def against_training(suite: Suite, ours: str, training: str, what: str) -> dict[str, float]:
    """Work to equal misfit, ours over the training's, by case, medians over our seeds.

    Equal misfit is the target, or the misfit that our run ended with if that is larger. A training that does
    not get there counts NOT_MET right-hand sides, or all of its seconds.
    """
    ratios = {}
    for case in suite.cases:
        ratio = [
            _work_ratio(one, other, what)
            for one in suite.of(ours, case)
            for other in suite.of(training, case)
        ]
        if ratio:
            ratios[case] = statistics.median(ratio)
    return ratios


def _work_ratio(ours: Run, training: Run, what: str) -> float:
    level = max(ours["summary"]["misfit_target"], ours["summary"]["misfit"])
    theirs = to_target(training, what, level)
    if math.isinf(theirs):
        theirs = NOT_MET if what == "linear_solves" else training["summary"]["wall_seconds"]
    return to_target(ours, what, level) / theirs


def _problem(run: Run) -> tuple[str, int | None]:
    """What the cost of a right-hand side depends on."""
    return run["case"], run["summary"].get("state_dofs")


def _single_costs(runs: Sequence[Run]) -> dict[tuple[str, int | None], float]:
    """Seconds of a single right-hand side: medians over the runs with MANY of them, or over all."""
    many: dict[tuple[str, int | None], list[float]] = {}
    few: dict[tuple[str, int | None], list[float]] = {}
    for run in runs:
        summary = run["summary"]
        singles = (summary.get("adjoint_rhs") or 0) + (summary.get("incremental_rhs") or 0)
        spent = summary.get("single_seconds") or 0.0
        if finished(run) and singles and spent > 0 and run["method"] != "peer":
            (many if singles >= MANY else few).setdefault(_problem(run), []).append(spent / singles)
    return {problem: statistics.median(costs) for problem, costs in (few | many).items()}
