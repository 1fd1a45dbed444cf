"""How sure the interfaces are that runs find: what is told, written, predicted and refused."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from small import COMM, on_square
from states import bare

from app.api import Solution, load_result, solution, solve
from app.case import Case, InputError, load_case
from app.flow import Method
from app.mesh.widths import node_sizes
from app.method import PhasesMethod
from app.problem import Problem
from app.problem.uncertainty import UncertaintyOf

pytestmark = pytest.mark.distributed

FOUND = on_square(
    "inclusions",
    "unknowns.m.representation={kind: phases, number: 2, values: [0, free, [-2, 2]]}",
    "predictions.disc={kind: integrals, of: unknown}",
    "predictions.heads={kind: points, at: [[0.35, 0.4]]}",
    "posterior.samples=2",
    "levels=1",
    cells=24,
    method=Method(phases=PhasesMethod(starts=1)),
)

DISC, BOX = 1.0, -1.0


@cache
def problem() -> Problem:
    return FOUND.built()


@cache
def solved() -> Solution:
    return solve(problem())


def largest(values: np.ndarray) -> float:
    """Over all ranks."""
    return max(COMM.allgather(float(np.abs(values).max(initial=0.0))))


def truth() -> np.ndarray:
    """At the nodes."""
    x, y = problem().points["m"].T
    disc = (x - 0.35) ** 2 + (y - 0.4) ** 2 < 0.2**2
    return disc * DISC + (np.abs(x - 0.7) < 0.12) * (np.abs(y - 0.65) < 0.2) * BOX


def test_what_is_likely_is_mostly_so() -> None:
    """Of the nodes that are in a phase with a probability of 0.8 or more at least 0.8 are, and of those with
    less than 0.2 at most 0.2."""
    told = solved().summary["posterior"]
    assert told["kind"] == "interfaces" and len(told["sizes"]) == 2
    for probability, value in zip(solved().posterior.probabilities.T, told["values"][1:], strict=True):
        inside = truth() == round(value)
        likely, unlikely = probability >= 0.8, probability <= 0.2
        share, count, wrong, rest = (
            COMM.allreduce(int(each.sum())) for each in (inside & likely, likely, inside & unlikely, unlikely)
        )
        assert count > 20 and share >= 0.8 * count and wrong <= 0.2 * rest


def test_bounds_are_about_what_was_found() -> None:
    """Sizes of the result lie between those of 5 and 95 %, values keep to what is given and bounded, and most
    nodes have one of them."""
    told, posterior = solved().summary["posterior"], solved().posterior
    for low, size, high in zip(told["sizes_5"], told["sizes"], told["sizes_95"], strict=True):
        assert 0 < low < size < high < told["measure"] == pytest.approx(1.0)
    assert told["values"][0] == 0 and told["values_std"][0] == 0 and min(told["values_std"][1:]) > 0
    assert (np.abs(posterior.values[2]) < 2).all()
    assert np.isfinite(posterior.std).all() and posterior.std.shape == solved().m.shape
    inner = (posterior.probabilities == 0).all(axis=1)
    close = np.abs(posterior.sample(3)[inner]).max(axis=1) < 1e-6
    assert COMM.allreduce(int(close.sum())) > 0.8 * COMM.allreduce(int(inner.sum())) > 0
    assert told["linear_solves"] <= posterior.interfaces.size and told["mesh"] == 1


def test_it_is_the_same_after_a_run_was_read_back() -> None:
    """From the state without what is not saved of it."""
    again = solution(problem(), bare(solved().state)).posterior
    assert largest(again.std - solved().posterior.std) <= 1e-9 * largest(again.std)


def test_probabilities_are_written_with_what_all_posteriors_have(shared_tmp_path: Path) -> None:
    """As fields, with a picture, deviations to read back, and the section of the summary."""
    folder = shared_tmp_path / "results"
    solved().save(folder)
    points = np.array([[0.3, 0.4], [0.71, 0.13]])
    np.testing.assert_allclose(load_result(folder).std(points)["m"], solved().std(points)["m"])
    assert (folder / "posterior.png").exists()
    told = json.loads((folder / "summary.json").read_text())["posterior"]
    assert told == solved().summary["posterior"]
    written = b"".join(path.read_bytes() for path in folder.glob("fields*"))
    for name in ("probability_1", "probability_2", "std_prior", "exp_m_95", "sample_2"):
        assert f'Name="{name}"'.encode() in written


def test_predictions_are_those_of_the_draws() -> None:
    """With a deviation after the data; what there was before them is not known."""
    found, m = solved().predictions, solved().posterior.draws.m
    assert found is not None and found.draws is not None and found.draws.shape == (2, 2)
    assert (found.std > 0).all() and np.isnan(found.std_prior).all() and found.covered is not None
    weights = node_sizes(problem().uncertainty_of.levels[0].coefficient).measure  # type: ignore[union-attr]
    assert found.std[0] == pytest.approx(COMM.allreduce(weights @ m).std(), rel=0.05)


def test_phases_have_no_design_and_no_chains() -> None:
    """Which are of Gaussian posteriors."""
    with pytest.raises(InputError, match="found phases, expected a coefficient with a Gaussian posterior"):
        solved().design([[0.2, 0.3]], 1)
    keys = ["unknowns.m.representation={kind: phases}", "posterior.kind=mcmc"]
    with pytest.raises(
        InputError, match="found mcmc with the representation phases, expected laplace or none"
    ):
        load_case(Path(__file__).parents[2] / "cases" / "inclusions.yaml", keys)


def test_chains_are_missed_where_the_data_chose_phases() -> None:
    """The posterior is there, with a note."""
    of = problem().uncertainty_of
    assert isinstance(of, UncertaintyOf)
    given, state = of.levels[0], solved().state
    assert isinstance(given.case, Case)
    spec = given.case.posterior.model_copy(update={"kind": "mcmc"})
    asked = replace(given, case=given.case.model_copy(update={"posterior": spec}))
    found = replace(of, levels=[asked])(problem().minimisation, state, "minimum")
    assert found.sample is None and found.told["kind"] == "interfaces"
    assert "no posterior by Markov chains" in found.told["note"]
