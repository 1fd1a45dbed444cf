"""The program from Python, alone and under MPI: runs as values, functions, results that are read back."""

import shutil
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from states import assert_same, bare

import app
from app import Solution, build, continue_from, iterate, load_case, load_result, load_state, solution, solve
from app.mesh import PointOutside
from app.output import NoResult
from app.problem import NotContinued, Problem

COMM = MPI.COMM_WORLD

pytestmark = pytest.mark.usefixtures("undrawn")

ROOT = Path(__file__).parents[1]

SMALL = {
    "quickstart": ["mesh.cells=[10,10]", "expansion.candidates=40"],
    "two_unknowns": ["mesh.cells=[8,8]", "expansion.candidates=40", "flow.max_iterations=4"],
    "heat_pinnacle": ["mesh.cells=[6,6]", "expansion.candidates=40", "flow.max_iterations=4"],
    "ritz_poisson": ["mesh.cells=[8,8]", "expansion.candidates=40", "flow.max_iterations=4"],
    "smooth": ["mesh.cells=[8,8]", "expansion.candidates=40", "flow.max_iterations=4"],
    "reduction_front": [
        "mesh.cells=20",
        "energy.parameters.mu.points=6",
        "energy.unseen=4",
        "equation.time.steps=20",
        "expansion.candidates=20",
        "flow.max_iterations=2",
    ],
}
"""Cases of every energy, small; the first one to its end."""

FEW = ["quickstart", "ritz_poisson"] if COMM.size > 1 else list(SMALL)


def made(name: str, *overrides: str) -> Problem:
    return build(load_case(ROOT / "cases" / f"{name}.yaml", [*SMALL[name], *overrides]))


@pytest.fixture(scope="module")
def quick() -> Iterator[Solution]:
    """What the case quickstart ends with."""
    with made("quickstart") as problem:
        yield solve(problem)


@pytest.mark.parametrize("name", FEW)
def test_a_solution_is_a_function_that_is_saved_and_read_back(name: str, shared_tmp_path: Path) -> None:
    """At the nodes it has the nodal values to 1e-13; read from a copy of the folder it is the same function,
    on one rank too."""
    folder, copy = shared_tmp_path / "results", shared_tmp_path / "elsewhere"
    with made(name) as problem:
        found = solve(problem)
        found.save(folder)
        title, nodes = next(iter(problem.points.items()))
        every = np.vstack(COMM.allgather(nodes))
        m = np.concatenate(COMM.allgather(found.m[: len(nodes)]))
        np.testing.assert_allclose(found.evaluate(every)[title], m, rtol=0, atol=1e-13 * np.abs(m).max())
        if COMM.rank == 0:
            shutil.copytree(folder, copy)
        COMM.barrier()
        together, alone = load_result(copy, COMM), load_result(copy)
        for other in (together, alone):
            for key, values in found.evaluate(every).items():
                np.testing.assert_allclose(other.evaluate(every)[key], values, rtol=0, atol=1e-13)
        assert alone.summary["parameters"] == found.summary["parameters"] == found.history[-1].parameters
        with pytest.raises(PointOutside):
            found.evaluate(every[:1] + 100.0)


def test_what_the_equation_has_comes_with_its_own_name(quick: Solution) -> None:
    """exp(m) beside m where m is a logarithm."""
    values = quick.evaluate(np.array([[0.3, 0.4]]))
    assert values["exp_m"] == pytest.approx(np.exp(values["m"]))


def test_the_network_is_a_torch_module_with_the_same_values_and_slopes(quick: Solution) -> None:
    """To rounding; its derivative by the points is that of the function."""
    import torch

    points = np.random.default_rng(0).uniform(0.1, 0.9, (5, 2))
    module = quick.networks()["m"]
    x = torch.tensor(points, requires_grad=True)
    values = module(x)
    np.testing.assert_allclose(values.detach().numpy(), quick.evaluate(points)["m"], rtol=0, atol=1e-13)
    (slope,) = torch.autograd.grad(values.sum(), x)
    for axis in range(2):
        step = np.eye(2)[axis] * 1e-6
        ahead, behind = (quick.evaluate(points + sign * step)["m"] for sign in (1, -1))
        np.testing.assert_allclose(slope[:, axis].numpy(), (ahead - behind) / 2e-6, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["quickstart", "ritz_poisson"])
