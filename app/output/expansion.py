"""How a network grew: a row of expansions.csv each time, and a picture over the iterations."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.flow import Record
from app.output.drawing import figure_files, styled, write_figure
from app.output.drawing.canvas import blank
from app.output.files import drawn
from app.types import Axes, Summary

WRITES = figure_files("expansion")
"""Names of the files, for whoever replaces them."""

EXPANSION_COLUMNS = (
    "iteration", "round", "measure", "before", "threshold", "missing", "missing_threshold", "candidates",
    "layer", "neurons", "width", "predicted", "gained", "ended",
)  # fmt: skip

FROM = 0.55
"""Growth is drawn from this share of the way from one iteration to the next."""


def expansion_cells(record: Record) -> list[Summary]:
    """Values by column, one row a round of the iteration."""
    return [
        {
            "iteration": record.iteration,
            "round": each.round,
            "measure": each.measure,
            "before": each.before,
            "threshold": each.threshold,
            "missing": each.missing,
            "missing_threshold": each.missing_threshold,
            "candidates": each.candidates,
            "layer": " ".join(map(str, each.layers)) or "new",
            "neurons": each.neurons,
            "width": sum(each.grown),
            "predicted": each.predicted,
            "gained": each.gained,
            "ended": each.ended,
        }
        for each in record.growth
    ]


def draw_expansion(
    comm: MPI.Comm, path: Path, records: Sequence[Record], formats: Sequence[str] = ()
) -> str | None:
    """Alignment and capture over the iterations, the width below; collective, rank 0 draws.

    Nothing is drawn of nodal values. Returns, on all ranks, why there is no picture, None if there is one.
    Raises OSError on all ranks.
    """

    def draw() -> None:
        with styled():
            _draw(path, records, formats)

    return drawn(comm, draw) if records[0].widths else None


def _draw(path: Path, records: Sequence[Record], formats: Sequence[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    figure = blank(7.0, 4.9)
    widths = figure.add_axes((0.085, 0.1, 0.88, 0.3))
    shares = figure.add_axes((0.085, 0.44, 0.88, 0.45), sharex=widths)
    shares.tick_params(labelbottom=False)
    _draw_shares(shares, records)
    _draw_widths(widths, records)
    widths.set_xlabel("outer iteration")
    widths.xaxis.set_major_locator(MaxNLocator(integer=True))
    widths.set_xlim(-0.2, max(1, records[-1].iteration) + 0.4)
    for axes in (shares, widths):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    write_figure(figure, path, formats)


def _draw_shares(axes: Axes, records: Sequence[Record]) -> None:
    iterations = [record.iteration for record in records]
    for name, values, style in (
        ("alignment, as the iteration begins", [record.alignment for record in records], "C0s--"),
        ("capture, as its step is taken", [record.capture for record in records], "C1o-"),
    ):
        known = np.array([np.nan if value is None else value for value in values])
        axes.plot(iterations, known, style, label=name, markersize=5, linewidth=1.4)
    label: str | None = None
    for record in records:
        rounds = record.growth
        before = [each.before for each in rounds]
        if not rounds:
            continue
        last = record.capture if rounds[0].measure == "capture" else None
        path = [*before, np.nan if last is None else last]
        places = [*_places(record), record.iteration]
        if label is None:
            label = f"{rounds[0].measure} before each growth"
        axes.plot(places, path, "k:", linewidth=1)
        axes.plot(places[:-1], before, "k^", markersize=5, label=label)
        axes.hlines(rounds[0].threshold, record.iteration - 0.5, record.iteration + 0.5, "0.5", linewidth=1)
        label = "_told"  # matplotlib leaves it out of the legend
    thresholds = [each.threshold for record in records for each in record.growth]
    if thresholds:
        axes.plot([], [], "0.5", linewidth=1, label="threshold of growth")
    axes.set_ylim(-0.03, 1.05)
    axes.set_ylabel("share of the ideal decrease")
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)


def _draw_widths(axes: Axes, records: Sequence[Record]) -> None:
    places, widths = [0.0], [sum(records[0].widths)]
    marks: list[tuple[float, int]] = []
    for record in records[1:]:
        grown = list(zip(_places(record), [sum(each.grown) for each in record.growth], strict=True))
        marks += grown
        for place, width in [*grown, (float(record.iteration), sum(record.widths))]:
            places.append(place)
            widths.append(width)
    axes.step(places, widths, "C2", where="post", linewidth=1.6)
    axes.fill_between(places, widths, step="post", color="C2", alpha=0.15, linewidth=0)
    axes.plot(*zip(*marks, strict=True), "k^", markersize=5) if marks else None
    pruned = [record for record in records if record.pruned]
    if pruned:
        x, y = [record.iteration for record in pruned], [sum(record.widths) for record in pruned]
        axes.plot(x, y, "kv", markerfacecolor="white", markersize=5, label="neurons pruned")
        axes.legend(fontsize=8, frameon=False, loc="upper left")
    axes.annotate(
        str(widths[-1]), (places[-1], widths[-1]), xytext=(5, 0), textcoords="offset points", va="center"
    )
    axes.set_ylim(0, 1.15 * max(widths))
    axes.set_ylabel("neurons")


def _places(record: Record) -> list[float]:
    """Where on the axis of iterations the rounds of one are drawn."""
    count = len(record.growth)
    start = record.iteration - 1 + FROM
    return [start + (1 - FROM) * i / count for i in range(count)]
