"""Readings of the state at points."""

from __future__ import annotations

from typing import Literal

from app.data.places import Source
from app.data.points import PointData, read_points
from app.observe.kinds import ObservedState, StateObservations
from app.observe.operators import ObservationOperator
from app.schema.section import DataFile


class PointObservations(StateObservations):
    """Readings of the state at points."""

    kind: Literal["points"]
    """Readings of the state at points."""
    file: DataFile
    """A CSV or NPY file with the columns x, y, z (as many as the mesh has), of a state in time t, value and,
    if known, sigma."""

    in_time = True

    def read(self, path: Source, dimension: int, *, in_time: bool) -> PointData:
        """See StateObservations."""
        return read_points(path, dimension, in_time=in_time)

    def operator(self, state: ObservedState, data: PointData) -> ObservationOperator:
        """(Bu)_i = u(x_i). Raises PointOutside on all ranks."""
        from app.mesh import point_matrix

        return ObservationOperator(point_matrix(state.domain, state.space, data.points, self.index(state)))
