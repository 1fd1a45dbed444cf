"""What a run tells of its iterations: a record each, with errors, weights and notes."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from flow_toys import FixedR, LaggedR
from run_toys import (
    Make,
    Toy,
    by_discrepancy,
    failing,
    ideal,
    minimisation,
    run,
    solved,
    tanh_network,
    toy,
    waves,
)

from app.flow import STEPS, AtTarget, Evaluation, GaussNewtonBuilder, Method, ModelBuilder, start
from app.method import Trials

REGULARISATIONS = {"fixed": FixedR, "lagged": LaggedR}


@pytest.mark.parametrize("name", STEPS)
def test_what_an_iteration_without_a_step_tells(name: str) -> None:
    """Its record has its weight, penalty, energy and work, and nothing of the iteration before it: neither
    its ratio nor whether it was damped, its capture, its gain."""
    problem = toy(sigma=0.03)
    problem.energy.spoil = failing("nan", lambda evaluation: evaluation > 2)
    *_, before, last = solved(problem, by_discrepancy, waves(name))[-1].records
    assert before.ratio is not None and before.gain is not None
    known = (last.alignment, last.capture, last.complement, last.gain, last.gained, last.missing, last.ratio)
    assert known == (None,) * 7 and not last.damped and last.pruned == 0
    assert last.energy == last.misfit + last.regularisation and last.misfit == before.misfit
    assert last.weight is not None and last.vectors > 0 and last.trials > 0


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

    def error(self, at: Evaluation) -> float | dict[str, float]:
        size = float(np.linalg.norm(at.m))
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
    assert told == [truth.error(problem.energy.at(state.representation.values())) for state in states]
    assert told[-1] == told[-2] != told[-3]


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
