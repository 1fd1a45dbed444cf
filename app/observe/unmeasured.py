"""What could be read of a state and was not: its places, and what reads it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.activity import doing
from app.data.places import Places
from app.data.points import PointData
from app.data.problems import Problems
from app.observe.entries import Entry, check_component, check_times, operator_of
from app.observe.kinds import ObservedState
from app.observe.operators import ObservationOperator, joined
from app.parallel import on_root


@dataclass(frozen=True)
class Unmeasured:
    """What could be read of a state, whole on every rank, and the operator; the caller closes it."""

    data: tuple[PointData, ...]
    """The places of each kind, whose values are nan."""
    operator: ObservationOperator
    logarithmic: np.ndarray
    """Whether the logarithm is meant, shape (places,)."""

    @property
    def times(self) -> np.ndarray | None:
        """Of a state in time, shape (places,)."""
        times = [data.times for data in self.data if data.times is not None]
        return np.concatenate(times) if times else None

    @property
    def places(self) -> list[str]:
        """Each in words: the part of the mesh or the coordinates, and the time."""
        return [place for data in self.data for place in self._named(data)]

    @staticmethod
    def _named(data: PointData) -> list[str]:
        names = data.names or [" ".join(f"{x:.10g}" for x in point) for point in data.points]
        times = [""] * len(names) if data.times is None else [f" t {t:.10g}" for t in data.times]
        return [f"{name}{time}" for name, time in zip(names, times, strict=True)]

    def close(self) -> None:
        """Destroy the operator's matrices; collective."""
        self.operator.close()


def unmeasured(entry: Entry[Places], state: ObservedState) -> Unmeasured:
    """What an entry asks for; collective.

    Raises InputError on all ranks alike: for a table without the columns of places, components that the state
    does not have, and places or times where it is not.
    """
    check_component(entry, state)

    def read() -> PointData:
        data = entry.section.read(entry.source, state.domain.dimension, in_time=state.end is not None)
        problems = Problems()
        check_times(entry, state, data, problems)
        problems.check()
        return data

    with doing("reading the data"):
        data = on_root(state.domain.comm, read)
    logarithmic = np.full(len(data.lines), entry.section.scale == "log")
    return Unmeasured((data,), operator_of(entry, state, data), logarithmic)


def together(parts: Sequence[Unmeasured]) -> Unmeasured:
    """All places of at least one, which are closed if they are several; collective."""
    if len(parts) == 1:
        return parts[0]
    operator = joined([part.operator for part in parts])
    for part in parts:
        part.close()
    data = tuple(each for part in parts for each in part.data)
    return Unmeasured(data, operator, np.concatenate([part.logarithmic for part in parts]))
