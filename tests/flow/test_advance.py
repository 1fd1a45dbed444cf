"""The outer loop on toys: convergence, rejected trials, stopping, and what it records."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from flow_toys import FixedR, LaggedR, LinearNetwork, Silent, Toy, network_on_interval, toy

from app.flow import (
    STEPS,
    STRATEGIES,
    AtTarget,
    GaussNewtonBuilder,
    GrowthRule,
    IdealStep,
    MetricBuilder,
    ModelBuilder,
    Outcome,
    PlainStep,
    RetractedStep,
    Step,
    run_flow,
)
from app.parallel import SolveFailed

NODES = 40
REGULARISATIONS = {"fixed": FixedR, "lagged": LaggedR}


def ideal(problem: Toy) -> Step:
    return IdealStep(problem.reference.copy(), NODES)


def waves(name: str) -> Callable[[Toy], Step]:
    """A step of a network that is linear in its parameters: six cosines, and twenty more to grow by."""

    def make(problem: Toy) -> Step:
        modes = np.cos(np.pi * np.outer(np.linspace(0.0, 1.0, NODES), np.arange(26)))
        network = LinearNetwork(modes[:, :6], modes[:, 6:], problem.reference)
        growth = GrowthRule(STRATEGIES["gain"](np.random.default_rng(0), 20, (1.0, 1.0)))
        return STEPS[name](network, np.zeros(6), growth)

    return make


def tanh_network(name: str, hidden: int = 4, seed: int = 0, max_width: int = 40) -> Callable[[Toy], Step]:
    """A step of a real network from its start at the reference."""

    def make(problem: Toy) -> Step:
        network = network_on_interval(NODES, (hidden,), max_width)
        growth = GrowthRule(STRATEGIES["gain"](np.random.default_rng(seed), 100, (1.0, 60.0)))
        return STEPS[name](network, network.start(np.random.default_rng(seed)), growth)

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
Make = Callable[[Toy], Step]

all_steps = pytest.mark.parametrize("make", ALL_STEPS.values(), ids=ALL_STEPS.keys())
all_builders = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS.keys())


def run(
    problem: Toy,
    build: Build,
    make: Make,
    *,
    target: float | None = None,
    max_iterations: int = 200,
    **options: Callable[[], bool],
) -> tuple[Outcome, Step, Silent]:
    """Run the flow with the problem's target unless another is given (inf for none)."""
    step, observer = make(problem), Silent()
    aim = problem.target if target is None else target if np.isfinite(target) else None
    outcome = run_flow(
        problem.energy,
        problem.energy.residual(step.values()),
        problem.reference,
        build(problem, step.creeps),
        step,
        AtTarget(aim, max_iterations),
        observer,
        **options,
    )
    return outcome, step, observer


@all_builders
@all_steps
def test_flow_reaches_the_discrepancy(build: Build, make: Make) -> None:
    """From every step and builder the misfit of a nonlinear toy comes down to the target and not far below
    it."""
    problem = toy(sigma=0.5)
    outcome, _, _ = run(problem, build, make)
    assert outcome.stop_reason == "discrepancy"
    last = outcome.records[-1]
    assert 0.25 * problem.target < last.misfit <= problem.target < outcome.records[-2].misfit
    e = problem.energy.residual(outcome.coefficient)
    assert last.misfit == pytest.approx(0.5 * e @ e, rel=1e-12)


@pytest.mark.parametrize("build", [given_weight, by_discrepancy, lagged_by_discrepancy])
@pytest.mark.parametrize("seed", range(3))
def test_retracted_network_reaches_the_discrepancy_of_precise_data(build: Build, seed: int) -> None:
    """A network that starts with four neurons at the reference needs few state solves and trials where φ
    starts at a thousand targets: the claim of docs/method.md, whose table has 4 to 10 iterations."""
    problem = toy(seed, sigma=0.03)
    outcome, _, _ = run(problem, build, tanh_network("retracted", seed=seed))
    assert outcome.stop_reason == "discrepancy"
    assert problem.energy.evaluations <= 20


