"""The bars of the comparison: what is asked for, and what was seen."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.measures import Measure, Suite, against_training, finished, key, share, without_block

ERROR = key("relative_error")
TRAININGS = ("lbfgs", "adam")


@dataclass(frozen=True)
class Bar:
    """A line of the table; `met` is None where nothing was measured."""

    what: str
    bar: str
    goal: str = ""
    seen: str = ""
    met: bool | None = None


def all_bars(suite: Suite) -> list[Bar]:
    """In the order of the table."""
    return [
        *_ends(suite),
        *_work(suite),
        *_errors(suite),
        *_right_hand_sides(suite),
        *_trainings(suite),
        *_peer(suite),
        _growth(suite),
    ]


def _ends(suite: Suite) -> list[Bar]:
    def by_discrepancy(run: dict) -> bool:
        part = share(run)
        return run["summary"]["stop_reason"] == "discrepancy" and part is not None and 0.8 <= part <= 1.0

    stopped = [finished(run) and by_discrepancy(run) for run in suite.all("discrepancy")]
    converged = [finished(run) and run["summary"]["status"] == "converged" for run in suite.all("default")]
    return [
        _count("discrepancy: stop by discrepancy with misfit / target in 0.8 to 1", stopped),
        _count("default: converged by its own stopping test", converged),
    ]


def _work(suite: Suite) -> list[Bar]:
    solves, rejected = key("state_solves"), key("rejected_trials")
    return [
        _median("default: state solves", suite.medians("default", solves), 10, 6, "{:.3g}"),
        _worst("default: state solves, the worst run", suite.values("default", solves), 26),
        _median("default: rejected trials", suite.medians("default", rejected), 1, 0, "{:.3g}"),
    ]


def _errors(suite: Suite) -> list[Bar]:
    against = suite.ratios("default", "nodal h1", ERROR)
    return [
        _median("error: default / nodal h1", against, 0.8, 0.65),
        _worst(
            "error: default / nodal h1, the worst case", list(against.values()), 1.05, _name_of_worst(against)
        ),
        _median("error: default / oracle", suite.ratios("default", "oracle", ERROR), 1.1, 0.95),
        _median("error: default / nodal", suite.ratios("default", "nodal", ERROR), 1.0, 0.9),
        _median("error: discrepancy / nodal h1", suite.ratios("discrepancy", "nodal h1", ERROR), 1.0, 0.9),
        _median("error: withheld / default", suite.ratios("withheld", "default", ERROR), 1.1, 1.0),
    ]


def _right_hand_sides(suite: Suite) -> list[Bar]:
    seconds = suite.ratios("default", "nodal", key("wall_seconds"))
    classical = suite.ratios("default", "newton_cg a", suite.at_cost)
    return [
        _median(
            "right-hand sides without the block: default / nodal",
            suite.ratios("default", "nodal", without_block), 2, 1.1,
        ),
        _median("right-hand sides, the block at its cost: default / newton_cg a", classical, 1.0, 0.5),
        _median("seconds: default / nodal", seconds, 3),
    ]  # fmt: skip


def _trainings(suite: Suite) -> list[Bar]:
    bars = []
    for training in TRAININGS:
        solves = against_training(suite, "default@32", training, "linear_solves")
        seconds = against_training(suite, "default@32", training, "seconds")
        bars += [
            _median(f"right-hand sides to equal misfit: default@32 / {training}", solves, 1 / 10, 1 / 30),
            _median(f"seconds to equal misfit: default@32 / {training}", seconds, 1 / 10),
        ]
    return bars


def _peer(suite: Suite) -> list[Bar]:
    def of(measure: Measure) -> float | None:
        return suite.median("default", measure, "peer64")

    solves, cost, error = of(key("linear_solves")), of(suite.at_cost), of(ERROR)
    also = "" if cost is None else f" ({cost:.0f} with the block at its cost)"
    return [
        _single("peer64: right-hand sides of default", solves, 261, 100, "{:.0f}", also),
        _single("peer64: error of default", error, 0.17, 0.13),
    ]


def _growth(suite: Suite) -> Bar:
    """Parameters at which the target is reached, by gain and by chance; never reached is infinite."""
    what = "parameters at the target: growth by gain / random growth, with h1 and discrepancy"

    def parameters(method: str, case: str) -> float | None:
        met = [
            run["summary"]["parameters"] if run["summary"]["stop_reason"] == "discrepancy" else math.inf
            for run in suite.of(method, case)
        ]
        return statistics.median(met) if met else None

    pairs = {
        case: (parameters("discrepancy", case), parameters("random growth", case)) for case in suite.cases
    }
    ratios = {
        case: gain / chance if math.isfinite(gain) else math.inf
        for case, (gain, chance) in pairs.items()
        if gain is not None and chance is not None
    }
    bar = f"≤ {0.5:g} in the median case"
    if not ratios:
        return Bar(what, bar)
    middle, halves = statistics.median(ratios.values()), sum(ratio <= 0.5 for ratio in ratios.values())
    never = sum(pairs[case][1] == math.inf for case in ratios)
    seen = f"{middle:.2f}; at most half in {halves} of {len(ratios)} cases"
    return Bar(
        what, bar, seen=seen + (f", in {never} random growth fails" if never else ""), met=middle <= 0.5
    )


def _count(what: str, hits: Sequence[bool]) -> Bar:
    if not hits:
        return Bar(what, "all")
    return Bar(what, "all", seen=f"{sum(hits)} of {len(hits)}", met=all(hits))


def _median(
    what: str, by_case: dict[str, float], bar: float, goal: float | None = None, form: str = "{:.3f}"
) -> Bar:
    wanted, hoped = f"≤ {bar:.3g}", "" if goal is None else f"{goal:.2g}"
    if not by_case:
        return Bar(what, wanted, hoped)
    values = list(by_case.values())
    middle = statistics.median(values)
    spread = f"{form.format(min(values))} to {form.format(max(values))}"
    seen = f"{form.format(middle)} ({spread} in {len(values)} case{'s' * (len(values) > 1)})"
    return Bar(what, wanted, hoped, seen, middle <= bar)


def _worst(what: str, values: Sequence[float], bar: float, also: str = "") -> Bar:
    if not values:
        return Bar(what, f"≤ {bar:g}")
    return Bar(what, f"≤ {bar:g}", seen=f"{max(values):.4g}{also}", met=max(values) <= bar)


def _single(
    what: str, value: float | None, bar: float, goal: float, form: str = "{:.3f}", also: str = ""
) -> Bar:
    if value is None:
        return Bar(what, f"≤ {bar:g}", f"{goal:g}")
    return Bar(what, f"≤ {bar:g}", f"{goal:g}", form.format(value) + also, value <= bar)


def _name_of_worst(by_case: dict[str, float]) -> str:
    return f" ({max(by_case, key=lambda case: by_case[case])})" if by_case else ""
