"""When a flow has done its work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Protocol

from app.flow.protocols import AnyEvaluation, Evaluation
from app.flow.records import Record, StopReason
from app.method import StoppingMethod

DEFAULT = StoppingMethod()


class Stopping(Protocol):
    """Is asked after each iteration, and of each step before its trial."""

    @property
    def least_gain(self) -> float:
        """A step that promises less than this share of the scale is not worth a trial."""

    def scale(self, energy: float, at: Evaluation) -> float:
        """What decreases of this energy are measured by in an iteration from there; collective."""

    def __call__(self, records: Sequence[Record], at: Evaluation) -> StopReason | None:
        """Why the flow stops after these records, at what is known of the last one, if it does;
        collective."""


@dataclass(frozen=True)
class AtTarget:
    """`discrepancy` when φ ≤ target (if there is one), else `stalled` or `max_iterations`."""

    target: float | None
    max_iterations: int
    method: StoppingMethod = DEFAULT
    pace: float = 0.0
    """Share of a misfit far from its target that iterations have to take off it."""
    least_gain: ClassVar[float] = 0.0

    def scale(self, energy: float, at: Evaluation) -> float:
        """See Stopping."""
        return energy

    def __call__(self, records: Sequence[Record], at: Evaluation) -> StopReason | None:
        """See Stopping."""
        if self.target is not None and records[-1].misfit <= self.target:
            return "discrepancy"
        if _too_slow(records, self.target, self.pace, self.method):
            return "stalled"
        return _stalled(records, self.method) or _exhausted(records, self.max_iterations)


@dataclass(frozen=True)
class NearTarget:
    """`near` when φ is near the target, or falls by little if there is none."""

    target: float | None
    max_iterations: int
    method: StoppingMethod = DEFAULT
    pace: float = 0.0
    """See AtTarget."""
    least_gain: ClassVar[float] = 0.0

    def scale(self, energy: float, at: Evaluation) -> float:
        """See Stopping."""
        return energy

    def __call__(self, records: Sequence[Record], at: Evaluation) -> StopReason | None:
        """See Stopping."""
        last = records[-1]
        if self.target is not None:
            near = last.misfit <= self.method.near * self.target
        else:
            near = len(records) > 1 and last.misfit > (1 - self.method.little) * records[-2].misfit
        slow = _too_slow(records, self.target, self.pace, self.method)
        exhausted = _exhausted(records, self.max_iterations)
        return exhausted or ("near" if near else "stalled" if slow else _stalled(records, self.method))


@dataclass(frozen=True)
class AtTolerance:
    """`tolerance` when the minimiser in function space is within a relative distance, by the model's account.

    The distance is ‖m* − m‖_K / ‖m‖_K, where ½‖m* − m‖²_K is what the model says is missing after a step,
    with what it got wrong of the step itself. It is believed where the step turned out as predicted and
    nothing held it back: neither a shorter time step nor a product that is not the energy's own. `stalled`
    when iterations gain next to nothing of what is missing and the network does not grow.
    """

    tolerance: float
    half_square: Callable[[AnyEvaluation], float]
    """½‖m‖²_K of an evaluation's m, alike on all ranks; collective."""
    max_iterations: int
    method: StoppingMethod = DEFAULT
    least_gain: ClassVar[float] = 0.0

    def scale(self, energy: float, at: Evaluation) -> float:
        """See Stopping: the decrease that may be missing at the end."""
        return self.tolerance**2 * self.half_square(at)

    def __call__(self, records: Sequence[Record], at: Evaluation) -> StopReason | None:
        """See Stopping."""
        last, method = records[-1], self.method
        if last.missing is None or last.ratio is None:
            return None
        believed = method.believed[0] <= last.ratio <= method.believed[1] and not last.damped
        if believed and last.missing + _mistaken(last) <= self.scale(last.misfit, at):
            return "tolerance"
        recent = records[-method.stall_iterations :]
        creeps = all(_creeps(record, method.creeping) for record in recent)
        if len(records) > method.stall_iterations and creeps:
            return "stalled"
        return _exhausted(records, self.max_iterations)


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
    method: StoppingMethod = DEFAULT

    @property
    def least_gain(self) -> float:
        """See Stopping."""
        return self.method.negligible

    def scale(self, energy: float, at: Evaluation) -> float:
        """See Stopping; data without noise leave a share of the energy."""
        return max(self.noise, self.method.floor * energy)

    def __call__(self, records: Sequence[Record], at: Evaluation) -> StopReason | None:
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


def _creeps(record: Record, share: float) -> bool:
    """Whether a step gained next to nothing of what is missing, though the network did not grow."""
    if record.gained is None or record.missing is None or record.grew:
        return False
    return record.gained < share * record.missing


def _exhausted(records: Sequence[Record], most: int) -> StopReason | None:
    return "max_iterations" if records[-1].iteration >= most else None


def _stalled(records: Sequence[Record], method: StoppingMethod) -> StopReason | None:
    recent = records[-method.stall_iterations - 1 :]
    slow = all(_slow(*pair, method.stall_share) for pair in pairwise(recent))
    return "stalled" if len(recent) > method.stall_iterations and slow else None


def _too_slow(records: Sequence[Record], target: float | None, pace: float, method: StoppingMethod) -> bool:
    """Whether a misfit that is far from its target falls by so little that it will not come there."""
    recent = records[-method.stall_iterations - 1 :]
    if target is None or len(recent) <= method.stall_iterations:
        return False
    far = recent[-1].misfit > method.near * target
    return far and all(later.misfit > (1 - pace) * earlier.misfit for earlier, later in pairwise(recent))


def _slow(earlier: Record, later: Record, share: float) -> bool:
    """Whether an iteration gained next to nothing though the network had nothing to grow for."""
    return later.misfit > (1 - share) * earlier.misfit and not later.grew
