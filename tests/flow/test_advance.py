"""The outer loop on toys: convergence, rejected trials, stopping."""

from dataclasses import replace

import numpy as np
import pytest
from flow_toys import FixedR
from run_toys import (
    Build,
    Make,
    Toy,
    all_builders,
    all_steps,
    by_discrepancy,
    failing,
    given_weight,
    ideal,
    lagged_by_discrepancy,
    metric,
    minimisation,
    run,
    solved,
    tanh_network,
    toy,
    waves,
)

from app.flow import (
    STEPS,
    AtTarget,
    GaussNewtonBuilder,
    Method,
    ModelBuilder,
    PlainStep,
    RetractedStep,
    advance,
)
from app.parallel import SolveFailed


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


def test_a_failure_outside_a_trial_ends_the_run_with_its_best_iterate() -> None:
    """An adjoint or Riesz problem that cannot be solved has no more cautious version: reason `error`, told
    in a note; the coefficient is that of the iteration before."""
    problem = toy(sigma=0.03)
    problem.energy.refused = lambda data: problem.energy.adjoints > 3
    *_, before, last = solved(problem, by_discrepancy, ideal)
    assert last.stop_reason == "error" and last.records == before.records
    assert any("no convergence" in note for note in last.notes)
    assert last.representation is before.representation


def test_an_iteration_that_fails_is_charged() -> None:
    """Its work, here the adjoints before the one that is refused, is in `spent`, though in no record; what is
    made again for an iteration, and fails then, is not."""
    problem = toy(sigma=0.03)
    problem.energy.refused = lambda data: problem.energy.adjoints > 3
    *_, before, last = solved(problem, by_discrepancy, ideal)
    assert last.stop_reason == "error" and last.spent == problem.energy.read()
    assert last.spent["adjoints"] > before.spent["adjoints"] == last.records[-1].spent["adjoints"]

    problem = toy(sigma=0.03)
    way = ideal(problem)
    whole = minimisation(problem, way, by_discrepancy(problem, creeps=False), AtTarget(problem.target, 9), 9)
    first = run(whole)[0]
    problem.energy.spoil = failing("raises", lambda evaluation: True)
    failed = advance(whole, Method(), replace(first, evaluation=None))
    assert failed.stop_reason == "error" and failed.spent == first.spent


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


def test_step_classes_are_those_of_the_dictionary() -> None:
    """What `flow: {step: …}` may say."""
    assert (STEPS["retracted"], STEPS["plain"]) == (RetractedStep, PlainStep)
