"""When a flow has done its work, by records made by hand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.flow import AtTarget, Record
from app.flow.stopping import AtMinimum, NearTarget, Stopping
from app.method import StoppingMethod

TARGET, NOISE = 10.0, 3.0
RULE = StoppingMethod()
NOWHERE: Any = None
"""What is known of the last coefficient: nothing that these rules ask for."""


def records(misfits: Sequence[float], **changes: Sequence[Any]) -> list[Record]:
    """The start and its iterations, with further fields by iteration."""
    made = []
    for i, misfit in enumerate(misfits):
        fields = {key: values[i] for key, values in changes.items()}
        made.append(Record(i, None, misfit, None, parameters=3, widths=(4,), **fields))
    return made


def verdict(stopping: Stopping, records: Sequence[Record]) -> str | None:
    return stopping(records, NOWHERE)


SLOW = 1 - 0.5 * RULE.stall_share
"""An iteration that gains less than a stall may."""

STALLED = [100.0 * SLOW**i for i in range(RULE.stall_iterations + 1)]


@pytest.mark.parametrize("misfit, reason", [(10.1, None), (10.0, "discrepancy"), (0.0, "discrepancy")])
def test_at_target(misfit: float, reason: str | None) -> None:
    """`discrepancy` as soon as φ ≤ target, at the start too."""
    assert verdict(AtTarget(TARGET, 50), records([500.0, misfit])) == reason
    assert verdict(AtTarget(TARGET, 50), records([misfit])) == reason
    assert verdict(AtTarget(None, 50), records([500.0, misfit])) is None


def test_near_target_with_the_noise_known() -> None:
    """`near` when φ is within `near` targets, however it came there."""
    stopping = NearTarget(TARGET, 50)
    assert verdict(stopping, records([1.01 * RULE.near * TARGET])) is None
    assert verdict(stopping, records([0.99 * RULE.near * TARGET])) == "near"
    assert verdict(stopping, records([500.0, 499.0])) is None
    assert verdict(stopping, records([500.0, 0.99 * RULE.near * TARGET])) == "near"


def test_near_target_with_the_noise_unknown() -> None:
    """`near` when an iteration takes little off φ, and so never at the start."""
    stopping = NearTarget(None, 50)
    assert verdict(stopping, records([1.0])) is None
    assert verdict(stopping, records([100.0, 99.0 * (1 - RULE.little)])) is None
    assert verdict(stopping, records([100.0, 101.0 * (1 - RULE.little)])) == "near"
    assert verdict(stopping, records([100.0, 20.0, 19.0])) == "near"
    assert verdict(stopping, records([100.0, 99.0, 1.0])) is None


@pytest.mark.parametrize("stopping", [AtTarget(TARGET, 50), AtTarget(None, 50), NearTarget(TARGET, 50)])
def test_stalled(stopping: AtTarget | NearTarget) -> None:
    """After `stall_iterations` running that gain next to nothing and in which the network did not grow."""
    assert verdict(stopping, records(STALLED)) == "stalled"
    assert verdict(stopping, records(STALLED[:-1])) is None
    assert verdict(stopping, records([200.0, *STALLED])) == "stalled"
    broken = [*STALLED[:-1], STALLED[-2] * (1 - 2 * RULE.stall_share)]
    assert verdict(stopping, records(broken)) is None
    growing = [0] * len(STALLED)
    growing[-2] = 1
    assert verdict(stopping, records(STALLED, expansions=growing)) is None
    assert (
        verdict(stopping, records([200.0, *STALLED], expansions=[0, 1] + [0] * RULE.stall_iterations))
        == "stalled"
    )


@pytest.mark.parametrize("rule", [AtTarget, NearTarget])
def test_a_target_that_is_out_of_reach(rule: type[AtTarget | NearTarget]) -> None:
    """Far from the target a run whose iterations keep below the pace has stalled, growing or not; not near
    it, not where one kept the pace, and not without a pace."""
    slow = [(1 - 0.9 * RULE.pace) ** i for i in range(RULE.stall_iterations + 1)]
    far, growing = [100.0 * TARGET * share for share in slow], [1] * len(slow)
    stopping = rule(TARGET, 50, pace=RULE.pace)
    assert verdict(stopping, records(far, expansions=growing)) == "stalled"
    assert verdict(stopping, records(far[1:], expansions=growing)) is None
    assert verdict(stopping, records([far[0], *(0.9 * each for each in far[1:])])) is None
    assert verdict(rule(TARGET, 50), records(far)) is None
    assert verdict(AtTarget(TARGET, 50, pace=RULE.pace), records([1.5 * TARGET * s for s in slow])) is None


@pytest.mark.parametrize("stopping", [AtTarget(TARGET, 2), NearTarget(TARGET, 2), AtMinimum(0, 2, NOISE)])
def test_max_iterations(stopping: AtTarget | NearTarget | AtMinimum) -> None:
    """By the number of the last iteration, and after any better reason than being near the target."""
    misfits, gains = [500.0, 400.0, 300.0, 200.0], [None, 0.2, 0.2, 0.2]
    for count in (1, 2):
        assert verdict(stopping, records(misfits[:count], gain=gains)) is None
    for count in (3, 4):
        assert verdict(stopping, records(misfits[:count], gain=gains)) == "max_iterations"
    arrived = records([500.0, 400.0, 1.0], gain=[None, 0.2, 0.5 * RULE.negligible])
    better = {AtTarget: "discrepancy", NearTarget: "max_iterations", AtMinimum: "minimum"}
    assert verdict(stopping, arrived) == better[type(stopping)]


SMALL, LARGE = 0.5 * RULE.negligible, 2 * RULE.negligible

AT_MINIMUM = {
    "the start alone": ([None], [False], None),
    "a large gain": ([None, LARGE], [False, False], None),
    "a small gain": ([None, SMALL], [False, False], "minimum"),
    "a small gain, then a large one": ([None, SMALL, LARGE], [False, False, False], None),
    "a small gain held back": ([None, LARGE, SMALL], [False, False, True], None),
    "two small gains held back": ([None, LARGE, SMALL, SMALL], [False, False, True, True], "minimum"),
    "one held back, one free": ([None, SMALL, SMALL], [False, True, False], "minimum"),
    "a small gain held back, then a large one": ([None, SMALL, LARGE], [False, True, True], None),
}
"""Gains and whether rejections held the step back, by iteration."""


@pytest.mark.parametrize("title", AT_MINIMUM)
def test_at_minimum(title: str) -> None:
    """`minimum` when the energy falls by a negligible share of the scale, two times running where the step
    was held back."""
    gains, damped, reason = AT_MINIMUM[title]
    made = records([100.0] * len(gains), gain=gains, damped=damped)
    assert verdict(AtMinimum(0, 50, NOISE), made) == reason
    earlier = records([500.0, 400.0])
    later = [*earlier[:-1]]
    for i, record in enumerate(made):
        later.append(replace(record, iteration=i + 1))
    assert verdict(AtMinimum(1, 50, NOISE), later) == reason


def test_gains_of_the_first_stage_do_not_count() -> None:
    """Only iterations after `start` are looked at: their energy is another one."""
    made = records([100.0] * 4, gain=[None, SMALL, SMALL, SMALL], damped=[False] * 4)
    assert verdict(AtMinimum(3, 50, NOISE), made) is None
    assert verdict(AtMinimum(2, 50, NOISE), made) == "minimum"
    held = records([100.0] * 4, gain=[None, SMALL, SMALL, SMALL], damped=[True] * 4)
    assert verdict(AtMinimum(2, 50, NOISE), held) is None


def test_only_the_search_for_a_minimum_looks_at_promises() -> None:
    """A step that promises little is worth its trial on the way to a target."""
    assert AtTarget(TARGET, 9).least_gain == NearTarget(TARGET, 9).least_gain == 0.0
    assert AtMinimum(0, 9, NOISE).least_gain == RULE.negligible > 0


def test_decreases_are_measured_by_the_noise_near_the_minimum() -> None:
    """By the energy on the way to a target; then by the noise in the fitted directions, whatever the energy,
    and by a share of that only where the data have next to no noise."""
    assert AtTarget(TARGET, 9).scale(70.0, NOWHERE) == NearTarget(TARGET, 9).scale(70.0, NOWHERE) == 70.0
    assert AtMinimum(0, 9, NOISE).scale(70.0, NOWHERE) == AtMinimum(0, 9, NOISE).scale(7.0, NOWHERE) == NOISE
    assert AtMinimum(0, 9, 0.0).scale(70.0, NOWHERE) == RULE.floor * 70.0
