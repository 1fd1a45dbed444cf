"""A smooth closed outline through electrodes, cut into segments that are short at the electrodes."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.interpolate import CubicSpline

AT_ELECTRODES = 12
"""Segments that would fit between the nearest two electrodes, if all were as short as at an electrode."""

ACROSS = 18
"""Cells across the radius of the circle with the section's area, away from the electrodes."""

ACROSS_ELECTRODE = 6
"""Segments across an electrode that has a width."""

GROWTH = 0.3
"""What the size of a cell gains per distance from the nearest electrode."""

OPEN, LONGEST = 3.0, 0.5
"""The longest side of an outline, as a multiple of the next and as a share of all others together, from which
on its electrodes lie on an open line: of a straight line the share is 1, of half a circle 0.64."""

SAMPLES = 200
"""Points of the curve between two electrodes, to measure its length by."""


class LayoutError(ValueError):
    """Electrodes that no mesh is generated from."""


@dataclass(frozen=True)
class Sizes:
    """Size of cells: `smallest` at an electrode, growing away from it, `largest` at most."""

    electrodes: np.ndarray
    """Shape (electrodes, dimension)."""
    smallest: float
    largest: float
    growth: float = GROWTH
    """What the size gains per distance from the nearest electrode."""

    def times(self, factor: float) -> "Sizes":
        """All of them so many times as large everywhere."""
        return replace(
            self,
            smallest=factor * self.smallest,
            largest=factor * self.largest,
            growth=factor * self.growth,
        )

    def at(self, points: np.ndarray) -> np.ndarray:
        """Size at points, shape (n, dimension)."""
        distance = np.linalg.norm(points[:, None, :] - self.electrodes[None, :, :], axis=2).min(axis=1)
        size: np.ndarray = np.minimum(self.smallest + self.growth * distance, self.largest)
        return size


@dataclass(frozen=True)
class Outline:
    """A closed polygon, counter-clockwise or clockwise as the electrodes are."""

    points: np.ndarray
    """Corners, shape (n, 2), the first not repeated at the end."""
    electrodes: np.ndarray
    """Which corner each electrode is, shape (electrodes,)."""
    sizes: Sizes


def closed_outline(
    electrodes: np.ndarray,
    largest: float | None = None,
    width: float | None = None,
    coarsening: float = 1.0,
) -> Outline:
    """The periodic cubic spline by chord length through the electrodes in their order, as a polygon.

    `electrodes` has shape (n, 2), in metres, and goes around the section in either sense; `largest` is the
    size of cells far from them (default: a share of the section's radius), all are `coarsening` times as
    large as they would be, and the polygon has corners where electrodes of a `width` end. Serial. Raises
    LayoutError with fewer than four electrodes, two at one place or wider than apart, on an open line, or an
    outline that crosses itself.
    """
    count = len(electrodes)
    smallest = size_at_electrodes(electrodes, width)
    closed = np.vstack([electrodes, electrodes[:1]])
    chords = np.linalg.norm(np.diff(closed, axis=0), axis=1)
    _refuse_open_line(chords)
    _refuse_crossing(closed, "electrodes {} to {} and {} to {}")
    knots = np.concatenate([[0.0], np.cumsum(chords)])
    curve = CubicSpline(knots, closed, bc_type="periodic")

    radius = np.sqrt(abs(enclosed_area(electrodes)) / np.pi)
    largest = radius / ACROSS if largest is None else largest
    sizes = Sizes(electrodes, min(smallest, largest), largest).times(coarsening)
    corners: list[np.ndarray] = []
    places = np.zeros(count, dtype=int)
    for i in range(count):
        places[i] = sum(map(len, corners))
        cuts = [knots[i], *_ends(curve, knots[i], knots[i + 1], width), knots[i + 1]]
        corners.extend(_graded(curve, begin, end, sizes) for begin, end in pairwise(cuts))
    points = np.vstack(corners)
    points[places] = electrodes  # the spline meets them up to rounding only
    _refuse_crossing(
        np.vstack([points, points[:1]]), "the smooth curve through them: segments {}-{} and {}-{}"
    )
    return Outline(points, places, sizes)


