"""Two stages on toys: near the target with the first regularisation, then to the minimum with the chosen
one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from choice_toys import edges, fixed, ridge, steps_or_waves
from flow_toys import Dense, Readings, Silent, network_on_interval

from app.flow import (
    STRATEGIES,
    Choice,
    Contender,
    Contest,
    GaussNewtonBuilder,
    GrowthRule,
    IdealStep,
    Outcome,
    RetractedStep,
    Step,
    run_two_stages,
)
from app.flow.choice import choose
from app.flow.look import take_look
from app.flow.stopping import NEAR
from app.parallel import SolveFailed

SIZE = 40


class Setting:
    """Readings of a function on [0, 1], its start at the reference, and contenders."""

    def __init__(self, *, sharp: bool = False, bend: float = 0.0, seed: int = 0) -> None:
        problem = steps_or_waves(seed, sharp, size=SIZE)
        self.energy = Readings(problem.J, problem.y, bend=bend)
        self.reference = problem.reference
        self.target = 0.5 * len(problem.y)
        self.contenders = [*fixed(problem), edges(problem)]
        self.observer = Silent()

    def contest(self, contenders: list[Contender] | None = None, seed: int = 5) -> Contest:
        return Contest(self.contenders[0], contenders or self.contenders, np.random.default_rng(seed))

    def run(
        self,
        step: Step | None = None,
        *,
        known: bool = True,
        contest: Contest | None = None,
        max_iterations: int = 40,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> tuple[Outcome, Choice | None]:
        step = step or IdealStep(self.reference.copy(), SIZE)
        target = self.target if known else None
        builder = GaussNewtonBuilder(self.contenders[0].regularisation, None, target, step.creeps)
        return run_two_stages(
            self.energy,
            self.energy.residual(step.values()),
            self.reference,
            builder,
            step,
            contest or self.contest(),
            target,
            max_iterations,
            self.observer,
            interrupted,
        )

    def value(self, choice: Choice, m: np.ndarray) -> float:
        """½‖e‖² + ½w‖m − m_ref‖²_R with the chosen R and w."""
        e, shift = self.energy.residual(m), m - self.reference
        return 0.5 * float(e @ e + choice.weight * shift @ choice.R.apply(shift))


def dense(R: object) -> np.ndarray:
    assert isinstance(R, Dense)
    return R.matrix


def network_step(max_width: int = 60) -> RetractedStep:
    network = network_on_interval(SIZE, (4,), max_width)
    growth = GrowthRule(STRATEGIES["gain"](np.random.default_rng(0), 100, (1.0, 60.0)))
    return RetractedStep(network, network.start(np.random.default_rng(0)), growth)


known_or_not = pytest.mark.parametrize("known", [True, False], ids=["noise known", "noise unknown"])
sharp_or_not = pytest.mark.parametrize("sharp", [True, False], ids=["steps", "waves"])


@known_or_not
@sharp_or_not
def test_nodal_values_of_a_linear_problem_end_at_the_ridge_solution(known: bool, sharp: bool) -> None:
    """(JᵀJ + wR)⁻¹Jᵀy with the chosen R and w, to a per cent in the coefficient and 1e-4 in the energy (the
    exact model leaves out directions weaker than a hundredth of w)."""
    setting = Setting(sharp=sharp)
    outcome, choice = setting.run(known=known)
    assert outcome.stop_reason == "minimum" and choice is not None
    expected = ridge(setting.energy.B, setting.energy.data, dense(choice.R), choice.weight)
    error = np.linalg.norm(outcome.coefficient - expected) / np.linalg.norm(expected)
    assert error < 0.01
    least = setting.value(choice, expected)
    assert least * (1 - 1e-12) <= setting.value(choice, outcome.coefficient) <= least * (1 + 1e-4)
    assert (choice.contender is setting.contenders[-1]) == sharp


@known_or_not
@pytest.mark.parametrize("bend", [0.0, 0.05])
def test_choice_is_that_of_the_look_where_the_first_stage_ended(known: bool, bend: float) -> None:
    """It equals a choice by hand: one look at the last coefficient of the first stage, with the contest's own
    stream; J is taken as one block, and the observer is told once."""
    setting = Setting(bend=bend)
    outcome, choice = setting.run(known=known)
    assert choice is not None and setting.observer.choices == [choice]
    again = Setting(bend=bend)
    nodes = [record for record in outcome.records if record.vectors > 0 or record.iteration == 0]
    m = nodes[-1].coefficient
    rng = np.random.default_rng(5)
    residual = again.energy.residual(m)
    R = again.contenders[0].regularisation.at(again.reference)
    look = take_look(again.energy, R, residual, m - again.reference, rng)
    expected = choose(look, again.contenders[0], again.contenders, again.reference, rng)
    assert str(choice.contender) == str(expected.contender)
    assert choice.weight == pytest.approx(expected.weight, rel=1e-12)
    assert choice.spread == pytest.approx(expected.spread, rel=1e-9)


def test_records_go_on_through_both_stages() -> None:
    """One numbering, told once each; Krylov vectors in the first stage alone, the chosen weight throughout
    the second, which begins within NEAR targets and lowers the new energy in every iteration."""
    setting = Setting(bend=0.05)
    outcome, choice = setting.run()
    records = outcome.records
    assert choice is not None and setting.observer.records == records
    assert [record.iteration for record in records] == list(range(len(records)))
    first = [record for record in records[1:] if record.vectors > 0]
    second = records[1 + len(first) :]
    assert first == records[1 : 1 + len(first)] and second
    assert all(record.misfit > NEAR * setting.target for record in records[: len(first)])
    assert records[len(first)].misfit <= NEAR * setting.target
    assert {record.weight for record in second} == {choice.weight}
    values = [setting.value(choice, record.coefficient) for record in records[len(first) :]]
    assert np.all(np.diff(values) <= 1e-12 * values[0])
    np.testing.assert_array_equal(outcome.coefficient, records[-1].coefficient)
    residual = setting.energy.residual(outcome.coefficient)
    np.testing.assert_allclose(outcome.residual, residual, rtol=0, atol=1e-12)


@known_or_not
@sharp_or_not
def test_network_comes_near_the_minimum(known: bool, sharp: bool) -> None:
    """A network that starts with four neurons ends within a tenth of the least energy of all coefficients
    (its capture may be 0.9, and the last iteration may miss a per cent)."""
    setting = Setting(sharp=sharp)
    outcome, choice = setting.run(network_step(), known=known)
    assert choice is not None and outcome.stop_reason == "minimum"
    least = ridge(setting.energy.B, setting.energy.data, dense(choice.R), choice.weight)
    assert setting.value(choice, outcome.coefficient) <= 1.1 * setting.value(choice, least)


@pytest.mark.parametrize("limit", range(1, 5))
def test_iterations_are_shared_by_the_stages(limit: int) -> None:
    """No more than allowed in both together; a first stage that uses them up leaves no choice."""
    setting = Setting(bend=0.05, sharp=True)
    whole, _ = Setting(bend=0.05, sharp=True).run()
    assert len(whole.records) > 4
    outcome, choice = setting.run(max_iterations=limit)
    near = [record.misfit <= NEAR * setting.target for record in outcome.records]
    assert (outcome.stop_reason, outcome.records[-1].iteration) == ("max_iterations", limit)
    assert (choice is not None) == any(near)
    assert len(setting.observer.choices) == any(near)


def test_interrupted_first_stage_leaves_no_choice() -> None:
    """The records up to then are the result, and nothing is looked at."""
    setting = Setting(bend=0.05)
    outcome, choice = setting.run(interrupted=lambda: True)
    assert (outcome.stop_reason, choice, setting.observer.choices) == ("interrupted", None, [])
    assert len(outcome.records) == 2


def test_interrupted_second_stage_keeps_the_choice() -> None:
    """What was chosen is told, and the run ends after the iteration."""
    setting = Setting(bend=0.05, sharp=True)
    outcome, choice = setting.run(interrupted=lambda: bool(setting.observer.choices))
    assert outcome.stop_reason == "interrupted" and choice is not None
    assert outcome.records[-1].vectors == 0 < outcome.records[-2].vectors


def test_a_look_that_fails_ends_the_run_with_its_best_iterate() -> None:
    """Without J there is no choice: reason `error`, said in a note, the coefficient of the first stage."""
    setting = Setting()
    adjoint = setting.energy.adjoint

    def broken(data: np.ndarray) -> np.ndarray:
        if data.ndim > 1:
            raise SolveFailed("no convergence")
        return adjoint(data)

    setting.energy.adjoint = broken  # type: ignore[method-assign]
    outcome, choice = setting.run()
    assert (outcome.stop_reason, choice) == ("error", None)
    assert any("no convergence" in note for note in setting.observer.notes)
    np.testing.assert_array_equal(outcome.coefficient, outcome.records[-1].coefficient)
    residual = setting.energy.residual(outcome.coefficient)
    np.testing.assert_allclose(outcome.residual, residual, rtol=0, atol=1e-12)


def test_first_stage_without_an_accepted_step_is_looked_at_where_it_stands() -> None:
    """Every trial of the second iteration fails: J is taken at the coefficient before it, not at the last
    trial, and the second stage goes on from there to the minimum."""
    setting = Setting(bend=0.05)
    patience = IdealStep.patience

    def spoil(evaluation: int, e: np.ndarray) -> np.ndarray:
        return np.full_like(e, np.nan) if 2 <= evaluation < 2 + patience else e

    setting.energy.spoil = spoil
    outcome, choice = setting.run()
    assert choice is not None and outcome.stop_reason == "minimum"
    assert outcome.records[2].trials == patience
    m = outcome.records[2].coefficient
    np.testing.assert_array_equal(m, outcome.records[1].coefficient)
    again = Setting(bend=0.05)
    rng = np.random.default_rng(5)
    residual = again.energy.residual(m)
    R = again.contenders[0].regularisation.at(again.reference)
    look = take_look(again.energy, R, residual, m - again.reference, rng)
    expected = choose(look, again.contenders[0], again.contenders, again.reference, rng)
    assert choice.weight == pytest.approx(expected.weight, rel=1e-12)


def test_start_near_the_target_is_looked_at_as_it_is() -> None:
    """Where the reference is near the target already there is no first stage."""
    setting = Setting()
    setting.target = 1e9
    outcome, choice = setting.run()
    assert choice is not None and outcome.stop_reason == "minimum"
    assert all(record.vectors == 0 for record in outcome.records)


def test_weight_alone_may_be_chosen() -> None:
    """A contest of one R chooses its weight."""
    setting = Setting()
    only = replace(setting.contenders[1])
    outcome, choice = setting.run(contest=setting.contest([only]))
    assert choice is not None and choice.contender is only
    expected = ridge(setting.energy.B, setting.energy.data, dense(choice.R), choice.weight)
    np.testing.assert_allclose(outcome.coefficient, expected, atol=0.01 * np.abs(expected).max())


def test_records_tell_the_chosen_weight_where_nothing_is_left_to_gain() -> None:
    """A start that is near the target and at the minimum of the energy that the data choose: the iteration
    that finds this has the chosen weight on record, and the energy with it."""
    setting = Setting()
    chosen = setting.run()[1]
    assert chosen is not None
    minimum = ridge(setting.energy.B, setting.energy.data, dense(chosen.R), chosen.weight)
    setting.target = 1e9
    outcome, choice = setting.run(IdealStep(minimum, SIZE))
    assert choice is not None and outcome.stop_reason == "minimum"
    np.testing.assert_array_equal(outcome.coefficient, minimum)
    last = outcome.records[-1]
    assert last.weight == choice.weight
    assert last.energy == pytest.approx(setting.value(choice, minimum), rel=1e-9)
