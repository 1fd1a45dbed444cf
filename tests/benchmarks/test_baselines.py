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
from mpi4py import MPI

from app import build
from app.case import Case, load_case
from app.output.history import COLUMNS
from app.pde import Counts
from benchmarks.baselines import __main__ as command
from benchmarks.baselines import newton_cg, peer, training
from benchmarks.baselines.trace import Problem, Trace

COMM = MPI.COMM_WORLD
CASES = Path(__file__).parents[2] / "cases"
COARSE = ("mesh.cells=[16, 16]", "unknowns.m.representation.kind=nodal")

STEP = 1e-4
"""Of central differences: the truncation, STEP², and the rounding of a solve, 1e-12 / STEP, are near 1e-8."""

KEYS = {
    "name", "status", "stop_reason", "energy", "misfit", "misfit_target", "regularisation_kind",
    "regularisation_weight", "relative_error", "state_solves", "linear_solves", "state_rhs", "adjoint_rhs",
    "incremental_rhs", "block_rhs", "riesz_solves", "factorisations", "parameters", "widths",
    "outer_iterations", "rejected_trials", "krylov_vectors", "chi2", "wall_seconds", "seconds", "seed",
    "versions", "peak_memory_mb", "ranks",
}  # fmt: skip
"""Of the program's summary, those that a comparison reads."""


@pytest.fixture(scope="module")
def case() -> Case:
    return load_case(CASES / "quickstart.yaml", COARSE)


@pytest.fixture(scope="module")
def problem(case: Case) -> Problem:
    return Problem(COMM, case)


def direction(problem: Problem, seed: int) -> np.ndarray:
    """A smooth direction, so that exp of the coefficient stays tame."""
    x, y = problem.setup.coefficient.coordinates.T
    a, b, c = np.random.default_rng(seed).uniform(1.0, 4.0, 3)
    return np.sin(a * x + b * y) + 0.3 * np.cos(c * x * y)


def history(folder: Path) -> list[dict[str, float]]:
    with (folder / "history.csv").open(newline="") as file:
        return [{key: float(cell or "nan") for key, cell in row.items()} for row in csv.DictReader(file)]


def check_results(summary: dict[str, Any], folder: Path) -> None:
    """What every method's results obey: the program's names, parts that add up, one row an iteration."""
    assert summary.keys() >= KEYS
    assert json.loads((folder / "summary.json").read_text()) == json.loads(json.dumps(summary))
    rows = history(folder)
    assert tuple(rows[0]) == COLUMNS
    assert [row["iteration"] for row in rows] == list(range(len(rows)))
    assert summary["outer_iterations"] == len(rows) - 1
    assert summary["krylov_vectors"] == sum(row["vectors"] for row in rows)
    parts = ("state_rhs", "adjoint_rhs", "incremental_rhs", "block_rhs")
    assert summary["linear_solves"] == sum(summary[part] for part in parts)
    assert summary["state_solves"] == summary["state_rhs"] == summary["factorisations"]
    assert rows[-1]["misfit"] == summary["misfit"]
    assert rows[-1]["state_solves"] <= summary["state_solves"]
    assert summary["wall_seconds"] == pytest.approx(sum(summary["seconds"].values()))
    assert summary["target_met"] == (summary["misfit"] <= summary["misfit_target"])


@pytest.mark.parametrize("weight", [0.0, 30.0])
def test_the_derivative_is_that_of_the_energy(problem: Problem, weight: float) -> None:
    """E′(m)v = (E(m + hv) − E(m − hv)) / 2h."""
    m, v = 0.3 * direction(problem, 0), direction(problem, 1)
    above, below = (problem.value(problem.at(m + h * v), weight) for h in (STEP, -STEP))
    slope = problem.derivative(problem.at(m), weight)
    assert problem.dot(slope, v) == pytest.approx((above - below) / (2 * STEP), rel=1e-6)


def test_the_hessian_product_is_that_of_gauss_newton(problem: Problem) -> None:
    """⟨(JᵀJ + wR)v, x⟩ = ⟨Jv, Jx⟩ + w⟨v, x⟩_R with J from differences of the residual; 2 right-hand sides."""
    m, weight = 0.3 * direction(problem, 0), 30.0
    directions = [direction(problem, seed) for seed in (1, 2)]
    J = [
        (problem.at(m + STEP * v).residual - problem.at(m - STEP * v).residual) / (2 * STEP)
        for v in directions
    ]
    problem.at(m)
    counts = problem.setup.forward.counts
    before = counts.incremental_rhs
    product = newton_cg.gauss_newton(problem, weight)(directions[0])
    assert counts.incremental_rhs == before + 2
    penalty = problem.dot(directions[0], problem.R.apply(directions[1]))
    assert problem.dot(product, directions[1]) == pytest.approx(J[0] @ J[1] + weight * penalty, rel=1e-6)


