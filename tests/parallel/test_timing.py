"""Where the time goes."""

import time

import pytest
from mpi4py import MPI

from app.parallel import peak_memory_mb, seconds, timed
from app.parallel.timing import STAGES

NAP = 0.03
"""Seconds; long against what the clock costs."""

IMPORTED = time.perf_counter()
"""When this file was; the process began before."""

SLACK = 2e-3
"""Seconds between two clocks being read."""


def test_inner_stages_are_not_charged_to_outer_ones() -> None:
    """Each nap goes to the innermost open stage, and the differences add up to the wall time."""
    before, start = seconds(), time.perf_counter()
    with timed("krylov"):
        time.sleep(NAP)
        with timed("solve"):
            time.sleep(2 * NAP)
            with timed("assembly"):
                time.sleep(NAP)
        time.sleep(NAP)
    after, wall = seconds(), time.perf_counter() - start
    spent = {stage: after[stage] - before[stage] for stage in STAGES}
    assert sum(spent.values()) == pytest.approx(wall, abs=SLACK)
    for stage, naps in (("krylov", 2), ("solve", 2), ("assembly", 1)):
        assert spent[stage] >= naps * NAP
    assert spent["solve"] <= wall - 3 * NAP
    assert all(
        spent[stage] == 0
        for stage in STAGES
        if stage not in ("krylov", "solve", "assembly", "startup", "other")
    )


def test_a_stage_within_itself_counts_once() -> None:
    """A stage that is opened again inside itself is charged the wall time, not twice of it."""
    before, start = seconds()["solve"], time.perf_counter()
    with timed("solve"), timed("solve"):
        time.sleep(NAP)
    assert NAP <= seconds()["solve"] - before <= time.perf_counter() - start + SLACK


def test_a_stage_ends_with_an_exception() -> None:
    """What comes after a body that raised is charged to the stage outside."""
    with pytest.raises(ZeroDivisionError), timed("expansion"):
        raise ZeroDivisionError
    before = seconds()["expansion"]
    time.sleep(NAP)
    assert seconds()["expansion"] == before


def test_all_time_since_the_process_began_is_charged() -> None:
    """The stages add up to the age of the process, which grows as the clock does."""
    first, start = sum(seconds().values()), time.perf_counter()
    time.sleep(NAP)
    second, wall = sum(seconds().values()), time.perf_counter() - start
    assert second - first == pytest.approx(wall, abs=SLACK)
    assert set(seconds()) == set(STAGES)
    assert first >= start - IMPORTED


def test_peak_memory_is_of_this_process() -> None:
    """At least what an array held here takes, and no less afterwards."""
    before = peak_memory_mb()
    block = b"x" * 200_000_000
    during = peak_memory_mb()
    assert during >= len(block) / 1e6
    del block
    assert peak_memory_mb() >= during >= before
    assert MPI.COMM_WORLD.allreduce(during) >= during
