"""Fields of a plane and what is drawn over them."""

import numpy as np

from app.output.drawing.canvas import DIVERGING
from app.output.drawing.fields import Drawing, polygons
from app.output.drawing.quantities import MOST_PLACES, Border, Look, Readings
from app.output.drawing.scales import Scale
from app.types import Axes, Canvas, Untyped

CLOSEST, ROUGH = 0.25, 0.3
CONTOURS = np.array([-0.75, -0.5, -CLOSEST, CLOSEST, 0.5, 0.75])
"""Where lines are drawn between what is most below zero and most above it, unless more than this share of the
cells with the lines that are closest to zero have both of them."""

WORST = 3.0
"""Residuals beyond so many standard deviations have one colour."""

PLAIN = (-2, 4)
"""Powers of ten between which numbers are written without one: setting powers takes time."""

LINES = {"robin": (0, (2, 1)), "neumann": (0, (0.6, 0.8))}
"""Of parts of the boundary by the kind of their condition; of the others solid."""

SPAN = 1e3
"""Logarithmic scales beyond this ratio have powers of ten only."""

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

GREY = (0.75, 0.75, 0.75)


def frame(
    axes: Axes, drawing: Drawing, look: Look, *, left: bool = True, bottom: bool = True, margin: float = 0.015
) -> None:
    """Coordinates, with numbers at the left and at the bottom if these are asked for, and the domain's
    outline with a margin of a share of its size."""
    from matplotlib.collections import LineCollection

    lower, upper = drawing.box
    around = margin * (upper - lower)
    axes.set_xlim(lower[0] - around[0], upper[0] + around[0])
    axes.set_ylim(lower[1] - around[1], upper[1] + around[1])
    outline: Untyped = {"colors": "black", "linewidths": 0.6, "zorder": 2}
    axes.add_collection(LineCollection(drawing.outline, **outline))
    axes.spines[:].set_visible(False)
    few_numbers(axes)
    axes.tick_params(labelleft=left, labelbottom=bottom)
    if left:
        stretched = ", stretched" if _stretched(axes) else ""
        axes.set_ylabel(look.coordinate(1) + stretched)
    if bottom:
        axes.set_xlabel(look.coordinate(0))


def _stretched(axes: Axes) -> bool:
    """Whether a length is another along each axis: of a domain that would be too thin to be seen."""
    width, height = axes.get_position().size * axes.figure.get_size_inches()
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    return bool(abs(width * (high - low) / (height * (right - left)) - 1) > 0.1)


def few_numbers(axes: Axes) -> None:
    """As many as there is room for beside each other."""
    width, height = axes.get_position().size * axes.figure.get_size_inches()
    axes.locator_params(axis="x", nbins=int(np.clip(width / 0.5, 1, 5)))
    axes.locator_params(axis="y", nbins=int(np.clip(height / 0.3, 1, 5)))


def paint(
    axes: Axes, x: np.ndarray, y: np.ndarray, triangles: np.ndarray, values: np.ndarray, scale: Scale
) -> Untyped:
    """Nodal values by colours, as pixels also in vector graphics.

    What is positive or negative has lines, dashed below zero, which tell both apart in grey; not where it
    changes from cell to cell.
    """
    colours = {"cmap": scale.colours, "norm": scale.norm}
    shown = np.clip(values, scale.low, scale.high)
    image = axes.tripcolor(x, y, triangles, shown, shading="gouraud", rasterized=True, **colours)
    if scale.colours == DIVERGING and _smooth(values[triangles], CLOSEST * scale.high):
        lines = {"colors": "black", "linewidths": 0.4, "alpha": 0.6, "levels": scale.high * CONTOURS}
        axes.tricontour(x, y, triangles, values, **lines)
    return image


def _smooth(corners: np.ndarray, level: float) -> bool:
    """Whether there are lines of this level, above and below zero, and few cells have both."""
    low, high = corners.min(axis=1), corners.max(axis=1)
    above, below = (low < level) & (level < high), (low < -level) & (-level < high)
    return bool(0 < (above | below).sum() * ROUGH >= (above & below).sum())


def bar(figure: Canvas, axes: Axes, image: Untyped, label: str, *, extend: str = "neither") -> None:
    """A colour bar with its label, along the longer side of its axes."""
    from matplotlib.colors import LogNorm

    width, height = axes.get_position().size * figure.get_size_inches()
    along = "vertical" if height > width else "horizontal"
    drawn = figure.colorbar(image, cax=axes, orientation=along, extend=extend)
    drawn.set_label(label)
    drawn.outline.set_linewidth(0.5)
    if isinstance(image.norm, LogNorm):
        _number_logarithms(drawn, *image.get_clim())
    else:
        drawn.locator.set_params(nbins=6)
        drawn.formatter.set_powerlimits(PLAIN)
        largest = max(abs(end) for end in image.get_clim())
        drawn.formatter.set_useMathText(not 10.0 ** PLAIN[0] < largest < 10.0 ** PLAIN[1])


