"""The selection on toys: near the target with the first regularisation, then to the minimum with the chosen
one."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from choice_toys import ridge
from flow_toys import nodal
from run_toys import Way, run
from selection_toys import Setting, dense, network

from app.flow import Choice, FlowState, IdealStep, chosen_again
from app.flow.choice import choose
from app.flow.sketch import take_sketch
from app.method import StoppingMethod

NEAR = StoppingMethod().near

known_or_not = pytest.mark.parametrize("known", [True, False], ids=["noise known", "noise unknown"])
sharp_or_not = pytest.mark.parametrize("sharp", [True, False], ids=["steps", "waves"])


def chosen_by_hand(setting: Setting, m: np.ndarray) -> Choice:
    """From one sketch at a coefficient, with the selection's own stream."""
    selection = setting.selection()
    rng = selection.rng()
    R = selection.start.regularisation.at(setting.reference)
    sketch = take_sketch(setting.energy.at(m), R, m - setting.reference, rng)
    return choose(sketch, selection.start, selection.candidates, setting.reference, rng)


def by_stage(states: list[FlowState]) -> dict[str, list[FlowState]]:
    """The states of each stage, which come one after the other."""
    stages = [state.stage for state in states]
    assert sorted(stages, key=("approach", "selection", "minimisation").index) == stages
    return {stage: [state for state in states if state.stage == stage] for stage in stages}


@known_or_not
@sharp_or_not
def test_nodal_values_of_a_linear_problem_end_at_the_ridge_solution(known: bool, sharp: bool) -> None:
    """(JᵀJ + wR)⁻¹Jᵀy with the chosen R and w, to a per cent in the coefficient and 1e-4 in the energy (the
    exact model leaves out directions weaker than a hundredth of w)."""
    setting = Setting(sharp=sharp)
    last = run(setting.problem(known=known))[-1]
    choice, m = last.choice, last.representation.values()
    assert last.stop_reason == "minimum" and choice is not None
    expected = ridge(setting.energy.B, setting.energy.data, dense(choice.R), choice.weight)
    assert np.linalg.norm(m - expected) / np.linalg.norm(expected) < 0.01
    least = setting.value(choice, expected)
    assert least * (1 - 1e-12) <= setting.value(choice, m) <= least * (1 + 1e-4)
    assert (choice.candidate is setting.candidates[-1]) == sharp


@known_or_not
@pytest.mark.parametrize("bend", [0.0, 0.05])
def test_choice_is_that_of_the_sketch_where_the_approach_ended(known: bool, bend: float) -> None:
    """It equals a choice by hand: one sketch at the last coefficient of the approach, with the selection's
    own stream; J is taken as one block. It is there from the selection on, and not before."""
    setting = Setting(bend=bend)
    stages = by_stage(run(setting.problem(known=known)))
    (selection,) = stages["selection"]
    assert all(state.choice is None for state in (*stages.get("approach", []), selection))
    first, *later = stages["minimisation"]
    choice = first.choice
    assert choice is not None and all(state.choice is choice for state in later)
    assert first.records == selection.records, "the selection is no iteration"
    assert first.representation is selection.representation
    expected = chosen_by_hand(setting, selection.representation.values())
    assert str(choice.candidate) == str(expected.candidate)
    assert choice.weight == pytest.approx(expected.weight, rel=1e-12)
    assert choice.spread == pytest.approx(expected.spread, rel=1e-9)
    taken = first.spent["adjoints"] - selection.spent["adjoints"]
    assert (taken, first.spent["tangents"]) == (1, selection.spent["tangents"])


