"""compare.png and compare-seconds.png: the misfit against the work, a panel a case."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measures import Run, Suite, finished
from benchmarks.methods import COARSE, METHODS

STYLES: dict[str, tuple[str, str]] = {
    "default": ("#d62728", "-"),
    "discrepancy": ("#ff9896", "-"),
    "nodal": ("#1f77b4", "-"),
    "nodal h1": ("#6baed6", "-"),
    "random growth": ("#2ca02c", "-"),
    "fixed network": ("#98df8a", "-"),
    "newton_cg a": ("#9467bd", "--"),
    "newton_cg b": ("#c5b0d5", "--"),
    "lbfgs": ("#8c564b", "-."),
    "adam": ("#e377c2", "-."),
    "plain l2": ("#7f7f7f", ":"),
    "plain h1": ("#bcbd22", ":"),
    "plain gauss_newton": ("#17becf", ":"),
    "peer": ("#000000", "--"),
}
"""Colour and line of each method that is shown."""

FLOOR = 0.3
"""Least misfit over target that is drawn."""


def draw(out: Path, runs: Sequence[Run]) -> None:
    """Draw both figures, if there is anything to show."""
    shown = [run for run in runs if run["method"] in STYLES and finished(run) and run["history"]]
    if not shown:
        return
    _draw(out / "compare.png", shown, "linear_solves", "right-hand sides")
    _draw(out / "compare-seconds.png", shown, "seconds", "seconds")


def _draw(path: Path, runs: Sequence[Run], what: str, label: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    suite = Suite(runs)
    columns = min(len(suite.cases), 4)
    rows = math.ceil(len(suite.cases) / columns)
    figure: Any = Figure(figsize=(max(4.2 * columns, 8.4), 3.4 * rows + 1.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(suite.cases) :]:
        axes.set_axis_off()
    handles: dict[str, Any] = {}
    for axes, case in zip(panels, suite.cases, strict=False):
        for method, (colour, dashes) in STYLES.items():
            for run in suite.of(method, case)[:1]:  # of several seeds the first
                x, y = _line(run, what)
                (handle,) = axes.plot(x, y, dashes, color=colour, linewidth=1.6)
                axes.plot(x[-1:], y[-1:], "o", color=colour, markersize=4)
                handles.setdefault(method, handle)
        axes.axhline(1.0, color="black", linewidth=0.6)
        axes.set(xscale="log", yscale="log", title=case, xlabel=label, ylabel="misfit / target")
        axes.set_ylim(bottom=FLOOR)
    ordered = [method for method in STYLES if method in handles]
    labels = [f"{method} (32 × 32)" if METHODS[method].settings == COARSE else method for method in ordered]
    figure.legend(
        [handles[method] for method in ordered],
        labels,
        loc="outside lower center",
        ncols=min(len(ordered), 7),
    )
    figure.savefig(str(path))


def _line(run: Run, what: str) -> tuple[list[float], list[float]]:
    """The work and the misfit over its target, where both are known."""
    target = run["summary"].get("misfit_target") or math.nan
    pairs = zip(run["history"][what], run["history"]["misfit"], strict=True)
    known = [(x, y / target) for x, y in pairs if x is not None and y is not None]
    return [x for x, _ in known], [y for _, y in known]
