"""A design of measurements: a table, what is said of it, and a picture."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.output.canvas import load_matplotlib
from app.output.files import drawn, written
from app.output.picture import Drawing, gathered, panelled, triangles
from app.types import Axes, Canvas, Space, Summary

WRITES = ("design.csv", "design.png")
"""Names of the files, for whoever replaces them."""


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
    path: Path,
    space: Space,
    rows: Sequence[Mapping[str, np.ndarray]],
    points: np.ndarray,
    share: np.ndarray,
) -> str | None:
    """Draw owned nodal values of a Lagrange space, in each row the standard deviation of an unknown before
    and after, with the chosen `points` numbered, and the curve of what is left; collective, rank 0 draws.

    In space the curve alone is drawn. Returns, on all ranks, why there is no picture, None if there is one.
    Raises OSError on all ranks.
    """
    comm: MPI.Comm = space.mesh.comm
    drawing = gathered(space, rows)
    dimension = space.mesh.geometry.dim

    def draw() -> None:
        load_matplotlib()
        assert drawing is not None
        shown = drawing.rows if dimension < 3 else []
        figure, panels = panelled(max(1, len(shown)), 1 + dimension if shown else 1)
        for axes in panels[1:, -1]:
            axes.set_axis_off()
        for row, fields in zip(panels, shown, strict=False):
            of = _draw_line if dimension == 1 else _draw_plane
            of(figure, row, drawing, fields, points)
        _draw_curve(panels[0, -1], share)
        with written(path) as part:
            figure.savefig(str(part), bbox_inches="tight", pad_inches=0.05)

    return drawn(comm, draw)


def _draw_line(
    figure: Canvas, row: Axes, drawing: Drawing, fields: Mapping[str, np.ndarray], points: np.ndarray
) -> None:
    axes, order = row[0], np.argsort(drawing.nodes[:, 0], kind="stable")
    for name, values in fields.items():
        axes.plot(drawing.nodes[order, 0], values[order], label=name)
    axes.set_ylim(bottom=0)
    for number, (x,) in _numbered(points):
        axes.axvline(x, color="grey", linewidth=0.5)
        axes.annotate(str(number), (x, 0), fontsize=7)
    axes.set_xlabel("x")
    axes.legend()


def _draw_plane(
    figure: Canvas, row: Axes, drawing: Drawing, fields: Mapping[str, np.ndarray], points: np.ndarray
) -> None:
    x, y = drawing.nodes[:, 0], drawing.nodes[:, 1]
    most = max(float(values.max()) for values in fields.values())
    for axes, (name, values) in zip(row, fields.items(), strict=False):
        scale = {"cmap": "viridis", "vmin": 0.0, "vmax": most}
        image = axes.tripcolor(x, y, triangles(drawing), values, shading="gouraud", **scale)
        figure.colorbar(image, ax=axes, location="bottom", shrink=0.85, pad=0.03)
        for number, point in _numbered(points):
            axes.plot(
                *point, "o", markersize=9, markerfacecolor="white", markeredgecolor="black", clip_on=False
            )
            axes.annotate(str(number), point, ha="center", va="center", fontsize=6)
        axes.set_title(name)
        axes.set_aspect("equal")
        axes.set_axis_off()


def _draw_curve(axes: Axes, share: np.ndarray) -> None:
    axes.plot(np.arange(len(share) + 1), np.append(1.0, share), "o-", markersize=3)
    axes.set_ylim(0.0, 1.05)
    axes.set_xlabel("readings")
    axes.set_title("variance left")
    axes.xaxis.get_major_locator().set_params(integer=True)


def _numbered(points: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """The points that there are, with their numbers from 1."""
    return [(number, point) for number, point in enumerate(points, 1) if np.isfinite(point).all()]
