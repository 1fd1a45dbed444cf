"""Numbers of a case that cannot be, or hardly can: with what is likely to be their cause."""

from collections.abc import Iterator

import numpy as np

from app.case import DataError
from app.electrical import ElectricalModel
from app.energy import Misfit
from app.mesh.points import cell_size
from app.observe.entries import THOUSAND
from app.problem.inversion import Inversion
from app.problem.logarithms import unusual_logarithm
from app.types import Untyped

PART = 0.1
"""Readings that take less than this share of the mesh along an axis are at one end of it, or in one place."""

PLANE = 1e-6
"""Those that take less than this share are on a line or a plane on purpose."""

FEWEST = 3
"""Places from which an extent tells anything."""

DIGITS = 1e-6
"""No instrument and no mesh gives readings to six digits of their range."""

FAR = 1e3
"""Standard deviations, root mean square, by which readings may be off where a run starts: the misfit is then
a million times its target."""


def unlikely(given: Inversion, at_start: Misfit[Untyped]) -> list[str]:
    """Warnings about what hardly can be, with the likely cause; collective.

    Raises DataError on all ranks for readings whose coordinates cannot be in the mesh's unit.
    """
    parts = given.coefficient.split(given.reference)
    notes = []
    for (name, space), values in zip(given.spaces.items(), parts, strict=True):
        notes += unusual_logarithm(given.case, space.comm, name, values)
    if not isinstance(given.forward, ElectricalModel):  # whose mesh is made around its electrodes
        notes += _places(given)
    for name, _, own in _observations(given):
        notes += _sizes(given, at_start, name, own)
    return [f"warning: {note}" for note in notes]


def _observations(given: Inversion) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, file and numbers of the readings of each observation that has some."""
    names = [name for part in given.case.parts.values() for name in part.observations]
    first = 0
    for name, (file, count) in zip(names, given.files, strict=True):
        if count:
            yield name, file.name, np.arange(first, first + count)
        first += count


def _places(given: Inversion) -> list[str]:
    """Of readings that all lie in a small part of the mesh. Raises DataError where those of an observation
    are in another unit."""
    lower, upper = given.domain.bounding_box()
    box = f"in a mesh from {_point(lower)} to {_point(upper)}"
    everywhere = []
    for name, file, own in _observations(given):
        places = np.unique(given.data.points[own], axis=0)
        everywhere.append(places)
        if len(places) >= FEWEST and _of_another_unit(given, places, lower, upper):
            found = f"{name} ({file}): found readings within a cell of the mesh, {_across(places)} {box}"
            raise DataError(
                [f"{found}, expected coordinates in its unit: a thousand times them would fill it"]
            )
    places = np.unique(np.vstack(everywhere), axis=0)
    if len(places) < FEWEST or not np.isfinite(places).all():
        return []
    shares = np.ptp(places, axis=0) / (upper - lower)
    small = [axis for axis, share in zip("xyz", shares, strict=False) if PLANE < share < PART]
    if not small:
        return []
    return [
        f"all readings lie within {100 * shares[shares > PLANE].min():.2g} % of the mesh along "
        f"{' and '.join(small)}, {_across(places)} {box}: are their coordinates in its unit? What lies "
        "beyond them is known by the regularisation alone"
    ]


def _across(places: np.ndarray) -> str:
    return f"from {_point(places.min(axis=0))} to {_point(places.max(axis=0))}"


def _of_another_unit(given: Inversion, places: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> bool:
    """Whether readings are all within a cell, and would fill the mesh in a unit that is a thousand times as
    large; collective."""
    if not np.isfinite(places).all():
        return False
    extent, larger = np.ptp(places, axis=0), THOUSAND * places
    inside = bool(((larger >= lower) & (larger <= upper)).all())
    if not inside or not (THOUSAND * extent > PART * (upper - lower)).any():
        return False
    return bool(np.linalg.norm(extent) < cell_size(given.domain, places.mean(axis=0)))


def _sizes(given: Inversion, at_start: Misfit[Untyped], name: str, own: np.ndarray) -> Iterator[str]:
    """Of sigma beside the range of the readings, and of these beside what is predicted at the start."""
    read, predicted = given.data.values[own], at_start.forward.readings[own]
    logarithmic = given.energy.logarithmic[own]
    compared = np.log(read, out=read.copy(), where=logarithmic)
    spread, known = float(np.ptp(compared)), given.data.sigma is not None
    sigma = float(np.median(given.sigma[own]))
    if known and len(own) >= FEWEST and sigma > spread > 0:
        yield (
            f"sigma of {name} ({sigma:.3g}, median) is larger than the range of its readings ({spread:.3g}), "
            "which tell next to nothing then: is it in their unit?"
        )
    if known and sigma < DIGITS * spread:
        yield (
            f"sigma of {name} ({sigma:.3g}, median) is {sigma / spread:.1g} of the range of its readings "
            f"({spread:.3g}): no instrument and no mesh is as exact; is it in their unit?"
        )
    residual = at_start.unpooled[own]
    off = float(np.sqrt(np.mean(residual**2)))
    ratio = _ratio(predicted, read, given)
    if (known and off > FAR) or not 1 / FAR < ratio < FAR:
        apart = f"{off:.2g} sigma off (root mean square)" if known else "far off"
        yield (
            f"at the reference the predicted readings of {name} are {apart}, {ratio:.2g} times as large as "
            "those read: are the units of readings, sigma, source and conditions the same, and is the "
            "reference near?"
        )


def _ratio(predicted: np.ndarray, read: np.ndarray, given: Inversion) -> float:
    """How many times as large predictions are, root mean square; 1 where one is zero, as at a source of
    zero."""
    if isinstance(given.forward, ElectricalModel):  # of logarithms
        predicted, read = np.exp(predicted), np.exp(read)
    squares = float(np.mean(predicted**2)), float(np.mean(read**2))
    return float(np.sqrt(squares[0] / squares[1])) if min(squares) > 0 else 1.0


def _point(point: np.ndarray) -> str:
    return f"({', '.join(f'{x:.4g}' for x in point)})"
