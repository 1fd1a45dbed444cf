"""How sure the results of runs are: whatever the unknown, the energy, the model and the mesh."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from small import ALONE, COMM, SMALL, Small, on_square
from states import bare

from app.api import Solution, load_result, solution, solve
from app.case import load_case
from app.posterior import LinearisedPosterior
from app.problem import Problem, build

EXACT = """
mesh: {kind: interval, cells: 6}
equation: {kind: identity}
unknowns: {m: {role: value, reference: "0"}}
observations: {heads: {kind: points, file: heads.csv}}
regularisation: {m: {kind: h1, weight: 10}}
"""

pytestmark = pytest.mark.distributed

MORE = {
    "weight given": on_square("sparse", "regularisation.m.weight=0.01", "regularisation.m.kind=bilaplacian"),
    "values of the unknown": on_square("scattered", cells=8),
    "outliers": on_square("outliers"),
    "known part": Small("known_part", ("unknowns.m.representation.kind=nodal",)),
    "constant on cells": on_square("sparse", "unknowns.m.degree=0"),
    "degree 2": on_square("sparse", "unknowns.m.degree=2", "levels=2", cells=12),
}

WITHOUT = {
    "plain step in H1": "no prior",
    "convex": "",
    "convex, levels": "",
    "regression": "",
    "regression, levels": "",
}
"""Those that have none, and a word of the reason."""

TRIED = [*SMALL, *MORE] if ALONE else ["levels", "levels, nodal", "two unknowns"]


KEPT = ("network", "levels", "levels, nodal", "J taken anew")
"""Those that several tests are about; all at once would take all of MPI's communicators."""


@cache
def problem_of(name: str) -> Problem:
    return (SMALL | MORE)[name].built()


@cache
def solved(name: str) -> Solution:
    return solve(problem_of(name))


@contextmanager
def result_of(name: str) -> Iterator[Solution]:
    """A solution whose problem is closed unless it is kept."""
    if name in KEPT:
        yield solved(name)
        return
    with (SMALL | MORE)[name].built() as problem:
        yield solve(problem)


def largest(values: np.ndarray) -> float:
    """Over all ranks."""
    return max(COMM.allgather(float(np.abs(values).max(initial=0.0))))


GAUSSIAN = [name for name in TRIED if name not in WITHOUT and "phases" not in name]
"""Those of phases are in test_interface_runs.py."""


@pytest.mark.parametrize("name", GAUSSIAN)
def test_the_data_make_every_result_surer(name: str) -> None:
    """0 < deviation ≤ the prior one, finite and told in the summary with what it took: no solve of the
    equation but at most one block."""
    with result_of(name) as found:
        told, posterior = found.summary["posterior"], found.posterior
        assert told["kind"] == "laplace"
        assert (posterior.std >= 0).all() and (posterior.std <= posterior.std_prior).all()
        assert np.isfinite(posterior.std_prior).all() and posterior.std.shape == found.m.shape
        assert 0 < told["freedom"] <= told["directions"] and told["information"] > 0
        readings = len(found.state.evaluation.residual)  # type: ignore[union-attr]
        steps = 12 if name == "in time" else 1
        assert told["linear_solves"] in range(3 * steps * readings + 1)
        if isinstance(told["trace"], float):
            assert 0 < told["trace"] < told["trace_prior"]


@pytest.mark.parametrize("name", [name for name in WITHOUT if ALONE])
def test_where_there_is_none_the_reason_is_told(name: str) -> None:
    """Without a prior; energies without readings say nothing."""
    with result_of(name) as found:
        why = WITHOUT[name]
        assert why in found.summary.get("posterior", {"note": ""})["note"]
        with pytest.raises(ValueError, match=f"found no posterior .*{why}"):
            _ = found.posterior


@pytest.mark.parametrize(
    "name", ["network", "levels", "levels, nodal", "J taken anew"] if ALONE else ["levels"]
)
def test_it_is_the_same_after_a_run_was_read_back(name: str) -> None:
    """From the state without what is not saved of it."""
    found = solved(name)
    again = solution(problem_of(name), bare(found.state))
    scale = largest(found.posterior.std)
    assert largest(again.posterior.std - found.posterior.std) <= 1e-9 * scale


