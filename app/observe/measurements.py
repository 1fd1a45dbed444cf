"""From the observations of a case to an observation operator, data and standard deviations."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.activity import doing
from app.data.missing import stand_ins
from app.data.points import PointData
from app.data.problems import Problems
from app.observe.entries import Entry, check_component, check_times, operator_of
from app.observe.kinds import HeldReadings, ObservationSection, ObservedState, StateObservations
from app.observe.left_out import LeftOut, kept_data, kept_rows
from app.observe.noise import Deviations, Place, deviations
from app.observe.operators import ObservationOperator, joined
from app.observe.repeats import groups_of, signatures
from app.parallel import on_root
from app.schema.problems import CaseError, DataError
from app.schema.section import Written


@dataclass(frozen=True)
class Measurements:
    """All readings of a state, one observation after the other; whole on every rank."""

    operator: ObservationOperator | None
    """None where the readings are of several states."""
    data: PointData
    """Its sigma is None where the noise is known up to a factor only."""
    sigma: np.ndarray
    """Standard deviations of what is compared, or what stands in for them until a factor is found."""
    logarithmic: np.ndarray
    """Whether a reading's logarithm is compared, and sigma is that of the logarithm."""
    threshold: np.ndarray
    """Residuals beyond it, in standard deviations, count by Huber's loss."""
    groups: np.ndarray
    """Number of the group of each reading: those of one place, time and component are one."""
    files: tuple[tuple[Path, int], ...]
    """The files, and how many readings each has."""
    left_out: tuple[LeftOut, ...] = ()
    """What was left out because no coefficient changes it."""

    def close(self) -> None:
        """Destroy the operator's matrices, if there is one; collective."""
        if self.operator is not None:
            self.operator.close()


def measurements(
    written: Written,
    observations: Mapping[str, ObservationSection],
    state: ObservedState,
    path: tuple[str, ...] = ("observations",),
) -> Measurements:
    """What observations of a state say; collective. `path` leads to them in the case; the caller closes it.

    Raises InputError on all ranks alike: for files that do not hold what is needed, components that the state
    does not have, noise that is said twice or not at all, places that are not in the mesh or cannot be read,
    and readings that are all left out.
    """
    entries = [
        Entry(written, (*path, name), section, written.resolve(section.file))
        for name, section in observations.items()
        if isinstance(section, StateObservations)
    ]
    with ExitStack() as made:
        parts = [made.enter_context(closing(_measured(entry, state))) for entry in entries]
        if not any(len(part.data.values) for part in parts):
            files = ", ".join(str(entry.source) for entry in entries)
            found = "found readings only where the state is given, which no coefficient changes"
            raise DataError([f"{files}: {found}, expected some elsewhere"])
        if len(parts) == 1:
            made.pop_all()
            return _grouped(parts[0], state)
        whole = together(parts, written.where(*path))
        operator = joined([part.operator for part in parts if part.operator is not None])
        return _grouped(replace(whole, operator=operator), state)


def together(parts: Sequence[Measurements], where: str) -> Measurements:
    """All readings of several, one after the other, without an operator; no group is in two of them.

    Raises CaseError, about `where`, unless the noise is known of all or of none.
    """
    known = [part.data.sigma is not None for part in parts]
    if any(known) and not all(known):
        found = "found files with and without sigma (or another noise of known size)"
        raise CaseError([f"{where}: {found}, expected all or none"])
    sigma = np.concatenate([part.sigma for part in parts])
    times = [part.data.times for part in parts if part.data.times is not None]
    named = [part.data.names or ("",) * len(part.data.values) for part in parts]
    data = PointData(
        points=np.vstack([part.data.points for part in parts]),
        values=np.concatenate([part.data.values for part in parts]),
        sigma=sigma.copy() if all(known) else None,
        lines=np.concatenate([part.data.lines for part in parts]),
        times=None if len(times) < len(parts) else np.concatenate(times),
        names=tuple(name for names in named for name in names) if any(map(any, named)) else None,
    )
    logarithmic = np.concatenate([part.logarithmic for part in parts])
    threshold = np.concatenate([part.threshold for part in parts])
    before = np.cumsum([0, *(len(part.groups) for part in parts)])
    groups = np.concatenate([part.groups + first for part, first in zip(parts, before[:-1], strict=True)])
    files = tuple(file for part in parts for file in part.files)
    left_out = tuple(each for part in parts for each in part.left_out)
    return Measurements(None, data, sigma, logarithmic, threshold, groups, files, left_out)


