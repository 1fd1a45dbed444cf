"""The mesh of a case: generated on a box of one to three dimensions, or read from a file."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.schema.problems import shown
from app.schema.section import NO_TRUTH_VALUE, Count, DataFile, Number, Positive, Section, refuse

RESOLVED = 1e6
"""Size of a cell in roundings of its coordinates, at least: what a run then loses is below its tolerances."""

Levels = Literal["auto"] | Annotated[int, Field(ge=1, le=20), NO_TRUTH_VALUE]
"""On how many meshes a run goes, one after the other."""

Refinements = Annotated[int, Field(ge=0, le=10), NO_TRUTH_VALUE]
"""Whether so many fit into memory is seen once the file is read."""


class IntervalMesh(Section):
    """An interval cut into equal cells."""

    kind: Literal["interval"]
    """An interval cut into equal cells; its ends are left and right, or x_min and x_max."""
    lower: Number = 0.0
    """Left end."""
    upper: Number = 1.0
    """Right end, greater than `lower`."""
    cells: Count
    """Number of cells."""

    @property
    def dimension(self) -> int:
        return 1

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        _require_sizes((self.lower,), (self.upper,), (self.cells,))
        return self


class RectangleMesh(Section):
    """A rectangle cut into equal rectangles, each of two triangles."""

    kind: Literal["rectangle"]
    """A rectangle cut into triangles; its sides are left and right (in x), bottom and top (in y), or x_min,
    x_max, y_min and y_max."""
    lower: tuple[Number, Number] = (0.0, 0.0)
    """Corner of smallest coordinates."""
    upper: tuple[Number, Number] = (1.0, 1.0)
    """Corner of greatest coordinates."""
    cells: tuple[Count, Count]
    """Number of rectangles along x and y."""

    @property
    def dimension(self) -> int:
        return 2

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        _require_sizes(self.lower, self.upper, self.cells)
        return self


class BoxMesh(Section):
    """A box cut into equal boxes, each of six tetrahedra."""

    kind: Literal["box"]
    """A box cut into tetrahedra; its sides are left and right (in x), front and back (in y), bottom and top
    (in z), or x_min, x_max, y_min, y_max, z_min and z_max."""
    lower: tuple[Number, Number, Number] = (0.0, 0.0, 0.0)
    """Corner of smallest coordinates."""
    upper: tuple[Number, Number, Number] = (1.0, 1.0, 1.0)
    """Corner of greatest coordinates."""
    cells: tuple[Count, Count, Count]
    """Number of boxes along x, y and z."""

    @property
    def dimension(self) -> int:
        return 3

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        _require_sizes(self.lower, self.upper, self.cells)
        return self


class FileMesh(Section):
    """A mesh with named parts and regions from a file."""

    kind: Literal["file"]
    """A mesh read from a file."""
    file: DataFile
    """A gmsh .msh file (format 4.1 or 2.2) of triangles, quadrilaterals, tetrahedra or hexahedra; its
    physical groups are the parts and regions that a case names, by number where they have no name."""
    refine: Refinements = 0
    """How many times all cells are halved in every direction, with parts and regions: each time there are 4
    times as many cells in the plane, 8 times as many in space."""

    @property
    def dimension(self) -> None:
        """Known only once the file is read."""
        return None


class ElectrodeMesh(Section):
    """A body through the electrodes: a section within a smooth outline, or the ground below a plane."""

    kind: Literal["electrodes"]
    """Cells that are small at the electrodes of the readings: triangles within a smooth closed outline
    through them, where the equation is of dimension 3 tetrahedra in a box below them."""
    size: Positive | None = None
    """Size of the cells far from the electrodes, in m; without it an eighteenth of the section's radius, in 3
    dimensions growing up to the box's sides."""
    coarsening: Annotated[Number, Field(ge=0.01, le=4), NO_TRUTH_VALUE] = 1.0
    """All cells, those at the electrodes too, are so many times as large; 0.5 halves them."""
    margin: Positive | None = None
    """How far the box reaches beyond the electrodes, in m; without it ten times their largest distance. In 3
    dimensions only."""
    depth: Positive | None = None
    """How far the box reaches below the electrodes, in m; without it ten times their largest distance. In 3
    dimensions only."""

    @property
    def dimension(self) -> None:
        """That of the equation, without a half."""
        return None


Mesh = Annotated[
    IntervalMesh | RectangleMesh | BoxMesh | FileMesh | ElectrodeMesh, Field(discriminator="kind")
]


def _require_sizes(lower: tuple[float, ...], upper: tuple[float, ...], cells: tuple[int, ...]) -> None:
    if not all(low < high for low, high in zip(lower, upper, strict=True)):
        if len(lower) == 1:
            found = f"lower {lower[0]} and upper {upper[0]}"
        else:
            found = f"lower {shown(lower)} and upper {shown(upper)}"
        raise refuse(found, "lower < upper in every direction", key="lower")
    for low, high, count in zip(lower, upper, cells, strict=True):
        size, rounding = (high - low) / count, math.ulp(max(abs(low), abs(high)))
        if size < RESOLVED * rounding:
            found = f"cells of {size:.3g} where coordinates are rounded to {rounding:.3g}"
            raise refuse(found, f"larger ones by {RESOLVED:.0e}, or an origin nearer to 0", key="cells")
