"""The outer loop on toys: convergence, rejected trials, stopping, and what it records."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from flow_toys import (
    FixedR,
    LaggedR,
    Toy,
    Way,
    growing,
    ideal,
    minimisation,
    network_on_interval,
    network_way,
    run,
    toy,
    waves,
)

from app.flow import (
    STEPS,
    AtTarget,
    FlowState,
    GaussNewtonBuilder,
    Method,
    MetricBuilder,
    ModelBuilder,
    PlainStep,
    RetractedStep,
    advance,
    start,
)
from app.flow.method import Trials
from app.parallel import SolveFailed

NODES = 40
REGULARISATIONS = {"fixed": FixedR, "lagged": LaggedR}


def tanh_network(name: str, hidden: int = 4, seed: int = 0, max_width: int = 40) -> Callable[[Toy], Way]:
    """A step of a real network from its start at the reference."""

    def make(problem: Toy) -> Way:
        network = network_on_interval(NODES, (hidden,), max_width)
        return network_way(name, network, network.start(np.random.default_rng(seed)), growing(), seed)

    return make


ALL_STEPS = {"ideal": ideal} | {name: waves(name) for name in STEPS}


def given_weight(problem: Toy, creeps: bool) -> ModelBuilder:
    return GaussNewtonBuilder(FixedR(problem.R), 0.3, problem.target, creeps)


def by_discrepancy(problem: Toy, creeps: bool) -> ModelBuilder:
    return GaussNewtonBuilder(FixedR(problem.R), None, problem.target, creeps)


def lagged_by_discrepancy(problem: Toy, creeps: bool) -> ModelBuilder:
    return GaussNewtonBuilder(LaggedR(problem.R), None, problem.target, creeps)


def metric(problem: Toy, creeps: bool) -> ModelBuilder:
    return MetricBuilder(FixedR(problem.R), None, None)


BUILDERS = {
    "given": given_weight,
    "discrepancy": by_discrepancy,
    "lagged": lagged_by_discrepancy,
    "metric": metric,
}
Build = Callable[[Toy, bool], ModelBuilder]
Make = Callable[[Toy], Way]

all_steps = pytest.mark.parametrize("make", ALL_STEPS.values(), ids=ALL_STEPS.keys())
all_builders = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS.keys())


def solved(
    problem: Toy,
    build: Build,
    make: Make,
    *,
    target: float | None = None,
    max_iterations: int = 200,
    method: Method | None = None,
) -> list[FlowState]:
    """All states of the flow with the problem's target unless another is given (inf for none)."""
    way = make(problem)
    aim = problem.target if target is None else target if np.isfinite(target) else None
    stopping = AtTarget(aim, max_iterations)
    whole = minimisation(problem, way, build(problem, way.step.creeps), stopping, max_iterations)
    return run(whole, method or Method())


@all_builders
@all_steps
def test_flow_reaches_the_discrepancy(build: Build, make: Make) -> None:
    """From every step and builder the misfit of a nonlinear toy comes down to the target and not far below
    it."""
    problem = toy(sigma=0.5)
    last = solved(problem, build, make)[-1]
    assert last.stop_reason == "discrepancy"
    before, record = last.records[-2:]
    assert 0.25 * problem.target < record.misfit <= problem.target < before.misfit
    e = problem.energy.residual(last.representation.values())
    assert record.misfit == pytest.approx(0.5 * e @ e, rel=1e-12)


@pytest.mark.parametrize("build", [given_weight, by_discrepancy, lagged_by_discrepancy])
@pytest.mark.parametrize("seed", range(3))
def test_retracted_network_reaches_the_discrepancy_of_precise_data(build: Build, seed: int) -> None:
    """A network that starts with four neurons at the reference needs few state solves and trials where φ
    starts at a thousand targets: the claim of docs/method.md, whose table has 4 to 10 iterations."""
    problem = toy(seed, sigma=0.03)
    last = solved(problem, build, tanh_network("retracted", seed=seed))[-1]
    assert last.stop_reason == "discrepancy"
    assert problem.energy.evaluations <= 20


