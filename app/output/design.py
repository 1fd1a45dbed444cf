"""A design of measurements: a table, what is said of it, and a picture."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.output.drawing import Drawing, Look, Quantity, figure_files, gathered, line, panels, styled
from app.output.drawing.scales import Scale
from app.output.drawing.sheet import Sheet
from app.output.files import drawn, written
from app.types import Axes, Space, Summary

WRITES = ("design.csv", *figure_files("design"))
"""Names of the files, for whoever replaces them."""


@dataclass(frozen=True, eq=False)
class Deviating:
    """Standard deviations of an unknown by what they are, owned nodal values."""

    quantity: Quantity
    fields: Mapping[str, np.ndarray]


def write_design(path: Path, rows: Sequence[Summary]) -> None:
    """A row for each that was chosen, with the keys of the first as columns; serial. Raises OSError."""
    with written(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def design_lines(rows: Sequence[Summary], candidates: int, aim: str) -> list[str]:
    """What is said of it, as a table."""
    of = "the mean variance" if aim == "mean" else "the variance of the predictions"
    width = max(len("place"), *(len(row["place"]) for row in rows))
    lines = [f"{len(rows)} of {candidates} candidates, by what they leave of {of}"]
    lines.append(f" no   line  {'place':<{width}}   sigma    left")
    for row in rows:
        begun = f"{row['order']:3d}  {row['line']:5d}  {row['place']:<{width}}"
        lines.append(f"{begun}  {row['sigma']:8.2g}  {row['variance_left']:6.1%}")
    return lines


def draw_design(
    path: Path, on: Space, rows: Sequence[Deviating], points: np.ndarray, share: np.ndarray, look: Look
) -> str | None:
    """Draw owned nodal values of a Lagrange space, in each row the standard deviation of an unknown before
    and after, with the chosen `points` numbered, and the curve of what is left; collective, rank 0 draws.

    In space the curve alone is drawn. Returns, on all ranks, why there is no picture, None if there is one.
    Raises OSError on all ranks.
    """
    comm: MPI.Comm = on.mesh.comm
    drawing = gathered(on, [row.fields for row in rows])
    dimension = on.mesh.geometry.dim

    def draw() -> None:
        assert drawing is not None
        with styled():
            if dimension == 2:
                _draw_plane(path, drawing, rows, points, share, look)
            else:
                _draw_curves(path, drawing, rows if dimension == 1 else (), points, share, look)

    return drawn(comm, draw)


def _draw_curves(
    path: Path,
    drawing: Drawing,
    rows: Sequence[Deviating],
    points: np.ndarray,
    share: np.ndarray,
    look: Look,
) -> None:
    """Deviations on a line, if there are some, and what is left."""
    sheet = Sheet([[(line.WIDTH, line.HEIGHT)] for _ in range(len(rows) + 1)], bars=False, labelled=True)
    x, order = line.along(drawing)
    for number, row in enumerate(rows):
        axes = sheet.panel(number, 0)
        for (label, values), style in zip(drawing.rows[number].items(), line.STYLES, strict=False):
            axes.plot(x, values[order], style, label=label)
        axes.set_ylim(bottom=0)
        for index, (place,) in _numbered(points):
            axes.axvline(place, color="grey", linewidth=0.5)
            axes.annotate(str(index), (place, 0), fontsize=7)
        axes.set_xlabel(look.coordinate(0))
        axes.set_ylabel(f"sd of {row.quantity.difference}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    _draw_share(sheet.panel(len(rows), 0), share)
    sheet.save(path, look.formats)


def _draw_plane(
    path: Path,
    drawing: Drawing,
    rows: Sequence[Deviating],
    points: np.ndarray,
    share: np.ndarray,
    look: Look,
) -> None:
    told = []
    for row, fields in zip(rows, drawing.rows, strict=True):
        most = max(float(values.max()) for values in fields.values())
        scale = Scale(0.0, most, f"sd of {row.quantity.difference}")
        told.append([panels.field(title, values, scale, _marks(points)) for title, values in fields.items()])
    told[0].append(panels.chart("variance left", lambda axes, _: _draw_share(axes, share)))
    panels.draw_panels(path, drawing, told, look)


def _marks(points: np.ndarray) -> panels.Layer:
    def marks(axes: Axes, drawing: Drawing) -> None:
        for number, point in _numbered(points):
            how = {"markersize": 9, "markerfacecolor": "white", "markeredgecolor": "black", "clip_on": False}
            axes.plot(*point, "o", **how)
            axes.annotate(str(number), point, ha="center", va="center", fontsize=6)

    return marks


def _draw_share(axes: Axes, share: np.ndarray) -> None:
    axes.plot(np.arange(len(share) + 1), np.append(1.0, share), "o-", markersize=3)
    axes.set_ylim(0.0, 1.05)
    axes.set_xlabel("readings")
    axes.set_title("variance left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.get_major_locator().set_params(integer=True)


def _numbered(points: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """The points that there are, with their numbers from 1."""
    return [(number, point) for number, point in enumerate(points, 1) if np.isfinite(point).all()]
