"""Predictions of runs: whatever the equation, the kind, the unknowns, the experiments and the meshes."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from small import ALONE, CASES, COMM, Small, on_square

from app.api import Solution, solve
from app.case import InputError, load_case
from app.parallel import gram
from app.problem import Problem, check

pytestmark = pytest.mark.distributed

HEADS = "predictions.heads={kind: points, at: [[0.3, 0.4], [0.61, 0.52]]}"
FLUX = "predictions.flux={kind: fluxes, at: [left, all]}"
TERM = "predictions.term={kind: integrals}"

PREDICTED = {
    "network": on_square("quickstart", HEADS, FLUX, TERM, "posterior.samples=3"),
    "logarithm": on_square("quickstart", "predictions.q={kind: points, at: [[0.3, 0.4]], scale: log}"),
    "mean of the unknown": on_square("sparse", "predictions.q={kind: integrals, of: unknown, mean: true}"),
    "levels": on_square("quickstart", HEADS, FLUX, TERM, "levels=2", cells=12),
    "levels, nodal": on_square(
        "quickstart", HEADS, TERM, "levels=2", "unknowns.m.representation.kind=nodal", cells=12
    ),
    "in time": on_square(
        "heat_pinnacle",
        "predictions.q={kind: points, at: [[0.3, 0.4, 0.0], [0.2, 0.1, 0.33]]}",
        TERM,
        cells=8,
    ),
    "nonlinear": on_square("nonlinear", HEADS, FLUX, "posterior.samples=2", cells=8),
    "two unknowns, an experiment": on_square(
        "two_unknowns",
        "predictions.q={kind: points, at: [[0.3, 0.4]], experiment: alternating}",
        "predictions.r={kind: integrals, unknown: r}",
        "predictions.u={kind: averages, at: [[0.4, 0.5]], radius: 0.2, experiment: everywhere}",
        cells=8,
    ),
    "flux that is unknown": on_square("boundary_flux", HEADS, "predictions.q={kind: integrals}"),
    "traces": on_square("quickstart", "predictions.q={kind: traces, on: left, at: [[0, 0.5]]}"),
}

TRIED = list(PREDICTED) if ALONE else ["levels"]


@cache
def problem_of(name: str) -> Problem:
    return PREDICTED[name].built()


@cache
def solved(name: str) -> Solution:
    return solve(problem_of(name))


@pytest.mark.parametrize("name", TRIED)
def test_derivatives_are_central_differences(name: str) -> None:
    """Of each functional along a wave, at the result; and what is predicted is its value there."""
    found = solved(name)
    q = problem_of(name).predictions_of.on(found.state.level).functionals
    step, wave = 1e-4, np.cos(np.arange(len(found.m)) + 40.0 * COMM.rank)
    value, rows = q.linearised(found.m)
    slope = (q.values(found.m + step * wave) - q.values(found.m - step * wave)) / (2 * step)
    size = np.abs(rows).T @ np.abs(wave)
    along, size = COMM.allreduce(rows.T @ wave), COMM.allreduce(size)
    np.testing.assert_allclose(along, slope, rtol=0, atol=1e-5 * size.max())
    np.testing.assert_allclose(found.predictions.value, value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", TRIED)
def test_the_data_make_predictions_surer(name: str) -> None:
    """0 ≤ sd ≤ the prior one, √(q′ covariance q′ᵀ) by products with the covariance."""
    found = solved(name)
    told, posterior = found.predictions, found.posterior
    q = problem_of(name).predictions_of.on(found.state.level).functionals
    _, rows = q.linearised(found.m)
    dense = np.diag(gram(COMM, rows, posterior.covariance_product(rows)))
    np.testing.assert_allclose(told.std, np.sqrt(np.maximum(dense, 0.0)), rtol=1e-6, atol=1e-9)
    assert (told.std <= told.std_prior).all() and np.isfinite(told.quantiles).all()
    assert (np.diff(told.quantiles, axis=1) >= 0).all()


def test_predictions_stand_in_the_order_of_the_case() -> None:
    """Though those of one state take one solve together: values and names, whatever stands beside them."""
    log = "predictions.log={kind: points, at: [[0.3, 0.4]], scale: log}"
    with on_square("quickstart", FLUX, TERM, log, HEADS, cells=6).built() as problem:
        found = problem.predictions_of.on(0)
        m = np.zeros(len(problem.points["m"]))
        before = problem.minimisation.meter.read()["state_solves"]
        values = found.functionals.values(m)
        assert problem.minimisation.meter.read()["state_solves"] == before + 1
    with on_square("quickstart", HEADS, FLUX, TERM, cells=6).built() as problem:
        *heads, left, whole, term = problem.predictions_of.on(0).functionals.values(m)
    np.testing.assert_allclose(values, [left, whole, term, np.log(heads[0]), *heads], rtol=1e-9)
    names = [label.name for label in found.labels]
    assert names == ["flux", "flux", "term", "log", "heads", "heads"]


def test_a_prediction_that_repeats_a_reading_has_at_most_its_noise() -> None:
    """At the places of the readings, whose sigma is known."""
    repeated = Small(
        "quickstart", ("mesh.cells=[10,10]", "predictions.q={kind: points, file: data/quickstart.csv}")
    )
    with repeated.built() as problem:
        found = solve(problem)
    told = found.predictions
    sigma = np.loadtxt(CASES / "data" / "quickstart.csv", delimiter=",", skiprows=1)[:, 3]
    assert len(told.value) == len(sigma) and (told.std <= sigma * (1 + 1e-9)).all()


def test_draws_are_pushed_through_the_equation(shared_tmp_path: Path) -> None:
    """Quantiles of q at the draws, of which there are as many as the case asks for; the table has them."""
    found = solved("network")
    told = found.predictions
    q = problem_of("network").predictions_of.on(0).functionals
    again = np.stack([q.values(np.ascontiguousarray(m)) for m in found.posterior.sample(3).T], axis=1)
    np.testing.assert_allclose(told.draws, again, rtol=1e-9)
    np.testing.assert_allclose(told.quantiles[:, 1], np.median(again, axis=1), rtol=1e-9)
    assert found.summary["predictions"]["draws"] == 3 and found.summary["predictions"]["draws_lost"] == 0
    found.save(shared_tmp_path)
    with (shared_tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["place"]) for row in rows] == [
        ("heads", "0.3 0.4"), ("heads", "0.61 0.52"), ("flux", "left"), ("flux", "all"), ("term", "all"),
    ]  # fmt: skip
    np.testing.assert_array_equal([float(row["sd"]) for row in rows], told.std)


def test_the_truth_is_predicted_too() -> None:
    """Where the case knows it: the values at its nodal values, and how many lie in the band."""
    found, problem = solved("network"), problem_of("network")
    (space,) = problem.predictions_of._levels[0].spaces.values()
    q = problem.predictions_of.on(0).functionals
    told = found.predictions
    np.testing.assert_allclose(told.truth, q.values(space.interpolate(problem.case.unknowns["m"].truth)))
    inside = (told.quantiles[:, 0] <= told.truth) & (told.truth <= told.quantiles[:, 2])
    assert found.summary["predictions"]["covered"] == pytest.approx(np.mean(inside))
    assert "truth" in found.summary["predictions"]["values"][0]


@pytest.mark.skipif(not ALONE, reason="nothing of rows")
def test_without_a_posterior_the_values_remain() -> None:
    """As numbers without deviations."""
    with on_square("quickstart", HEADS, "posterior.kind=none").built() as problem:
        found = solve(problem)
    told = found.predictions
    np.testing.assert_allclose(told.value, solved("network").predictions.value[:2], rtol=1e-9)
    assert np.isnan(told.std).all() and told.covered is None
    assert found.summary["predictions"]["values"][0]["sd"] is None


@pytest.mark.skipif(not ALONE, reason="nothing of rows")
def test_the_run_is_the_one_without_predictions() -> None:
    """To the last bit, and a checkpoint of the one goes on as the other."""
    with on_square("quickstart", "posterior.kind=none").built() as plain:
        before = solve(plain)
        assert plain.identity == problem_of("network").identity
    after = solved("network")
    assert [r.energy for r in before.history] == [r.energy for r in after.history]
    assert before.predictions is None


BAD = {
    "predictions.q={kind: points, at: [[0.3, 0.4], [0.5, 1.5]]}": ("predictions.q", ":2: point", "1.5"),
    "predictions.q={kind: points, at: [[0.3, 0.4, 0.1]]}": (":1: found 3 entries, expected x, y",),
    "predictions.q={kind: points, at: [[0.3]]}": (":1: found 1 entry, expected x, y",),
    "predictions.q={kind: points, at: [left]}": (":1: found 1 entry, expected x, y",),
    "predictions.q={kind: points, at: [[left, 0.5]]}": (":1: x: found 'left', expected a number",),
    "predictions.q={kind: fluxes, at: [lid]}": (":1: on: the mesh has no boundary part 'lid'",),
    "predictions.q={kind: averages, at: [[0.3, 0.4]]}": ("found 2 entries, expected x, y, radius",),
    "predictions.q={kind: traces, on: lid, at: [[0, 0.5]]}": ("predictions.q", "no boundary part 'lid'"),
    "predictions.q={kind: integrals, on: half}": ("predictions.q", "the mesh has no region 'half'"),
    "predictions.q={kind: points, at: [[0.3, 0.4]], component: x}": ("predictions.q", "the state has one"),
    "predictions.q={kind: points, file: data/none.csv}": ("no file at",),
    "predictions.q={kind: points}": ("one of the keys file and at",),
    "predictions.q={kind: points, at: [[0.3, 0.4]], experiment: a}": ("the case has no experiments",),
    "predictions.q={kind: integrals, unknown: k}": ("the unknown 'k', expected one of m",),
    "predictions.q={kind: field, file: data/quickstart.csv}": (
        "expected one of averages, fluxes, integrals",
    ),
}


@pytest.mark.serial
@pytest.mark.skipif(not ALONE, reason="one rank tells all")
@pytest.mark.parametrize("said", BAD)
def test_bad_predictions_are_told(said: str) -> None:
    """One message by key or by the number of the place, before the run."""
    with pytest.raises(InputError) as caught:
        check(load_case(CASES / "quickstart.yaml", ["mesh.cells=[4,4]", said]))
    (told,) = caught.value.problems
    assert all(part in told for part in BAD[said]), told


def test_times_beyond_the_end_are_told(shared_tmp_path: Path) -> None:
    """By file and line; places need no readings."""
    file = shared_tmp_path / "places.csv"
    if COMM.rank == 0:
        file.write_text("x,y,t\n0.1,0.1,0.5\n0.2,0.1,77\n")
    COMM.barrier()
    said = f"predictions.q={{kind: points, file: {file}}}"
    with pytest.raises(InputError, match=r"places.csv:3: t: found 77, expected a time from 0 to"):
        on_square("heat_pinnacle", said, cells=4).built()


@pytest.mark.skipif(not ALONE, reason="a law of each rank alike")
def test_a_logarithm_of_a_given_zero_is_not_known() -> None:
    """Where the state is given as 0 its logarithm is one of rounding: nan with its deviation and quantiles,
    None in the table, and the others keep the quantiles of their draws."""
    at = "predictions.q={kind: points, at: [[0.3, 0.4], [0.0, 0.5]], scale: log}"
    with on_square("quickstart", at, "posterior.samples=3").built() as problem:
        found = solve(problem).predictions
    assert found is not None and found.draws is not None
    assert np.isnan([found.value[1], found.std[1], found.std_prior[1], *found.quantiles[1]]).all()
    assert np.isfinite(found.value[0]) and found.std[0] > 0 and found.covered in (0.0, 1.0)
    np.testing.assert_allclose(found.quantiles[0], np.quantile(found.draws[0], (0.05, 0.5, 0.95)))
