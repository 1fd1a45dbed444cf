"""The ground below a flat surface with electrodes on it: a box so large that it passes for a half-space."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist

from app.mesh.outline import GROWTH, LayoutError, Sizes, size_at_electrodes

REACH = 10.0
"""Distance of the box's other sides from the electrodes, in largest distances between electrodes: what the
sides turn back adds up to less than 0.1 % of a reading as long as the layout."""

LEVEL = 1e-9
"""Electrodes' heights may differ by this share of their largest distance, as rounding makes them differ."""


@dataclass(frozen=True)
class HalfSpace:
    """A box below electrodes, which lie on its top."""

    lower: np.ndarray
    """Corner of smallest coordinates, shape (3,)."""
    upper: np.ndarray
    """Corner of greatest coordinates, at the height of the electrodes, shape (3,)."""
    sizes: Sizes


def half_space(
    electrodes: np.ndarray,
    largest: float | None = None,
    width: float | None = None,
    margin: float | None = None,
    depth: float | None = None,
    coarsening: float = 1.0,
) -> HalfSpace:
    """The box below electrodes, shape (n, 3), in metres, in any order.

    It reaches `margin` beyond them to all sides and `depth` below (default of both: REACH times their largest
    distance); `largest` is the size of cells far from them (default: what growth leads to), and all are
    `coarsening` times as large as they would be. Serial. Raises LayoutError with fewer than four electrodes,
    two at one place or wider than apart, or not in one horizontal plane.
    """
    smallest = size_at_electrodes(electrodes, width)
    heights, longest = electrodes[:, 2], float(pdist(electrodes).max())
    if np.ptp(heights) > LEVEL * longest:
        raise LayoutError(
            f"found electrodes from z = {heights.min():g} to {heights.max():g} m, expected all in one "
            "horizontal plane: meshes of other bodies are read from a file (mesh: {kind: file})"
        )
    electrodes = np.column_stack([electrodes[:, :2], np.full(len(electrodes), heights.max())])
    reach = REACH * longest
    margin, depth = margin or reach, depth or reach
    lower = electrodes.min(axis=0) - np.array([margin, margin, depth])
    upper = electrodes.max(axis=0) + np.array([margin, margin, 0.0])
    grown = smallest + GROWTH * float(np.linalg.norm(upper - lower))
    largest = grown if largest is None else largest
    sizes = Sizes(electrodes, min(smallest, largest), largest)
    return HalfSpace(lower, upper, sizes.times(coarsening))
