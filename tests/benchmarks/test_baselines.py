"""Laws of the baselines: right derivatives, honest counts, results under the program's names."""

from __future__ import annotations

import csv
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.pde import Counts
from benchmarks.baselines import __main__ as command
from benchmarks.baselines import newton_cg, oracle, peer, training
from benchmarks.baselines.jacobian import jacobian
from benchmarks.baselines.problem import Approximation, Problem, flow
from benchmarks.baselines.trace import RIGHT_HAND_SIDES, Trace

CASES = Path(__file__).parents[2] / "cases"
COARSE = ("mesh.cells=[12, 12]", "unknowns.m.representation.kind=nodal")

STEP = 1e-4
"""Of central differences: the truncation, STEP², and the rounding of a solve, 1e-12 / STEP, are near 1e-8."""

KEYS = {
    "name", "status", "stop_reason", "energy", "misfit", "misfit_target", "regularisation_kind",
    "regularisation_weight", "relative_error", "state_solves", "linear_solves", "state_rhs", "adjoint_rhs",
    "incremental_rhs", "block_rhs", "riesz_solves", "factorisations", "parameters", "outer_iterations",
    "rejected_trials", "krylov_vectors", "wall_seconds", "seed", "state_dofs", "work_units",
}  # fmt: skip
"""Of the program's summary, those that studies read."""


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem(CASES / "quickstart.yaml", COARSE)


def fresh(*overrides: str) -> Problem:
    return Problem(CASES / "quickstart.yaml", (*COARSE, *overrides))


def direction(problem: Problem, seed: int) -> np.ndarray:
    """A smooth direction, so that exp of the coefficient stays tame."""
    x, y = problem.nodes.T
    a, b, c = np.random.default_rng(seed).uniform(1.0, 4.0, 3)
    return np.sin(a * x + b * y) + 0.3 * np.cos(c * x * y)