def _number_logarithms(drawn: Untyped, low: float, high: float) -> None:
    """100, 200, 500 and so on in place of powers of ten, of a range that such numbers suit; of small and
    large ones times a power of ten that is said once."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    if high > SPAN * low:
        return
    narrow = high < 5 * low
    steps = LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0) if narrow else (1.0, 2.0, 5.0))
    drawn.locator = MaxNLocator(5) if high < 1.6 * low else steps
    power = 0 if low >= 1e-4 and high <= 1e5 else int(np.floor(np.log10(low)))
    drawn.formatter = lambda value, _: f"{value / 10.0**power:g}"
    drawn.minorticks_off()
    if power:
        drawn.ax.set_title(f"×10{str(power).translate(RAISED)}", fontsize=8)


def residuals(axes: Axes, readings: Readings) -> Untyped:
    """Each place by its largest residual: triangles that point up where more is predicted than was read, and
    down where less is."""
    from matplotlib.colors import Normalize

    where, worst = readings.worst()
    image, norm = None, Normalize(-WORST, WORST)
    order = np.argsort(np.abs(worst), kind="stable")
    for mark, chosen in (("v", worst[order] < 0), ("^", worst[order] >= 0)):
        own = order[chosen]
        colours = {"c": worst[own], "cmap": DIVERGING, "norm": norm}
        look = {"marker": mark, "edgecolors": "black", "linewidths": 0.35, "zorder": 3}
        more = {"depthshade": False, "s": 9} if where.shape[1] == 3 else {"clip_on": False, "s": 16}
        image = axes.scatter(*where[own].T, **colours, **look, **more)
    return image


def border(axes: Axes, part: Border) -> None:
    """A part of the boundary, by its kind solid, dashed or dotted, with its name along the edge in its
    middle."""
    from matplotlib.collections import LineCollection

    style: Untyped = {"colors": "black", "linewidths": 2.2, "clip_on": False, "zorder": 2.5}
    axes.add_collection(
        LineCollection(polygons(part.ends), linestyles=LINES.get(part.kind, "solid"), **style)
    )
    middles = part.ends.mean(axis=1)
    chosen = int(np.linalg.norm(middles - middles.mean(axis=0), axis=1).argmin())
    x, y = part.ends[chosen, 1] - part.ends[chosen, 0]
    angle = (np.degrees(np.arctan2(y, x)) + 89.9) % 180 - 89.9
    how = {"rotation": angle, "rotation_mode": "anchor", "ha": "center", "va": "center_baseline"}
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 1.0}
    axes.text(*middles[chosen], part.name, fontsize=7, bbox=box, zorder=4, **how)


def ground(axes: Axes, drawing: Drawing) -> None:
    """The domain in a light grey."""
    corners = drawing.triangles
    axes.tripcolor(drawing.x, drawing.y, corners, np.zeros(len(drawing.nodes)), **_EVEN)


_EVEN = {"shading": "gouraud", "cmap": "Greys", "vmin": -0.1, "vmax": 1.0, "rasterized": True}


def places(axes: Axes, points: np.ndarray) -> None:
    """Points as dots, if they are not too many."""
    if len(points) <= MOST_PLACES:
        look = {"s": 5, "c": "white", "edgecolors": "black", "linewidths": 0.3, "zorder": 3}
        axes.scatter(points[:, 0], points[:, 1], clip_on=False, **look)


def electrodes(axes: Axes, points: np.ndarray, *, numbers: bool) -> None:
    """As dots, with their numbers from 1 outside of them."""
    axes.scatter(points[:, 0], points[:, 1], s=10, c="black", linewidths=0, zorder=3, clip_on=False)
    middle = points.mean(axis=0)
    for number, point in enumerate(points, 1) if numbers else ():
        place = middle + 1.08 * (point - middle)
        axes.annotate(str(number), place, ha="center", va="center", fontsize=6.5, annotation_clip=False)


def veil(
    axes: Axes, x: np.ndarray, y: np.ndarray, triangles: np.ndarray, share: np.ndarray, least: float
) -> None:
    """Grey where a share is less than so much."""
    levels = [min(-1.0, float(share.min()) - 1.0), least]
    axes.tricontourf(x, y, triangles, share, levels=levels, colors=[GREY], alpha=0.85)
