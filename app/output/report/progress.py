"""The sections on the way there: convergence, growth, meshes, and where the time went."""

import math
from collections.abc import Mapping, Sequence

from app.output.report.blocks import Beside, Block, Paragraph, Table
from app.output.report.charts import Chart, Line
from app.output.report.facts import widths_of
from app.output.report.results import Results, Rows
from app.output.report.shown import folded, picture, table
from app.output.report.wording import counted, number, numeric

ENDS = {
    "reached": "the network could follow the direction well enough",
    "little_missing": "little was missing",
    "no_progress": "more neurons brought next to nothing",
    "rounds": "an iteration has no more rounds",
    "no_room": "the network was as wide as it may be",
    "no_candidate": "no candidate helped",
}
"""Why growth ended in an iteration, after `because`, by GrowthEnd."""

GROWTH = (
    "iteration", "round", "measure", "before", "threshold", "layer", "neurons", "width", "predicted",
    "gained", "ended",
)  # fmt: skip
"""Columns of expansions.csv that are shown."""

LEVELS = (
    "state_dofs", "coefficient_dofs", "iterations", "misfit", "state_solves", "linear_solves", "seconds",
)  # fmt: skip
"""What is shown of each mesh."""


def convergence(run: Results) -> list[Block]:
    """Misfit and energy, the error where it is known, and the history as it stands."""
    rows = run.table("history.csv")
    charts = [chart for chart in (_misfit(run, rows), _errors(rows)) if chart.known]
    blocks: list[Block] = [Beside([[chart] for chart in charts])] if charts else []
    return blocks + folded(f"The history ({counted(len(rows), 'row')})", table(rows, "history.csv"))


def errors(histories: Mapping[str, Rows]) -> Chart:
    """The relative error of runs against the truth."""
    return _over_iterations("Relative error against the truth", "relative error", "relative_error", histories)


def misfits(histories: Mapping[str, Rows]) -> Chart:
    """The misfit of runs."""
    return _over_iterations("Misfit", "misfit", "misfit", histories)


def growth(run: Results) -> list[Block]:
    """How wide the network became, when, and why it ended."""
    widths = widths_of(run.told("widths"))
    if not widths:
        return []
    rows, (first, *_) = run.table("expansions.csv"), run.table("history.csv") or [{}]
    begun = f"began with {counted(int(first['width']), 'neuron')} and " if first.get("width") else ""
    ended = rows[-1].get("ended", "") if rows else ""
    why = f"; the last of them ended because {ENDS[ended]}" if ended in ENDS else ""
    size = f"width {widths}, {number(run.told('parameters'))} parameters"
    said = f"The network {begun}ended with {size}, after {counted(len(rows), 'round')} of growth{why}."
    caption = "What share of the ideal decrease the network can follow and took, and its width"
    tables = table(rows, "expansions.csv", GROWTH)
    return [Paragraph(said), *picture(run, "expansion.png", caption), *folded("Each growth", tables)]


def meshes(run: Results) -> list[Block]:
    """What was done on each mesh, and how far the readings moved from the last but one to the last."""
    levels = run.entries("levels")
    names = [name for name in LEVELS if any(name in level for level in levels)]
    rows = [[str(i), *(number(level.get(name)) for name in names)] for i, level in enumerate(levels, 1)]
    columns = ("mesh", *(name.replace("_", " ") for name in names))
    done = Table(caption="What was done on each mesh", columns=columns, rows=rows, named=True)
    said: list[Block] = [Paragraph(_fineness(run))] if run.energy == "inverse" else []
    return [*said, done] if rows else said


def seconds(run: Results) -> list[Block]:
    """By stage, the longest first."""
    told = {name.replace("_", " "): numeric(value) for name, value in run.named("seconds").items()}
    spent = {name: told[name] for name in sorted(told, key=lambda name: -told[name]) if told[name] > 0}
    if not spent:
        return []
    whole = sum(spent.values())
    rows = [(name, f"{value:.2f}", f"{100 * value / whole:.0f} %") for name, value in spent.items()]
    shares = [value / max(spent.values()) for value in spent.values()]
    caption = f"Seconds by part, {whole:.1f} in all"
    columns = ("part", "seconds", "share")
    return [Table(caption=caption, columns=columns, rows=rows, shares=shares, named=True)]


def _misfit(run: Results, rows: Rows) -> Chart:
    """What was minimised, and of it the misfit beside its target."""
    steps = _numbers(rows, "iteration")
    lines = [Line("energy", steps, _numbers(rows, "energy"))]
    if run.energy == "inverse":
        lines.insert(0, Line("misfit", steps, _numbers(rows, "misfit")))
    target = numeric(run.told("misfit_target"))
    if steps and not math.isnan(target):
        ends = (steps[0], steps[-1])
        lines.append(Line(f"target of the misfit, {target:.4g}", ends, (target, target), level=True))
    title = "Misfit and energy" if run.energy == "inverse" else "Energy"
    return Chart(title=title, horizontal="outer iteration", vertical="", lines=lines)


def _errors(rows: Rows) -> Chart:
    """The error of each unknown, and of several their mean."""
    columns = [name for name in (rows[0] if rows else {}) if name.startswith("relative_error")]
    named = {name: name.removeprefix("relative_error").lstrip("_") or "relative error" for name in columns}
    steps = _numbers(rows, "iteration")
    lines = [Line(label, steps, _numbers(rows, name)) for name, label in named.items()]
    return Chart(
        title="Relative error against the truth", horizontal="outer iteration", vertical="", lines=lines
    )


def _over_iterations(title: str, vertical: str, column: str, histories: Mapping[str, Rows]) -> Chart:
    lines = [
        Line(name, _numbers(rows, "iteration"), _numbers(rows, column)) for name, rows in histories.items()
    ]
    return Chart(title=title, horizontal="outer iteration", vertical=vertical, lines=lines)


def _numbers(rows: Rows, column: str) -> Sequence[float]:
    return [numeric(row.get(column)) for row in rows]


def _fineness(run: Results) -> str:
    """Whether the last mesh is fine enough for the data."""
    moved = run.told("discretisation", "moved")
    if moved is None:
        return (
            "One mesh was used, or the run ended before its finest: nothing tells whether it is fine enough. "
            "With levels: 2 in the case a run says it."
        )
    most, halvings = run.told("discretisation", "most"), run.told("discretisation", "halvings")
    said = (
        f"From the last mesh but one to the last the predicted readings moved by {number(moved, 2)} standard "
        f"deviations of the noise (root mean square), at most by {number(most, 2)}."
    )
    if not halvings:
        return f"The mesh is fine enough for these data. {said}"
    times = 2 ** int(halvings)
    return f"The mesh is coarse for these data. {said} {times} times as many cells along each side would do."
