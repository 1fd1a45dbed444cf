"""Phases and how sure their interfaces are, as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.output.drawing import Drawing, Look, gathered, line, panels, styled
from app.output.drawing.scales import Scale
from app.output.drawing.sheet import Sheet
from app.output.files import drawn
from app.output.posterior import DEVIATION, Uncertain, draw_uncertain_space
from app.types import Axes, Space, Untyped

EVEN = 0.5
"""Probability at which a phase is as likely as not, where its interface is drawn."""


def draw_interfaces(
    path: Path, on: Space, rows: Sequence[Uncertain], points: np.ndarray, look: Look
) -> str | None:
    """Draw unknowns of phases with their standard deviations and, beside them, the probability of each phase,
    in rows; collective, rank 0 draws.

    In the plane and on a line interfaces are drawn where a phase is as likely as not. Returns, on all ranks,
    why there is no picture, None if there is one. Raises OSError on all ranks.
    """
    comm: MPI.Comm = on.mesh.comm
    drawing = gathered(on, [row.fields for row in rows])

    def draw() -> None:
        with styled():
            of: Untyped = {1: _draw_line, 2: _draw_plane, 3: draw_uncertain_space}[on.mesh.geometry.dim]
            of(path, drawing, rows, points, look)

    return drawn(comm, draw)


def _draw_line(
    path: Path, drawing: Drawing, rows: Sequence[Uncertain], points: np.ndarray, look: Look
) -> None:
    x, order = line.along(drawing)
    sheet = Sheet([[(line.WIDTH, line.HEIGHT)] for _ in rows for _ in range(2)], bars=False, labelled=True)
    for number, (row, fields) in enumerate(zip(rows, drawing.rows, strict=True)):
        above, below = (sheet.panel(2 * number + i, 0) for i in range(2))
        m, std, _, *phases = (values[order] for values in fields.values())
        shown = row.quantity.shown
        above.plot(x, shown(m), "C0-", label="recovered")
        above.fill_between(x, shown(m - std), shown(m + std), alpha=0.3, linewidth=0, label=DEVIATION)
        for title, probability, style in zip(row.beside, phases, line.STYLES, strict=False):
            below.plot(x, probability, style, label=title)
        below.axhline(EVEN, color="black", linestyle="dashed", linewidth=0.8)
        if len(points):
            above.plot(points[:, 0], np.full(len(points), above.get_ylim()[0]), "k|", label="readings")
        line.finish(above, x, row.quantity, look)
        line.plain(below, x)
        below.tick_params(labelbottom=True)
        below.set_xlabel(look.coordinate(0))
        below.set_ylabel("probability")
        below.legend(frameon=False)
    sheet.save(path, look.formats)


def _draw_plane(
    path: Path, drawing: Drawing, rows: Sequence[Uncertain], points: np.ndarray, look: Look
) -> None:
    told = []
    for row, fields in zip(rows, drawing.rows, strict=True):
        m, std, _, *phases = fields.values()
        interfaces = [_interface(probability) for probability in phases]
        scale = Scale.of(row.quantity, [m])
        deviation = Scale.plain(row.quantity.difference, [std])
        likely = Scale(0.0, 1.0, "probability")
        own = [
            panels.field("recovered", row.quantity.shown(m), scale, *interfaces),
            panels.field(DEVIATION, std, deviation, panels.dots(points)),
        ]
        for title, probability, interface in zip(row.beside, phases, interfaces, strict=True):
            own.append(panels.field(title, probability, likely, interface))
        told.append(own)
    panels.draw_panels(path, drawing, told, look)


def _interface(probability: np.ndarray) -> panels.Layer:
    """Where a phase is as likely as not, if that is anywhere."""

    def contour(axes: Axes, drawing: Drawing) -> None:
        if probability.min() < EVEN < probability.max():
            how = {"levels": [EVEN], "colors": ["white"], "linewidths": 1.2}
            axes.tricontour(drawing.x, drawing.y, drawing.triangles, probability, **how)

    return contour
