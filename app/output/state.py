"""A picture of a state that changes with time: the same panel at several times."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.output.drawing import Drawing, Look, Quantity, figure_files, gathered, line, panels, styled
from app.output.drawing.scales import Scale
from app.output.drawing.sheet import Sheet
from app.output.drawing.space import Field, draw_slices
from app.output.files import drawn
from app.types import Space, Untyped

WRITES = (*figure_files("state"), *figure_files("state_*"))
"""Names of the files, for whoever replaces them; of several experiments one each."""

PICTURES = "state*.png"
"""Those of a run."""

MULTIPLES = 6
"""Times at most that are shown."""

BESIDE = 3
"""Panels in a row."""


def draw_state(
    path: Path,
    on: Space,
    times: Sequence[float],
    states: Sequence[np.ndarray],
    quantity: Quantity,
    look: Look,
) -> str | None:
    """Draw owned nodal values of a Lagrange space at some times, all in one scale; collective, rank 0 draws.

    On a line as curves in one panel, in space as slices. Returns, on all ranks, why there is no picture, None
    if there is one. Raises OSError on all ranks.
    """
    comm: MPI.Comm = on.mesh.comm
    titles = [_moment(time, look) for time in times]
    drawing = gathered(on, [{"state": values} for values in states])

    def draw() -> None:
        assert drawing is not None
        with styled():
            of: Untyped = {1: _draw_line, 2: _draw_plane, 3: _draw_space}[on.mesh.geometry.dim]
            of(path, drawing, titles, quantity, look)

    return drawn(comm, draw)


def _draw_line(path: Path, drawing: Drawing, titles: list[str], quantity: Quantity, look: Look) -> None:
    from matplotlib import colormaps

    sheet, (x, order) = Sheet([[(line.WIDTH, line.HEIGHT)]], bars=False), line.along(drawing)
    axes = sheet.panel(0, 0)
    colours = colormaps["viridis"](np.linspace(0.0, 0.9, len(titles)))
    for title, fields, colour in zip(titles, drawing.rows, colours, strict=True):
        axes.plot(x, fields["state"][order], color=colour, label=title)
    line.finish(axes, x, quantity, look)
    sheet.save(path, look.formats)


def _draw_plane(path: Path, drawing: Drawing, titles: list[str], quantity: Quantity, look: Look) -> None:
    values = [fields["state"] for fields in drawing.rows]
    scale = Scale.of(quantity, values)
    told = [panels.field(title, own, scale) for title, own in zip(titles, values, strict=True)]
    rows = [told[i : i + BESIDE] for i in range(0, len(told), BESIDE)]
    panels.draw_panels(path, drawing, rows, look)


def _draw_space(path: Path, drawing: Drawing, titles: list[str], quantity: Quantity, look: Look) -> None:
    values = [fields["state"] for fields in drawing.rows]
    scale = Scale.of(quantity, values)
    told = [Field(title, own, scale) for title, own in zip(titles, values, strict=True)]
    draw_slices(path, drawing, told, look)


def _moment(time: float, look: Look) -> str:
    unit = f" {look.time_unit}" if look.time_unit else ""
    return f"t = {time:.3g}{unit}"
