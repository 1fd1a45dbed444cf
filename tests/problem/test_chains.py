"""Markov chains of the results of runs: their likelihood, the ranks they are on, going on after a stop."""

import json
import os
import signal
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from small import ALONE, COMM, SMALL, Small, on_square

from app import output
from app.api import Solution, solve
from app.posterior.chains import DelayedAcceptance
from app.problem import chain_meshes
from app.problem.chains import Draws, Sampling
from app.run import Options, read_state, run

pytestmark = [pytest.mark.distributed, pytest.mark.usefixtures("undrawn")]

MCMC = ("posterior.kind=mcmc", "posterior.proposals=40", "posterior.burn_in=16", "posterior.chains=3")

CASES = {
    "screened": on_square("sparse", "levels=1", *MCMC),
    "levels": on_square("sparse", "levels=2", *MCMC, cells=12),
    "predictions": on_square(
        "sparse",
        "levels=1",
        "posterior.coarse_steps=0",
        "predictions.more={kind: points, at: [[0.3, 0.3], [0.6, 0.2]]}",
        "predictions.whole={kind: integrals}",
        *MCMC,
    ),
    "alone": on_square("sparse", "levels=1", "posterior.coarse_steps=0", *MCMC),
    "nonlinear": Small("nonlinear", (*SMALL["nonlinear"].overrides, *MCMC)),
    "two unknowns": Small("two_unknowns", (*SMALL["two unknowns"].overrides, *MCMC)),
}

TRIED = [name for name in CASES if name != "predictions"] if ALONE else ["levels"]


@cache
def solved(name: str) -> Solution:
    return solve(CASES[name].built())


def sampling_of(name: str) -> Sampling:
    sample = solved(name).uncertainty.sample
    assert sample is not None
    return sample()


def rows(sampling: Sampling, draws: Draws) -> np.ndarray:
    """All draws, shape (chains, draws, columns)."""
    return np.array(sampling.gathered([chain.draws for chain in draws.chains]))


@pytest.mark.parametrize("name", TRIED)
def test_the_likelihood_has_the_derivative_of_differences(name: str) -> None:
    """Of the mesh that is meant and of the one that screens."""
    sampling = sampling_of(name)
    target, kernel = sampling.sampler.target, sampling.sampler.kernel
    targets = [target, kernel.screen] if isinstance(kernel, DelayedAcceptance) else [target]
    assert len(targets) == (1 if name == "alone" else 2)
    away = target.draw(np.random.default_rng(3))
    for each in targets:
        point = each.at(target.mean + 0.5 * away).point(derivative=True)
        step = 1e-4
        ahead, behind = (each.at(point.m + sign * step * away).energy for sign in (1, -1))
        slope = target.dot(point.derivative, away)
        assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-3, abs=1e-3)
    sampling.close()


@pytest.mark.parametrize("name", [name for name in TRIED if name != "alone"])
def test_the_screen_agrees_at_the_result(name: str) -> None:
    """In its value and in its derivative, so that near it they differ in the second order."""
    sampling = sampling_of(name)
    target, screen = sampling.sampler.target, sampling.sampler.kernel.screen
    result, away = target.likelihood.mean, target.draw(np.random.default_rng(4))
    trials = [each.at(result) for each in (target, screen)]
    assert trials[0].at.value == pytest.approx(trials[1].at.value, rel=1e-9)
    slopes = [
        target.dot(each.at(result).point(derivative=True).derivative, away) for each in (target, screen)
    ]
    assert slopes[0] == pytest.approx(slopes[1], abs=1e-4)
    sampling.close()


@pytest.mark.parametrize("name", ["levels"] if not ALONE else ["levels", "screened"])
def test_chains_go_on_from_a_checkpoint(name: str, shared_tmp_path: Path) -> None:
    """To the last bit, in the burn-in and after it."""
    sampling = sampling_of(name)
    whole = sampling.begun()
    for number in range(5):
        whole = sampling.advance(whole, 0.0)
        if number in (1, 3):
            sampling.save(whole, shared_tmp_path)
    sampling.close()
    again = sampling_of(name)
    draws = again.read(shared_tmp_path)
    assert draws is not None and draws.steps == whole.steps - 1
    draws = again.advance(draws, 0.0)
    np.testing.assert_array_equal(rows(again, draws), rows(sampling, whole))
    for one, other in zip(draws.chains, whole.chains, strict=True):
        np.testing.assert_array_equal(one.point.m, other.point.m)
        np.testing.assert_array_equal(one.moments.square, other.moments.square)
        assert dict(one.stream) == dict(other.stream) and one.size == other.size
    again.close()