def test_plain_network_reaches_the_discrepancy() -> None:
    """The explicit Euler step works too, with many more iterations (docs/method.md)."""
    problem = toy(0, sigma=0.3)
    outcome, _, _ = run(problem, given_weight, tanh_network("plain", hidden=12))
    assert outcome.stop_reason == "discrepancy"


@all_builders
@all_steps
def test_trials_do_not_pile_up(build: Build, make: Make) -> None:
    """What an iteration learnt of the step's length the next one remembers: the second half of a run has no
    more rejected trials an iteration than the first, and at most two on average."""
    outcome, _, _ = run(toy(sigma=0.5), build, make)
    trials = [record.trials for record in outcome.records[1:]]
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
    outcome, _, _ = run(problem, build, make)
    assert outcome.records[1].trials >= 2
    assert outcome.stop_reason == "discrepancy"


@pytest.mark.parametrize("mode", ["raises", "nan", "inf"])
@all_steps
def test_no_accepted_step_when_every_trial_fails(mode: str, make: Make) -> None:
    """After `patience` rejected trials the run stops with its best iterate, here the start; the work is on
    record."""
    problem = toy(sigma=0.3)
    problem.energy.spoil = failing(mode, lambda evaluation: evaluation > 0)
    outcome, step, observer = run(problem, by_discrepancy, make)
    assert outcome.stop_reason == "no_accepted_step"
    assert problem.energy.evaluations == 1 + step.patience
    assert outcome.records == observer.records
    assert [record.trials for record in outcome.records] == [0, step.patience]
    assert outcome.records[1].misfit == outcome.records[0].misfit
    np.testing.assert_array_equal(outcome.coefficient, problem.reference)
    np.testing.assert_allclose(step.values(), problem.reference, atol=1e-13)


