"""compare.md and runs.json: the bars, a table for each case, what failed."""

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bars import Bar, all_bars
from benchmarks.measures import Measure, Run, Suite, finished, key, share, without_block

COLUMNS = (
    "method", "runs", "stop", "R", "error", "misfit / target", "state solves", "rhs single", "rhs block",
    "rhs, block at cost", "factorisations", "seconds", "parameters", "rejected",
)  # fmt: skip

EXPLAINED = """\
Medians over the seeds within a case, in brackets least and greatest; a bar's figure is the median over the
cases of what is said. `rhs single` are right-hand sides solved one at a time, the state's included;
`rhs block` those solved many at once; *at cost* counts a block by its seconds over those of a single adjoint
or tangent of the same case. Equal misfit is the target, or what default@32 ended with if that is larger; a
training that is not there after 1000 solves counts as 2000 right-hand sides and all its seconds."""


def write(out: Path, runs: Sequence[Run]) -> list[Bar]:
    """Write compare.md and runs.json and return the bars."""
    suite = Suite(runs)
    bars = all_bars(suite)
    parts = ["# Comparison", EXPLAINED, bar_table(bars)]
    for case in suite.cases:
        parts += [f"## {case}", case_table(suite, case)]
    parts += [*failures(runs)]
    (out / "compare.md").write_text("\n\n".join(parts) + "\n")
    (out / "runs.json").write_text(json.dumps(list(runs), indent=1) + "\n")
    return bars


def bar_table(bars: Sequence[Bar]) -> str:
    """A line a bar; blank where nothing was measured."""
    met = {True: "yes", False: "**no**", None: ""}
    return _table(
        ("what", "bar", "goal", "seen", "met"),
        [(bar.what, bar.bar, bar.goal, bar.seen, met[bar.met]) for bar in bars],
    )


def case_table(suite: Suite, case: str) -> str:
    """A line a method."""
    methods = dict.fromkeys(run["method"] for run in suite.runs if run["case"] == case)
    return _table(COLUMNS, [_row(suite, case, method) for method in methods])


def failures(runs: Sequence[Run]) -> list[str]:
    """What crashed, took too long or had nothing to run."""
    lines = [f"- {_name(run)}: {run['failed']}" for run in runs if run["failed"] is not None]
    skipped = [
        f"- {_name(run)}: {run['summary'].get('status', 'no results')}, {run['summary'].get('reason', '')}"
        for run in runs
        if run["failed"] is None and not finished(run)
    ]
    return (["## Failures", "\n".join(lines)] if lines else []) + (
        ["## Not run", "\n".join(skipped)] if skipped else []
    )


def _row(suite: Suite, case: str, method: str) -> tuple[str, ...]:
    runs, made = suite.of(method, case), suite.all(method, case)

    def shown(measure: Measure, form: str) -> str:
        return _spread(suite.values(method, measure, case), form)

    return (
        method,
        f"{len(runs)}" if len(runs) == len(made) else f"{len(runs)} of {len(made)}",
        _counted([run["summary"].get("stop_reason") for run in runs]),
        _counted([_regularisation(run) for run in runs]),
        shown(key("relative_error"), "{:.4f}"),
        shown(share, "{:.3f}"),
        shown(key("state_solves"), "{:.0f}"),
        shown(without_block, "{:.0f}"),
        shown(key("block_rhs"), "{:.0f}"),
        shown(suite.at_cost, "{:.0f}"),
        shown(key("factorisations"), "{:.0f}"),
        shown(key("wall_seconds"), "{:.1f}"),
        shown(key("parameters"), "{:.0f}"),
        shown(key("rejected_trials"), "{:.0f}"),
    )


def _regularisation(run: Run) -> str | None:
    """R's kind and what distinguishes it."""
    summary = run["summary"]
    kind, length, edges = (summary.get(k) for k in ("regularisation_kind", "length_scale", "edge_share"))
    if edges is not None:
        return f"{kind} {edges:g}"
    return kind if kind in (None, "h1") or length is None else f"{kind} {length:.2g}"


def _spread(values: Sequence[float], form: str) -> str:
    """Median, with least and greatest if they differ."""
    if not values:
        return ""
    middle, low, high = (form.format(v) for v in (statistics.median(values), min(values), max(values)))
    return middle if low == high else f"{middle} [{low}–{high}]"


def _counted(words: Sequence[str | None]) -> str:
    counts = Counter(word for word in words if word)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{word} ×{count}" for word, count in counts.most_common())


def _name(run: Run) -> str:
    seed = "" if run["seed"] is None else f", seed {run['seed']}"
    return f"{run['case']}, {run['method']}{seed}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
