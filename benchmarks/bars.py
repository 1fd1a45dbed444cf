"""Bars: what is asked for of the runs of a study, and what was seen."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.columns import COLUMNS
from benchmarks.harness import Run

RunsOf = Callable[[str, str], Sequence[Run]]
"""Runs of a case and method that have left results."""
HEAD = ("what", "bar", "goal", "seen", "met")


@dataclass(frozen=True)
class Bar:
    """What a measure of a method's runs is to be, alone or `against` another method's.

    `over` says of what: the `median` over the cases of the medians over the runs of each, the `worst` run or
    case, `each` run, `all`, of which it is to be true, or the `exponent` p where the medians of several
    cases are as (state dofs)ᵖ, by least squares in logarithms. Against another method a measure is the ratio
    of the medians or, of a pair, the median over all pairs on the same data.
    """

    what: str
    measure: str
    of: str | tuple[str, ...]
    """One method, or several taken together."""
    against: str = ""
    over: str = "median"
    least: float | None = None
    most: float | None = None
    goal: float | None = None
    cases: tuple[str, ...] = ()
    form: str = ""

    def cells(self, cases: Sequence[str], runs: RunsOf) -> dict[str, Any]:
        """The line of the table; what was not measured is blank."""
        by_case = {case: self._values(case, runs) for case in self.cases or cases}
        known = {case: values for case, values in by_case.items() if values}
        flat = [value for values in known.values() for value in values]
        if self.over == "exponent":
            dofs = [math.log(runs(case, str(self.of))[0].summary["state_dofs"]) for case in known]
            sizes = [math.log(statistics.median(values)) for values in known.values()]
            flat = [statistics.linear_regression(dofs, sizes).slope] if len(dofs) > 1 else []
        goal = "" if self.goal is None else f"{self.goal:.2g}"
        if not flat:
            return dict(zip(HEAD, (self.what, self.bar, goal, "", ""), strict=True))
        form = self.form or (".3f" if self.against else COLUMNS[self.measure].form)
        if self.over == "median":
            flat = [statistics.median(values) for values in known.values()]
        low, high = format(min(flat), form), format(max(flat), form)
        judged, seen = flat, low if low == high else f"{low} to {high}"
        if self.over == "all":
            judged, seen = [], f"{sum(flat)} of {len(flat)}"
        elif self.over == "worst":
            judged, where = [max(flat)], max(known, key=lambda case: max(known[case]))
            seen = high + (f" ({where})" if len(known) > 1 else "")
        elif self.over == "median":
            judged = [statistics.median(flat)]
            seen = format(judged[0], form) + (f" ({seen} in {len(flat)} cases)" if len(flat) > 1 else "")
        low_enough = self.most is None or all(value <= self.most for value in judged)
        met = low_enough and (self.least is None or all(value >= self.least for value in judged))
        met = all(flat) if self.over == "all" else met
        return dict(zip(HEAD, (self.what, self.bar, goal, seen, "yes" if met else "**no**"), strict=True))

    @property
    def bar(self) -> str:
        """What is asked for."""
        if self.least is None:
            return "all" if self.most is None else f"≤ {self.most:g}"
        return f"≥ {self.least:g}" if self.most is None else f"{self.least:g} to {self.most:g}"

    def _values(self, case: str, runs: RunsOf) -> list[Any]:
        """By run or, against another method, the one that stands for the case."""
        column, names = COLUMNS[self.measure], (self.of,) if isinstance(self.of, str) else self.of
        own = [run for name in names for run in runs(case, name)]
        others = runs(case, self.against) if self.against else ()
        if column.pair:
            same = [(one, other) for one in own for other in others if one.job.data == other.job.data]
            pairs = [column.measure(*pair) for pair in same]
            return pairs if self.over in ("all", "each") or not pairs else [statistics.median(pairs)]
        left, right = (
            [v for run in part if (v := column.measure(run)) is not None] for part in (own, others)
        )
        if not self.against:
            return left
        return [statistics.median(left) / statistics.median(right)] if left and right else []