@all_steps
def test_the_best_iterate_survives_a_late_failure(make: Make) -> None:
    """When trials begin to fail in mid-run, the outcome is the last accepted coefficient and its
    parameters."""
    problem = toy(sigma=0.03)
    problem.energy.spoil = failing("nan", lambda evaluation: evaluation > 2)
    outcome, step, _ = run(problem, by_discrepancy, make)
    assert outcome.stop_reason == "no_accepted_step"
    assert len(outcome.records) > 2
    last = outcome.records[-1]
    np.testing.assert_array_equal(outcome.coefficient, last.coefficient)
    np.testing.assert_allclose(step.values(), last.coefficient, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(outcome.parameters, step.theta)


def test_a_start_without_energy_is_an_error() -> None:
    """SolveFailed at the start reaches the caller: there is no iterate to fall back on."""
    problem = toy()
    problem.energy.spoil = failing("raises", lambda evaluation: True)
    with pytest.raises(SolveFailed):
        run(problem, by_discrepancy, ideal)


@pytest.mark.parametrize("build", [given_weight, by_discrepancy, metric])
def test_data_that_see_nothing_end_the_run_in_order(build: Build) -> None:
    """Where J = 0 no step can help: the run stops and says so, without an exception."""
    problem = toy()
    problem.energy.B[:] = 0.0
    outcome, _, _ = run(problem, build, ideal, max_iterations=5)
    assert outcome.stop_reason in ("no_accepted_step", "stalled")
    np.testing.assert_array_equal(outcome.coefficient, problem.reference)


@pytest.mark.parametrize("make", [ideal, waves("retracted"), tanh_network("retracted")])
@pytest.mark.parametrize("seed", range(3))
def test_stalled_when_the_noise_is_unknown(make: Make, seed: int) -> None:
    """Without a target the run ends once the misfit fell by less than 0.1 % in three iterations running in
    which the network did not grow, and not before."""
    problem = toy(seed, sigma=0.1)
    step = make(problem)
    builder = GaussNewtonBuilder(FixedR(problem.R), 0.3, None, step.creeps)
    observer = Silent()
    start = problem.energy.residual(step.values())
    outcome = run_flow(problem.energy, start, problem.reference, builder, step, AtTarget(None, 200), observer)
    assert outcome.stop_reason == "stalled"
    misfits = np.array([record.misfit for record in outcome.records])
    still = np.array([record.expansions == 0 for record in outcome.records[1:]])
    slow = still & (misfits[1:] > (1 - 1e-3) * misfits[:-1])
    running = np.convolve(slow, np.ones(3), mode="valid")
    assert running[-1] == 3 and np.all(running[:-1] < 3)


def test_max_iterations() -> None:
    """The run takes no more outer iterations than allowed, none at all included."""
    for limit in [0, 1, 3]:
        outcome, _, _ = run(toy(sigma=0.01), by_discrepancy, ideal, max_iterations=limit)
        assert outcome.stop_reason == "max_iterations"
        assert [record.iteration for record in outcome.records] == list(range(limit + 1))


def test_a_start_below_the_target_is_the_result() -> None:
    """Nothing is done where the reference already explains the data."""
    problem = toy()
    outcome, _, _ = run(problem, by_discrepancy, ideal, target=1e9)
    assert (outcome.stop_reason, len(outcome.records)) == ("discrepancy", 1)
    assert problem.energy.evaluations == 1


def test_an_interrupt_ends_the_run_after_its_iteration() -> None:
    """`interrupted` is asked after each iteration; the records up to then are the result. An end of the
    run's own in the same iteration goes first."""
    asked: list[bool] = []

    def after_two() -> bool:
        asked.append(len(asked) == 1)
        return asked[-1]

    outcome, _, _ = run(toy(sigma=0.01), by_discrepancy, ideal, interrupted=after_two)
    assert (outcome.stop_reason, len(outcome.records)) == ("interrupted", 3)
    outcome, _, _ = run(toy(sigma=0.01), by_discrepancy, ideal, max_iterations=1, interrupted=lambda: True)
    assert outcome.stop_reason == "max_iterations"


@pytest.mark.parametrize("kind", REGULARISATIONS)
@pytest.mark.parametrize("weight", [0.3, None], ids=["given", "discrepancy"])
@pytest.mark.parametrize("make", [ideal, tanh_network("retracted")], ids=["ideal", "retracted"])
def test_records_are_consistent(kind: str, weight: float | None, make: Make) -> None:
    """One record an iteration, the start's first; energy = misfit + ½w‖m − m_ref‖²_R with the iteration's R
    and w, and lower than at the iteration's start; vectors and trials account for every product with J and
    every solve."""
    problem = toy(sigma=0.1)
    regularisation = REGULARISATIONS[kind](problem.R)
    step, observer = make(problem), Silent()
    builder = GaussNewtonBuilder(regularisation, weight, problem.target, step.creeps)
    start = problem.energy.residual(step.values())
    stopping = AtTarget(problem.target, 60)
    outcome = run_flow(problem.energy, start, problem.reference, builder, step, stopping, observer)
    records = outcome.records
    assert outcome.stop_reason == "discrepancy"
    assert observer.records == records
    assert [record.iteration for record in records] == list(range(len(records)))
    assert records[0].energy is None and records[0].weight is None
    solves, products = problem.energy.evaluations, problem.energy.tangents
    assert solves == len(records) + sum(record.trials for record in records)
    assert products == problem.energy.adjoints == sum(record.vectors for record in records)
    for before, record in pairwise(records):
        R = regularisation.at(before.coefficient)
        assert record.weight is not None and record.energy is not None

        def penalty(m: np.ndarray, R: object = R, w: float = record.weight) -> float:
            return 0.5 * w * float((m - problem.reference) @ R.apply(m - problem.reference))

        e = problem.energy.residual(record.coefficient)
        assert record.misfit == pytest.approx(0.5 * e @ e, rel=1e-12)
        assert record.regularisation == pytest.approx(penalty(record.coefficient), rel=1e-9, abs=1e-12)
        assert record.energy == pytest.approx(record.misfit + penalty(record.coefficient), rel=1e-12)
        assert record.energy < before.misfit + penalty(before.coefficient)
        assert 0 <= record.alignment <= 1 + 1e-9 and 0 < record.capture <= 1 + 1e-9
        assert record.complement > 0
    last = records[-1]
    np.testing.assert_array_equal(outcome.coefficient, last.coefficient)
    assert (last.parameters, last.widths) == (step.size, step.widths)
    if weight is not None:
        assert {record.weight for record in records[1:]} == {weight}


def test_a_failure_outside_a_trial_ends_the_run_with_its_best_iterate() -> None:
    """An adjoint or Riesz problem that cannot be solved has no more cautious version: reason `error`."""
    problem = toy(sigma=0.03)
    calls = 0
    adjoint = problem.energy.adjoint

    def broken(data: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise SolveFailed("no convergence")
        return adjoint(data)

    problem.energy.adjoint = broken  # type: ignore[method-assign]
    outcome, _, observer = run(problem, by_discrepancy, ideal)
    assert outcome.stop_reason == "error"
    assert outcome.records == observer.records
    np.testing.assert_array_equal(outcome.coefficient, outcome.records[-1].coefficient)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", [ideal, tanh_network("retracted")], ids=["ideal", "retracted"])
def test_weight_by_discrepancy_never_rises_with_a_fixed_r(make: Make, seed: int) -> None:
    """With a fixed R w falls or stays from iteration to iteration (docs/method.md)."""
    outcome, _, _ = run(toy(seed, sigma=0.03), by_discrepancy, make)
    weights = [record.weight for record in outcome.records[1:]]
    assert len(weights) >= 3
    assert all(later <= earlier for earlier, later in pairwise(weights))


def test_ideal_steps_capture_everything() -> None:
    """A nodal run's records say alignment 1 and capture 1, no widths and no inner steps."""
    outcome, _, _ = run(toy(sigma=0.1), by_discrepancy, ideal)
    for record in outcome.records[1:]:
        assert (record.alignment, record.capture) == (1.0, 1.0)
        assert (record.widths, record.inner_iterations, record.expansions) == ((), 0, 0)


def test_a_width_limit_that_binds_is_told_once() -> None:
    """A network at its limit that captures less than half says so in a note, once a run."""
    problem = toy(sigma=0.1)
    _, step, observer = run(
        problem, by_discrepancy, tanh_network("retracted", hidden=1, max_width=1), max_iterations=6
    )
    assert step.full
    assert len(observer.notes) == 1 and "max_width" in observer.notes[0]


@pytest.mark.parametrize("make", [ideal, tanh_network("retracted")], ids=["ideal", "retracted"])
@pytest.mark.parametrize("seed", range(3))
def test_weight_by_discrepancy_goes_without_the_noise(make: Make, seed: int) -> None:
    """Without a target each iteration aims at a quarter of its misfit, or at what is within reach: the
    energy falls and the run ends in order."""
    problem = toy(seed, sigma=0.1)
    step, observer = make(problem), Silent()
    builder = GaussNewtonBuilder(FixedR(problem.R), None, None, step.creeps)
    start = problem.energy.residual(step.values())
    stopping = AtTarget(None, 60)
    outcome = run_flow(problem.energy, start, problem.reference, builder, step, stopping, observer)
    assert outcome.stop_reason in ("stalled", "no_accepted_step")
    assert outcome.records[-1].misfit < problem.target  # fits the noise too: nothing tells it not to


def test_step_classes_are_those_of_the_dictionary() -> None:
    """What `flow: {step: …}` may say."""
    assert (STEPS["retracted"], STEPS["plain"]) == (RetractedStep, PlainStep)
