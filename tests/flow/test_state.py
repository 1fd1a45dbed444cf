"""A run is a value: `advance` makes one state of another, whatever else was computed before or meanwhile."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from flow_toys import Made
from run_toys import BUILDERS, Toy, Way, ideal, minimisation, run, tanh_network, toy, waves
from selection_toys import Setting, network
from states import assert_same, bare
from test_convex_builder import Quartic

from app.flow import (
    AtTarget,
    AtTolerance,
    ConvexBuilder,
    FlowState,
    IdealStep,
    Method,
    Minimisation,
    Representation,
    StepState,
    advance,
    as_data,
    from_data,
    start,
)
from app.flow.exact import ExactMemory
from app.flow.protocols import Network
from app.method import Exact, SketchMethod, Trials

PLAIN = Method()

WAYS: dict[str, Callable[[Toy], Way]] = {
    "ideal": ideal,
    "waves, retracted": waves("retracted"),
    "waves, plain": waves("plain"),
    "network, retracted": tanh_network("retracted"),
    "network, plain": tanh_network("plain"),
}
"""Steps of every kind."""

COMPLETE = SketchMethod(most_rows=8, columns=6)
"""Sketches of as many combinations as are enough."""

INCOMPLETE = SketchMethod(most_rows=8, columns=4, most_columns=12, pursued=8)
"""Sketches of a few combinations, which leave much of J out."""

ANEW = Exact(stale=10.0)
"""J is taken anew in every iteration."""


@dataclass(frozen=True)
class Shown:
    """A selection, and what it shows: "lagged" (an R that depends on m is chosen), "combined" (of readings),
    "incomplete" (sketches), "anew" (J at a later coefficient), "damped" (models)."""

    shows: set[str]
    bend: float = 0.2
    sharp: bool = False
    wide: bool = False
    """Whether a network takes the steps."""
    method: Method = PLAIN


SELECTIONS = {
    "fixed R": Shown(set()),
    "lagged R": Shown({"lagged"}, sharp=True),
    "network": Shown(set(), 0.05, wide=True),
    "network, lagged R": Shown({"lagged"}, 0.05, sharp=True, wide=True),
    "combined": Shown({"combined"}, method=Method(sketch=COMPLETE)),
    "combined, network": Shown({"combined"}, wide=True, method=Method(sketch=COMPLETE)),
    "incomplete": Shown(
        {"combined", "incomplete", "lagged"}, 0.05, sharp=True, method=Method(sketch=INCOMPLETE)
    ),
    "incomplete, network": Shown(
        {"combined", "incomplete", "lagged"}, 0.05, sharp=True, wide=True, method=Method(sketch=INCOMPLETE)
    ),
    "anew": Shown({"anew"}, method=Method(exact=ANEW)),
    "anew, network": Shown(
        {"anew", "combined", "damped"}, sharp=True, wide=True, method=Method(sketch=COMPLETE, exact=ANEW)
    ),
    "incomplete, anew": Shown({"combined", "incomplete", "damped", "anew"}, method=Method(sketch=INCOMPLETE)),
    "incomplete, anew, network": Shown(
        {"combined", "incomplete", "damped", "anew", "lagged"},
        sharp=True,
        wide=True,
        method=Method(sketch=INCOMPLETE),
    ),
}


def selection(name: str) -> tuple[Minimisation, Method]:
    shown = SELECTIONS[name]
    setting = Setting(sharp=shown.sharp, bend=shown.bend)
    return setting.problem(network() if shown.wide else None), shown.method


def approach(name: str, build: str) -> tuple[Minimisation, Method]:
    """To the target, a dozen iterations at most."""
    problem = toy(sigma=0.3)
    way = WAYS[name](problem)
    builder = BUILDERS[build](problem, way.step.creeps)
    return minimisation(problem, way, builder, AtTarget(problem.target, 8), 8), PLAIN


def in_vain(kind: str, *, selects: bool) -> tuple[Minimisation, Method]:
    """Where the energy ends at a level that no step may fall below, so that soon every trial is rejected."""
    setting = Setting(bend=0.05)

    def spoil(evaluation: int, e: np.ndarray) -> np.ndarray:
        return np.full_like(e, np.nan) if 0.5 * e @ e < 4 * setting.target else e

    setting.energy.spoil = spoil
    method = Method(trials=Trials(max_rejections=2))
    way = network(method=method) if kind == "network" else ideal(setting, method)
    problem = setting.problem(way)
    if not selects:
        problem = replace(problem, selection=None, stopping=AtTarget(setting.target, 40))
    return problem, method


def convex() -> tuple[Minimisation, Method]:
    """The quartic energy in its own product."""
    start = Representation(None, np.zeros(3), 3)
    stopping = AtTolerance(1e-6, lambda at: 0.5 * float(at.m @ at.m), 30)
    return Minimisation(
        Quartic(1e-3), np.zeros(3), start, IdealStep(), ConvexBuilder(), stopping, max_iterations=30
    ), PLAIN


PROBLEMS: dict[str, Callable[[], tuple[Minimisation, Method]]] = {
    **{
        f"{way}, {build}": lambda way=way, build=build: approach(way, build)
        for way in WAYS
        for build in BUILDERS
    },
    **{f"selection, {name}": lambda name=name: selection(name) for name in SELECTIONS},
    **{
        f"in vain, {kind}{', selection' if selects else ''}": (
            lambda kind=kind, selects=selects: in_vain(kind, selects=selects)
        )
        for kind in ("nodal", "network")
        for selects in (False, True)
    },
    "convex": convex,
}

every_problem = pytest.mark.parametrize("name", PROBLEMS)


@every_problem
def test_advance_makes_one_state_of_another(name: str) -> None:
    """From every state of a run a second time the same, to the last bit, notes and all."""
    problem, method = PROBLEMS[name]()
    for before, after in pairwise(run(problem, method)):
        assert_same(advance(problem, method, before), after, counts=False)


@every_problem
def test_what_need_not_be_saved_is_made_again(name: str) -> None:
    """A state without its evaluation, R and J goes on as it would with them, to the last bit; what it takes
    to make them again is not counted."""
    problem, method = PROBLEMS[name]()
    for before, after in pairwise(run(problem, method)):
        assert_same(advance(problem, method, bare(before)), after)


class Reversed:
    """Gathers nodal values from the last to the first: any order does that is always the same."""

    def gathered(self, values: np.ndarray) -> np.ndarray:
        return values[::-1]

    def spread(self, values: np.ndarray | None) -> np.ndarray:
        assert values is not None
        return values[::-1].copy()


def saved(state: FlowState, network: Network | None) -> FlowState:
    """The state after it was written as text and arrays and read again."""
    tree, arrays = as_data(state, Reversed())
    again = {name: array.copy() for name, array in arrays.items()}
    return from_data(json.loads(json.dumps(tree, allow_nan=False)), again, Reversed(), network)


@pytest.mark.parametrize("name", [name for name in PROBLEMS if "waves" not in name])
def test_a_state_is_saved_to_the_last_bit(name: str) -> None:
    """What was written and read is the state but for what need not be saved, and goes on as it would."""
    problem, method = PROBLEMS[name]()
    states = run(problem, method)
    for before, after in pairwise(states):
        again = saved(before, problem.start.network)
        assert_same(again, replace(before, notes=()))
        assert_same(advance(problem, method, again), after)
    assert_same(saved(states[-1], problem.start.network), replace(states[-1], notes=()))


@every_problem
def test_inner_products_that_were_made_are_closed(name: str) -> None:
    """Those of an iteration behind it, also where it is made again or fails; what the data chose with the
    problem, once for every selection, and for every state that had lost it."""
    before = Made.open
    problem, method = PROBLEMS[name]()
    states = run(problem, method)
    selected = [state.exact for state in states if state.exact is not None]
    assert Made.open - before == bool(selected)
    for state in states[:-1]:
        advance(problem, method, state)
    assert Made.open - before == 2 * bool(selected)
    if hasattr(problem.energy, "refused"):
        problem.energy.refused = lambda data: True
        for state in states[:-1]:
            failed = advance(problem, method, state)
            assert failed.stop_reason in ("error", *(after.stop_reason for after in states))
        assert Made.open - before <= 2 * bool(selected)
    problem.owned.close()
    assert Made.open == before


@pytest.mark.parametrize("name", SELECTIONS)
def test_the_toys_show_what_they_are_for(name: str) -> None:
    """See Shown."""
    problem, method = selection(name)
    last, exact = None, []
    for last in run(problem, method):
        if isinstance(last.model, ExactMemory):
            exact.append(last.model)
    assert last is not None and last.selected is not None and len(exact) > 2
    shows = {
        "lagged": last.selected.lagged is not None,
        "combined": exact[0].taken.directions is not None,
        "incomplete": not exact[0].complete,
        "anew": any(memory.taken.anchor is not exact[0].taken.anchor for memory in exact),
        "damped": any(memory.damping > 0 for memory in exact),
    }
    assert {feature for feature, shown in shows.items() if shown} == SELECTIONS[name].shows
    assert exact[-1].taken.completed == shows["incomplete"]


@pytest.mark.parametrize("kind", ["nodal", "network"])
@pytest.mark.parametrize("selects", [False, True], ids=["at the end", "before the selection"])
def test_the_toys_are_in_vain(kind: str, selects: bool) -> None:
    """They end without an accepted step, and where the data are to choose, the approach does too."""
    states = run(*in_vain(kind, selects=selects))
    assert states[-1].stop_reason == "no_accepted_step"
    before = [state for state in states if state.stage != "minimisation"]
    assert before[-1].stage == ("selection" if selects else "approach")
    assert before[-1].records[-1].trials == 2 and before[-1].records[-1].capture is None


def test_a_stream_that_was_not_given_is_always_the_same() -> None:
    """Candidates are drawn alike on all ranks, whoever made the step's first state."""
    problem, method = PROBLEMS["selection, network"]()
    first, again = (run(replace(problem, state=StepState()), method)[-1] for _ in range(2))
    assert any(record.growth for record in first.records)
    assert_same(first, again, counts=False)