@sharp_or_not
def test_what_was_chosen_is_kept_in_numbers(sharp: bool) -> None:
    """The choice made from `selected` is the choice: the same candidate, R to the last bit, scores and
    figures."""
    setting = Setting(sharp=sharp, bend=0.05)
    problem = setting.problem()
    last = run(problem)[-1]
    choice, selected = last.choice, last.selected
    assert choice is not None and selected is not None
    again = chosen_again(problem, selected)
    assert again.choice.candidate is choice.candidate is setting.candidates[selected.candidate]
    assert (selected.lagged is not None) == sharp
    np.testing.assert_array_equal(dense(again.R), dense(choice.R))
    for name in ("weight", "reason", "freedom", "spread"):
        assert getattr(again.choice, name) == getattr(choice, name)
    for one, other in zip(again.choice.scores, choice.scores, strict=True):
        assert one.candidate is other.candidate and one.best == other.best
        np.testing.assert_array_equal(one.judged, other.judged)
        np.testing.assert_array_equal(one.left_out, other.left_out)
        assert one.by_folds == other.by_folds
    assert any(one is again.choice.score for one in again.choice.scores)


def test_records_go_on_through_both_stages() -> None:
    """One numbering; Krylov vectors on the way to the target alone, the chosen weight throughout the
    minimisation, which begins within `near` targets and lowers the new energy in every iteration."""
    setting = Setting(bend=0.05)
    states = run(setting.problem())
    records, choice = states[-1].records, states[-1].choice
    assert choice is not None
    assert [record.iteration for record in records] == list(range(len(records)))
    assert all(later.records[: len(state.records)] == state.records for state, later in pairwise(states))
    first = [record for record in records[1:] if record.vectors > 0]
    second = records[1 + len(first) :]
    assert first == list(records[1 : 1 + len(first)]) and second
    assert all(record.misfit > NEAR * setting.target for record in records[: len(first)])
    assert records[len(first)].misfit <= NEAR * setting.target
    assert {record.weight for record in second} == {choice.weight}
    later = by_stage(states)["minimisation"]
    values = [setting.value(choice, state.representation.values()) for state in later]
    assert np.all(np.diff(values) <= 1e-12 * values[0])
    assert states[-1].evaluation is not None
    np.testing.assert_array_equal(states[-1].evaluation.m, states[-1].representation.values())


@known_or_not
@sharp_or_not
def test_network_comes_near_the_minimum(known: bool, sharp: bool) -> None:
    """A network that starts with four neurons ends within a tenth of the least energy of all coefficients
    (its capture may be 0.9, and the last iteration may miss a per cent)."""
    setting = Setting(sharp=sharp)
    last = run(setting.problem(network(), known=known))[-1]
    assert last.choice is not None and last.stop_reason == "minimum" and last.step.closely
    least = ridge(setting.energy.B, setting.energy.data, dense(last.choice.R), last.choice.weight)
    reached = setting.value(last.choice, last.representation.values())
    assert reached <= 1.1 * setting.value(last.choice, least)


@pytest.mark.parametrize("limit", range(1, 5))
def test_iterations_are_shared_by_the_stages(limit: int) -> None:
    """No more than allowed in both together; an approach that uses them up leaves no choice."""
    setting = Setting(bend=0.05, sharp=True)
    assert len(run(Setting(bend=0.05, sharp=True).problem())[-1].records) > 4
    last = run(setting.problem(most=limit))[-1]
    near = [record.misfit <= NEAR * setting.target for record in last.records]
    assert (last.stop_reason, last.iteration) == ("max_iterations", limit)
    assert (last.choice is not None) == any(near)


def test_a_sketch_that_fails_ends_the_run_with_its_best_iterate() -> None:
    """Without J there is no choice: reason `error`, said in a note, the coefficient of the approach."""
    setting = Setting()
    setting.energy.refused = lambda data: data.ndim > 1
    *_, before, last = run(setting.problem())
    assert (before.stage, last.stop_reason, last.choice) == ("selection", "error", None)
    assert any("sketch" in note and "no convergence" in note for note in last.notes)
    assert last.representation is before.representation and last.records == before.records


