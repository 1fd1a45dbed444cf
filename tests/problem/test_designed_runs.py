"""Designs of measurements for runs: whatever the equation, the experiments and the meshes."""

import csv
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from small import ALONE, CASES, COMM, Small, on_square

from app.__main__ import main
from app.api import Solution, solve
from app.case import InputError, effective_yaml, load_case
from app.posterior import LinearisedPosterior
from app.posterior.design import designed, mean_variance
from app.problem import Problem

pytestmark = [pytest.mark.distributed, pytest.mark.usefixtures("undrawn")]

PLACES = [[0.12, 0.83], [0.31, 0.42], [0.61, 0.52], [0.9, 0.14], [0.61, 0.52]]


def predicted(*more: str, time: tuple[float, ...] = ()) -> str:
    """The case's key that predicts readings at the candidates."""
    said = ", ".join(["kind: points", f"at: {[[*place, *time] for place in PLACES]}", *more])
    return f"predictions.there={{{said}}}"


DESIGNED = {
    "noise stated": on_square("sparse", predicted()),
    "noise found": on_square("sparse", predicted(), "observations.heads.noise=null"),
    "levels": on_square("quickstart", predicted(), "levels=2", cells=12),
    "in time": on_square("heat_pinnacle", predicted(time=(0.4,)), cells=8),
    "two unknowns": on_square("two_unknowns", predicted("experiment: everywhere"), cells=8),
    "logarithms": on_square("sparse", predicted("scale: log"), "observations.heads.scale=log"),
}

TRIED = list(DESIGNED) if ALONE else ["levels"]
"""The algebra of several unknowns on ranks is that of tests/posterior."""


@cache
def problem_of(name: str) -> Problem:
    return DESIGNED[name].built()


@cache
def solved(name: str) -> Solution:
    return solve(problem_of(name))


def candidates(name: str) -> np.ndarray:
    """The places, in time with their time."""
    time = [0.4] if name == "in time" else []
    return np.array([[*place, *time] for place in PLACES])


@pytest.mark.parametrize("name", TRIED)
def test_readings_leave_the_deviations_that_were_promised(name: str) -> None:
    """Of m at the nodes: those of the posterior with the rows of the chosen readings, by their noise."""
    solution = solved(name)
    found = solution.design(candidates(name), 3)
    q = problem_of(name).predictions_of.on(solution.state.level).functionals
    _, rows = q.linearised(solution.m)
    posterior, chosen = solution.posterior, found.design.order
    whitened = posterior.restricted(rows[:, chosen]) * np.sqrt(posterior.linearised.noise) / found.sigma
    after = posterior.linearised.with_rows(np.asfortranarray(whitened))
    scale = max(COMM.allgather(float(posterior.std.max(initial=0.0))))
    before, taken = (
        posterior.linearised.variance(),
        after.variance_taken() - posterior.linearised.variance_taken(),
    )
    np.testing.assert_allclose(found.design.std_after, posterior.std_less(taken), rtol=0, atol=1e-6 * scale)
    assert (before - taken > 0).all() and found.design.share[-1] < 1
    assert found.places[0].startswith(" ".join(f"{x:.10g}" for x in PLACES[chosen[0]]))
    assert list(found.lines) == [number + 1 for number in chosen]


@pytest.mark.parametrize("name", TRIED)
def test_predictions_of_the_candidates_become_surer(name: str) -> None:
    """Of what the candidates measure: no reading adds to their variance, the first takes most off it."""
    found = solved(name).design(candidates(name), 5, aim="predictions", sigma=1e-3)
    left = np.append(1.0, found.design.share)
    assert found.design.before == pytest.approx(1.0) and sorted(found.design.order) == [0, 1, 2, 3, 4]
    taken = -np.diff(left)
    assert (taken >= 0).all() and taken[0] == taken.max()


@pytest.mark.parametrize("name", TRIED[:1])
def test_sigma_is_what_is_said(name: str) -> None:
    """Given for all or for each; a reading with large noise is chosen last."""
    solution, sigma = solved(name), np.array([1e-3, 1e6, 1e-3, 1e-3, 1e-3])
    found = solution.design(np.array(PLACES), 5, sigma=sigma)
    assert found.design.order[-1] == 1
    np.testing.assert_array_equal(found.sigma, sigma[found.design.order])
    np.testing.assert_array_equal(solution.design(np.array(PLACES), 2, sigma=0.5).sigma, [0.5, 0.5])


WRONG = {
    "candidates:2: point 2 at (0.3, 1.5) lies outside": {"places": [[0.3, 0.4], [0.3, 1.5]]},
    "candidates: found 9 to choose, expected a number from 1 to 5": {"number": 9},
    "found wells, expected one of heads": {"observation": "wells"},
    "sigma: found a value that is not > 0": {"sigma": 0.0},
    "sigma: found a value whose square is no positive number": {"sigma": 1e300},
    "candidates:1: found 3 entries, expected x, y": {"places": [[0.3, 0.4, 1.0]]},
}


@pytest.mark.parametrize("told", WRONG if ALONE else [])
def test_what_is_wrong_is_told(told: str) -> None:
    """In one sentence."""
    given = {"places": PLACES, "number": 1, **WRONG[told]}
    with pytest.raises(InputError) as caught:
        solved("noise stated").design(given.pop("places"), given.pop("number"), **given)
    assert told in str(caught.value)


def left_by(posterior: LinearisedPosterior, rows: np.ndarray, sigma: float, sets: np.ndarray) -> np.ndarray:
    """The share of the mean variance over the nodes that the readings of each set of candidates leave, by
    Σ var − tr(S(K + σ²)⁻¹) of the set's K = GᵀCG and S = GᵀCCG."""
    image = posterior.covariance(rows)
    K, S = rows.T @ image, image.T @ image
    before = posterior.variance().sum()
    blocks = [matrix[sets[:, :, None], sets[:, None, :]] for matrix in (K + sigma**2 * np.eye(len(K)), S)]
    return 1.0 - np.trace(np.linalg.solve(*blocks), axis1=1, axis2=2) / before


