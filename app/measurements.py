"""From the observations of a case to an observation operator, data and standard deviations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app import fem
from app.case import Case, CaseError, DataError, PointData, PointObservations, read_points
from app.parallel import on_root, timed

LEAST = 0.01
"""Readings of relative noise count as at least this share of the largest."""


@dataclass(frozen=True)
class Measurements:
    """All readings of a state, one observation after the other; whole on every rank."""

    operator: Any
    """B, shape (readings, state dofs)."""
    data: PointData
    sigma: np.ndarray
    """Standard deviations of the readings, or what stands in for them until a factor is found."""


def measurements(
    case: Case, domain: fem.TaggedMesh, space: Any, components: Sequence[str] = ()
) -> Measurements:
    """What the case's observations say of a state in this space, whose components have these names;
    collective.

    Raises InputError on all ranks alike: for files that do not hold what is needed, for components that the
    state does not have, and for points outside the mesh.
    """
    component = on_root(domain.comm, lambda: _components(case, components, domain.dimension))
    data = on_root(domain.comm, lambda: _readings(case, domain.dimension))
    with timed("assembly"):
        try:
            operator = fem.point_matrix(domain, space, data.points, component)
        except fem.PointOutside as outside:
            raise DataError([_outside(case, domain.dimension, outside)]) from None
    sigma = on_root(domain.comm, lambda: _assumed_sigma(case, data)) if data.sigma is None else data.sigma
    return Measurements(operator, data, sigma)


def _readings(case: Case, dimension: int) -> PointData:
    """All readings, one observation after the other."""
    parts = [read_points(case.resolve(o.file), dimension) for o in case.observations.values()]
    sigmas = [part.sigma for part in parts if part.sigma is not None]
    if sigmas and len(sigmas) < len(parts):
        where = case.where("observations")
        raise CaseError([f"{where}: found files with and without sigma, expected all or none"])
    return PointData(
        points=np.vstack([part.points for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        sigma=np.concatenate(sigmas) if sigmas else None,
        lines=np.concatenate([part.lines for part in parts]),
    )


def _components(case: Case, components: Sequence[str], dimension: int) -> np.ndarray:
    """Index of the component that each reading is of."""
    parts = []
    for name, observation in case.observations.items():
        index = _component(case, name, components)
        parts.append(np.full(len(read_points(case.resolve(observation.file), dimension).values), index))
    return np.concatenate(parts)


def _component(case: Case, name: str, components: Sequence[str]) -> int:
    """Index of the component that an observation is of, 0 of a scalar; raises CaseError."""
    observation = case.observations[name]
    assert isinstance(observation, PointObservations)
    said = observation.component
    if said in (components or (None,)):
        return components.index(said) if said else 0
    where, found = case.where("observations", name, "component"), said or "nothing"
    expected = f"one of {', '.join(components)}" if components else "none: the state has one component"
    raise CaseError([f"{where}: found {found}, expected {expected} (equation {case.equation.kind})"])


def _assumed_sigma(case: Case, data: PointData) -> np.ndarray:
    """What stands in for the standard deviations where no file tells them, up to a factor that is found
    later.

    Relative noise is that of a reading's size, and of LEAST of the largest at least.
    """
    parts = []
    begun = 0
    for observation in case.observations.values():
        count = len(read_points(case.resolve(observation.file), data.points.shape[1]).values)
        size = np.abs(data.values[begun : begun + count])
        begun += count
        assert isinstance(observation, PointObservations)
        relative = observation.noise == "relative" and size.max() > 0
        parts.append(np.maximum(size, LEAST * size.max()) if relative else np.ones(count))
    return np.concatenate(parts)


def _outside(case: Case, dimension: int, error: fem.PointOutside) -> str:
    """The message of a point outside the mesh, with its file and line."""
    index = error.index
    for observation in case.observations.values():
        path = case.resolve(observation.file)
        lines = read_points(path, dimension).lines
        if index < len(lines):
            return f"{path}:{lines[index]}: {error}"
        index -= len(lines)
    return str(error)
