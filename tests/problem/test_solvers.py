"""How a case says which linear solvers it wants, and what the summary tells of them."""

from pathlib import Path
from typing import Any

import pytest
from dolfinx import fem
from mpi4py import MPI

from app.case import LinearSolverSpec, load_case
from app.mesh import MESHES
from app.parallel.solver_cost import System, factorisation
from app.problem import build, solvers
from app.problem.solvers import Solvers

COMM = MPI.COMM_WORLD

CASES = Path(__file__).parents[2] / "cases"

LARGE = System(3, 200_000, solves=40)
"""One that is solved iteratively unless the case asks otherwise."""

SMALL = System(3, 1000, solves=40)

PLENTY = 1e12
"""Bytes that are no bound."""


def chosen(options: dict[str, Any], *systems: System) -> tuple[Solvers, list[str]]:
    """The solvers' maker, and the kinds that it made for the systems."""
    made, kinds = Solvers(COMM), []
    for system in systems:
        solver = made.of(LinearSolverSpec(**options), "state", system)
        kinds.append(solver.kind)
        solver.destroy()
    return made, kinds


@pytest.mark.parametrize(
    "options, kinds",
    [
        ({}, ["direct", "iterative"]),
        ({"kind": "direct"}, ["direct", "direct"]),
        ({"kind": "iterative"}, ["iterative", "iterative"]),
        ({"direct_below": 1000}, ["iterative", "iterative"]),
        ({"direct_below": 1001}, ["direct", "iterative"]),
        ({"direct_below": 200_001}, ["direct", "direct"]),
    ],
)
def test_what_a_case_says_rules(options: Any, kinds: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind, or a number of unknowns; the cost only where it says neither. The reason names the key."""
    monkeypatch.setattr(solvers, "available", lambda comm: PLENTY)
    made, found = chosen(options, SMALL, LARGE)
    assert found == kinds
    for told in made.summary():
        for key, value in options.items():
            assert f"{key}: {value}" in told["reason"]


@pytest.mark.distributed
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["interval", "rectangle", "box"])
def test_unknowns_are_counted_before_there_is_a_space(kind: str, degree: int) -> None:
    """As many as DOLFINx then makes."""
    options: dict[str, Any] = {"cells": 5, "lower": 0.0, "upper": 1.0}
    if kind != "interval":
        count = 2 if kind == "rectangle" else 3
        options = {"cells": [3] * count, "lower": [0.0] * count, "upper": [1.0] * count}
    domain = MESHES[kind](COMM, **options)
    space = fem.functionspace(domain.mesh, ("Lagrange", degree))
    assert solvers.unknowns(domain, degree) == space.dofmap.index_map.size_global


def test_a_choice_is_told_once() -> None:
    """However many solvers of one purpose there are."""
    made, _ = chosen({}, SMALL, SMALL, SMALL)
    (told,) = made.summary()
    assert told["purpose"] == "state"


def test_memory_that_is_left_bounds_the_factorisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is looked at once for all solvers, so that all are alike."""
    plane = System(2, 1_000_000, solves=40)
    for left, kind in ((PLENTY, "direct"), (1e9, "iterative")):
        monkeypatch.setattr(solvers, "available", lambda comm, left=left: left / comm.size)
        made = Solvers(COMM)
        assert made.memory == pytest.approx(solvers.SHARE * left)
        monkeypatch.setattr(solvers, "available", lambda comm: 0.0)
        solver = made.of(LinearSolverSpec(), "state", plane)
        assert solver.kind == kind
        solver.destroy()


def test_later_factorisations_have_what_earlier_ones_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of two purposes takes its share of the memory, and keeps its choice."""
    plane = System(2, 1_000_000, solves=40)
    left = 1.5 * factorisation(plane).memory / solvers.SHARE
    monkeypatch.setattr(solvers, "available", lambda comm: left / comm.size)
    made, kinds = Solvers(COMM), []
    for purpose in ("state", "riesz", "state"):
        solver = made.of(LinearSolverSpec(), purpose, plane)
        kinds.append(solver.kind)
        solver.destroy()
    assert kinds == ["direct", "iterative", "direct"]
    assert len(made.summary()) == 2


@pytest.mark.parametrize(
    "name, small, purposes",
    [
        ("quickstart", ["mesh.cells=[8, 8]"], {"state", "riesz", "start"}),
        ("ritz_poisson", ["mesh.cells=[4, 4]"], {"riesz"}),
        (
            "reduction_front",
            ["mesh.cells=8", "energy.parameters.mu.points=3", "energy.unseen=2", "equation.time.steps=4"],
            {"state", "riesz_l2", "riesz_h1"},
        ),
    ],
)
def test_every_solver_of_a_run_is_told(name: str, small: list[str], purposes: set[str]) -> None:
    """Those of the state and of the inner products; all of a small case are direct."""
    case = load_case(CASES / f"{name}.yaml", small)
    with build(case, COMM) as problem:
        told = problem.report.summary(problem.start(), "interrupted")["solvers"]
    assert {each["purpose"] for each in told} <= purposes
    assert {each["kind"] for each in told} == {"direct"}
    assert "state" not in purposes or any(each["purpose"] == "state" for each in told)