def test_conjugate_gradients_meet_their_tolerance(problem: Problem) -> None:
    """The residual's R⁻¹ norm falls by the tolerance; the iterations are the products."""
    problem.at(problem.reference)
    apply = newton_cg.gauss_newton(problem, 30.0)
    right = problem.mass.apply(direction(problem, 1))
    before = problem.setup.forward.counts.incremental_rhs
    x, iterations = newton_cg.steihaug(problem, apply, right, 1e-6)
    assert problem.setup.forward.counts.incremental_rhs == before + 2 * iterations
    left = right - apply(x)
    square = problem.dot(left, problem.R.riesz(left)) / problem.dot(right, problem.R.riesz(right))
    assert square <= (1e-6 * 1.01) ** 2  # the recursion's residual drifts from the true one by rounding


def test_conjugate_gradients_stop_where_the_curvature_is_negative(problem: Problem) -> None:
    """At once, along the preconditioned right-hand side."""
    right = problem.mass.apply(direction(problem, 1))
    x, iterations = newton_cg.steihaug(problem, lambda v: -problem.R.apply(v), right, 1e-6)
    assert iterations == 1
    np.testing.assert_array_equal(x, problem.R.riesz(right))


def test_newton_cg_finds_the_weight_by_discrepancy(case: Case, tmp_path: Path) -> None:
    """The optimum's misfit lies in the window, every solve of the search counted; two a CG iteration."""
    summary = newton_cg.newton_cg(case, tmp_path, weight="discrepancy")
    check_results(summary, tmp_path)
    low, high = newton_cg.WINDOW
    assert low <= summary["misfit"] / summary["misfit_target"] <= high
    # one tangent more tells the first weight
    assert summary["incremental_rhs"] == 2 * summary["krylov_vectors"] + 1
    assert summary["weights"][-1]["weight"] == summary["regularisation_weight"]
    assert summary["first_met"]["linear_solves"] <= summary["linear_solves"]
    assert summary["first_met"]["misfit"] <= summary["misfit_target"]


def test_newton_cg_and_the_program_have_one_optimum(tmp_path: Path) -> None:
    """With the same weight, the program's nodal run at a target out of reach ends at the same energy."""
    weight = 30.0
    given = (*COARSE, f"regularisation.m.weight={weight}", "regularisation.m.kind=h1", "flow.discrepancy=0.1")
    case = load_case(CASES / "quickstart.yaml", given)
    summary = newton_cg.newton_cg(case, tmp_path, weight=weight)
    check_results(summary, tmp_path)
    assert summary["stop_reason"] == "minimum"
    assert summary["incremental_rhs"] == 2 * summary["krylov_vectors"]
    program = build.run(build.prepare(COMM, case), tmp_path, quiet=True)
    # A gradient of 1e-4 of the start's leaves less than 1e-4 of the energy, and the program stops when it
    # gains less than 1e-3 an iteration.
    assert summary["energy"] == pytest.approx(program["energy"], rel=1e-3)
    assert summary["relative_error"] == pytest.approx(program["relative_error"], rel=0.01)


def test_the_oracle_keeps_the_weight_of_least_error(case: Case, tmp_path: Path) -> None:
    """Its counts are those of a run with that weight; the sweep's stand apart."""
    summary = newton_cg.newton_cg(case, tmp_path, weight="oracle")
    check_results(summary, tmp_path)
    sweep = summary["sweep"]
    best = min(sweep["weights"], key=lambda tried: tried["relative_error"])
    assert summary["weight_rule"] == "oracle"
    assert summary["regularisation_weight"] == best["weight"]
    assert summary["relative_error"] == pytest.approx(best["relative_error"], rel=0.01)
    given = newton_cg.newton_cg(case, tmp_path / "given", weight=best["weight"])
    for key in ("state_solves", "linear_solves", "riesz_solves", "misfit"):
        assert summary[key] == given[key]
    assert sweep["linear_solves"] > summary["linear_solves"]


