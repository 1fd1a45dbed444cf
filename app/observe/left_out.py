"""Readings that no coefficient changes: taken where the state is given, they tell nothing of the unknown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.data.points import PointData
from app.observe.operators import ObservationOperator
from app.schema.problems import first_few
from app.types import Matrix

BEYOND = 5.0
"""Standard deviations of a sum of squares by which it may exceed its mean."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What was left out of one observation."""

    file: Path
    lines: np.ndarray
    """Where the readings stand, shape (n,)."""
    residual: np.ndarray | None
    """Given value less reading in standard deviations, shape (n,); None where these are not known."""

    @property
    def misfit(self) -> float:
        """½‖residual‖², 0 where it is not known."""
        return 0.0 if self.residual is None else 0.5 * float(self.residual @ self.residual)

    @property
    def contradicts(self) -> bool:
        """Whether the readings say something else than what is given, beyond their noise."""
        count = len(self.lines)
        return bool(2 * self.misfit > count + BEYOND * np.sqrt(2.0 * count))

    def __str__(self) -> str:
        count = f"{len(self.lines)} reading{'s' if len(self.lines) > 1 else ''}"
        where = f"where the state is given ({_named(self.lines)})"
        told = f"{self.file}: left out {count} that no coefficient changes, {where}"
        if not self.contradicts or self.residual is None:
            return told
        worst = np.argsort(-np.abs(self.residual), kind="stable")
        most = f"{np.abs(self.residual[worst[0]]):.3g} standard deviations ({_named(self.lines[worst])})"
        return f"warning: {told}; the given values contradict them by up to {most}"


def _named(lines: np.ndarray) -> str:
    """`lines 3, 4, 5 and 7 more`."""
    return f"line{'s' if len(lines) > 1 else ''} {first_few(lines.tolist())}"


def kept_data(data: PointData, kept: np.ndarray) -> PointData:
    """Those readings only; `kept` has shape (n,)."""
    return PointData(
        points=data.points[kept],
        values=data.values[kept],
        sigma=None if data.sigma is None else data.sigma[kept],
        lines=data.lines[kept],
        times=None if data.times is None else data.times[kept],
        names=None if data.names is None else tuple(np.array(data.names)[kept].tolist()),
        columns={name: column[kept] for name, column in data.columns.items()},
    )


def kept_rows(operator: ObservationOperator, kept: np.ndarray) -> ObservationOperator:
    """Those readings only, by new matrices; collective."""
    weights = None if operator.weights is None else _rows(operator.weights, kept)
    direct = {index: _rows(matrix, kept) for index, matrix in operator.direct.items()}
    return ObservationOperator(_rows(operator.matrix, kept), weights, direct)


def _rows(matrix: Matrix, kept: np.ndarray) -> Matrix:
    from app.mesh.rows import sparse_matrix

    starts, columns, values = matrix.getValuesCSR()
    first = matrix.getOwnershipRange()[0]
    rows = np.repeat(np.arange(first, first + len(starts) - 1), np.diff(starts))
    own, places = kept[rows], np.cumsum(kept) - 1
    count, width = int(kept.sum()), matrix.getSizes()[1]
    return sparse_matrix(matrix.comm.tompi4py(), count, width, places[rows[own]], columns[own], values[own])
