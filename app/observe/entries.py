"""An entry of a case that says what is read of a state, whether it was measured or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.data.places import Source
from app.data.points import PointData
from app.data.problems import Problems
from app.mesh import MeshError, PlaceError
from app.observe.kinds import ObservedState, StateObservations
from app.observe.operators import ObservationOperator
from app.parallel import timed
from app.schema.problems import CaseError, DataError
from app.schema.section import Written

THOUSAND = 1e3
"""Between a unit of length and the next one that people use: mm, m, km."""

ROUNDING = 1e-9
"""A reading may be outside of the time by this share of it."""


@dataclass(frozen=True)
class Entry[S: Source]:
    """What is read of a state, where the case says it and where the readings or places stand."""

    written: Written
    path: tuple[str, ...]
    section: StateObservations
    source: S

    def refused(self, key: str, problem: str) -> CaseError:
        """The error that names a key of the section."""
        return CaseError([f"{self.written.where(*self.path, key)}: {problem}"])


def check_component[S: Source](entry: Entry[S], state: ObservedState) -> None:
    """Raises CaseError where the entry's component is none of the state's."""
    said, names = entry.section.component, ", ".join(state.components)
    if not entry.section.of_state:
        if said is not None:
            raise entry.refused("component", f"found {said}, expected none: an unknown has no components")
        return
    if state.components and not entry.section.of_components:
        found = f"found {entry.section.kind} of a state with the components {names}"
        raise entry.refused("kind", f"{found}, expected another kind of observation")
    if said not in (state.components or (None,)):
        expected = f"one of {names}" if names else "none: the state has one component"
        raise entry.refused("component", f"found {said or 'nothing'}, expected {expected}")


def check_times[S: Source](
    entry: Entry[S], state: ObservedState, data: PointData, problems: Problems
) -> None:
    """Add a problem for each time that the state does not have."""
    if state.end is None or data.times is None:
        return
    outside = (data.times < -ROUNDING * state.end) | (data.times > (1 + ROUNDING) * state.end)
    expected = f"a time from 0 to {state.end:g}, the end of the equation's time"
    for line, t in zip(data.lines[outside], np.asarray(data.times)[outside], strict=True):
        problems.add(f"{entry.source}:{line}: t: found {t:.10g}, expected {expected}")


def operator_of[S: Source](entry: Entry[S], state: ObservedState, data: PointData) -> ObservationOperator:
    """What reads the state there; collective. Raises InputError on all ranks."""
    try:
        with timed("assembly"):
            return entry.section.operator(state, data)
    except PlaceError as error:
        where = f"{entry.source}:{data.lines[error.index]}"
        raise DataError([f"{where}: {error}{_unit(state, data)}"]) from None
    except MeshError as error:
        raise entry.refused("on", str(error)) from None


def _unit(state: ObservedState, data: PointData) -> str:
    """What is said where most places are outside of the mesh's box, and all would be inside in another unit;
    collective."""
    lower, upper = state.domain.bounding_box()
    points = data.points

    def inside(factor: float) -> np.ndarray:
        within: np.ndarray = ((factor * points >= lower) & (factor * points <= upper)).all(axis=1)
        return within

    if not np.isfinite(points).all() or 2 * np.count_nonzero(inside(1.0)) > len(points):
        return ""
    for factor in (1 / THOUSAND, THOUSAND):
        if inside(factor).all():
            return f"; all of the file would be inside with {factor:g} times its coordinates: another unit?"
    return ""