def check(summary: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """What the results of every method obey: the program's names, parts that add up, one row an iteration."""
    assert summary.keys() >= KEYS
    assert [row["iteration"] for row in rows] == list(range(summary["outer_iterations"] + 1))
    assert summary["krylov_vectors"] == sum(row["vectors"] for row in rows)
    assert summary["linear_solves"] == sum(summary[part] for part in RIGHT_HAND_SIDES)
    assert summary["state_solves"] == summary["state_rhs"] == summary["factorisations"]
    assert summary["work_units"] > summary["linear_solves"]
    assert rows[-1]["misfit"] == summary["misfit"]
    assert rows[-1]["state_solves"] <= summary["state_solves"]
    assert rows[-1]["seconds"] <= summary["wall_seconds"]


@pytest.mark.parametrize("weight", [0.0, 30.0])
def test_derivative_is_that_of_the_energy(problem: Problem, weight: float) -> None:
    """E′(m)v = (E(m + hv) − E(m − hv)) / 2h."""
    m, v = 0.3 * direction(problem, 0), direction(problem, 1)
    above, below = (problem.energy(problem.at(m + h * v), weight) for h in (STEP, -STEP))
    slope = problem.derivative(problem.at(m), weight)
    assert slope @ v == pytest.approx((above - below) / (2 * STEP), rel=1e-6)


def test_what_is_known_at_a_coefficient_stays_true(problem: Problem) -> None:
    """Derivatives of a point are those of its coefficient to the last bit, whatever is evaluated after it."""
    v, before = direction(problem, 1), problem.at(0.3 * direction(problem, 0))
    problem.at(problem.reference).derivative()
    again = problem.at(before.m)
    np.testing.assert_array_equal(before.derivative(), again.derivative())
    problem.at(problem.reference)
    np.testing.assert_array_equal(before.jvp(v), again.jvp(v))


def test_case_of_several_unknowns_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the command with exit code 2."""
    case = str(CASES / "two_unknowns.yaml")
    assert command.main(["newton_cg", case, "--set", "mesh.cells=[8, 8]", "--out", str(tmp_path)]) == 2
    assert "found 2 unknowns, expected one" in capsys.readouterr().err


def test_hessian_product_is_that_of_gauss_newton(problem: Problem) -> None:
    """⟨(JᵀJ + wR)v, x⟩ = ⟨Jv, Jx⟩ + w⟨v, x⟩_R with J from differences of the residual; 2 right-hand sides."""
    m, weight = 0.3 * direction(problem, 0), 30.0
    directions = [direction(problem, seed) for seed in (1, 2)]
    J = [
        (problem.at(m + STEP * v).residual - problem.at(m - STEP * v).residual) / (2 * STEP)
        for v in directions
    ]
    point, before = problem.at(m), problem.counts.incremental_rhs
    product = newton_cg.gauss_newton(problem, point, weight)(directions[0])
    assert problem.counts.incremental_rhs == before + 2
    penalty = directions[0] @ problem.R.apply(directions[1])
    assert product @ directions[1] == pytest.approx(J[0] @ J[1] + weight * penalty, rel=1e-6)


def test_conjugate_gradients_meet_their_tolerance(problem: Problem) -> None:
    """The residual's R⁻¹ norm falls by the tolerance; the iterations are the products."""
    apply = newton_cg.gauss_newton(problem, problem.at(problem.reference), 30.0)
    right = problem.mass.apply(direction(problem, 1))
    before = problem.counts.incremental_rhs
    x, iterations = newton_cg.steihaug(problem, apply, right, 1e-6)
    assert problem.counts.incremental_rhs == before + 2 * iterations
    left = right - apply(x)
    square = (left @ problem.R.riesz(left)) / (right @ problem.R.riesz(right))
    assert square <= (1e-6 * 1.01) ** 2  # the recursion's residual drifts from the true one by rounding


def test_conjugate_gradients_stop_where_the_curvature_is_negative(problem: Problem) -> None:
    """At once, along the preconditioned right-hand side."""
    right = problem.mass.apply(direction(problem, 1))
    x, iterations = newton_cg.steihaug(problem, lambda v: -problem.R.apply(v), right, 1e-6)
    assert iterations == 1
    np.testing.assert_array_equal(x, problem.R.riesz(right))


def test_weight_is_found_by_discrepancy() -> None:
    """The optimum's misfit lies in the window, every solve of the search counted; two a CG iteration and one
    tangent more, which tells the first weight."""
    summary, rows = newton_cg.newton_cg(fresh(), "discrepancy")
    check(summary, rows)
    low, high = newton_cg.WINDOW
    assert low <= summary["misfit"] / summary["misfit_target"] <= high
    assert summary["incremental_rhs"] == 2 * summary["krylov_vectors"] + 1
    assert summary["weights"][-1]["weight"] == summary["regularisation_weight"]


def test_minimum_has_no_slope() -> None:
    """With a given weight Newton's iteration ends where the gradient is 1e-4 of the start's."""
    problem = fresh()
    slopes = [newton_cg.gradient_norm(problem, problem.derivative(problem.start, 30.0))]
    trace = Trace(problem)
    optimum = newton_cg.minimise(problem, problem.at(problem.reference), 30.0, trace)
    assert optimum.reason == "minimum" and optimum.norm <= newton_cg.GRADIENT * slopes[0]
    again = newton_cg.gradient_norm(problem, problem.derivative(problem.at(optimum.point.m), 30.0))
    assert again == pytest.approx(optimum.norm, rel=1e-6)
    energies = [row["energy"] for row in trace.rows]
    assert all(later < earlier for earlier, later in pairwise(energies))
    check(*newton_cg.newton_cg(fresh(), 30.0))


def test_oracle_knows_the_best_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each R the error at the weight that it keeps is the least on its grid, which goes on below the
    target and PATIENCE weights further; the best of all is the result. One of them depends on m."""
    problem = fresh("mesh.cells=[8, 8]")
    monkeypatch.setattr(oracle, "SHARES", {"bilaplacian": (0.2,)})
    monkeypatch.setattr(oracle, "EDGE_SHARES", (0.3,))
    summary, _ = oracle.oracle(problem)
    assert [row["regularisation_kind"] for row in summary["table"]] == [
        "h1",
        "bilaplacian",
        "edge_preserving",
    ]
    for row in summary["table"]:
        tried = row["tried"]
        errors, misfits = [each["relative_error"] for each in tried], [each["misfit"] for each in tried]
        best = int(np.argmin(errors))
        assert row["relative_error"] == errors[best]
        assert row["regularisation_weight"] == tried[best]["weight"]
        assert min(misfits) <= summary["misfit_target"] and len(tried) - 1 - best >= oracle.PATIENCE
    assert summary["relative_error"] == min(row["relative_error"] for row in summary["table"])
    assert summary["h1_weight"] == summary["table"][0]["regularisation_weight"]
    assert summary["edge_preserving_error"] == summary["table"][-1]["relative_error"]


def test_next_weight_lies_between_those_that_bracket_it() -> None:
    """Interpolated in the logarithms, a tenth of the bracket from its ends at least; cooled before."""
    assert newton_cg.next_weight([(2.0, 1.0)], [(0.0, -1.0)], 0.0) == pytest.approx(1.0)
    assert newton_cg.next_weight([(2.0, 1e-9)], [(0.0, -1.0)], 0.0) == pytest.approx(1.8)
    least, most = np.log(newton_cg.COOLING)
    assert newton_cg.next_weight([(9.0, 3.0)], [], 0.0) == pytest.approx(9.0 - least)
    assert newton_cg.next_weight([(9.0, 3.0), (8.0, 2.0)], [], 0.0) == pytest.approx(6.0)
    assert newton_cg.next_weight([(9.0, 3.0), (8.0, 2.9)], [], 0.0) == pytest.approx(8.0 - most)
    assert newton_cg.next_weight([], [(1.0, -1.0)], 0.0) == pytest.approx(1.0 + least)


def test_gradient_of_training_is_that_of_its_energy(problem: Problem) -> None:
    """E′(θ)v = (E(θ + hv) − E(θ − hv)) / 2h at the start, moved a little; the start is m_ref."""
    network, theta = training.network_of(problem, (6, 5))
    np.testing.assert_array_equal(network.values(theta), problem.reference)
    rng = np.random.default_rng(0)
    theta = theta + 0.1 * rng.standard_normal(network.size)
    v = rng.standard_normal(network.size)
    objective = training.Objective(problem, network, 30.0, 10)
    (above, _), (below, _) = (objective(theta + h * v) for h in (STEP, -STEP))
    _, gradient = objective(theta)
    assert gradient @ v == pytest.approx((above - below) / (2 * STEP), rel=1e-5)
    assert objective.trace.spent["linear_solves"] == 6


@pytest.mark.parametrize("train", [training.adam, training.lbfgs])
def test_training_lowers_the_misfit(train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty solves take off more than half of it, never rising by much from row to row; all are counted, and
    of several learning rates the best."""
    monkeypatch.setattr(training, "LEARNING_RATES", (1e-3, 3e-2))
    summary, rows = train(fresh(), 0.0, solves=30)
    check(summary, rows)
    misfits = [row["misfit"] for row in rows]
    assert misfits[-1] < 0.5 * misfits[0]
    assert all(later < 1.5 * earlier for earlier, later in pairwise(misfits))
    assert summary["stop_reason"] == "max_iterations"
    assert summary["state_solves"] == summary["adjoint_rhs"] == 30
    assert summary.get("learning_rate", 3e-2) == 3e-2


def test_training_ends_at_the_target() -> None:
    """A target within reach: the first evaluation that meets it is the result, and costs no adjoint solve."""
    summary, rows = training.lbfgs(fresh("flow.discrepancy=5"), 0.0, solves=200)
    check(summary, rows)
    assert summary["stop_reason"] == "discrepancy" and summary["misfit"] <= summary["misfit_target"]
    assert summary["state_solves"] == summary["adjoint_rhs"] + 1 < 200
    assert all(row["misfit"] > summary["misfit_target"] for row in rows[:-1])


SMOOTH = ("mesh.cells=[8, 8]", "expansion.strategy=none", "unknowns.m.representation.hidden=[6]")


def test_gradient_of_a_fit_is_that_of_its_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    """By differences at a point in general position; the fit ends nearer to the function than zero is."""
    monkeypatch.setattr(training, "MOST", 20)
    problem = Approximation(CASES / "smooth.yaml", SMOOTH)
    rng = np.random.default_rng(0)
    theta, v = (problem.theta + rng.standard_normal(problem.network.size) for _ in range(2))
    (above, _), (below, _) = (problem.slope(theta + h * v) for h in (STEP, -STEP))
    assert problem.slope(theta)[1] @ v == pytest.approx((above - below) / (2 * STEP), rel=1e-5)
    summary, _ = training.fit(problem)
    assert summary["distance"] < 1.0 and summary["parameters"] == problem.network.size


def test_flow_tells_its_errors_and_stops_at_the_level() -> None:
    """One an iteration, the first that of zero."""
    summary, rows = flow(Approximation(CASES / "smooth.yaml", SMOOTH), 0.0, 3)
    errors = [row["relative_error"] for row in rows]
    assert errors[0] == pytest.approx(1.0) and len(errors) == 4 and errors[-1] < errors[0]
    assert summary["relative_error"] == errors[-1] and summary["stop_reason"] == "max_iterations"
    summary, fewer = flow(Approximation(CASES / "smooth.yaml", SMOOTH), errors[1], 3)
    assert summary["stop_reason"] == "tolerance" and fewer == rows[:2]


def test_both_jacobians_are_the_same(problem: Problem) -> None:
    """To rounding, at a few points."""
    summary, _ = jacobian(problem)
    assert summary["difference"] < 1e-12 and summary["ratio"] > 0


def test_trace_answers_for_its_own_run_only(problem: Problem) -> None:
    """Solves before it began are not counted."""
    problem.at(problem.reference)
    trace = Trace(problem)
    problem.at(problem.reference)
    problem.R.riesz(problem.reference)
    spent = trace.spent
    assert spent["state_solves"] == spent["linear_solves"] == spent["riesz_solves"] == 1
    assert Trace(problem, since=Counts()).spent["state_solves"] > 1


def test_absent_peer_says_so(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    """A summary with the reason."""
    monkeypatch.setitem(sys.modules, "dolfinx_adjoint", None)
    summary, rows = peer.peer(problem)
    assert summary["status"] == "absent" and "dolfinx_adjoint" in summary["reason"] and rows == []


def test_command_writes_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """summary.json and history.csv; of a bad case the program's message and exit code 2."""
    words = ["newton_cg", str(CASES / "quickstart.yaml"), "--weight", "1e3", "--out", str(tmp_path)]
    assert command.main([*words, *(word for each in COARSE for word in ("--set", each))]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = [{key: float(cell or "nan") for key, cell in row.items()} for row in csv.DictReader(file)]
    check(summary, rows)
    assert json.loads(capsys.readouterr().out)["misfit"] == summary["misfit"]
    assert command.main([*words, "--set", "mesh.kind=disc"]) == 2
    assert "disc" in capsys.readouterr().err
