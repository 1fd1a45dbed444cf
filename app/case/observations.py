"""What was measured, and how far it is trusted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.case.section import NO_TRUTH_VALUE, Component, DataFile, Positive, Section


class PointObservations(Section):
    """Readings of the state at points."""

    kind: Literal["points"]
    """Readings of the state at points."""
    file: DataFile
    """A CSV file with the columns x, y, z (as many as the mesh has), value and, if known, sigma."""
    component: Component | None = None
    """The component that was read, of a state that has several: x, y, z of a displacement, real, imaginary of
    a wave."""
    noise: Literal["unit", "relative"] = "unit"
    """Without the column sigma: noise of one unknown size in all readings, or in proportion to each of
    them."""


class ReadingObservations(Section):
    """Four-electrode readings, compared as logarithms of apparent resistivities."""

    kind: Literal["readings"]
    """Four-electrode readings, compared as logarithms of apparent resistivities."""
    file: DataFile
    """A file in the unified data format (.ohm, .dat, .shm): positions in m; a, b, m, n with u in V and i in
    A, r in ohm, or rhoa in ohm m (with k in m)."""
    relative_error: Positive | None = None
    """Standard deviation as a share of a reading; without it the file's column err, or 0.03."""
    absolute_error: Annotated[float, Field(ge=0), NO_TRUTH_VALUE] = 0.0
    """Standard deviation of the voltage in V, which is added as a share of the reading's voltage."""


Observations = Annotated[PointObservations | ReadingObservations, Field(discriminator="kind")]
"""Further observations join here."""
