"""Fields on a line, as curves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.output.drawing import plane
from app.output.drawing.canvas import DIVERGING
from app.output.drawing.fields import Drawing
from app.output.drawing.quantities import Look, Quantity, Readings, Row
from app.output.drawing.sheet import Sheet
from app.types import Axes

WIDTH, HEIGHT, LOW = 5.6, 2.8, 1.0
"""Inches of a panel of curves, and the height of one of differences or residuals."""

STYLES = ("C0-", "k--", "C1:", "C2-.")
"""Of the curves of a panel, apart in grey too."""


def draw_rows(path: Path, drawing: Drawing, rows: Sequence[Row], readings: Readings, look: Look) -> None:
    """Fields of a row that share a scale in one panel, below them each difference and the readings'
    residuals."""
    x, order = along(drawing)
    judged = readings.shown
    heights = [height for row in rows for height in (HEIGHT, *[LOW] * len(row.differences))]
    sheet = Sheet([[(WIDTH, height)] for height in [*heights, *[LOW] * judged]], bars=False)
    panels = iter(range(len(heights)))
    for row, fields in zip(rows, drawing.rows, strict=True):
        axes = sheet.panel(next(panels), 0)
        for title, style in zip(row.alike, STYLES * len(row.alike), strict=False):
            axes.plot(x, row.quantity.shown(fields[title][order]), style, label=title)
        axes.set_ylabel(row.quantity.axis)
        if row.quantity.logarithmic:
            axes.set_yscale("log")
        axes.legend(frameon=False)
        plain(axes, x)
        for title in row.differences:
            below = sheet.panel(next(panels), 0)
            below.axhline(0.0, color="0.6", linewidth=0.6)
            below.plot(x, fields[title][order], "C3-")
            below.set_ylabel(title)
            plain(below, x)
    if judged:
        axes = sheet.panel(len(heights), 0)
        draw_residuals(axes, readings)
        plain(axes, x)
    axes = sheet.figure.axes[-1]
    axes.set_xlabel(look.coordinate(0))
    axes.tick_params(labelbottom=True)
    sheet.save(path, look.formats)


def along(drawing: Drawing) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates from left to right, and the order of the nodes."""
    order = np.argsort(drawing.x, kind="stable")
    return drawing.x[order], order


def plain(axes: Axes, x: np.ndarray) -> None:
    """No box, and numbers below the lowest panel only."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(x[0], x[-1])
    axes.tick_params(labelbottom=False)


def finish(axes: Axes, x: np.ndarray, quantity: Quantity, look: Look) -> None:
    """Labels and legend of a panel of curves that stands by itself."""
    plain(axes, x)
    axes.tick_params(labelbottom=True)
    axes.set_xlabel(look.coordinate(0))
    axes.set_ylabel(quantity.axis)
    if quantity.logarithmic:
        axes.set_yscale("log")
    axes.legend(frameon=False)


def draw_residuals(axes: Axes, readings: Readings) -> None:
    """Over their places, with the band in which most are."""
    where, worst = readings.worst()
    axes.axhspan(-2, 2, color="0.93", zorder=0)
    axes.axhline(0.0, color="0.6", linewidth=0.6)
    colours = {"cmap": DIVERGING, "vmin": -plane.WORST, "vmax": plane.WORST, "c": worst}
    axes.scatter(where[:, 0], worst, s=9, edgecolors="black", linewidths=0.35, **colours)
    axes.set_ylabel("residual / σ")