@pytest.mark.skipif(not ALONE, reason="whole rows")
def test_greedy_sets_are_good_ones() -> None:
    """Ten points leave less than the best of 100 random tens; three of twenty at most 2 % more than the best
    of all 1140 threes."""
    rng, sigma = np.random.default_rng(0), 0.02
    grid = np.stack(np.meshgrid(*[np.linspace(0.06, 0.94, 8)] * 2), axis=-1).reshape(-1, 2)
    with on_square("sparse", f"predictions.q={{kind: points, at: {grid.tolist()}}}").built() as problem:
        solution = solve(problem)
        at = solution.posterior.linearised
        rows = problem.predictions_of.on(solution.state.level).functionals.linearised(solution.m)[1]
        aim = mean_variance(solution.posterior, np.ones(len(at.mean)))
        every = [rng.choice(len(grid), 10, replace=False) for _ in range(100)]
        found = designed(solution.posterior, rows, np.full(len(grid), sigma**2), aim, 10)
        few = np.sort(rng.choice(len(grid), 20, replace=False))
        some = np.asfortranarray(rows[:, few])
        three = designed(solution.posterior, some, np.full(20, sigma**2), aim, 3)
        random = left_by(at, rows, sigma, np.array(every))
        exhaustive = left_by(at, some, sigma, np.array(list(combinations(range(20), 3)))).min()
    assert found.share[-1] < random.min()
    assert exhaustive * (1 - 1e-9) <= three.share[-1] <= 1.02 * exhaustive


def test_without_a_posterior_there_is_no_design() -> None:
    """Nor without predictions one for them."""
    with Small(
        "sparse", ("mesh.cells=[6,6]", "flow.max_iterations=2", "posterior.kind=none")
    ).built() as problem:
        found = solve(problem)
        with pytest.raises(InputError, match="found no posterior"):
            found.design(PLACES, 1)


@pytest.mark.skipif(not ALONE, reason="starts a command")
def test_the_command_writes_what_python_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the folder of results, with lines of the file, a table and a picture."""
    results, file = tmp_path / "results", tmp_path / "places.csv"
    solution = solved("noise stated")
    solution.save(results)
    file.write_text("site,x,y,value\n" + "".join(f"a,{x},{y},\n" for x, y in PLACES))
    code = main(["design", str(results), "--candidates", str(file), "--number", "3"])
    expected = solution.design(np.array(PLACES), 3)
    with (results / "design.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert code == 0 and (results / "design.png").exists()
    assert [int(row["line"]) for row in rows] == [number + 2 for number in expected.design.order]
    np.testing.assert_allclose(
        [float(row["variance_left"]) for row in rows], expected.design.share, rtol=1e-9
    )
    assert "3 of 5 candidates" in capsys.readouterr().out
    file.write_text("x,y\n0.5,0.5\n0.5,7\n")
    assert main(["design", str(results), "--candidates", str(file), "--number", "1"]) == 2
    assert f"{file}:3: point 2 at (0.5, 7) lies outside" in capsys.readouterr().err


@pytest.mark.skipif(not ALONE, reason="starts a command")
def test_results_that_were_moved_away_from_their_data_are_told_where_these_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key that names them is set; whatever determined the run cannot be."""
    results, file = tmp_path / "a" / "b" / "results", tmp_path / "places.csv"
    solved("noise stated").save(tmp_path / "results")
    results.parent.mkdir(parents=True)
    (tmp_path / "results").rename(results)
    file.write_text("x,y\n0.5,0.5\n")
    words = ["design", str(results), "--candidates", str(file), "--number", "1"]
    assert main(words) == 2
    assert "observations.heads.file: found" in capsys.readouterr().err
    words += ["--set", f"observations.heads.file={CASES / 'data' / 'sparse.csv'}"]
    assert main(words) == 0
    assert main([*words, "--set", "mesh.cells=[5,5]"]) == 2
    assert "another case, which differs in mesh.cells" in capsys.readouterr().err


MISSING = {
    "quickstart": ([], "found no checkpoint, expected results of a run that wrote one"),
    "ritz_poisson": ([], "energy: found an energy without observations, which has no posterior, expected"),
    "sparse": (["--set", "posterior.kind=none"], "posterior.kind: found none, expected laplace or mcmc"),
}
"""Cases whose folder holds no more than they are, with further words."""


@pytest.mark.skipif(not ALONE, reason="starts a command")
@pytest.mark.parametrize("name", MISSING)
def test_what_a_design_lacks_is_said_before_the_problem_is_built(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In one message that names the folder or the key."""
    monkeypatch.setattr("app.problem.build", lambda *_, **__: pytest.fail("was built"))
    case = load_case(CASES / f"{name}.yaml")
    (tmp_path / "case.yaml").write_text(effective_yaml(case, tmp_path))
    more, told = MISSING[name]
    assert main(["design", str(tmp_path), "--candidates", "none.csv", "--number", "1", *more]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert told in said


@pytest.mark.skipif(not ALONE, reason="starts a command")
def test_a_table_of_candidates_that_is_not_there_is_said_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before the problem is built."""
    solved("noise stated").save(tmp_path)
    monkeypatch.setattr("app.problem.build", lambda *_, **__: pytest.fail("was built"))
    assert main(["design", str(tmp_path), "--candidates", str(tmp_path / "none.csv"), "--number", "1"]) == 2
    assert "none.csv: found no such file" in capsys.readouterr().err
