"""A run of a real problem is a value: `advance` makes one state of another, on one rank to the last bit."""

import json
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest
from mpi4py import MPI
from small import ALONE, COMM, SMALL, SOUGHT, TRIED, on_square
from states import assert_close, assert_same, bare, states_of

from app.flow import FlowState, Method, as_data, from_data
from app.method import Krylov, Trials
from app.problem import Problem


@cache
def solved(name: str) -> tuple[Problem, list[FlowState]]:
    """A problem, and the states of its run."""
    problem = SMALL[name].built()
    return problem, states_of(problem)


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


every_problem = pytest.mark.parametrize("name", TRIED)


@every_problem
def test_advance_makes_one_state_of_another(name: str) -> None:
    """A second time the same, though the problem has gone on meanwhile; from the first state, one before the
    data choose, one behind it and the last but one."""
    problem, states = solved(name)
    for index in sorted({0, len(states) // 2, len(states) - 2}):
        check(problem.advance(states[index]), states[index + 1], exact=True, counts=False)


@every_problem
def test_what_need_not_be_saved_is_made_again(name: str) -> None:
    """From every state without its evaluation, R and J, as a checkpoint has it: the same, with the same work
    counted."""
    problem, states = solved(name)
    for before, after in pairwise(states):
        check(problem.advance(bare(before)), after, exact=name not in SOUGHT)


@every_problem
def test_a_state_is_saved_to_the_last_bit(name: str) -> None:
    """Through text and arrays on rank 0, in an order of nodes that does not depend on the ranks."""
    problem, states = solved(name)
    for state in states:
        order = problem.order_on(state.base)
        tree, arrays = as_data(state, order)
        tree, arrays = COMM.bcast((json.loads(json.dumps(tree, allow_nan=False)), arrays))
        there = problem.on(state.base, state.base)
        again = from_data(tree, arrays, order, there.start.network, there.phases)
        assert_same(again, bare(state))


@pytest.mark.distributed
@pytest.mark.skipif(ALONE, reason="compares ranks")
@pytest.mark.parametrize("name", ["convex", "levels", "levels, nodal", "phases, levels"])
def test_a_state_may_go_on_with_other_ranks(name: str) -> None:
    """What all ranks have saved each of them goes on with alone, but for rounding."""
    problem, states = solved(name)
    alone = SMALL[name].built(MPI.COMM_SELF)
    for before, after in pairwise(states):
        tree, arrays = COMM.bcast(as_data(before, problem.order_on(before.base)))
        there = alone.on(before.base, before.base)
        order = alone.order_on(before.base)
        again = from_data(tree, arrays, order, there.start.network, there.phases)
        check(alone.advance(again), after, exact=False)
    alone.close()


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
        _, alone = solved(name)
        for turn, now in enumerate(together):
            check(now[index], alone[min(turn, len(alone) - 1)], exact=True)
    for problem in problems:
        problem.close()


def test_the_problems_show_what_they_are_for() -> None:
    """Selections of a fixed and of a lagged R, sketches that leave something out, J at a later
    coefficient."""
    last = {name: solved(name)[1][-1] for name in TRIED}
    chosen = {name: state.selected for name, state in last.items() if state.selected is not None}
    assert chosen["lagged R chosen, nodal"].lagged is not None and chosen["network"].lagged is None
    if ALONE:
        assert not last["incomplete sketch"].model.complete
        memory = last["J taken anew"].model
        assert memory.complete and memory.taken.anchor.size > solved("J taken anew")[1][0].representation.size


def test_work_is_counted_from_state_to_state() -> None:
    """No count falls, and there is a state solve for the start and for every trial."""
    _, states = solved("network")
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