@pytest.mark.parametrize("name", ["levels", "levels, nodal"])
def test_products_and_draws_are_those_of_the_mesh_of_the_result(name: str) -> None:
    """Covariance @ block is symmetric, its diagonal no more than the variance (which is interpolated between
    nodes of a coarser mesh), and draws are functions there."""
    posterior = solved(name).posterior
    rng = np.random.default_rng(COMM.rank)
    block = rng.standard_normal((len(posterior.std), 2))
    image = posterior.covariance_product(block)
    square = COMM.allreduce(block.T @ image)
    np.testing.assert_allclose(square, square.T, rtol=1e-9)
    assert (np.linalg.eigvalsh(square) > 0).all()
    draws = posterior.sample(200)
    away = (draws - posterior.mean[:, None]) / posterior.std[:, None]
    share = COMM.allreduce(np.square(away).sum()) / COMM.allreduce(away.size)
    assert 0.7 < share < 1.2
    np.testing.assert_array_equal(draws, posterior.sample(200))
    np.testing.assert_allclose(posterior.quantile(0.5), posterior.mean)


def test_the_deviation_is_written_and_read_back(shared_tmp_path: Path) -> None:
    """At any point, on another number of ranks, with the fields and the picture; nothing of it where the case
    asks for none."""
    found = solved("levels")
    folder = shared_tmp_path / "results"
    found.save(folder)
    points = np.array([[0.3, 0.4], [0.71, 0.13]])
    read = load_result(folder)
    for prior in (False, True):
        np.testing.assert_allclose(read.std(points, prior=prior)["m"], found.std(points, prior=prior)["m"])
    assert (folder / "posterior.png").exists()
    told = json.loads((folder / "summary.json").read_text())["posterior"]
    assert told == found.summary["posterior"]


@pytest.mark.skipif(not ALONE, reason="nothing of rows")
def test_a_case_can_do_without(tmp_path: Path) -> None:
    """kind: none costs nothing and leaves nothing."""
    small = on_square("sparse", "posterior.kind=none")
    with small.built() as problem:
        found = solve(problem)
        found.save(tmp_path / "results")
    assert found.summary["posterior"] == {"kind": "none", "note": "as the case says"}
    assert not (tmp_path / "results" / "posterior.png").exists()


@pytest.mark.skipif(not ALONE, reason="nothing of rows")
def test_readings_that_are_met_exactly_tell_no_noise(tmp_path: Path) -> None:
    """A run of readings without sigma that the reference meets has its results, and no posterior."""
    (tmp_path / "heads.csv").write_text("x,value\n.2,0\n.5,0\n.9,0\n")
    (tmp_path / "case.yaml").write_text(EXACT)
    with build(load_case(tmp_path / "case.yaml"), COMM) as problem:
        found = solve(problem).summary["posterior"]
    assert found["kind"] == "none" and found["note"].startswith("every reading is met to the last digit")


@pytest.mark.skipif(not ALONE, reason="nothing of rows")
@pytest.mark.parametrize("name", ["network", "levels"])
def test_j_that_holds_is_not_taken_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is solved; else one block, after which the deviations are those of J at the result, on the
    mesh where R is, with a state there if that is a coarser one."""
    found = solved(name)
    state = found.state
    reason = state.stop_reason
    assert reason is not None
    directions = state.exact.factors.directions.shape[1]
    monkeypatch.setattr("app.problem.linearised._holds", lambda *_: True)
    as_it_was = problem_of(name).uncertainty(state, reason)
    assert as_it_was.told["linear_solves"] == 0
    monkeypatch.setattr("app.problem.linearised._holds", lambda *_: False)
    anew = problem_of(name).uncertainty(state, reason)
    assert anew.told["linear_solves"] == directions + (state.base < state.level)
    posterior, at = found.posterior.linearised, problem_of(name).on(state.base, state.base).at
    evaluation = at(state.representation)
    rows = evaluation.vjp(np.eye(len(evaluation.residual)))
    exact = LinearisedPosterior.of(
        posterior.mean, posterior.reference, posterior.R, posterior.weight, posterior.noise, rows
    )
    assert anew.posterior is not None
    ratio = anew.posterior.linearised.variance() / exact.variance()
    assert (ratio < 1.05).all() and (ratio > 1 - 1e-9).all()
