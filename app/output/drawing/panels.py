"""Pictures of a plane: panels of one size, each with a colour bar."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.output.drawing import plane
from app.output.drawing.fields import Drawing
from app.output.drawing.quantities import Look, Readings
from app.output.drawing.scales import Scale
from app.output.drawing.sheet import THINNEST, Sheet
from app.types import Axes, Untyped

FLAT = 2.6
"""Panels that are wider than so many heights stand below each other, with their colour bars below them."""

WIDEST, HIGHEST = {1: 5.4, 2: 3.3, 3: 2.7}, {1: 4.4, 2: 3.4}
"""Inches of a panel by how many are beside it, of more the least of these and a little less."""

NUMBERED = 0.09
"""Margin with room for the numbers of electrodes, as a share of the domain's size."""

RESIDUAL = "(predicted − read) / σ"

type Layer = Callable[[Axes, Drawing], Untyped]
"""Draws over what is there; what a colour bar can be made of, or None."""


@dataclass(frozen=True, eq=False)
class Panel:
    """The domain with what is drawn in it, layer by layer."""

    title: str
    layers: tuple[Layer, ...]
    label: str = ""
    """Of the colour bar, which is that of the first layer that has colours."""
    extend: str = "neither"
    """At which ends of the bar there are values beyond it."""
    margin: float = 0.015
    framed: bool = True
    """Whether its axes are those of the domain."""


def field(title: str, values: np.ndarray, scale: Scale, *over: Layer, margin: float = 0.015) -> Panel:
    """Nodal values, as they are shown, by colours, and what is over them."""

    def paint(axes: Axes, drawing: Drawing) -> Untyped:
        return plane.paint(axes, drawing.x, drawing.y, drawing.triangles, values, scale)

    return Panel(title, (paint, *over), scale.label, margin=margin)


def chart(title: str, draw: Layer) -> Panel:
    """Something with axes of its own."""
    return Panel(title, (draw,), framed=False)


def residuals(readings: Readings) -> Panel:
    """The readings by what is predicted of them."""

    def draw(axes: Axes, drawing: Drawing) -> Untyped:
        plane.ground(axes, drawing)
        for part in readings.borders:
            plane.border(axes, part)
        return plane.residuals(axes, readings)

    return Panel("readings", (draw,), RESIDUAL, extend="both")


def veil(share: np.ndarray, least: float) -> Layer:
    """See plane.veil."""
    return lambda axes, drawing: plane.veil(axes, drawing.x, drawing.y, drawing.triangles, share, least)


def dots(points: np.ndarray) -> Layer:
    """See plane.places."""
    return lambda axes, drawing: plane.places(axes, points)


def arranged(drawing: Drawing, rows: Sequence[Sequence[Panel]]) -> list[list[Panel]]:
    """The same panels, one below the other where the domain is flat, and four of one row as two by two unless
    it is narrow."""
    if _flat(drawing):
        return [[panel] for row in rows for panel in row]
    lower, upper = drawing.box
    narrow = upper[0] - lower[0] < 0.6 * (upper[1] - lower[1])
    if len(rows) == 1 and len(rows[0]) == 4 and not narrow:
        return [list(rows[0][:2]), list(rows[0][2:])]
    return [list(row) for row in rows]


def draw_panels(path: Path, drawing: Drawing, rows: Sequence[Sequence[Panel]], look: Look) -> None:
    """A sheet of panels in rows."""
    rows, flat = arranged(drawing, rows), _flat(drawing)
    panel_size = size(drawing, max(map(len, rows)))
    sheet = Sheet([[panel_size] * len(row) for row in rows], below=flat)
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            axes = sheet.panel(i, j, panel.title)
            lowest = i + 1 == len(rows) or j >= len(rows[i + 1])
            images = [layer(axes, drawing) for layer in panel.layers]
            if panel.framed:
                plane.frame(axes, drawing, look, left=j == 0, bottom=flat or lowest, margin=panel.margin)
            coloured = [image for image in images if image is not None]
            if coloured:
                plane.bar(sheet.figure, sheet.bar(i, j), coloured[0], panel.label, extend=panel.extend)
    sheet.save(path, look.formats)


def size(drawing: Drawing, beside: int) -> tuple[float, float]:
    """Inches of a panel with so many beside each other, true to the domain's shape unless that is too thin to
    be seen."""
    lower, upper = drawing.box
    width, height = (float(upper[i] - lower[i]) for i in (0, 1))
    scale = min(WIDEST.get(beside, 2.3) / width, HIGHEST.get(beside, 3.0) / height)
    return max(scale * width, THINNEST), max(scale * height, THINNEST)


def _flat(drawing: Drawing) -> bool:
    lower, upper = drawing.box
    return bool(upper[0] - lower[0] > FLAT * (upper[1] - lower[1]))
