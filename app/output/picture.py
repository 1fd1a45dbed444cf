"""A picture of the coefficient, beside the truth and the error where there is one, and the readings'
residuals."""

from collections.abc import Sequence
from pathlib import Path

from mpi4py import MPI

from app.output.drawing import (
    Drawing,
    Look,
    Readings,
    Row,
    figure_files,
    gathered,
    line,
    panels,
    plane,
    styled,
)
from app.output.drawing.panels import NUMBERED, Panel, draw_panels
from app.output.drawing.scales import scales_of
from app.output.drawing.space import Field, Surfaces, draw_slices, levels_of
from app.output.files import drawn
from app.types import Axes, Space, Untyped

WRITES = figure_files("coefficient")
"""Names of the files, for whoever replaces them."""


def draw_fields(path: Path, on: Space, rows: Sequence[Row], readings: Readings, look: Look) -> str | None:
    """Draw rows of owned nodal values of a Lagrange space, and the residuals of readings; collective, rank 0
    draws.

    On a line the fields of a row are curves in one panel, in space each has three slices and a view of
    surfaces. Returns, on all ranks, why there is no picture, None if there is one. Raises OSError on all
    ranks.
    """
    comm: MPI.Comm = on.mesh.comm
    drawing = gathered(on, [row.fields for row in rows])

    def draw() -> None:
        with styled():
            of: Untyped = {1: line.draw_rows, 2: _draw_plane, 3: _draw_space}[on.mesh.geometry.dim]
            of(path, drawing, rows, readings, look)

    return drawn(comm, draw)


def _draw_plane(path: Path, drawing: Drawing, rows: Sequence[Row], readings: Readings, look: Look) -> None:
    """A row of panels each, the residuals behind the first."""
    told: list[list[Panel]] = []
    for number, (row, fields) in enumerate(zip(rows, drawing.rows, strict=True)):
        own: list[Panel] = []
        scales = scales_of(row, fields)
        for title, values in fields.items():
            shown = row.quantity.shown(values) if title in row.alike else values
            over = _electrodes(readings, numbers=not own and number == 0) if readings.numbered else ()
            margin = {"margin": NUMBERED} if readings.numbered else {}
            own.append(panels.field(title, shown, scales[title], *over, **margin))
        told.append(own)
    if readings.shown:
        told[0].append(panels.residuals(readings))
    draw_panels(path, drawing, told, look)


def _electrodes(readings: Readings, *, numbers: bool) -> tuple[panels.Layer]:
    def dots(axes: Axes, drawing: Drawing) -> None:
        plane.electrodes(axes, readings.points, numbers=numbers)

    return (dots,)


def _draw_space(path: Path, drawing: Drawing, rows: Sequence[Row], readings: Readings, look: Look) -> None:
    """Surfaces of all fields of a row at the same values; readings in the view of the first
    difference."""
    told: list[Field] = []
    for row, fields in zip(rows, drawing.rows, strict=True):
        scales = scales_of(row, fields)
        levels = levels_of([fields[title] for title in row.alike])
        for title in row.alike:
            surfaces = Surfaces(fields[title], levels, row.quantity)
            shown = row.quantity.shown(fields[title])
            told.append(Field(title, shown, scales[title], surfaces=surfaces))
        for title in row.differences:
            seen = readings if readings.shown and not any(field.readings for field in told) else None
            told.append(Field(title, fields[title], scales[title], readings=seen))
    draw_slices(path, drawing, told, look)
