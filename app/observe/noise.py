"""How far readings are trusted: their noise, and how residuals count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from app.data.points import PointData, read_variances
from app.schema.problems import CaseError
from app.schema.section import DataFile, Positive, Section, Written, refuse

SHORT = {"unit": "absolute"}
"""Names that a kind of noise has had."""

LEAST = 0.01
"""Readings of relative noise count as at least this share of the largest."""


@dataclass(frozen=True)
class Deviations:
    """Standard deviations (n,), and whether they are `known` or only so but for a factor."""

    sigma: np.ndarray
    known: bool


@dataclass(frozen=True)
class Place:
    """Where a case says the noise of some readings, and the file of these."""

    written: Written
    path: tuple[str, ...]
    file: Path

    def refused(self, found: str, expected: str) -> CaseError:
        """The error that names the key."""
        return CaseError([f"{self.written.where(*self.path)}: found {found}, expected {expected}"])


def _named(value: object) -> Any:
    """Let the kind alone stand for a mapping."""
    return {"kind": SHORT.get(value, value)} if isinstance(value, str) else value


def _kind_by_key(value: object) -> Any:
    """Let `sigma` alone stand for absolute noise, and `share` for relative noise."""
    for key, kind in (("sigma", "absolute"), ("share", "relative")):
        if isinstance(value, dict) and key in value and "kind" not in value:
            return {"kind": kind, **value}
    return _named(value)


class NoiseSection(Section):
    """What all kinds of noise have in common."""

    guess: bool = False
    """Whether the size that is stated is a guess: a fit that it does not explain is then told, and does not
    end the run with exit code 3."""


class AbsoluteNoise(NoiseSection):
    """Noise of one size in all readings."""

    kind: Literal["absolute"]
    """Noise of one size in all readings."""
    sigma: Positive | None = None
    """Standard deviation in the unit of the readings; found from the data unless given."""

    def deviations(self, size: np.ndarray, place: Place) -> Deviations:
        """Of readings with these absolute values."""
        return Deviations(np.full(len(size), self.sigma or 1.0), self.sigma is not None)


class RelativeNoise(NoiseSection):
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

    def deviations(self, size: np.ndarray, place: Place) -> Deviations:
        """Of readings with these absolute values. Raises CaseError where all are zero, without a floor."""
        share = self.share or 1.0
        if self.floor is not None:
            return Deviations(np.maximum(share * size, self.floor), True)
        if size.max() == 0:
            if self.share is not None:
                raise place.refused("readings that are all zero", "also a floor")
            return Deviations(np.ones(len(size)), False)
        return Deviations(share * np.maximum(size, LEAST * size.max()), self.share is not None)


class PerDatumNoise(NoiseSection):
    """The column sigma of the file, which has to be there."""

    kind: Literal["per_datum"]
    """The column sigma of the file, which has to be there."""

    def deviations(self, size: np.ndarray, place: Place) -> Deviations:
        """Raises CaseError: it is asked only where the file has no sigma."""
        raise place.refused(
            f"per_datum with a file without sigma, {place.file}", "it, or another kind of noise"
        )


class CovarianceNoise(NoiseSection):
    """A diagonal covariance from a file."""

    kind: Literal["covariance"]
    """A diagonal covariance from a file."""
    file: DataFile
    """A CSV file with the column variance, or an NPY file of variances: one a reading, in their order, in the
    square of their unit."""

    def deviations(self, size: np.ndarray, place: Place) -> Deviations:
        """From the file; serial. Raises DataError."""
        return Deviations(np.sqrt(read_variances(place.written.resolve(self.file), len(size))), True)


Noise = Annotated[
    AbsoluteNoise | RelativeNoise | PerDatumNoise | CovarianceNoise,
    Field(discriminator="kind"),
    BeforeValidator(_kind_by_key),
]


def deviations(noise: Noise | None, data: PointData, logarithmic: bool, place: Place) -> Deviations:
    """Standard deviations of what is compared, the readings or their logarithms; serial.

    The file's own where it has them; of noise that is not said absolute, of logarithms relative. Raises
    CaseError where the noise is said twice, or not where its kind needs it; DataError.
    """
    size = np.abs(data.values)
    if data.sigma is not None:
        if noise is not None and not isinstance(noise, PerDatumNoise):
            found = f"{noise.kind} with a file that tells sigma, {place.file}"
            raise place.refused(found, "per_datum, or a file without it")
        own = Deviations(data.sigma, True)
    else:
        usual = RelativeNoise(kind="relative") if logarithmic else AbsoluteNoise(kind="absolute")
        own = (noise or usual).deviations(size, place)
    # The deviation of a logarithm is the deviation relative to the reading.
    return Deviations(own.sigma / size, own.known) if logarithmic else own


class GaussianMisfit(Section):
    """Half the sum of squares."""

    kind: Literal["gaussian"] = "gaussian"
    """Half the sum of squares."""

    threshold: ClassVar[float] = math.inf


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
