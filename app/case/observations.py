"""What was measured, and how far it is trusted."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from app.case.boundary import Parts
from app.case.section import NO_TRUTH_VALUE, Component, DataFile, Positive, Section, refuse

SHORT = {"unit": "absolute"}
"""Names that a kind of noise has had."""


def _named(value: Any) -> Any:
    """Let the kind alone stand for a mapping."""
    return {"kind": SHORT.get(value, value)} if isinstance(value, str) else value


class AbsoluteNoise(Section):
    """Noise of one size in all readings."""

    kind: Literal["absolute"]
    """Noise of one size in all readings."""
    sigma: Positive | None = None
    """Standard deviation in the unit of the readings; found from the data unless given."""


class RelativeNoise(Section):
    """Noise in proportion to each reading."""

    kind: Literal["relative"]
    """Noise in proportion to each reading."""
    share: Positive | None = None
    """Standard deviation as a share of the reading; found from the data unless given."""
    floor: Positive | None = None
    """Standard deviation of small readings at least, in their unit; without it that of a hundredth of the
    largest."""

    @model_validator(mode="after")
    def _has_a_share(self) -> Self:
        if self.floor is not None and self.share is None:
            raise refuse("a floor without a share", "both or no floor", key="floor")
        return self


class PerDatumNoise(Section):
    """The column sigma of the file, which has to be there."""

    kind: Literal["per_datum"]
    """The column sigma of the file, which has to be there."""


class CovarianceNoise(Section):
    """A diagonal covariance from a file."""

    kind: Literal["covariance"]
    """A diagonal covariance from a file."""
    file: DataFile
    """A CSV file with the column variance, or an NPY file of variances: one a reading, in their order, in the
    square of their unit."""


Noise = Annotated[
    AbsoluteNoise | RelativeNoise | PerDatumNoise | CovarianceNoise,
    Field(discriminator="kind"),
    BeforeValidator(_named),
]


class GaussianMisfit(Section):
    """Half the sum of squares."""

    kind: Literal["gaussian"] = "gaussian"
    """Half the sum of squares."""


class HuberMisfit(Section):
    """Squares of small residuals, and of large ones, which may be outliers, their size."""

    kind: Literal["huber"]
    """Squares of small residuals, and of large ones, which may be outliers, their size."""
    threshold: Positive = 1.345
    """Standard deviations from which a residual is large; 1.345 loses a twentieth of the data's worth where
    there are no outliers."""


Misfit = Annotated[
    GaussianMisfit | HuberMisfit,
    Field(discriminator="kind"),
    BeforeValidator(_named),
]


class StateObservations(Section):
    """What the observations of a state have in common."""

    kind: str
    """What was read."""
    file: DataFile
    """A CSV or NPY file of the readings."""
    component: Component | None = None
    """The component that was read, of a state that has several: x, y, z of a displacement, real, imaginary of
    a wave."""
    scale: Literal["linear", "log"] = "linear"
    """Whether readings or their natural logarithms are compared; logarithms of readings > 0. Standard
    deviations are those of the readings in both."""
    noise: Noise | None = None
    """Standard deviation of the readings: the column sigma; unless the file has it absolute, of logarithms
    relative, of a size that is found from the data."""
    misfit: Misfit = GaussianMisfit()
    """How residuals count: gaussian, or huber for data with outliers. The target of a weight by discrepancy
    is what Huber's loss expects of noise without outliers; a choice by cross_validation needs none."""


class PointObservations(StateObservations):
    """Readings of the state at points."""

    kind: Literal["points"]
    """Readings of the state at points."""
    file: DataFile
    """A CSV or NPY file with the columns x, y, z (as many as the mesh has), of a state in time t, value and,
    if known, sigma."""


class AverageObservations(StateObservations):
    """Means of the state over regions of the mesh, or over discs (in space balls, on a line intervals)."""

    kind: Literal["averages"]
    """Means of the state over regions of the mesh, or over discs (in space balls, on a line intervals)."""
    file: DataFile
    """A CSV or NPY file with the column on (a tag name of the mesh's cells, or all), or the columns x, y, z
    (as many as the mesh has) of centres and, unless given here, radius; of a state in time t; value and, if
    known, sigma."""
    radius: Positive | None = None
    """Radius of all discs, in the mesh's unit."""


class TraceObservations(StateObservations):
    """Readings of the state on a part of the boundary, at the nearest points of it."""

    kind: Literal["traces"]
    """Readings of the state on a part of the boundary, at the nearest points of it."""
    on: Parts
    """A tag name of the mesh, a list of them, or all for the whole boundary."""
    file: DataFile
    """A CSV or NPY file with the columns x, y, z (as many as the mesh has) of points that lie on the part
    within a tenth of its facets' size, of a state in time t, value and, if known, sigma."""


class FluxObservations(StateObservations):
    """Integrals of the flux into the domain through parts of the boundary where the state is given."""

    kind: Literal["fluxes"]
    """Integrals of the flux into the domain through parts of the boundary where the state is given; for
    diffusion the diffusivity times du/dn."""
    file: DataFile
    """A CSV or NPY file with the columns on (a tag name of the mesh, or all), value and, if known, sigma."""


class FieldObservations(StateObservations):
    """A whole field of the state on a mesh of its own, each node of which is a reading."""

    kind: Literal["field"]
    """A whole field of the state on a mesh of its own, each node of which is a reading."""
    file: DataFile
    """A VTU or XDMF file with the field at the nodes of a mesh and, if known, an array sigma; of several
    times the last."""
    array: str | None = None
    """Name of the field's array where the file has several."""


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


Observations = Annotated[
    PointObservations
    | AverageObservations
    | TraceObservations
    | FluxObservations
    | FieldObservations
    | ReadingObservations,
    Field(discriminator="kind"),
]
"""Further observations join here."""

OF_A_STATE = ("points", "averages", "traces", "fluxes", "field")
"""Kinds that go with all equations but electrical tomography."""

IN_TIME = ("points", "averages", "traces")
"""Those of them that go with equations in time, each reading at a time of its own."""
