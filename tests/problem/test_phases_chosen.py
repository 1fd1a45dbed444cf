"""Phases are found where there are some, and not where there are none; what a case says of them is kept."""

import json
from pathlib import Path

import numpy as np
import pytest
from small import PHASES, on_square

from app.api import load_result, solve
from app.case import InputError, load_case
from app.energy.pointwise import PointMisfit
from app.flow import FlowState
from app.flow.phases.fits import begun, stepped
from app.flow.phases.fitted import Fitted, tolerated
from app.flow.phases.stage import _objective
from app.problem import Problem, build

CASE = """
energy: {kind: regression}
mesh: {kind: rectangle, lower: [0, 0], upper: [1, 1], cells: [16, 16]}
unknowns: {m: {reference: "0"}}
observations: {values: {kind: points, file: values.csv}}
"""

SIGMA = 0.1

GAP = 1 / 16
"""Distance from the edge within which nothing is read: a cell."""


def disc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where((x - 0.45) ** 2 + (y - 0.5) ** 2 < 0.25**2, 1.0, 0.0)


def bump(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.exp(-((x - 0.45) ** 2 + (y - 0.5) ** 2) / 0.06)


def of_values(folder: Path, truth: object, *overrides: str) -> Problem:
    """The problem of finding a function from some 220 of its values, none of them in a cell with an edge."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0.0, 1.0, (300, 2))
    points = points[np.abs(np.linalg.norm(points - [0.45, 0.5], axis=1) - 0.25) > GAP]
    values = truth(*points.T) + SIGMA * rng.standard_normal(len(points))  # type: ignore[operator]
    rows = np.column_stack([points, values, np.full(len(points), SIGMA)])
    np.savetxt(folder / "values.csv", rows, delimiter=",", header="x,y,value,sigma", comments="")
    (folder / "case.yaml").write_text(CASE)
    return build(load_case(folder / "case.yaml", ("name=values", *overrides)))


def last(problem: Problem) -> FlowState:
    state = problem.start()
    while state.stop_reason is None:
        state = problem.advance(state)
    return state


def test_one_phase_is_found_where_there_is_one(tmp_path: Path) -> None:
    """Of up to three, with its value, its area and its perimeter."""
    with of_values(tmp_path, disc, "unknowns.m.representation={kind: phases}") as problem:
        state = last(problem)
        assert state.stage == "phases"
        told = problem.report.summary(state, "minimum")["phases"]
    assert (told["taken"], told["number"]) == (True, 1)
    assert told["values"] == pytest.approx([0.0, 1.0], abs=0.1)
    inside, outside = 0.25 - GAP, 0.25 + GAP  # what the readings leave open
    assert np.pi * inside**2 < told["sizes"][0] < np.pi * outside**2
    assert 2 * np.pi * inside < told["perimeters"][0] < 2.5 * np.pi * outside


def test_phases_are_chosen_where_they_predict_better() -> None:
    """By readings of a state where one inclusion conducts more and another less than what is around them."""
    with on_square("inclusions", "levels=1", "posterior.kind=none", cells=24).built() as problem:
        state = last(problem)
        told = problem.report.summary(state, "minimum")
    assert (told["regularisation_kind"], told["phases"]["number"]) == ("perimeter", 2)
    assert sorted(told["phases"]["values"]) == pytest.approx([-1.0, 0.0, 1.0], abs=0.3)
    assert told["relative_error"] < 0.35


def test_no_phase_is_found_where_there_is_none(tmp_path: Path) -> None:
    """The minimisation goes on, and says why."""
    with of_values(tmp_path, bump) as problem:
        state = last(problem)
        assert (state.stage, state.stop_reason) == ("minimisation", "minimum")
        told = problem.report.summary(state, "minimum")["phases"]
    assert told == {"taken": False, "reason": state.phase_choice.reason}  # type: ignore[union-attr]


def test_phases_are_not_considered_where_the_case_says_so(tmp_path: Path) -> None:
    """Nor is anything said of them."""
    with of_values(tmp_path, disc, "unknowns.m.representation.phases=false") as problem:
        state = last(problem)
        assert state.phase_choice is None
        assert "phases" not in problem.report.summary(state, "minimum")


def test_the_model_of_a_fit_has_its_gradient() -> None:
    """The gradient of the energy in units of the scales, with the equation seeing points, by differences."""
    with on_square("inclusions", *PHASES, "levels=1", cells=10).built() as problem:
        state = problem.complete(last(problem))
        minimised = problem.minimisation
        objective = _objective(minimised, problem.method, 3.0)
        assert isinstance(state.evaluation, PointMisfit)
        fit = begun(objective, objective.weighed(state.representation, state.evaluation))
        own, network = state.representation, fit.point.network
        gradient = objective.quadratic(fit.point, fit.J).gradient
        along = np.random.default_rng(1).standard_normal(network.size)

        def energy(h: float) -> float:
            theta = own.theta + h * network.scales * along
            return objective.point(type(own)(own.network, theta, own.size)).energy

        found = (energy(1e-6) - energy(-1e-6)) / 2e-6
        assert found == pytest.approx(gradient @ along, rel=1e-5)
        assert stepped(objective, fit).point.energy < fit.point.energy
        leverages = Fitted(objective, fit).leverages
        assert ((leverages > 0) & (leverages < 1)).all()


def test_noise_is_tolerated_by_one_standard_deviation() -> None:
    """½χ² of n readings has the mean n/2 and the variance n/2."""
    half = 0.5 * np.random.default_rng(2).chisquare(300, 4000)
    assert tolerated(150.0) == pytest.approx(half.mean() + half.std(), rel=0.01)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["regularisation.m.kind=perimeter"], "the representation phases"),
        (["unknowns.m.representation={kind: phases}", "regularisation.m.kind=h1"], "the kind perimeter"),
        (["unknowns.m.representation={kind: phases, values: [0, 1]}"], "the number"),
        (
            ["unknowns.m.representation={kind: phases, number: 2, values: [0, 1]}"],
            "3: that of the phase around",
        ),
        (["unknowns.m.representation={kind: phases, number: 1, values: [0, [2, 1]]}"], "the smaller first"),
        (["unknowns.m.representation={kind: phases, number: 4}"], "expected one of auto, 1, 2, 3"),
        (["regularisation.m={kind: perimeter, weight: evidence}"], "discrepancy or a number"),
    ],
)
def test_what_does_not_go_together_is_refused(overrides: list[str], said: str) -> None:
    """With what is accepted."""
    with pytest.raises(InputError, match=said):
        on_square("inclusions", *overrides).built()


def test_what_was_found_is_read_back(tmp_path: Path) -> None:
    """The interface anywhere in the domain, its network as a torch module, and the values that were given."""
    given = "unknowns.m.representation={kind: phases, number: 2, values: [0, free, [-1.5, -0.5]], neurons: 4}"
    with on_square("inclusions", given, "posterior.kind=none", cells=10).built() as problem:
        solution = solve(problem)
        solution.save(tmp_path)
        points = np.random.default_rng(3).uniform(0.0, 1.0, (50, 2))
        here = solution.evaluate(points)["m"]
        nodes = problem.points["m"]
        assert np.abs(solution.evaluate(nodes)["m"] - solution.m).max() <= 1e-13
    again = load_result(tmp_path)
    assert np.array_equal(again.evaluate(points)["m"], here)
    values = json.loads((tmp_path / "summary.json").read_text())["phases"]["values"]
    assert values[0] == 0.0
    assert -1.5 < values[2] < -0.5
    module = again.networks()["m"]
    import torch

    assert np.allclose(module(torch.from_numpy(points)).detach().numpy(), here, rtol=0, atol=1e-12)
