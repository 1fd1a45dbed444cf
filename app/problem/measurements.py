"""From the observations of a case to an observation operator, data and standard deviations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.case import IN_TIME, Case, CaseError, DataError, HuberMisfit, InputError, Observations, tag_names
from app.data import PointData, read_averages, read_field, read_parts, read_points, read_variances
from app.mesh import MeshError, PointOutside, TaggedMesh
from app.observe import OBSERVATIONS, Observation, PointOffPart, StateNotGiven, joined
from app.parallel import on_root, timed

LEAST = 0.01
"""Readings of relative noise count as at least this share of the largest."""

MOST_PROBLEMS = 10

ROUNDING = 1e-9
"""A reading may be outside of the time by this share of it."""


@dataclass(frozen=True)
class Measurements:
    """All readings of a state, one observation after the other; whole on every rank."""

    operator: Observation | None
    """None where the readings are of several states."""
    data: PointData
    """Its sigma is None where the noise is known up to a factor only."""
    sigma: np.ndarray
    """Standard deviations of what is compared, or what stands in for them until a factor is found."""
    logarithmic: np.ndarray
    """Whether a reading's logarithm is compared, and sigma is that of the logarithm."""
    threshold: np.ndarray
    """Residuals beyond it, in standard deviations, count by Huber's loss."""


def measurements(
    case: Case,
    observations: Mapping[str, Observations],
    path: tuple[str, ...],
    domain: TaggedMesh,
    space: Any,
    components: Sequence[str] = (),
) -> Measurements:
    """What observations of a state in this space, whose components have these names, say; collective. `path`
    leads to them in the case.

    Raises InputError on all ranks alike: for files that do not hold what is needed, components that the state
    does not have, noise that is said twice or not at all, and places that are not in the mesh or cannot be
    read.
    """
    parts = [
        _measured(case, observation, (*path, name), domain, space, components)
        for name, observation in observations.items()
    ]
    return together(
        parts,
        case.where(*path),
        joined(space, [part.operator for part in parts if part.operator is not None]),
    )


def together(parts: Sequence[Measurements], where: str, operator: Observation | None = None) -> Measurements:
    """All readings of several, one after the other, of which an operator reads the same state.

    Raises CaseError, about `where`, unless the noise is known of all or of none.
    """
    known = [part.data.sigma is not None for part in parts]
    if any(known) and not all(known):
        found = "found files with and without sigma (or another noise of known size)"
        raise CaseError([f"{where}: {found}, expected all or none"])
    sigma = np.concatenate([part.sigma for part in parts])
    times = [part.data.times for part in parts if part.data.times is not None]
    data = PointData(
        points=np.vstack([part.data.points for part in parts]),
        values=np.concatenate([part.data.values for part in parts]),
        sigma=sigma.copy() if all(known) else None,
        lines=np.concatenate([part.data.lines for part in parts]),
        times=None if len(times) < len(parts) else np.concatenate(times),
    )
    logarithmic = np.concatenate([part.logarithmic for part in parts])
    threshold = np.concatenate([part.threshold for part in parts])
    return Measurements(operator, data, sigma, logarithmic, threshold)


def end_of_time(case: Case) -> float | None:
    """When the time of the case's equation ends, None of a stationary one."""
    time = getattr(case.equation, "time", None)
    return None if time is None else time.end


def _measured(
    case: Case,
    observation: Any,
    path: tuple[str, ...],
    domain: TaggedMesh,
    space: Any,
    components: Sequence[str],
) -> Measurements:
    """One observation."""
    if end_of_time(case) is not None and observation.kind not in IN_TIME:
        found, expected = f"{observation.kind} with the equation {case.equation.kind}", ", ".join(IN_TIME)
        raise CaseError([f"{case.where(*path, 'kind')}: found {found}, expected one of {expected}"])
    component = _component(case, observation, path, components)
    data = on_root(domain.comm, lambda: _read(case, observation, domain.dimension))
    logarithmic = observation.scale == "log"
    sigma, known = on_root(domain.comm, lambda: _deviations(case, observation, path, data))
    huber = isinstance(observation.misfit, HuberMisfit)
    if huber and not known:
        found = "found huber with noise of unknown size"
        expected = "a column sigma, or noise with a size: a residual is large against it"
        raise CaseError([f"{case.where(*path, 'misfit')}: {found}, expected {expected}"])
    operator = _operator(case, observation, path, data, domain, space, component)
    count = len(data.values)
    return Measurements(
        operator,
        replace(data, sigma=sigma.copy() if known else None),
        sigma,
        np.full(count, logarithmic),
        np.full(count, observation.misfit.threshold if huber else np.inf),
    )


def _component(case: Case, observation: Any, path: tuple[str, ...], components: Sequence[str]) -> int:
    """Index of the component that an observation is of, 0 of a scalar; raises CaseError."""
    said = observation.component
    if components and observation.kind == "fluxes":
        found = f"fluxes of a state with the components {', '.join(components)}"
        raise CaseError([f"{case.where(*path, 'kind')}: found {found}, expected another kind of observation"])
    if said in (components or (None,)):
        return components.index(said) if said else 0
    found = said or "nothing"
    expected = f"one of {', '.join(components)}" if components else "none: the state has one component"
    where = case.where(*path, "component")
    raise CaseError([f"{where}: found {found}, expected {expected} (equation {case.equation.kind})"])