def size_at_electrodes(electrodes: np.ndarray, width: float | None = None) -> float:
    """Size in m of the cells at electrodes, shape (n, dimension), by the shortest distance and a `width`.

    Raises LayoutError with fewer than four electrodes, two at one place or wider than apart.
    """
    count = len(electrodes)
    if count < 4:
        raise LayoutError(f"found {count} electrodes, expected at least 4")
    apart = np.linalg.norm(electrodes[:, None, :] - electrodes[None, :, :], axis=2)
    longest = apart.max()
    apart[np.diag_indices(count)] = np.inf
    nearest = float(apart.min())
    if not nearest > 1e-9 * longest:
        one, other = sorted(int(i) + 1 for i in np.unravel_index(np.argmin(apart), apart.shape))
        raise LayoutError(f"found electrodes {one} and {other} at one place, expected all apart")
    if width is not None and not width < 0.9 * nearest:
        raise LayoutError(
            f"found electrodes {nearest:g} m apart, expected more than their width of {width:g} m"
        )
    return min(nearest / AT_ELECTRODES, np.inf if width is None else width / ACROSS_ELECTRODE)


def enclosed_area(polygon: np.ndarray) -> float:
    """Area within a closed polygon, shape (n, 2); negative where it runs clockwise."""
    x, y = polygon.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def centroid(polygon: np.ndarray) -> np.ndarray:
    """Centroid of the area within a closed polygon, shape (2,)."""
    x, y = polygon.T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    moments: np.ndarray = ((polygon + np.roll(polygon, -1, axis=0)) * cross[:, None]).sum(axis=0)
    return moments / float(3.0 * cross.sum())


def _ends(curve: CubicSpline, begin: float, end: float, width: float | None) -> list[float]:
    """Where on a piece of the curve between two electrodes these end, by the length of the curve."""
    if width is None:
        return []
    parameter = np.linspace(begin, end, SAMPLES)
    passed = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve(parameter), axis=0), axis=1))])
    wanted = [0.5 * width, passed[-1] - 0.5 * width]
    return [float(cut) for cut in np.interp(wanted, passed, parameter)]


def _graded(curve: CubicSpline, begin: float, end: float, sizes: Sizes) -> np.ndarray:
    """Points on a piece of the curve, its end left out, as far apart as the sizes say."""
    parameter = np.linspace(begin, end, SAMPLES)
    points = curve(parameter)
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    middle = 0.5 * (points[1:] + points[:-1])
    passed = np.concatenate([[0.0], np.cumsum(lengths / sizes.at(middle))])
    segments = max(2, round(float(passed[-1])))
    wanted = np.linspace(0.0, passed[-1], segments + 1)[:-1]
    graded: np.ndarray = curve(np.interp(wanted, passed, parameter))
    return graded


def _refuse_open_line(sides: np.ndarray) -> None:
    """Raise where the longest side of the closed polygon only joins the ends of a line."""
    *_, second, longest = np.sort(sides)
    if longest < OPEN * second or longest < LONGEST * (sides.sum() - longest):
        return
    begin = int(np.argmax(sides))
    one, other = sorted((begin + 1, (begin + 1) % len(sides) + 1))
    apart = f"{longest:.4g} m from electrode {one} to {other}, at most {second:.4g} m between all others"
    raise LayoutError(
        f"found electrodes on an open line ({apart}), expected electrodes around a closed section; the mesh "
        "of the ground below a line has to come from a file (mesh.kind file)"
    )


def _refuse_crossing(closed: np.ndarray, words: str) -> None:
    """Raise where two sides of a closed polygon (first point repeated) cross."""
    begin, end = closed[:-1], closed[1:]

    def side(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Sign of the turn a → b → c."""
        sign: np.ndarray = np.sign(
            (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1])
            - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
        )
        return sign

    a, b, c, d = begin[:, None], end[:, None], begin[None], end[None]
    crossed = (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
    if crossed.any():
        n = len(begin)
        i, j = (int(k) for k in np.argwhere(crossed)[0])
        found = words.format(i + 1, (i + 1) % n + 1, j + 1, (j + 1) % n + 1)
        raise LayoutError(
            f"found an outline that crosses itself ({found}), expected electrodes in their order around it"
        )
