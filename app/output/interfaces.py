"""Phases and how sure their interfaces are, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.output.canvas import load_matplotlib
from app.output.files import drawn
from app.output.picture import (
    MOST_POINTS,
    Drawing,
    coloured,
    draw_space,
    gathered,
    panelled,
    save,
    triangles,
)
from app.types import Axes, Space, Untyped

EVEN = 0.5
"""Probability at which a phase is as likely as not, where its interface is drawn."""


def draw_interfaces(
    path: Path, space: Space, rows: Sequence[Mapping[str, np.ndarray]], points: np.ndarray
) -> str | None:
    """Draw owned nodal values of a Lagrange space: in each row a coefficient, its standard deviation, what of
    it is resolved, and the probability of each phase, in this order; collective, rank 0 draws.

    In the plane and on a line interfaces are drawn where a phase is as likely as not. Returns, on all ranks,
    why there is no picture, None if there is one. Raises OSError on all ranks.
    """
    comm: MPI.Comm = space.mesh.comm
    drawing = gathered(space, rows)

    def draw() -> None:
        load_matplotlib()
        of: Untyped = {1: _draw_line, 2: _draw_plane, 3: draw_space}[space.mesh.geometry.dim]
        of(path, drawing, points)

    return drawn(comm, draw)


def _draw_line(path: Path, drawing: Drawing, points: np.ndarray) -> None:
    figure, panels = panelled(len(drawing.rows), 2)
    order = np.argsort(drawing.nodes[:, 0], kind="stable")
    x = drawing.nodes[order, 0]
    for (left, right), fields in zip(panels, drawing.rows, strict=True):
        (name, m), (_, std), _, *phases = ((key, values[order]) for key, values in fields.items())
        left.plot(x, m, label=name)
        left.fill_between(x, m - std, m + std, alpha=0.3, linewidth=0, label="standard deviation")
        for label, probability in phases:
            right.plot(x, probability, label=_named(label))
        right.axhline(EVEN, color="black", linestyle="dashed", linewidth=0.8)
        if len(points):
            left.plot(points[:, 0], np.full(len(points), left.get_ylim()[0]), "k|", label="readings")
        for axes in (left, right):
            axes.set_xlabel("x")
            axes.legend()
    save(figure, path)


def _draw_plane(path: Path, drawing: Drawing, points: np.ndarray) -> None:
    figure, panels = panelled(len(drawing.rows), len(drawing.rows[0]) - 1)
    for (left, middle, *others), fields in zip(panels, drawing.rows, strict=True):
        (name, m), (label, std), _, *phases = fields.items()
        coloured(figure, left, drawing, name, m)
        coloured(figure, middle, drawing, label, std)
        if len(points) <= MOST_POINTS:
            middle.autoscale(False)
            middle.scatter(points[:, 0], points[:, 1], s=3, c="white", alpha=0.7, linewidths=0)
        for axes, (called, probability) in zip(others, phases, strict=True):
            coloured(figure, axes, drawing, _named(called), probability, (0.0, 1.0))
            for one in (left, axes):
                _interface(one, drawing, probability)
    save(figure, path)


def _interface(axes: Axes, drawing: Drawing, probability: np.ndarray) -> None:
    """Where a phase is as likely as not, if that is anywhere."""
    if probability.min() < EVEN < probability.max():
        x, y = drawing.nodes[:, 0], drawing.nodes[:, 1]
        line = {"levels": [EVEN], "colors": ["white"], "linewidths": 1.2}
        axes.tricontour(x, y, triangles(drawing), probability, **line)


def _named(field: str) -> str:
    """probability_1 in words."""
    return f"probability of phase {field.rsplit('_', 1)[-1]}"