def test_the_next_weight_lies_between_those_that_bracket_it() -> None:
    """Interpolated in the logarithms, a tenth of the bracket from its ends at least; cooled before."""
    assert newton_cg.next_weight([(2.0, 1.0)], [(0.0, -1.0)], 0.0) == pytest.approx(1.0)
    assert newton_cg.next_weight([(2.0, 1e-9)], [(0.0, -1.0)], 0.0) == pytest.approx(1.8)
    least, most = np.log(newton_cg.COOLING)
    assert newton_cg.next_weight([(9.0, 3.0)], [], 0.0) == pytest.approx(9.0 - least)
    assert newton_cg.next_weight([(9.0, 3.0), (8.0, 2.0)], [], 0.0) == pytest.approx(6.0)
    assert newton_cg.next_weight([(9.0, 3.0), (8.0, 2.9)], [], 0.0) == pytest.approx(8.0 - most)
    assert newton_cg.next_weight([], [(1.0, -1.0)], 0.0) == pytest.approx(1.0 + least)


@pytest.mark.parametrize("start", ["ridges", "glorot"])
def test_the_gradient_of_training_is_that_of_its_energy(problem: Problem, start: training.Start) -> None:
    """E′(θ)v = (E(θ + hv) − E(θ − hv)) / 2h at either start, moved a little; it starts near m_ref."""
    network = training.network_of(problem, (6, 5))
    theta = training.starting(problem, network, start)
    assert np.abs(network.values(theta) - problem.reference).max() < 0.5
    rng = np.random.default_rng(0)
    theta = theta + 0.1 * rng.standard_normal(network.size)
    v = rng.standard_normal(network.size)
    objective = training.Objective(problem, network, 30.0, 10, None)
    (above, _), (below, _) = (objective(theta + h * v) for h in (STEP, -STEP))
    _, gradient = objective(theta)
    assert gradient @ v == pytest.approx((above - below) / (2 * STEP), rel=1e-5)
    assert objective.trace.spent.counts.linear_solves == 6


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_training_lowers_the_misfit(case: Case, tmp_path: Path, optimiser: training.Optimiser) -> None:
    """Thirty solves take off more than half of it, never rising by much from row to row; all are counted."""
    summary = training.training(case, tmp_path, optimiser=optimiser, solves=30)
    check_results(summary, tmp_path)
    misfits = [row["misfit"] for row in history(tmp_path)]
    assert misfits[-1] < 0.5 * misfits[0]
    assert all(later < 1.5 * earlier for earlier, later in pairwise(misfits))
    assert summary["met_at"] is None and summary["stop_reason"] == "max_iterations"
    assert summary["state_solves"] == summary["adjoint_rhs"] == 30
    for run in summary.get("runs", {}).values():
        assert run["state_solves"] == 30 and run["misfit"] >= summary["misfit"]


def test_training_ends_at_the_target(tmp_path: Path) -> None:
    """A target within reach: the first evaluation that meets it is the result, and costs no adjoint solve."""
    case = load_case(CASES / "quickstart.yaml", (*COARSE, "flow.discrepancy=5"))
    summary = training.training(case, tmp_path, optimiser="lbfgs", solves=200)
    check_results(summary, tmp_path)
    assert summary["stop_reason"] == "discrepancy" and summary["target_met"]
    assert summary["met_at"]["state_solves"] == summary["state_solves"] == summary["adjoint_rhs"] + 1
    assert summary["met_at"]["misfit"] == summary["misfit"]


def test_a_trace_answers_for_its_own_run_only(problem: Problem) -> None:
    """Solves before it began and after it ended are not counted."""
    problem.at(problem.reference)
    trace = Trace(problem)
    problem.at(problem.reference)
    trace.end()
    problem.at(problem.reference)
    assert trace.spent.counts == Counts(state_solves=1, state_rhs=1, factorisations=1)


def test_an_absent_peer_says_so(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, a summary with the reason, and success."""
    monkeypatch.setitem(sys.modules, "dolfinx_adjoint", None)
    assert peer.peer(case, tmp_path)["status"] == "absent"
    words = ["peer", str(CASES / "quickstart.yaml"), "--out", str(tmp_path / "again")]
    assert command.main(words) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert json.loads((tmp_path / "again" / "summary.json").read_text())["status"] == "absent"


def test_a_bad_case_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the program's message and exit code."""
    words = ["newton_cg", str(CASES / "quickstart.yaml"), "--set", "mesh.kind=disc", "--out", str(tmp_path)]
    assert command.main(words) == 2
    assert "disc" in capsys.readouterr().err
