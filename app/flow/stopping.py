"""When a flow has done its work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from app.flow.records import Record, StopReason

STALL_SHARE, STALL_ITERATIONS = 1e-3, 3
"""The run has stalled when so many iterations running gained less than STALL_SHARE and did not grow."""


NEAR = 2.0
"""The misfit is near its target within this factor."""

LITTLE = 1 / 3
"""Where there is no target, an iteration that takes less than this share off the misfit has come near it."""

NEGLIGIBLE = 0.1
"""An energy that falls by less than this share of what noise accounts for is at its minimum."""

BELIEVED = 0.8, 1.25
"""Range of the ratio of true to predicted decrease in which a model's account of what is missing holds."""

CREEPING = 0.02
"""A step that gains less than this share of what is missing after it creeps."""

FLOOR_SHARE = 1e-3
"""At least this share of the energy counts as what noise accounts for."""


class Stopping(Protocol):
    """Is asked after each iteration, and of each step before its trial."""

    @property
    def least_gain(self) -> float:
        """A step that promises less than this share of the scale is not worth a trial."""

    def scale(self, energy: float) -> float:
        """What decreases of this energy are measured by."""

    def __call__(self, records: Sequence[Record]) -> StopReason | None:
        """Why the flow stops after these records, if it does."""


@dataclass(frozen=True)
class AtTarget:
    """`discrepancy` when φ ≤ target (if there is one), else `stalled` or `max_iterations`."""

    target: float | None
    max_iterations: int
    least_gain: float = 0.0

    def scale(self, energy: float) -> float:
        """See Stopping."""
        return energy

    def __call__(self, records: Sequence[Record]) -> StopReason | None:
        """See Stopping."""
        if self.target is not None and records[-1].misfit <= self.target:
            return "discrepancy"
        return _stalled(records) or _exhausted(records, self.max_iterations)


@dataclass(frozen=True)
class NearTarget:
    """`near` when φ is within NEAR of the target, or falls by less than LITTLE if there is none."""

    target: float | None
    max_iterations: int
    least_gain: float = 0.0

    def scale(self, energy: float) -> float:
        """See Stopping."""
        return energy

    def __call__(self, records: Sequence[Record]) -> StopReason | None:
        """See Stopping."""
        last = records[-1]
        if self.target is not None:
            near = last.misfit <= NEAR * self.target
        else:
            near = len(records) > 1 and last.misfit > (1 - LITTLE) * records[-2].misfit
        exhausted = _exhausted(records, self.max_iterations)
        return exhausted or ("near" if near else _stalled(records))


class AtTolerance:
    """`tolerance` when the minimiser in function space is within a relative distance, by the model's account.

    The distance is ‖m* − m‖_K / ‖m‖_K, where ½‖m* − m‖²_K is what the model says is missing after a step,
    with what it got wrong of the step itself. It is believed where the step turned out as predicted and
    nothing held it back: neither a shorter time step nor a product that is not the energy's own. `stalled`
    when iterations gain next to nothing of what is missing and the network does not grow.
    """

    least_gain = 0.0

    def __init__(
        self, tolerance: float, half_square: Callable[[np.ndarray], float], max_iterations: int
    ) -> None:
        """`half_square` gives ½‖m‖²_K of a coefficient, alike on all ranks."""
        self._tolerance, self._half_square, self._most = tolerance, half_square, max_iterations
        self._goal = 0.0

    def scale(self, energy: float) -> float:
        """See Stopping: the decrease that may be missing at the end."""
        return self._goal

    def __call__(self, records: Sequence[Record]) -> StopReason | None:
        """See Stopping."""
        last = records[-1]
        self._goal = self._tolerance**2 * self._half_square(last.coefficient)
        if last.missing is None or last.ratio is None:
            return None
        believed = BELIEVED[0] <= last.ratio <= BELIEVED[1] and not last.damped
        if believed and last.missing + _mistaken(last) <= self._goal:
            return "tolerance"
        recent = records[-STALL_ITERATIONS:]
        if len(records) > STALL_ITERATIONS and all(_creeps(record) for record in recent):
            return "stalled"
        return _exhausted(records, self._most)


@dataclass(frozen=True)
class AtMinimum:
    """`minimum` when an iteration after the one numbered `start` lowers the energy by a negligible amount.

    The scale is ½·(degrees of freedom) in units of the noise's variance: as much of the energy, in
    expectation, is due to noise in those directions of the coefficient that the data determine, and moves
    that change the energy by a small part of it are far within what the noise leaves open. Of iterations
    that earlier rejections hold back it takes two running.
    """

    start: int
    max_iterations: int
    noise: float
    """½·(degrees of freedom)·(variance of the whitened noise)."""
    least_gain: float = NEGLIGIBLE

    def scale(self, energy: float) -> float:
        """See Stopping; data without noise leave a share of the energy."""
        return max(self.noise, FLOOR_SHARE * energy)

    def __call__(self, records: Sequence[Record]) -> StopReason | None:
        """See Stopping."""
        gains = [record.gain for record in records if record.iteration > self.start]
        small = [gain is not None and gain < self.least_gain for gain in gains[-2:]]
        if small and small[-1] and (small == [True, True] or not records[-1].damped):
            return "minimum"
        return _exhausted(records, self.max_iterations)


def _mistaken(record: Record) -> float:
    """By how much the decrease of a step is not what was predicted; of a quadratic energy nothing."""
    if not record.gained or not record.ratio:
        return 0.0
    return abs(record.gained / record.ratio - record.gained)


def _creeps(record: Record) -> bool:
    """Whether a step gained next to nothing of what is missing, though the network did not grow."""
    if record.gained is None or record.missing is None or record.grew:
        return False
    return record.gained < CREEPING * record.missing


def _exhausted(records: Sequence[Record], most: int) -> StopReason | None:
    return "max_iterations" if records[-1].iteration >= most else None


def _stalled(records: Sequence[Record]) -> StopReason | None:
    recent = records[-STALL_ITERATIONS - 1 :]
    slow = len(recent) > STALL_ITERATIONS and all(_slow(*pair) for pair in pairwise(recent))
    return "stalled" if slow else None


def _slow(earlier: Record, later: Record) -> bool:
    """Whether an iteration gained next to nothing though the network had nothing to grow for."""
    return later.misfit > (1 - STALL_SHARE) * earlier.misfit and not later.grew