def in_turns(problems: list[tuple[Minimisation, Method]]) -> Iterator[list[FlowState]]:
    """Their states, each advanced by one after the other."""
    now = [start(problem, method) for problem, method in problems]
    yield now
    while any(state.stop_reason is None for state in now):
        now = [
            state if state.stop_reason is not None else advance(problem, method, state)
            for (problem, method), state in zip(problems, now, strict=True)
        ]
        yield now


def test_problems_in_turns_are_as_each_alone() -> None:
    """Every step and builder, with a selection and without, and one problem from two starts at once."""
    names = ["ideal, discrepancy", "network, retracted, lagged", "waves, plain, metric", "selection, network"]
    names += ["selection, incomplete, anew", "convex"]
    alone = [run(*PROBLEMS[name]()) for name in names]
    together = list(in_turns([PROBLEMS[name]() for name in names]))
    for index, states in enumerate(alone):
        for turn, now in enumerate(together):
            assert_same(now[index], states[min(turn, len(states) - 1)])
    assert len(together) == max(map(len, alone))


def test_states_of_one_problem_do_not_know_of_each_other() -> None:
    """Two runs of one problem, one three iterations behind the other: each as if it were alone."""
    problem, method = PROBLEMS["selection, network"]()
    states = run(problem, method)
    behind = start(problem, method)
    ahead = states[3]
    for expected in states[1:]:
        behind = advance(problem, method, behind)
        if ahead.stop_reason is None:
            ahead = advance(problem, method, ahead)
        assert_same(behind, expected, counts=False)
    assert_same(ahead, states[-1], counts=False)