@pytest.mark.skipif(ALONE, reason="of several ranks")
def test_chains_do_not_depend_on_who_draws_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each on one rank, or all ranks on each."""
    found = []
    for small in (chain_meshes.SMALL, 0):
        monkeypatch.setattr(chain_meshes, "SMALL", small)
        sampling = sampling_of("levels")
        assert sampling.shared == bool(small)
        draws = sampling.begun()
        for _ in range(4):
            draws = sampling.advance(draws, 0.0)
        drawn = sampling.moments(draws)
        found.append((rows(sampling, draws), drawn.mean, drawn.std))
        sampling.close()
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.serial
def test_a_run_draws_tells_and_writes(shared_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of its chains it goes on to the same draws as without a stop."""
    monkeypatch.setattr("app.run.PORTION", 0.0)
    folders = [shared_tmp_path / name for name in ("whole", "stopped")]
    whole = run(CASES["levels"].built(), folders[0], Options(quiet=True))
    advance, count = Sampling.advance, []

    def stopped(self: Sampling, draws: Draws, seconds: float) -> Draws:
        count.append(1)
        if len(count) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return advance(self, draws, seconds)

    with monkeypatch.context() as patch:
        patch.setattr(Sampling, "advance", stopped)
        first = run(CASES["levels"].built(), folders[1], Options(quiet=True))
    assert first["status"] == "interrupted" and len(count) == 3
    problem, state, _ = read_state(CASES["levels"].built(), folders[1])
    second = run(problem, folders[1], Options(quiet=True), state)
    assert second["status"] == whole["status"] == "converged"
    assert second["posterior"]["chains"] == whole["posterior"]["chains"]
    told = whole["posterior"]["chains"]
    assert told["proposals"] >= 40 and told["solves"] <= (told["proposals"] + told["burn_in"]) / 5 + 3
    assert "mean_m" in told["quantities"]
    if COMM.rank == 0:
        read = json.loads((folders[1] / "summary.json").read_text())
        assert read["posterior"]["chains"] == json.loads(json.dumps(told))


@pytest.mark.skipif(not ALONE, reason="predictions on ranks are of test_predicted_runs.py")
def test_predictions_are_told_of() -> None:
    """As those of the result, where a chain is at the result."""
    sampling, found = sampling_of("predictions"), solved("predictions")
    result = sampling.sampler.target.likelihood.mean
    trial = sampling.sampler.target.at(result)
    expected = found.uncertainty.predictions
    point = trial.reached(trial.point(derivative=True))
    np.testing.assert_allclose(point.quantities[1:], expected.value, rtol=1e-9)
    assert sampling.quantities[1:3] == ["more 0.3 0.3", "more 0.6 0.2"]
    again = sampling.sampler.target.at(result).point(derivative=True)
    np.testing.assert_allclose(point.derivative, again.derivative, rtol=1e-9)
    sampling.close()


@pytest.mark.skipif(not ALONE, reason="what is compared is the same on all ranks")
def test_chains_of_other_predictions_begin_anew(shared_tmp_path: Path) -> None:
    """What a case predicts is no part of its run, but of its chains, whose draws have a column of each."""
    small = CASES["levels"]
    for more in ("", "kind: integrals", "kind: integrals, of: unknown"):
        told = (f"predictions.whole={{{more}}}",) if more else ()
        problem = Small(small.case, (*small.overrides, "posterior.coarse_steps=0", *told)).built()
        sample = solve(problem).uncertainty.sample
        assert sample is not None
        sampling = sample()
        assert sampling.read(shared_tmp_path) is None
        sampling.save(sampling.begun(), shared_tmp_path)
        assert sampling.read(shared_tmp_path) is not None
        sampling.close()
        problem.close()


@pytest.mark.skipif(not ALONE, reason="written by one rank")
def test_draws_are_written_for_arviz(tmp_path: Path) -> None:
    """With groups, dimensions and coordinates; where the library is missing it is said which."""
    names = ["mean_m", "direction_1", "direction_2", "misfit", "lp", "accepted"]
    draws = np.arange(2 * 5 * 6.0).reshape(2, 5, 6)
    path = tmp_path / "chains.nc"
    try:
        import h5netcdf
    except ImportError:
        with pytest.raises(RuntimeError, match="pip install h5netcdf"):
            output.write_chains(path, names, draws)
        assert not path.exists()
        return
    output.write_chains(path, names, draws)
    with h5netcdf.File(path) as file:
        posterior, stats = file["posterior"], file["sample_stats"]
        assert posterior["mean_m"].dimensions == ("chain", "draw")
        assert posterior["directions"].dimensions == ("chain", "draw", "direction")
        np.testing.assert_array_equal(posterior["directions"][...], draws[:, :, 1:3])
        np.testing.assert_array_equal(stats["lp"][...], draws[:, :, 4])