def test_a_state_from_disk_goes_on_as_the_one_in_memory(name: str, shared_tmp_path: Path) -> None:
    """`advance(load(save(state)))` is `advance(state)` to the last bit, counts included, from the first state
    and from the last but one; tests/problem shows it of every kind of problem without the interface."""
    with made(name) as problem, made(name) as other:
        states = list(iterate(problem))
        for index in {0, len(states) - 2}:
            folder = shared_tmp_path / f"{index}"
            solution(problem, states[index]).save(folder)
            read = load_state(other, folder)
            assert_same(bare(read), bare(states[index]))
            assert_same(bare(other.advance(read)), bare(states[index + 1]))


def test_problems_in_turns_are_as_each_alone() -> None:
    """Two of different energies: states to the last bit, each with counts and a clock of its own."""
    names = ["quickstart", "ritz_poisson"]
    with made(names[0]) as one, made(names[1]) as other:
        turns = [list(states) for states in zip(*zip_longest(iterate(one), iterate(other)), strict=True)]
        for name, states in zip(names, turns, strict=True):
            together = [state for state in states if state is not None]
            with made(name) as alone:
                for mine, theirs in zip(iterate(alone), together, strict=True):
                    assert_same(bare(mine), bare(theirs))
        seconds = [sum(problem.clock.seconds().values()) for problem in (one, other)]
        assert all(spent > 0 for spent in seconds)
        assert one.clock.seconds()["other"] + one.clock.seconds()["startup"] < sum(seconds)


def test_a_run_goes_on_from_another_mesh(quick: Solution, shared_tmp_path: Path) -> None:
    """The network is the same function there, R and its weight are taken over, and less is solved for."""
    quick.save(shared_tmp_path)
    with made("quickstart", "mesh.cells=[14,14]") as fine:
        problem = continue_from(fine, shared_tmp_path)
        start = problem.start()
        points = np.vstack(COMM.allgather(fine.points["m"]))
        m = np.concatenate(COMM.allgather(start.evaluation.m))
        np.testing.assert_allclose(m, load_result(shared_tmp_path).evaluate(points)["m"], rtol=0, atol=1e-13)
        found = solve(problem)
        assert found.summary["regularisation_weight"] == quick.summary["regularisation_weight"]
        assert found.summary["stop_reason"] == "minimum"
        assert found.summary["state_solves"] < quick.summary["state_solves"]
        alone = solve(fine)
        assert found.summary["relative_error"] < 1.1 * alone.summary["relative_error"]


def test_nodal_values_go_on_by_interpolation_and_a_network_needs_one(shared_tmp_path: Path) -> None:
    """What does not fit is refused on all ranks."""
    nodal = "unknowns.m.representation.kind=nodal"
    with made("quickstart", nodal) as coarse:
        solve(coarse).save(shared_tmp_path)
    with made("quickstart", nodal, "mesh.cells=[14,14]") as fine:
        m = continue_from(fine, shared_tmp_path).start().evaluation.m
        expected = load_result(shared_tmp_path, COMM).evaluate(np.vstack(COMM.allgather(fine.points["m"])))
        np.testing.assert_allclose(np.concatenate(COMM.allgather(m)), expected["m"], rtol=0, atol=1e-13)
    with made("quickstart") as network, pytest.raises(NotContinued, match="found nodal values"):
        continue_from(network, shared_tmp_path)
    with made("two_unknowns") as other, pytest.raises(NotContinued, match="found no unknown"):
        continue_from(other, shared_tmp_path)


def test_a_folder_without_results_is_refused(shared_tmp_path: Path) -> None:
    with pytest.raises(NoResult, match=r"found no network\.json"):
        load_result(shared_tmp_path)


def test_names_are_there_and_importing_starts_nothing() -> None:
    """Every name of the interface, by which `import app` alone does not load MPI."""
    assert all(getattr(app, name) is not None for name in app.__all__)
    with pytest.raises(AttributeError):
        app.nothing  # noqa: B018