def _read(case: Case, observation: Any, dimension: int) -> PointData:
    """The readings of one observation, and where they belong."""
    path, end = case.resolve(observation.file), end_of_time(case)
    in_time = end is not None
    match observation.kind:
        case "averages":
            data = read_averages(path, dimension, observation.radius, in_time=in_time)
        case "fluxes":
            data = read_parts(path, dimension)
        case "field":
            data = read_field(path, dimension, observation.array)
        case _:
            data = read_points(path, dimension, in_time=in_time)
    problems = []
    if end is not None and data.times is not None:
        outside = (data.times < -ROUNDING * end) | (data.times > (1 + ROUNDING) * end)
        expected = f"a time from 0 to {end:g}, the end of the equation's time"
        problems += [
            f"{path}:{line}: t: found {t:.10g}, expected {expected}"
            for line, t in zip(data.lines[outside], data.times[outside], strict=True)
        ]
    if observation.scale == "log":
        found, expected = "one <= 0, whose logarithm is asked for", "a number > 0"
        lines = data.lines[data.values <= 0]
        problems += [f"{path}:{line}: value: found {found}, expected {expected}" for line in lines]
    if len(problems) > MOST_PROBLEMS:
        problems[MOST_PROBLEMS:] = [f"... and {len(problems) - MOST_PROBLEMS} more"]
    if problems:
        raise DataError(problems)
    return data


def _deviations(
    case: Case, observation: Any, path: tuple[str, ...], data: PointData
) -> tuple[np.ndarray, bool]:
    """Standard deviations of what is compared, and whether they are known or stand in up to a factor."""
    size = np.abs(data.values)
    sigma, known = _of_readings(case, observation, path, data)
    # The deviation of a logarithm is the deviation relative to the reading.
    return (sigma / size if observation.scale == "log" else sigma), known


def _of_readings(
    case: Case, observation: Any, path: tuple[str, ...], data: PointData
) -> tuple[np.ndarray, bool]:
    noise, size = observation.noise, np.abs(data.values)
    where, file = case.where(*path, "noise"), case.resolve(observation.file)
    kind = "relative" if observation.scale == "log" else "absolute"
    if noise is not None:
        kind = noise.kind
    if data.sigma is not None:
        if noise is not None and kind != "per_datum":
            found = f"found {kind} with a file that tells sigma, {file}"
            raise CaseError([f"{where}: {found}, expected per_datum, or a file without it"])
        return data.sigma, True
    match kind:
        case "per_datum":
            found = f"found per_datum with a file without sigma, {file}"
            raise CaseError([f"{where}: {found}, expected it, or another kind of noise"])
        case "covariance":
            return np.sqrt(read_variances(case.resolve(noise.file), len(size))), True
        case "relative":
            return _relative(where, noise, size)
        case _:
            given = None if noise is None else noise.sigma
            return np.full(len(size), 1.0 if given is None else given), given is not None


def _relative(where: str, noise: Any, size: np.ndarray) -> tuple[np.ndarray, bool]:
    share, floor = (None, None) if noise is None else (noise.share, noise.floor)
    if floor is not None:
        return np.maximum(share * size, floor), True
    if size.max() == 0:
        if share is None:
            return np.ones(len(size)), False
        raise CaseError([f"{where}: found readings that are all zero, expected also a floor"])
    return (1.0 if share is None else share) * np.maximum(size, LEAST * size.max()), share is not None


def _operator(
    case: Case,
    observation: Any,
    path: tuple[str, ...],
    data: PointData,
    domain: TaggedMesh,
    space: Any,
    component: int,
) -> Observation:
    """What reads the state there; collective."""
    file, places = case.resolve(observation.file), _places(case, observation, data)
    if observation.kind != "fluxes":
        places["component"] = component
    try:
        with timed("assembly"):
            return OBSERVATIONS[observation.kind](domain, space, **places)
    except (PointOutside, PointOffPart, StateNotGiven) as error:
        raise DataError([f"{file}:{data.lines[error.index]}: {error}"]) from None
    except MeshError as error:
        where = case.where(*path, "on") if observation.kind == "traces" else f"{file}: on"
        raise _unknown_part(where, error, observation.kind) from None


def _places(case: Case, observation: Any, data: PointData) -> dict[str, Any]:
    """Where an observation is taken, as its kind asks for it."""
    match observation.kind:
        case "averages":
            if data.names is not None:
                return {"names": data.names}
            return {"points": data.points, "radii": data.radii}
        case "traces":
            return {"points": data.points, "on": tag_names(observation.on) or ("all",)}
        case "fluxes":
            conditions = getattr(case.equation, "boundary", {}).values()
            given = [tag_names(c.on) or ("all",) for c in conditions if c.kind == "dirichlet"]
            return {"names": data.names, "given": [name for part in given for name in part]}
        case _:
            return {"points": data.points}


def _unknown_part(where: str, error: MeshError, kind: str) -> InputError:
    return (CaseError if kind == "traces" else DataError)([f"{where}: {error}"])
