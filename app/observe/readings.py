"""Four-electrode readings of electrical tomography, whose operator is the model of the electrodes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from app.data.readings import ElectrodeReadings, read_readings
from app.observe.kinds import ObservationSection
from app.schema.problems import DataError
from app.schema.section import NO_TRUTH_VALUE, DataFile, Positive

USUAL_ERROR = 0.03
"""Standard deviation of a reading as a share of it, where neither case nor file says anything."""


class ReadingObservations(ObservationSection):
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
    guess: bool = False
    """Whether these standard deviations are a guess, as those of 0.03 that nobody said are: a fit that they
    do not explain is then told, and does not end the run with exit code 3."""

    equation = "electrical_tomography"
    alone = places_electrodes = True

    @property
    def guessed(self) -> bool:
        """See ObservationSection."""
        return self.guess

    def read(self, path: Path) -> ElectrodeReadings:
        """Electrodes and readings; serial. Raises DataError."""
        readings = read_readings(path)
        if self.absolute_error > 0 and readings.voltages is None:
            raise DataError([f"{path}: found no columns u and i, expected both for an absolute_error in V"])
        return readings

    def deviations_are_usual(self, readings: ElectrodeReadings) -> bool:
        """Whether neither case nor file says them."""
        return self.relative_error is None and readings.errors is None

    def deviations(self, readings: ElectrodeReadings) -> np.ndarray:
        """Standard deviations of the logarithms, which are those of the readings relative to them; (n,)."""
        if self.relative_error is None and readings.errors is not None:
            sigma = readings.errors.copy()
        else:
            sigma = np.full(len(readings.abmn), self.relative_error or USUAL_ERROR)
        if readings.voltages is not None:
            sigma += self.absolute_error / np.abs(readings.voltages)
        return sigma
