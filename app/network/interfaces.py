"""How the interfaces of phases move with their parameters, each node with the interface next to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.network.level_set import LevelSet
from app.network.phases import PERIMETER, Phases
from app.network.smooth_phases import SmoothPhases

NEAR = 6.0
"""Half widths of an interface from which on its perimeter has no part worth a row: sech² 6 is 2e-5."""

STEPS, FARTHEST = 6, 0.1
"""Newton's steps from a node to the interface next to it, and the longest of them in the unit of length."""

MET = 0.1
"""Half widths of the interface within which a place counts as on it: a little off it, where a level set is
flatter, steps of θ move it by far more (up to five cells' widths in place of one, on `inclusions`)."""

BEYOND = 0.02
"""Half sides of the mesh's box by which that place may be outside of it: rounding."""

APART = 1e-5
"""Distance of the two ends of a difference, in the unit of length."""

FLAT = 1e-3
"""A level set that rises less than this has no interface there."""

CHUNK = 4096
"""Nodes that are moved together."""


@dataclass(frozen=True, eq=False)
class Moved:
    """Coefficients of few values after moves of their interfaces, a column for each move."""

    m: np.ndarray
    """At the owned nodes, shape (owned, moves)."""
    share: np.ndarray
    """Of the moves after which a node is in each phase, shape (owned, number)."""
    sizes: np.ndarray
    """This rank's share of the area or volume of each phase, shape (number, moves)."""
    values: np.ndarray
    """v₀, v₁, …, shape (number + 1, moves)."""


