"""A whole field of the state, measured at the nodes of a mesh of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from app.data.fields import read_field
from app.data.places import Source
from app.data.points import PointData
from app.observe.kinds import ObservedState, StateObservations
from app.observe.operators import ObservationOperator
from app.schema.section import DataFile


class FieldObservations(StateObservations):
    """A whole field of the state on a mesh of its own, each node of which is a reading."""

    kind: Literal["field"]
    """A whole field of the state on a mesh of its own, each node of which is a reading."""
    file: DataFile
    """A VTU or XDMF file with the field at the nodes of a mesh and, if known, an array sigma; of several
    times the last."""
    array: str | None = None
    """Name of the field's array where the file has several."""

    of_table = False

    def read(self, path: Source, dimension: int, *, in_time: bool) -> PointData:
        """See StateObservations."""
        if not isinstance(path, Path):
            raise TypeError("found places without readings, which a field does not have")
        return read_field(path, dimension, self.array)

    def operator(self, state: ObservedState, data: PointData) -> ObservationOperator:
        """(Bu)_i = u(x_i) at the nodes x_i of the field's mesh. Raises PointOutside on all ranks."""
        from app.mesh import point_matrix

        return ObservationOperator(point_matrix(state.domain, state.space, data.points, self.index(state)))