def test_plain_network_reaches_the_discrepancy() -> None:
    """The explicit Euler step works too, with many more iterations (docs/method.md)."""
    problem = toy(0, sigma=0.3)
    assert solved(problem, given_weight, tanh_network("plain", hidden=12))[-1].stop_reason == "discrepancy"


@all_builders
@all_steps
def test_trials_do_not_pile_up(build: Build, make: Make) -> None:
    """What an iteration learnt of the step's length the next one remembers: the second half of a run has no
    more rejected trials an iteration than the first, and at most two on average."""
    trials = [record.trials for record in solved(toy(sigma=0.5), build, make)[-1].records[1:]]
    half = len(trials) // 2
    assert np.mean(trials) <= 2
    assert half == 0 or np.mean(trials[half:]) <= np.mean(trials[:half]) + 1


def failing(mode: str, which: Callable[[int], bool]) -> Callable[[int, np.ndarray], np.ndarray]:
    """Spoils the evaluations `which` of the energy: raises, or returns readings that are not finite."""

    def spoil(evaluation: int, e: np.ndarray) -> np.ndarray:
        if not which(evaluation):
            return e
        if mode == "raises":
            raise SolveFailed("the toy's operator is singular")
        return np.concatenate([e[:-1], [float(mode)]])

    return spoil


@pytest.mark.parametrize("mode", ["raises", "nan", "inf"])
@all_builders
@all_steps
def test_a_trial_that_fails_is_a_rejected_trial(mode: str, build: Build, make: Make) -> None:
    """Trials without a solution or with residuals that are not finite are rejected, and the run goes on."""
    problem = toy(sigma=0.5)
    problem.energy.spoil = failing(mode, lambda evaluation: evaluation in (1, 2))
    last = solved(problem, build, make)[-1]
    assert last.records[1].trials >= 2
    assert last.stop_reason == "discrepancy"


@pytest.mark.parametrize("mode", ["raises", "nan", "inf"])
@all_steps
def test_no_accepted_step_when_every_trial_fails(mode: str, make: Make) -> None:
    """After `max_rejections` rejected trials the run stops with its best iterate, here the start; the work
    is on record."""
    problem = toy(sigma=0.3)
    problem.energy.spoil = failing(mode, lambda evaluation: evaluation > 0)
    most = make(problem).step.max_rejections
    first, last = solved(problem, by_discrepancy, make)
    assert last.stop_reason == "no_accepted_step"
    assert problem.energy.evaluations == 1 + most
    assert [record.trials for record in last.records] == [0, most]
    assert last.records[0] == first.records[0] and last.records[1].misfit == first.records[0].misfit
    np.testing.assert_allclose(last.representation.values(), problem.reference, atol=1e-13)


