"""Pictures of a space: three slices along the axes, and a view of surfaces on which a field is constant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.output.drawing import plane
from app.output.drawing.fields import Drawing
from app.output.drawing.panels import RESIDUAL
from app.output.drawing.quantities import Look, Quantity, Readings
from app.output.drawing.scales import Scale
from app.output.drawing.sheet import THINNEST, Sheet
from app.output.drawing.tetrahedra import Cut, cut
from app.types import Axes

SLICES = ((0, 1, 2), (0, 2, 1), (1, 2, 0))
"""Axes of each slice's panel, and the one that it is across."""

LARGEST, VIEW = 2.2, 2.4
"""Inches of the longest side of a slice, and of the view from outside."""

HALFWAY, LEAST = 0.5, 0.2
"""Surfaces are where a field is so far from its median to its extremes, of extremes that are farther from it
than this share of its range."""


@dataclass(frozen=True, eq=False)
class Field:
    """A row of slices with a view behind them."""

    title: str
    values: np.ndarray
    """As they are shown."""
    scale: Scale
    veiled: tuple[np.ndarray, float] | None = None
    """A share, and of which share on the field is shown."""
    surfaces: "Surfaces | None" = None
    readings: Readings | None = None
    """What the view shows in place of surfaces."""


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Where a field has one of some values."""

    values: np.ndarray
    levels: tuple[float, ...]
    quantity: Quantity


def draw_slices(
    path: Path, drawing: Drawing, fields: Sequence[Field], look: Look, through: np.ndarray | None = None
) -> None:
    """A sheet of fields, each with slices through a point, that of the middle unless one is given, and a view
    of its surfaces or readings, if one of them has any."""
    lower, upper = drawing.box
    through = _at_nodes(drawing, 0.5 * (lower + upper) if through is None else through)
    spans = np.maximum(LARGEST * (upper - lower) / (upper - lower).max(), THINNEST)
    sizes = [(float(spans[first]), float(spans[second])) for first, second, _ in SLICES]
    seen = any(field.surfaces is not None or field.readings is not None for field in fields)
    sheet = Sheet([sizes + [(VIEW, VIEW)] * seen for _ in fields], labelled=True, bars_behind=2)
    cuts = [cut(drawing.tetrahedra, drawing.nodes[:, across] - through[across]) for *_, across in SLICES]
    for number, field in enumerate(fields):
        image = None
        for column, (found, (first, second, across)) in enumerate(zip(cuts, SLICES, strict=True)):
            at = f"{'xyz'[across]} = {through[across]:.3g}"
            axes = sheet.panel(number, column, f"{field.title}, {at}")
            axes.set_xlabel(look.coordinate(first))
            axes.set_ylabel(look.coordinate(second))
            plane.few_numbers(axes)
            image = _slice(axes, drawing, found, (first, second), field) or image
        if image is not None:
            plane.bar(sheet.figure, sheet.bar(number, 2), image, field.scale.label)
        if field.surfaces is not None:
            _surfaces(_view(sheet, number, drawing, look), drawing, field.surfaces, field.scale)
        elif field.readings is not None:
            axes = _view(sheet, number, drawing, look)
            image = plane.residuals(axes, field.readings)
            axes.set_title("readings")
            plane.bar(sheet.figure, sheet.bar(number, 3), image, RESIDUAL, extend="both")
    sheet.save(path, look.formats)


def levels_of(fields: Sequence[np.ndarray]) -> tuple[float, ...]:
    """Halfway from the median of the first field to extremes that all reach, where these are far from it."""
    middle = float(np.median(fields[0]))
    low = max(float(values.min()) for values in fields)
    high = min(float(values.max()) for values in fields)
    least = LEAST * float(np.ptp(fields[0]))
    far = [end for end in (low, high) if abs(end - middle) > least]
    return tuple(middle + HALFWAY * (end - middle) for end in far)


def centre(drawing: Drawing, share: np.ndarray) -> np.ndarray:
    """Of where a share is large: the mean of the nodes, weighted by its square."""
    weights = np.clip(share, 0.0, 1.0) ** 2 + 1e-12
    found: np.ndarray = weights @ drawing.nodes / weights.sum()
    return found


def _at_nodes(drawing: Drawing, point: np.ndarray) -> np.ndarray:
    """The coordinates of nodes that are closest to those of a point: cells are then not cut in slivers."""
    chosen = [np.abs(drawing.nodes[:, i] - point[i]).argmin() for i in range(3)]
    found: np.ndarray = drawing.nodes[chosen, range(3)]
    return found


def _slice(axes: Axes, drawing: Drawing, found: Cut, of: tuple[int, int], field: Field) -> object | None:
    """A field where a plane cuts the domain, whose axes are these two."""
    if not len(found.share):
        return None
    at = found.of(drawing.nodes)
    x, y, triangles = at[:, of[0]], at[:, of[1]], found.triangles
    image: object = plane.paint(axes, x, y, triangles, found.of(field.values), field.scale)
    if field.veiled is not None:
        share, least = field.veiled
        plane.veil(axes, x, y, triangles, found.of(share), least)
    lower, upper = drawing.box
    axes.set_xlim(lower[of[0]], upper[of[0]])
    axes.set_ylim(lower[of[1]], upper[of[1]])
    return image


def _view(sheet: Sheet, number: int, drawing: Drawing, look: Look) -> Axes:
    """The box of the domain, seen from outside."""
    axes = sheet.panel(number, 3, space=True)
    lower, upper = drawing.box
    axes.set_box_aspect(np.maximum(upper - lower, 0.1 * (upper - lower).max()), zoom=1.0)
    axes.view_init(elev=22, azim=-58)
    for axis, name in enumerate("xyz"):
        getattr(axes, f"set_{name}lim")(lower[axis], upper[axis])
        getattr(axes, f"set_{name}label")(look.coordinate(axis), labelpad=-6)
        getattr(axes, f"{name}axis").set_pane_color((0.97, 0.97, 0.97))
    axes.tick_params(labelsize=6.5, pad=-3)
    axes.locator_params(nbins=3)
    return axes


def _surfaces(axes: Axes, drawing: Drawing, surfaces: Surfaces, scale: Scale) -> None:
    """Lit from one side, in their colours; the values are said in the title."""
    from matplotlib import colormaps
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    shown = [float(surfaces.quantity.shown(np.array(level))) for level in surfaces.levels]
    for level, value in zip(surfaces.levels, shown, strict=True):
        found = cut(drawing.tetrahedra, surfaces.values - level)
        if len(found.share):
            colour = colormaps[scale.colours](scale.norm(value))
            how = {"facecolors": colour, "shade": True, "rasterized": True}
            axes.add_collection3d(Poly3DCollection(_facing(drawing, found, surfaces.values), **how))
    told = " and ".join(f"{value:.3g}" for value in shown)
    axes.set_title(f"surface{'s' if len(shown) > 1 else ''} at {told}" if shown else "no surface")


def _facing(drawing: Drawing, found: Cut, values: np.ndarray) -> np.ndarray:
    """The corners of triangles, shape (triangles, 3, 3), in such an order that they face to where the field
    is closer to its median."""
    corners = found.of(drawing.nodes).reshape(-1, 3, 3)
    ends = found.ends[::3]
    away = np.abs(values - np.median(values))[ends]
    inwards = drawing.nodes[ends[:, 0]] - drawing.nodes[ends[:, 1]]
    inwards *= np.sign(away[:, 0] - away[:, 1])[:, None]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    turned = np.einsum("ij,ij->i", normals, inwards) > 0
    faces: np.ndarray = np.where(turned[:, None, None], corners[:, [0, 2, 1]], corners)
    return faces
