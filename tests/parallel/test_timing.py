"""Where the time goes: a clock for each problem."""

import time
from collections.abc import Callable

import pytest
from mpi4py import MPI

from app.parallel import Clock, Tally, peak_memory_mb, process_age, timed
from app.parallel.timing import STAGES
from app.parallel.timing import stage as charged

NAP = 0.03
"""Seconds; long against what the clock costs."""

IMPORTED = time.perf_counter()
"""When this file was; the process began before."""

SLACK = 2e-3
"""Seconds between two clocks being read."""


def spent(clock: Clock) -> dict[str, float]:
    """The stages that have had a share."""
    return {stage: seconds for stage, seconds in clock.seconds().items() if seconds > 0}


def test_inner_stages_are_not_charged_to_outer_ones() -> None:
    """Each nap goes to the innermost open stage, and all stages add up to the time that the clock ran."""
    clock, start = Clock(), time.perf_counter()
    with clock.running():
        with timed("krylov"):
            time.sleep(NAP)
            with timed("solve"):
                time.sleep(2 * NAP)
                with timed("assembly"):
                    time.sleep(NAP)
            time.sleep(NAP)
        wall = time.perf_counter() - start
        told = spent(clock)
    assert sum(told.values()) == pytest.approx(wall, abs=SLACK)
    for stage, naps in (("krylov", 2), ("solve", 2), ("assembly", 1)):
        assert told[stage] >= naps * NAP
    assert told["solve"] <= wall - 3 * NAP
    assert set(told) <= {"krylov", "solve", "assembly", "other"}
    assert set(clock.seconds()) == set(STAGES)


def test_the_selection_is_charged_with_all_that_is_done_for_it() -> None:
    """Stages within it, at any depth, are charged to it, and what is solved then is counted as its own; what
    comes after is not."""
    clock, tally = Clock(), Tally()
    with clock.running():
        with timed("krylov"), timed("selection"), timed("solve"), timed("assembly"):
            tally.by_stage[charged()] += 2
            time.sleep(NAP)
        with timed("solve"):
            tally.by_stage[charged()] += 3
            time.sleep(NAP)
        told = spent(clock)
    assert told["selection"] >= NAP and told["solve"] >= NAP
    assert "assembly" not in told and told["solve"] < 2 * NAP
    assert (tally.solves, tally.by_stage["selection"], tally.by_stage["solve"]) == (5, 2, 3)
    assert charged() is None


def test_a_stage_within_itself_counts_once() -> None:
    """A stage that is opened again inside itself is charged the wall time, not twice of it."""
    clock, start = Clock(), time.perf_counter()
    with clock.running(), timed("solve"), timed("solve"):
        time.sleep(NAP)
    assert NAP <= clock.seconds()["solve"] <= time.perf_counter() - start + SLACK


def test_a_stage_ends_with_an_exception() -> None:
    """What comes after a body that raised is charged to the stage outside."""
    clock = Clock()
    with clock.running():
        with pytest.raises(ZeroDivisionError), timed("expansion"):
            raise ZeroDivisionError
        before = clock.seconds()
        time.sleep(NAP)
        after = clock.seconds()
    assert after["expansion"] == before["expansion"]
    assert after["other"] - before["other"] >= NAP


def test_a_clock_that_does_not_run_stands_still() -> None:
    """Before, between and after; also where a run ended with an exception. Nobody needs a clock."""
    clock = Clock()
    with timed("solve"):
        time.sleep(NAP)
    assert spent(clock) == {}
    with pytest.raises(ZeroDivisionError), clock.running(), timed("solve"):
        raise ZeroDivisionError
    told = clock.seconds()
    with timed("solve"):
        time.sleep(NAP)
    assert clock.seconds() == told
    with clock.running(), timed("solve"):
        time.sleep(NAP)
    assert clock.seconds()["solve"] - told["solve"] >= NAP
    assert sum(clock.seconds().values()) < 2 * NAP


def outside(clock: Clock, other: Clock) -> None:
    """One clock, then the other, in turns."""
    for _ in range(2):
        with clock.running(), timed("solve"):
            time.sleep(NAP)
        with other.running(), timed("jacobian"):
            time.sleep(2 * NAP)


def inside(clock: Clock, other: Clock) -> None:
    """The other one while the first has a stage open, which stands still meanwhile."""
    with clock.running(), timed("solve"):
        for _ in range(2):
            time.sleep(NAP)
            with other.running(), timed("jacobian"):
                time.sleep(2 * NAP)


@pytest.mark.parametrize("take_turns", [outside, inside])
def test_clocks_do_not_know_of_each_other(take_turns: Callable[[Clock, Clock], None]) -> None:
    """Each has its own stages, and both together the wall time once."""
    clock, other, start = Clock(), Clock(), time.perf_counter()
    take_turns(clock, other)
    wall = time.perf_counter() - start
    assert set(spent(clock)) <= {"solve", "other"} and set(spent(other)) <= {"jacobian", "other"}
    assert spent(clock)["solve"] >= 2 * NAP and spent(other)["jacobian"] >= 4 * NAP
    both = sum(clock.seconds().values()) + sum(other.seconds().values())
    assert both == pytest.approx(wall, abs=2 * SLACK)


def test_a_clock_that_runs_may_be_let_run_again() -> None:
    """Within itself that changes nothing, and it runs on behind it."""
    clock, start = Clock(), time.perf_counter()
    with clock.running():
        with clock.running(), timed("solve"):
            time.sleep(NAP)
        time.sleep(NAP)
        wall = time.perf_counter() - start
        assert sum(clock.seconds().values()) == pytest.approx(wall, abs=SLACK)
    assert clock.seconds()["solve"] >= NAP <= clock.seconds()["other"]


def test_all_time_since_the_process_began_may_be_charged() -> None:
    """A clock that begins with the age of the process has it as `startup`, and goes on from there."""
    start, clock = time.perf_counter(), Clock(process_age())
    first = clock.seconds()
    assert first["startup"] == sum(first.values()) >= start - IMPORTED - 0.02  # the system counts in ticks
    with clock.running():
        time.sleep(NAP)
    assert clock.seconds()["startup"] == first["startup"]
    assert sum(clock.seconds().values()) - first["startup"] >= NAP


def test_peak_memory_is_of_this_process() -> None:
    """At least what an array held here takes, and no less afterwards."""
    before = peak_memory_mb()
    block = b"x" * 200_000_000
    during = peak_memory_mb()
    assert during >= len(block) / 1e6
    del block
    assert peak_memory_mb() >= during >= before
    assert MPI.COMM_WORLD.allreduce(during) >= during
