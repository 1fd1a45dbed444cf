"""Phases with something beside them that varies smoothly, in whole runs: what is found, told and written, and
how sure it is."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from small import COMM, SMOOTH_PHASES, on_square

from app.api import Solution, load_result, solve
from app.flow import SMOOTH, Method, SmoothPhaseNetwork
from app.flow.phases.fits import begun
from app.flow.phases.stage import objective_of
from app.method import PhasesMethod
from app.problem import Problem

pytestmark = pytest.mark.distributed

FOUND = on_square("mixed", *SMOOTH_PHASES, "levels=1", cells=24, method=Method(phases=PhasesMethod(starts=1)))


@cache
def problem() -> Problem:
    return FOUND.built()


@cache
def solved() -> Solution:
    return solve(problem())


def smooth_values() -> np.ndarray:
    """At this rank's nodes."""
    own = solved().state.representation
    assert isinstance(own.network, SmoothPhaseNetwork)
    return own.network.smooth_values(own.theta)


def test_both_parts_are_found() -> None:
    """With less error than any regularisation finds on this mesh."""
    told = solved().summary
    assert told["regularisation_kind"] == "perimeter" and told["phases"]["number"] == 2
    assert told["phases"]["smooth"]["regularisation_kind"] == SMOOTH
    assert told["phases"]["smooth"]["length_scale"] == pytest.approx(0.1 * np.sqrt(2))
    assert told["relative_error"] < 0.3
    below, around, above = sorted(told["phases"]["values"])
    assert below < around - 0.5 and above > around + 0.5
    assert COMM.allreduce(float(np.abs(smooth_values()).max()), op=MPI.MAX) > 0.1


def test_the_model_of_a_fit_has_its_gradient() -> None:
    """The gradient of the energy, by differences in units of the scales."""
    state, minimised, method = solved().state, problem().minimisation, problem().method
    assert state.phase_choice is not None
    objective = objective_of(minimised, method, state.phase_choice)
    own = state.representation
    fit = begun(objective, objective.point(own))
    gradient, network = objective.quadratic(fit.point, fit.J).gradient, fit.point.network
    along = np.random.default_rng(1).standard_normal(network.size)

    def energy(h: float) -> float:
        theta = own.theta + h * network.scales * along
        return objective.point(type(own)(own.network, theta, own.size)).energy

    found = (energy(1e-6) - energy(-1e-6)) / 2e-6
    assert found == pytest.approx(gradient @ along, rel=1e-5, abs=1e-5)


@pytest.mark.skipif(COMM.size == 1, reason="there is one rank")
def test_it_does_not_depend_on_the_number_of_ranks() -> None:
    """The same choice, to rounding on the way there, and the same result within a per cent."""
    coarse = replace(FOUND, overrides=("mesh.cells=[12,12]", *FOUND.overrides[1:], "posterior.kind=none"))
    with coarse.built(MPI.COMM_SELF) as alone, coarse.built() as spread:
        found, here = solve(alone).state, solve(spread).state
    assert [one.parameters for one in found.records] == [one.parameters for one in here.records]
    for one, other in zip(found.records[:4], here.records, strict=False):
        assert one.misfit == pytest.approx(other.misfit, rel=1e-8)
    assert found.records[-1].misfit == pytest.approx(here.records[-1].misfit, rel=0.01)


def test_it_is_written_and_read_back(shared_tmp_path: Path) -> None:
    """Anywhere in the domain, with the smooth part as a field of its own, and as a torch module."""
    folder = shared_tmp_path / "results"
    solved().save(folder)
    points = np.random.default_rng(3).uniform(0.0, 1.0, (50, 2))
    here = solved().evaluate(points)["m"]
    again = load_result(folder)
    assert np.array_equal(again.evaluate(points)["m"], here)
    assert b'Name="smooth"' in b"".join(path.read_bytes() for path in folder.glob("fields*"))
    told = json.loads((folder / "summary.json").read_text())
    assert told["phases"] == solved().summary["phases"]
    import torch

    module = again.networks()["m"]
    assert np.allclose(module(torch.from_numpy(points)).detach().numpy(), here, rtol=0, atol=1e-12)


def test_its_posterior_lets_the_smooth_part_vary() -> None:
    """So that no place has one of a few values exactly."""
    posterior, told = solved().posterior, solved().summary["posterior"]
    assert told["kind"] == "interfaces" and len(told["sizes"]) == 2
    assert np.isfinite(posterior.std).all()
    least = COMM.allreduce(float(posterior.std.min()), op=MPI.MIN)
    assert least > 1e-4
    assert COMM.allreduce(float(posterior.std.max()), op=MPI.MAX) < 3.0
