"""Known values of an unknown itself at points, as from boreholes."""

from __future__ import annotations

from typing import Literal

from app.data.places import Source
from app.data.points import PointData, read_points
from app.observe.kinds import ObservedState, StateObservations
from app.observe.operators import ObservationOperator
from app.schema.section import DataFile, Identifier


class ValueObservations(StateObservations):
    """Values of an unknown itself at points, as from boreholes."""

    kind: Literal["values"]
    """Values of an unknown itself at points, as from boreholes."""
    file: DataFile
    """A CSV or NPY file with the columns x, y, z (as many as the mesh has), value, in the unit of m, and, if
    known, sigma."""
    unknown: Identifier | None = None
    """Which, in a case with several unknowns."""

    of_state = False
    of_table = False

    def read(self, path: Source, dimension: int, *, in_time: bool) -> PointData:
        """See StateObservations."""
        return read_points(path, dimension)

    def operator(self, state: ObservedState, data: PointData) -> ObservationOperator:
        """(Cm)_i = m(x_i), and no part of the state. Raises PointOutside on all ranks."""
        from app.mesh import point_matrix
        from app.mesh.rows import empty_rows

        index = 0 if self.unknown is None else list(state.unknowns).index(self.unknown)
        space = list(state.unknowns.values())[index].space
        nothing = empty_rows(state.space, len(data.points))
        return ObservationOperator(nothing, direct={index: point_matrix(state.domain, space, data.points)})