@all_steps
def test_the_best_iterate_survives_a_late_failure(make: Make) -> None:
    """When trials begin to fail in mid-run, the last state has the last accepted coefficient, and the
    parameters of it."""
    problem = toy(sigma=0.03)
    problem.energy.spoil = failing("nan", lambda evaluation: evaluation > 2)
    *earlier, last = solved(problem, by_discrepancy, make)
    assert last.stop_reason == "no_accepted_step"
    assert len(earlier) > 1
    accepted = earlier[-1].evaluation
    assert accepted is not None and last.records[-1].misfit == accepted.value
    np.testing.assert_allclose(last.representation.values(), accepted.m, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", STEPS)
def test_what_an_iteration_without_a_step_tells(name: str) -> None:
    """Its record has its weight, penalty, energy and work, and nothing of the iteration before it: neither
    its ratio nor whether it was damped, its capture, its gain."""
    problem = toy(sigma=0.03)
    problem.energy.spoil = failing("nan", lambda evaluation: evaluation > 2)
    *_, before, last = solved(problem, by_discrepancy, waves(name))[-1].records
    assert before.ratio is not None and before.gain is not None
    known = (last.alignment, last.capture, last.complement, last.gain, last.gained, last.missing, last.ratio)
    assert known == (None,) * 7 and not last.damped and last.merged == 0
    assert last.energy == last.misfit + last.regularisation and last.misfit == before.misfit
    assert last.weight is not None and last.vectors > 0 and last.trials > 0


def test_a_start_without_energy_is_an_error() -> None:
    """SolveFailed at the start reaches the caller: there is no iterate to fall back on."""
    problem = toy()
    problem.energy.spoil = failing("raises", lambda evaluation: True)
    with pytest.raises(SolveFailed):
        solved(problem, by_discrepancy, ideal)


@pytest.mark.parametrize("build", [given_weight, by_discrepancy, metric])
def test_data_that_see_nothing_end_the_run_in_order(build: Build) -> None:
    """Where J = 0 no step can help: the run stops and says so, without an exception."""
    problem = toy()
    problem.energy.B[:] = 0.0
    last = solved(problem, build, ideal, max_iterations=5)[-1]
    assert last.stop_reason in ("no_accepted_step", "stalled")
    np.testing.assert_array_equal(last.representation.values(), problem.reference)


@pytest.mark.parametrize("make", [ideal, waves("retracted"), tanh_network("retracted")])
@pytest.mark.parametrize("seed", range(3))
def test_stalled_when_the_noise_is_unknown(make: Make, seed: int) -> None:
    """Without a target the run ends once the misfit fell by less than 0.1 % in three iterations running in
    which the network did not grow, and not before."""

    def without_target(problem: Toy, creeps: bool) -> ModelBuilder:
        return GaussNewtonBuilder(FixedR(problem.R), 0.3, None, creeps)

    last = solved(toy(seed, sigma=0.1), without_target, make, target=np.inf)[-1]
    assert last.stop_reason == "stalled"
    misfits = np.array([record.misfit for record in last.records])
    still = np.array([record.expansions == 0 for record in last.records[1:]])
    slow = still & (misfits[1:] > (1 - 1e-3) * misfits[:-1])
    running = np.convolve(slow, np.ones(3), mode="valid")
    assert running[-1] == 3 and np.all(running[:-1] < 3)


def test_max_iterations() -> None:
    """The run takes no more outer iterations than allowed, none at all included."""
    for limit in [0, 1, 3]:
        last = solved(toy(sigma=0.01), by_discrepancy, ideal, max_iterations=limit)[-1]
        assert last.stop_reason == "max_iterations"
        assert [record.iteration for record in last.records] == list(range(limit + 1))


def test_a_start_below_the_target_is_the_result() -> None:
    """Nothing is done where the reference already explains the data."""
    problem = toy()
    (only,) = solved(problem, by_discrepancy, ideal, target=1e9)
    assert (only.stop_reason, len(only.records)) == ("discrepancy", 1)
    assert problem.energy.evaluations == 1


@pytest.mark.parametrize("reason", ["discrepancy", "max_iterations", "no_accepted_step", "error"])
def test_a_run_that_is_over_goes_no_further(reason: str) -> None:
    """`advance` refuses it with what it found and expected, whatever it ended for, and computes nothing."""
    problem, limit = toy(sigma=0.1), 1 if reason == "max_iterations" else 60
    if reason == "no_accepted_step":
        problem.energy.spoil = failing("nan", lambda evaluation: evaluation > 0)
    problem.energy.refused = lambda data: reason == "error"
    way = ideal(problem)
    builder = by_discrepancy(problem, creeps=False)
    whole = minimisation(problem, way, builder, AtTarget(problem.target, limit), limit)
    last = run(whole)[-1]
    assert last.stop_reason == reason
    counted = problem.energy.read()
    with pytest.raises(ValueError, match=rf"found .*{reason}.*, expected"):
        advance(whole, Method(), last)
    assert problem.energy.read() == counted


@pytest.mark.parametrize("kind", REGULARISATIONS)
@pytest.mark.parametrize("weight", [0.3, None], ids=["given", "discrepancy"])
@pytest.mark.parametrize("make", [ideal, tanh_network("retracted")], ids=["ideal", "retracted"])
def test_records_are_consistent(kind: str, weight: float | None, make: Make) -> None:
    """One record an iteration, the start's first, the earlier ones kept; energy = misfit + ½w‖m − m_ref‖²_R
    with the iteration's R and w, and lower than at the iteration's start; vectors and trials account for
    every product with J and every solve, and what was spent is what was counted."""
    problem = toy(sigma=0.1)
    regularisation = REGULARISATIONS[kind](problem.R)

    def build(problem: Toy, creeps: bool) -> ModelBuilder:
        return GaussNewtonBuilder(regularisation, weight, problem.target, creeps)

    states = solved(problem, build, make, max_iterations=60)
    counted = problem.energy.read()
    records = states[-1].records
    assert states[-1].stop_reason == "discrepancy"
    assert [record.iteration for record in records] == list(range(len(records)))
    assert all(state.records == records[: i + 1] for i, state in enumerate(states))
    assert all(state.records[-1].spent == state.spent for state in states)
    assert records[0].energy is None and records[0].weight is None
    assert counted["evaluations"] == len(records) + sum(record.trials for record in records)
    vectors = sum(record.vectors for record in records)
    assert counted["tangents"] == counted["adjoints"] == vectors
    assert states[-1].spent == counted
    for before, state in pairwise(states):
        record, here, there = state.records[-1], state.representation.values(), before.representation.values()
        R, w = regularisation.at(there), record.weight
        assert w is not None and record.energy is not None
        penalties = [0.5 * w * float(m @ R.apply(m)) for m in (here, there)]
        assert state.evaluation is not None
        np.testing.assert_array_equal(state.evaluation.m, here)
        e = problem.energy.residual(here)
        assert record.misfit == pytest.approx(0.5 * e @ e, rel=1e-12)
        assert record.regularisation == pytest.approx(penalties[0], rel=1e-9, abs=1e-12)
        assert record.energy == pytest.approx(record.misfit + penalties[0], rel=1e-12)
        assert record.energy < before.records[-1].misfit + penalties[1]
        assert 0 <= record.alignment <= 1 + 1e-9 and 0 < record.capture <= 1 + 1e-9
        assert record.complement > 0
        assert (record.parameters, record.widths) == (state.representation.size, state.representation.widths)
    if weight is not None:
        assert {record.weight for record in records[1:]} == {weight}


class Straight:
    """A truth that is zero everywhere; the error is a name's where there is one."""

    def __init__(self, name: str | None) -> None:
        self.name = name

    def error(self, m: np.ndarray) -> float | dict[str, float]:
        size = float(np.linalg.norm(m))
        return size if self.name is None else {self.name: size}


@pytest.mark.parametrize("name", [None, "m"])
def test_records_tell_the_error_of_their_coefficient(name: str | None) -> None:
    """Against the truth, from the start on; an iteration without a step has the error of the one before."""
    problem, truth = toy(sigma=0.03), Straight(name)
    problem.energy.spoil = failing("nan", lambda evaluation: evaluation > 3)
    builder = by_discrepancy(problem, creeps=False)
    plain = minimisation(problem, ideal(problem), builder, AtTarget(problem.target, 60))
    states = run(replace(plain, truth=truth))
    assert states[-1].stop_reason == "no_accepted_step"
    told = [record.relative_error for record in states[-1].records]
    assert told == [truth.error(state.representation.values()) for state in states]
    assert told[-1] == told[-2] != told[-3]


def test_a_failure_outside_a_trial_ends_the_run_with_its_best_iterate() -> None:
    """An adjoint or Riesz problem that cannot be solved has no more cautious version: reason `error`, told
    in a note; the coefficient is that of the iteration before."""
    problem = toy(sigma=0.03)
    problem.energy.refused = lambda data: problem.energy.adjoints > 3
    *_, before, last = solved(problem, by_discrepancy, ideal)
    assert last.stop_reason == "error" and last.records == before.records
    assert any("no convergence" in note for note in last.notes)
    assert last.representation is before.representation


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", [ideal, tanh_network("retracted")], ids=["ideal", "retracted"])
def test_weight_by_discrepancy_never_rises_with_a_fixed_r(make: Make, seed: int) -> None:
    """With a fixed R w falls or stays from iteration to iteration (docs/method.md)."""
    records = solved(toy(seed, sigma=0.03), by_discrepancy, make)[-1].records
    weights = [record.weight for record in records[1:]]
    assert len(weights) >= 3
    assert all(later <= earlier for earlier, later in pairwise(weights))


def test_ideal_steps_capture_everything() -> None:
    """A nodal run's records say alignment 1 and capture 1, no widths and no inner steps."""
    for record in solved(toy(sigma=0.1), by_discrepancy, ideal)[-1].records[1:]:
        assert (record.alignment, record.capture) == (1.0, 1.0)
        assert (record.widths, record.inner_iterations, record.expansions) == ((), 0, 0)


def test_a_width_limit_that_binds_is_told_once() -> None:
    """A network at its limit that captures less than half says so in a note, once a run."""
    make = tanh_network("retracted", hidden=1, max_width=1)
    problem = toy(sigma=0.1)
    states = solved(problem, by_discrepancy, make, max_iterations=6)
    assert make(problem).step.full(states[-1].representation)
    notes = [note for state in states for note in state.notes]
    assert len(notes) == 1 and "max_width" in notes[0]
    few = Method(trials=Trials(crowded=0.0))
    assert not any(
        state.notes for state in solved(problem, by_discrepancy, make, max_iterations=6, method=few)
    )


@pytest.mark.parametrize("make", [ideal, tanh_network("retracted")], ids=["ideal", "retracted"])
@pytest.mark.parametrize("seed", range(3))
def test_weight_by_discrepancy_goes_without_the_noise(make: Make, seed: int) -> None:
    """Without a target each iteration aims at a quarter of its misfit, or at what is within reach: the
    energy falls and the run ends in order."""
    problem = toy(seed, sigma=0.1)

    def without_target(problem: Toy, creeps: bool) -> ModelBuilder:
        return GaussNewtonBuilder(FixedR(problem.R), None, None, creeps)

    last = solved(problem, without_target, make, target=np.inf, max_iterations=60)[-1]
    assert last.stop_reason in ("stalled", "no_accepted_step")
    assert last.records[-1].misfit < problem.target  # fits the noise too: nothing tells it not to


def test_the_start_is_told_as_it_is() -> None:
    """Iteration 0 has the misfit and the network of the start, and no energy, weight or step."""
    problem = toy()
    way = tanh_network("retracted")(problem)
    builder = by_discrepancy(problem, creeps=True)
    first = start(minimisation(problem, way, builder, AtTarget(problem.target, 9)), Method())
    (record,) = first.records
    e = problem.energy.residual(problem.reference)
    assert record.misfit == pytest.approx(0.5 * e @ e, rel=1e-12)
    assert (record.iteration, record.widths, record.parameters) == (0, (4,), way.start.size)
    assert record.energy is record.regularisation is record.weight is record.capture is None
    assert (first.stage, first.stop_reason, first.representation) == ("approach", None, way.start)


def test_step_classes_are_those_of_the_dictionary() -> None:
    """What `flow: {step: …}` may say."""
    assert (STEPS["retracted"], STEPS["plain"]) == (RetractedStep, PlainStep)
