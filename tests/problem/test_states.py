"""A run of a real problem is a value: `advance` makes one state of another, on one rank to the last bit."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import pytest
from mpi4py import MPI
from small import ALONE, COMM, SMALL, SOUGHT, TRIED, on_square
from states import assert_close, assert_same, bare, states_of

from app.flow import FlowState, Method, as_data, from_data
from app.method import Krylov, Trials
from app.problem import Problem


@dataclass(frozen=True)
class Solved:
    """A problem, and the states of its run."""

    name: str
    problem: Problem
    states: list[FlowState]


@contextmanager
def run_of(name: str) -> Iterator[Solved]:
    """One that is closed afterwards, since all of them together hold most of the communicators there are."""
    with SMALL[name].built() as problem:
        yield Solved(name, problem, states_of(problem))


@pytest.fixture(scope="module", params=TRIED)
def solved(request: pytest.FixtureRequest) -> Iterator[Solved]:
    """Each problem in turn, with all laws of it."""
    with run_of(request.param) as found:
        yield found


def check(found: FlowState, expected: FlowState, *, exact: bool, counts: bool = True) -> None:
    """To the last bit where that is due. Sums over ranks, and a state that is sought from elsewhere, differ
    by rounding; what inner steps of a network make of that may be a per cent."""
    if exact and ALONE:
        assert_same(found, expected, counts=counts)
    elif ALONE or found.representation.network is None:
        assert_close(found, expected, 1e-6)
    else:
        assert (found.stage, found.iteration) == (expected.stage, expected.iteration)
        assert found.records[-1].misfit == pytest.approx(expected.records[-1].misfit, rel=0.02)


def test_advance_makes_one_state_of_another(solved: Solved) -> None:
    """A second time the same, though the problem has gone on meanwhile; from the first state, one before the
    data choose, one behind it and the last but one."""
    states = solved.states
    for index in sorted({0, len(states) // 2, len(states) - 2}):
        check(solved.problem.advance(states[index]), states[index + 1], exact=True, counts=False)


def test_what_need_not_be_saved_is_made_again(solved: Solved) -> None:
    """From every state without its evaluation, R and J, as a checkpoint has it: the same, with the same work
    counted."""
    for before, after in pairwise(solved.states):
        check(solved.problem.advance(bare(before)), after, exact=solved.name not in SOUGHT)


def test_a_state_is_saved_to_the_last_bit(solved: Solved) -> None:
    """Through text and arrays on rank 0, in an order of nodes that does not depend on the ranks."""
    problem = solved.problem
    for state in solved.states:
        order = problem.order_on(state.base)
        tree, arrays = as_data(state, order)
        tree, arrays = COMM.bcast((json.loads(json.dumps(tree, allow_nan=False)), arrays))
        there = problem.on(state.base, state.base)
        again = from_data(tree, arrays, order, there.start.network, there.phases)
        assert_same(again, bare(state))


@pytest.mark.distributed
@pytest.mark.skipif(ALONE, reason="compares ranks")
@pytest.mark.parametrize("solved", ["convex", "levels", "phases, levels"], indirect=True)
def test_a_state_may_go_on_with_other_ranks(solved: Solved) -> None:
    """What all ranks have saved each of them goes on with alone, but for rounding."""
    with SMALL[solved.name].built(MPI.COMM_SELF) as alone:
        for before, after in pairwise(solved.states):
            tree, arrays = COMM.bcast(as_data(before, solved.problem.order_on(before.base)))
            there = alone.on(before.base, before.base)
            order = alone.order_on(before.base)
            again = from_data(tree, arrays, order, there.start.network, there.phases)
            check(alone.advance(again), after, exact=False)


SHOWN: dict[str, Callable[[list[FlowState]], bool]] = {
    "network": lambda states: _lagged(states[-1]) is None,
    "lagged R chosen, nodal": lambda states: _lagged(states[-1]) is not None,
    "incomplete sketch": lambda states: not states[-1].model.complete,
    "J taken anew": lambda states: (
        states[-1].model.complete and states[-1].model.taken.anchor.size > states[0].representation.size
    ),
}
"""What some of the problems are for: selections of a fixed and of a lagged R, sketches that leave something
out, J at a later coefficient."""


def _lagged(state: FlowState) -> object:
    """What the chosen R is linearised at, if it is linearised."""
    assert state.selected is not None
    return state.selected.lagged


def test_the_problem_shows_what_it_is_for(solved: Solved) -> None:
    assert SHOWN.get(solved.name, bool)(solved.states)


def in_turns(problems: list[Problem]) -> Iterator[list[FlowState]]:
    """Their states, each advanced by one after the other."""
    now = [problem.start() for problem in problems]
    yield now
    while any(state.stop_reason is None for state in now):
        now = [
            state if state.stop_reason is not None else problem.advance(state)
            for problem, state in zip(problems, now, strict=True)
        ]
        yield now


@pytest.mark.parametrize(
    "names",
    [("network", "network"), ("lagged R chosen", "in time", "nonlinear", "convex")]
    if ALONE
    else [("nodal", "lagged R chosen, nodal")],
    ids=" and ".join,
)
def test_problems_in_turns_are_as_each_alone(names: tuple[str, ...]) -> None:
    """With clocks and counts of their own: what each has spent is what it spends alone, and the seconds of
    all together are no more than those that went by."""
    begun = MPI.Wtime()
    problems = [SMALL[name].built() for name in names]
    together = list(in_turns(problems))
    seconds = [sum(problem.clock.seconds().values()) for problem in problems]
    assert sum(seconds) <= MPI.Wtime() - begun
    assert all(each > 0 for each in seconds)
    for index, name in enumerate(names):
        with run_of(name) as alone:
            for turn, now in enumerate(together):
                check(now[index], alone.states[min(turn, len(alone.states) - 1)], exact=True)
    for problem in problems:
        problem.close()


def test_work_is_counted_from_state_to_state() -> None:
    """No count falls, and there is a state solve for the start and for every trial."""
    with run_of("network") as run:
        states = run.states
    for before, after in pairwise(states):
        assert all(after.spent[key] >= value for key, value in before.spent.items())
        assert after.records[: len(before.records)] == before.records
    trials = [record.trials + (record.capture is not None) for record in states[-1].records[1:]]
    assert states[-1].spent["state_solves"] == 1 + sum(trials)


def test_a_run_has_the_constants_of_its_case() -> None:
    """Those that the section `method` sets, and the others as they are given."""
    given = Method(trials=Trials(accept=0.2, max_rejections=5), krylov=Krylov(held=0.4))
    small = on_square("smooth", "method.trials.max_rejections=3", cells=4, method=given)
    with small.built() as problem:
        assert problem.method == Method(trials=Trials(accept=0.2, max_rejections=3), krylov=given.krylov)
