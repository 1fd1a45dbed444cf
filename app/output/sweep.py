"""The figure of a sweep: error, misfit and time over each key that was varied."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
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

MOST_KEYS, LONGEST = 20, 30
"""Keys that are drawn, and characters of a value beside an axis, at most."""

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
        keys = dict(islice(keys.items(), MOST_KEYS))
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
            axes.set_xlabel(key[-LONGEST:], parse_math=False)
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
        axes.set_xticks(places, [value[:LONGEST] for value in values], rotation=20, parse_math=False)
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
    known = [place for value in values if (place := _finite(value)) is not None]
    if len(known) == len(values):
        return known, True
    return [float(number) for number in range(len(values))], False


def _number(row: Mapping[str, Any], name: str) -> float | None:
    """A quantity of a run, None where it is not known."""
    if name == "misfit_over_target":
        misfit, target = _number(row, "misfit"), _number(row, "misfit_target")
        return misfit / target if misfit is not None and target else None
    return _finite(row.get(name))


def _finite(value: object) -> float | None:
    """A value as a number, None where it is no finite one."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