def test_an_approach_without_an_accepted_step_is_sketched_where_it_stands() -> None:
    """Every trial of the second iteration fails: J is taken at the coefficient before it, not at the last
    trial, and the minimisation goes on from there to the minimum."""
    setting = Setting(bend=0.05)
    most = IdealStep().max_rejections

    def spoil(evaluation: int, e: np.ndarray) -> np.ndarray:
        return np.full_like(e, np.nan) if 2 <= evaluation < 2 + most else e

    setting.energy.spoil = spoil
    states = run(setting.problem())
    choice, records = states[-1].choice, states[-1].records
    assert choice is not None and states[-1].stop_reason == "minimum"
    assert records[2].trials == most and records[2].misfit == records[1].misfit
    (selection,) = by_stage(states)["selection"]
    m = selection.representation.values()
    np.testing.assert_array_equal(m, states[1].representation.values())
    expected = chosen_by_hand(Setting(bend=0.05), m)
    assert choice.weight == pytest.approx(expected.weight, rel=1e-12)


def test_a_network_that_grew_in_vain_is_sketched_where_it_stands() -> None:
    """It keeps the neurons that joined for the rejected trials, with m unchanged but for rounding, and the
    minimisation goes on from them."""
    setting = Setting(bend=0.05)

    def spoil(evaluation: int, e: np.ndarray) -> np.ndarray:
        return np.full_like(e, np.nan) if 1 <= evaluation < 9 else e

    setting.energy.spoil = spoil
    states = run(setting.problem(network()))
    (selection,) = by_stage(states)["selection"]
    assert selection.records[-1].trials == 8 and selection.records[-1].growth
    assert selection.representation.widths == selection.records[-1].widths > states[0].representation.widths
    np.testing.assert_allclose(selection.representation.values(), setting.reference, rtol=0, atol=1e-12)
    assert states[-1].stop_reason == "minimum" and states[-1].choice is not None


def test_a_start_near_the_target_is_sketched_as_it_is() -> None:
    """Where the reference is near the target already there is no approach."""
    setting = Setting()
    setting.target = 1e9
    states = run(setting.problem())
    assert states[0].stage == "selection"
    assert states[-1].choice is not None and states[-1].stop_reason == "minimum"
    assert all(record.vectors == 0 for record in states[-1].records)


def test_weight_alone_may_be_chosen() -> None:
    """A selection of one R chooses its weight."""
    setting = Setting()
    only = replace(setting.candidates[1])
    last = run(setting.problem(selection=setting.selection([only])))[-1]
    choice = last.choice
    assert choice is not None and choice.candidate is only
    expected = ridge(setting.energy.B, setting.energy.data, dense(choice.R), choice.weight)
    np.testing.assert_allclose(last.representation.values(), expected, atol=0.01 * np.abs(expected).max())


def test_records_tell_the_chosen_weight_where_nothing_is_left_to_gain() -> None:
    """A start that is near the target and at the minimum of the energy that the data choose: the iteration
    that finds this has the chosen weight on record, and the energy with it."""
    setting = Setting()
    chosen = run(setting.problem())[-1].choice
    assert chosen is not None
    minimum = ridge(setting.energy.B, setting.energy.data, dense(chosen.R), chosen.weight)
    setting.target = 1e9
    last = run(setting.problem(Way(IdealStep(), nodal(minimum))))[-1]
    assert last.choice is not None and last.stop_reason == "minimum"
    np.testing.assert_array_equal(last.representation.values(), minimum)
    record = last.records[-1]
    assert record.weight == last.choice.weight
    assert record.energy == pytest.approx(setting.value(last.choice, minimum), rel=1e-9)


@pytest.mark.parametrize("stated, reason", [(1.0, "minimum"), (0.2, "noise_not_met")])
def test_a_minimum_far_above_the_target_has_not_met_the_noise(stated: float, reason: str) -> None:
    """Noise stated five times too small: the run ends at its minimum all the same, and says that the data are
    not explained."""
    setting = Setting()
    setting.energy.data = setting.energy.data + 0.5 * np.random.default_rng(3).standard_normal(60)
    known = setting.problem()
    last = run(replace(known, target=setting.target * stated**2))[-1]
    assert last.records[-1].misfit > 0 and last.stop_reason == reason
