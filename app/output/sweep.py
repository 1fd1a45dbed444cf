"""The figure of a sweep: error, misfit and time over each key that was varied."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.output.drawing import styled, write_figure
from app.types import Axes

QUANTITIES = {
    "relative_error": "relative error",
    "misfit_over_target": "misfit / target",
    "wall_seconds": "seconds",
}
"""What is drawn of each run, as far as it is known."""

WIDE, HIGH = 3.6, 2.6
"""Of a panel, in inches."""

RATIO = 10.0
"""Positive values that differ by more than this factor stand on a logarithmic axis."""


def draw_sweep(path: Path, varied: Mapping[str, Sequence[str]], rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the runs that have left results: a column of panels for each key with several values, a row for
    each quantity; the line joins the medians. Serial."""
    with styled():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        keys = {key: values for key, values in varied.items() if len(values) > 1} or dict(varied)
        known = {
            name: told
            for name, told in QUANTITIES.items()
            if any(_number(row, name) is not None for row in rows)
        }
        if not keys or not known:
            return
        figure = Figure(figsize=(WIDE * len(keys) + 0.6, HIGH * len(known)), dpi=130, layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(len(known), len(keys), squeeze=False, sharey="row", sharex="col")
        for line, (name, title) in zip(panels, known.items(), strict=True):
            for axes, (key, values) in zip(line, keys.items(), strict=True):
                _draw(axes, key, values, name, rows)
            line[0].set_ylabel(title)
        for axes, key in zip(panels[-1], keys, strict=True):
            axes.set_xlabel(key)
        write_figure(figure, path)


def _draw(axes: Axes, key: str, values: Sequence[str], name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """One quantity over one key."""
    places, numeric = _places(values)
    middles = []
    for value, place in zip(values, places, strict=True):
        found = [number for row in rows if row[key] == value and (number := _number(row, name)) is not None]
        axes.plot([place] * len(found), found, "o", ms=4, color="C0", alpha=0.6)
        middles.append(float(np.median(found)) if found else np.nan)
    order = np.argsort(places)
    axes.plot(np.array(places)[order], np.array(middles)[order], "-", color="C0", lw=1)
    if not numeric:
        axes.set_xticks(places, values, rotation=20)
    elif _wide(places):
        axes.set_xscale("log")
    drawn = [each for each in middles if np.isfinite(each)]
    if drawn and _wide(drawn):
        axes.set_yscale("log")
    axes.grid(alpha=0.25)


def _wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) > RATIO * min(values)


def _places(values: Sequence[str]) -> tuple[list[float], bool]:
    """Where values stand on an axis: where they are, or one after the other if they are no numbers."""
    try:
        return [float(value) for value in values], True
    except ValueError:
        return [float(number) for number in range(len(values))], False


def _number(row: Mapping[str, Any], name: str) -> float | None:
    """A quantity of a run, None where it is not known."""
    if name == "misfit_over_target":
        misfit, target = _number(row, "misfit"), _number(row, "misfit_target")
        return misfit / target if misfit is not None and target else None
    told = row.get(name, "")
    return float(told) if told not in ("", None) else None