def _grouped(found: Measurements, state: ObservedState) -> Measurements:
    """With the groups of all readings of the state; collective."""
    assert found.operator is not None
    times = found.data.times
    signs = signatures(state, found.operator, times, found.logarithmic)
    return replace(found, groups=on_root(state.domain.comm, lambda: groups_of(signs)))


def _measured(entry: Entry[Path], state: ObservedState) -> Measurements:
    """What one observation says."""
    section = entry.section
    check_component(entry, state)
    with doing("reading the data"):
        data, found = on_root(state.domain.comm, lambda: _read(entry, state))
    threshold = section.misfit.threshold
    if np.isfinite(threshold) and not found.known:
        problem = f"found {section.misfit.kind} with noise of unknown size"
        expected = "a column sigma, or noise with a size: a residual is large against it"
        raise entry.refused("misfit", f"{problem}, expected {expected}")
    count = len(data.values)
    whole = Measurements(
        operator_of(entry, state, data),
        replace(data, sigma=found.sigma.copy() if found.known else None),
        found.sigma,
        np.full(count, section.scale == "log"),
        np.full(count, threshold),
        np.arange(count),
        ((entry.source, count),),
    )
    return _kept(entry, state.held, whole) if state.held is not None and section.of_state else whole


def _kept(entry: Entry[Path], held: HeldReadings, whole: Measurements) -> Measurements:
    """Without the readings that no coefficient changes, which may be all; collective."""
    assert whole.operator is not None
    left_out, values = held(whole.operator.matrix, whole.operator.weights, whole.data.times)
    left_out &= ~(whole.logarithmic & (values <= 0))  # there is nothing to compare, which is said later
    if not left_out.any():
        return whole
    kept, data = ~left_out, whole.data
    residual = None
    if data.sigma is not None:
        own = whole.logarithmic[left_out]
        compared = [np.log(y, out=y.copy(), where=own) for y in (values[left_out], data.values[left_out])]
        residual = (compared[0] - compared[1]) / whole.sigma[left_out]
    with closing(whole):
        return Measurements(
            kept_rows(whole.operator, kept),
            kept_data(data, kept),
            whole.sigma[kept],
            whole.logarithmic[kept],
            whole.threshold[kept],
            np.arange(np.count_nonzero(kept)),
            ((entry.source, int(np.count_nonzero(kept))),),
            (LeftOut(entry.source, data.lines[left_out], residual),),
        )


def _read(entry: Entry[Path], state: ObservedState) -> tuple[PointData, Deviations]:
    """The readings, and the standard deviations of what is compared; serial."""
    section, file = entry.section, entry.source
    logarithmic = section.scale == "log"
    data = section.read(file, state.domain.dimension, in_time=state.end is not None)
    problems = Problems()
    check_times(entry, state, data, problems)
    for i in stand_ins(data.values):
        problems.add(
            f"{file}:{data.lines[i]}: value: found {data.values[i]:.10g}, which stands for a missing reading "
            "in many files and is far from all others here, expected a reading: leave the line out"
        )
    if logarithmic:
        reason = "found one <= 0, whose logarithm is asked for, expected a number > 0"
        for line in data.lines[data.values <= 0]:
            problems.add(f"{file}:{line}: value: {reason}")
    problems.check()
    place = Place(entry.written, (*entry.path, "noise"), file)
    return data, deviations(section.noise, data, logarithmic, place)
