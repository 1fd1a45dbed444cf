"""The body that a starter case is about: its mesh, its extent, and expressions that fit it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

CELLS = {1: 100, 2: 32, 3: 12}
"""Cells along the longest side of a generated mesh, by its dimension."""

KINDS = {"interval": 1, "rectangle": 2, "box": 3}
"""Generated meshes and their dimensions."""

CENTRES = ((0.3, 0.35, 0.4), (0.7, 0.65, 0.6))
"""Of two bumps, in shares of the body's sides."""

LEAST, NEGLIGIBLE = 1e-50, 1e-9
"""The smallest extent that readings have, and its share of their coordinates below which they have none."""

MARGIN = 0.1
"""By so much of their extent a mesh reaches beyond readings."""


@dataclass(frozen=True)
class Body:
    """Where a case takes place."""

    mesh: str
    """The case's section, in YAML's flow style."""
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    parts: tuple[str, ...] = ()
    """Parts of the boundary of a mesh from a file."""

    @property
    def dimension(self) -> int:
        return len(self.lower)

    @property
    def generated(self) -> bool:
        """Whether the mesh's sides have the names of generated meshes."""
        return not self.parts

    @property
    def size(self) -> float:
        """The longest side."""
        return max(high - low for low, high in zip(self.lower, self.upper, strict=True))

    @property
    def foot(self) -> str:
        """The part on which the body stands; of a mesh from a file, whose parts say nothing of that, all."""
        if not self.generated:
            return "all"
        return "left" if self.dimension == 1 else "bottom"

    def bump(self, number: int, width: float = 0.02) -> str:
        """An expression that is 1 at one of two places within the body and falls to 0 around it."""
        squares = []
        for axis, share in zip("xyz"[: self.dimension], CENTRES[number], strict=False):
            index = "xyz".index(axis)
            centre = self.lower[index] + share * (self.upper[index] - self.lower[index])
            squares.append(f"({axis}{_shift(rounded(centre, self.size))})**2")
        return f"exp(-({' + '.join(squares)})/{width * self.size**2:.3g})"


def rounded(value: float, size: float) -> float:
    """To a thousandth of a size, or a little less."""
    step = 10.0 ** (math.floor(math.log10(size)) - 3)
    return round(value / step) * step


def unit_body(kind: str) -> Body:
    """The unit interval, square or cube."""
    dimension = KINDS[kind]
    return _box((0.0,) * dimension, (1.0,) * dimension)


def box_around(points: np.ndarray) -> Body:
    """A generated mesh around readings at points of shape (n, dimension), with a margin."""
    least, greatest = points.min(axis=0), points.max(axis=0)
    largest = float(np.abs(points).max())
    none = max(LEAST, NEGLIGIBLE * largest)
    extents = [extent if extent > none else 0.0 for extent in (greatest - least).tolist()]
    size = max(extents) or max(1.0, largest / 1000.0)
    margin = [MARGIN * extent if extent else size / 2 for extent in extents]
    step = 10.0 ** (math.floor(math.log10(size)) - 1)
    lower = [math.floor((low - more) / step) * step for low, more in zip(least, margin, strict=True)]
    upper = [math.ceil((high + more) / step) * step for high, more in zip(greatest, margin, strict=True)]
    return _box(tuple(lower), tuple(upper))


def _box(lower: tuple[float, ...], upper: tuple[float, ...]) -> Body:
    """In cells that are nearly as long as wide."""
    dimension = len(lower)
    sides = [high - low for low, high in zip(lower, upper, strict=True)]
    cells = [max(4, round(CELLS[dimension] * side / max(sides))) for side in sides]
    kind = next(name for name, number in KINDS.items() if number == dimension)
    told = {"lower": map(_plain, lower), "upper": map(_plain, upper), "cells": map(str, cells)}
    entries = {key: ", ".join(values) for key, values in told.items()}
    if dimension > 1:
        entries = {key: f"[{values}]" for key, values in entries.items()}
    said = ", ".join(f"{key}: {values}" for key, values in entries.items())
    return Body(f"{{kind: {kind}, {said}}}", lower, upper)


def _plain(value: float) -> str:
    return f"{value:.12g}"


def _shift(centre: float) -> str:
    return f" - {_plain(centre)}" if centre >= 0 else f" + {_plain(-centre)}"