class Interfaces:
    """The interfaces of phases at θ, and how steps of θ move them.

    What a step does to a level set far from its zeros is no distance: a node moves against the interface by
    as much as the interface next to it does, δu = ∂φ/∂θ δ / |∇φ| at its nearest zero.
    """

    def __init__(self, phases: Phases, theta: np.ndarray) -> None:
        self._phases, self._theta = phases, theta
        self._sets = list(zip(phases.sets, phases.level_sets_of(theta), strict=True))
        ends = np.cumsum([0, *(one.size for one in phases.sets)])
        self._own = [slice(start, stop) for start, stop in pairwise(ends.tolist())]

    @property
    def size(self) -> int:
        """Parameters."""
        return self._phases.size

    @property
    def number(self) -> int:
        """Phases beside the one around them."""
        return self._phases.number

    @property
    def scales(self) -> np.ndarray:
        """The size of each parameter, shape (size,)."""
        return self._phases.scales

    @property
    def held(self) -> np.ndarray:
        """Numbers of the parameters whose size no reading tells."""
        return self._phases.held

    @property
    def values(self) -> np.ndarray:
        """v₀, v₁, …, shape (number + 1,)."""
        return self._phases.of_values(self._theta)

    def tangential_rows(self, weight: float) -> np.ndarray:
        """B of this rank's nodes, shape (rows, size): ½|Bδ|² is what a step δ adds to the perimeters' cost,
        ½ weight Σ|v_l − v₀| ∫ |∇_τ δu|² over interface l.

        That is the second variation of a perimeter, but for its part that may be negative. The squares of
        what the fit has for it (Phases.perimeter_rows) would hold back a mere shift too, the more the finer
        the mesh is.
        """
        values, rows = self.values, [np.zeros((0, self.size))]
        for (one, theta), own, value in zip(self._sets, self._own, values[1:], strict=True):
            wide = PERIMETER * self._phases.cells.width
            z = one.distance(theta) / wide
            near = np.flatnonzero(np.abs(z) < NEAR)
            density = 0.5 * (self._phases.cells.measure / wide)[near] / np.cosh(z[near]) ** 2
            height = np.sqrt(weight * abs(value - values[0]) * density)
            for part in _tangential(one.among(near), theta):
                row = np.zeros((len(near), self.size))
                row[:, own] = height[:, None] * part
                rows.append(row)
        return np.vstack(rows)

    def moved(self, steps: np.ndarray, shifts: np.ndarray) -> Moved:
        """After steps of θ, shape (size, moves), and shifts of each interface as a whole, in widths of the
        cells, shape (number, moves)."""
        phases, count = self._phases, steps.shape[1]
        values = np.column_stack([phases.of_values(step) for step in (self._theta[:, None] + steps).T])
        owned, number = phases.owned, phases.number
        m, share = np.empty((owned, count)), np.empty((owned, number))
        sizes = np.zeros((number, count))
        for start in range(0, owned, CHUNK):
            rows = np.arange(start, min(start + CHUNK, owned))
            width, measure = phases.cells.width[rows, None], phases.cells.measure[rows]
            m[rows] = values[0]
            for index, (distance, move) in enumerate(self._distances(rows, steps)):
                u = distance[:, None] + move + width * shifts[index]
                inside = 0.5 * (1.0 + np.tanh(u / (phases.sharpness * width)))
                m[rows] += (values[index + 1] - values[0]) * inside
                share[rows, index] = (u > 0.0).mean(axis=1)
                sizes[index] += measure @ inside
        if isinstance(phases, SmoothPhases):
            beside = steps[phases.beside]
            m += phases.smooth_values(self._theta)[:, None] + phases.smooth_jacobian(self._theta) @ beside
        return Moved(m, share, sizes, values)

    def _distances(self, rows: np.ndarray, steps: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each level set u, shape (rows,), and by how much steps move it, shape (rows, moves)."""
        wide = PERIMETER * self._phases.cells.width[rows]
        for (one, theta), own in zip(self._sets, self._own, strict=True):
            here = one.among(rows)
            at, met = _nearest(here, theta, wide)
            slope = np.linalg.norm(at.gradient(theta), axis=1)
            move = at.jacobian(theta) @ steps[own] / np.maximum(slope, FLAT)[:, None]
            yield here.distance(theta), np.where(met[:, None], move, 0.0)


def _tangential(one: LevelSet, theta: np.ndarray) -> Iterator[np.ndarray]:
    """(I − nnᵀ)∇ ∂u/∂θ at the nodes, n = ∇u/|∇u|: for each coordinate a block, shape (owned, size)."""
    every, dimension = np.arange(one.owned), one.nodes.scaled.shape[1]
    slopes, blocks = [], []
    for along in 0.5 * APART * np.eye(dimension):
        ahead, behind = one.moved(along), one.moved(-along)
        slopes.append((ahead.distance(theta) - behind.distance(theta)) / APART)
        ends = (each.distance_jacobian(theta, every) for each in (ahead, behind))
        blocks.append((next(ends) - next(ends)) / APART)
    steep = np.sqrt(sum(np.square(slope) for slope in slopes))
    normal = [slope / np.maximum(steep, FLAT) for slope in slopes]
    across = sum(n[:, None] * block for n, block in zip(normal, blocks, strict=True))
    for n, block in zip(normal, blocks, strict=True):
        yield block - n[:, None] * across


def _nearest(one: LevelSet, theta: np.ndarray, wide: np.ndarray) -> tuple[LevelSet, np.ndarray]:
    """The level set at the places of the interface that are next to its nodes, and where one was found:
    within the mesh's box."""
    at = one
    for _ in range(STEPS):
        phi, slope = at.values(theta), at.gradient(theta)
        step = -(phi / np.maximum(np.square(slope).sum(axis=1), FLAT**2))[:, None] * slope
        far = np.linalg.norm(step, axis=1, keepdims=True)
        at = at.moved(step * np.minimum(1.0, FARTHEST / np.maximum(far, FARTHEST)))
    steep = np.linalg.norm(at.gradient(theta), axis=1)
    met = np.abs(at.values(theta)) < MET * wide * steep
    return at, met & (np.abs(at.nodes.scaled) < 1.0 + BEYOND).all(axis=1)
