"""A run does not depend on how often, in which order and by which means the same readings are told."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import CASES, COMM

from app.api import solution
from app.case import load_case
from app.flow import FlowState
from app.problem import build

Told = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def twice(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each reading twice, with √2 times its noise, the two far apart in the file."""
    return np.vstack([rows, rows]) * [1, 1, 1, np.sqrt(2)]


def permuted(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(rows)


def repeated(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Three readings for each, with √3 times its noise, of which it is the mean."""
    apart = rng.standard_normal((3, len(rows))) * rows[:, 3]
    apart -= apart.mean(axis=0)
    each = [rows + np.outer(noise, [0, 0, 1, 0]) for noise in apart]
    return rng.permutation(np.vstack(each)) * [1, 1, 1, np.sqrt(3)]


def run(file: Path, rows: np.ndarray, overrides: Sequence[str] = ()) -> FlowState:
    """The end of a small run with these readings (x, y, value, sigma)."""
    if COMM.rank == 0:
        np.savetxt(file, rows, delimiter=",", header="x,y,value,sigma", comments="", fmt="%.17g")
    COMM.barrier()
    keys = [f"observations.heads.file={file}", "unknowns.m.representation.kind=nodal", "mesh.cells=[12,12]"]
    with build(load_case(CASES / "sparse.yaml", [*keys, *overrides]), COMM) as problem:
        state = problem.start()
        while state.stop_reason is None:
            state = problem.advance(state)
    return state


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.loadtxt(CASES / "data" / "sparse.csv", delimiter=",", skiprows=1)


@pytest.mark.parametrize("told", [twice, permuted, repeated])
def test_the_same_likelihood_gives_the_same_run(told: Told, rows: np.ndarray, shared_tmp_path: Path) -> None:
    """Every iteration's misfit and error to 1e-6, and the same regularisation and weight."""
    once = run(shared_tmp_path / "once.csv", rows)
    again = run(shared_tmp_path / "again.csv", told(rows, np.random.default_rng(0)))
    assert once.choice is not None and again.choice is not None
    assert str(again.choice.candidate) == str(once.choice.candidate)
    assert again.choice.weight == pytest.approx(once.choice.weight, rel=1e-6)
    assert len(again.records) == len(once.records)
    for one, other in zip(once.records, again.records, strict=True):
        assert other.misfit == pytest.approx(one.misfit, rel=1e-6)
        assert other.relative_error == pytest.approx(one.relative_error, rel=1e-6)


def test_a_stand_in_for_a_missing_reading_is_refused(rows: np.ndarray, shared_tmp_path: Path) -> None:
    """By its line."""
    from app.case import InputError

    wrong = rows.copy()
    wrong[3, 2] = -9999
    with pytest.raises(InputError, match=r"gap\.csv:5: value: found -9999"):
        run(shared_tmp_path / "gap.csv", wrong)


def test_readings_that_no_coefficient_explains_are_named(rows: np.ndarray, shared_tmp_path: Path) -> None:
    """Two gross errors in fifty readings: the run does not call itself converged, and names both first."""
    wrong = rows.copy()
    wrong[[7, 20], 2] += [1.0, -1.0]
    keys = ["mesh.cells=[12,12]", "unknowns.m.representation.kind=nodal"]
    file = shared_tmp_path / "gross.csv"
    state = run(file, wrong)
    assert state.stop_reason == "noise_not_met"
    with build(load_case(CASES / "sparse.yaml", [*keys, f"observations.heads.file={file}"]), COMM) as problem:
        found = solution(problem, replace(state, evaluation=None, exact=None))
    assert found.summary["status"] == "stopped"
    verdict = found.summary["verdict"]
    assert verdict["kind"] == "worse" and "misfit: huber" in verdict["advice"][0]
    assert {(each["file"], each["line"]) for each in verdict["worst"][:2]} == {
        ("gross.csv", 9), ("gross.csv", 22),
    }  # fmt: skip
