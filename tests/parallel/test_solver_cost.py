"""The choice between a factorisation and multigrid, as a function of what is known before either is made."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from mpi4py import MPI
from petsc4py import PETSc

from app.parallel.solver import WHOLE, LinearSolver
from app.parallel.solver_cost import FACTOR, Choice, System, choose, factorisation, multigrid

PLENTY = 1e12
"""Bytes that are no bound."""

SIZES = [round(1.5**k) for k in range(20, 48)]
"""From some thousand unknowns to some hundred million."""

IN_SPACE = System(3, 30_000, solves=5)


def kind(system: System, memory: float = PLENTY) -> str:
    return choose("state", system, memory).kind


def test_a_million_unknowns_in_the_plane_are_factorised() -> None:
    """MUMPS takes seconds for them; so it is for tens of right-hand sides, systems and quadratic elements."""
    for degree in (1, 2):
        assert kind(System(2, 1_000_000, degree, solves=40)) == "direct"
        assert kind(System(2, 1_000_000, degree, components=2, solves=40)) == "direct"


def test_thirty_thousand_unknowns_in_space_are_not_unless_there_are_many_right_hand_sides() -> None:
    """The factorisation costs what tens of right-hand sides take by multigrid."""
    assert kind(IN_SPACE) == "iterative"
    assert kind(replace(IN_SPACE, solves=1000)) == "direct"


def test_a_large_cube_is_not_factorised() -> None:
    """96³ cells would take MUMPS hours and more memory than most machines have."""
    assert kind(System(3, 97**3, solves=40)) == kind(System(3, 97**3, solves=300)) == "iterative"


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("size", [1, WHOLE])
def test_small_systems_are_factorised(dimension: int, size: int) -> None:
    """Whatever is asked of them: their solutions are then the same on any number of ranks."""
    for symmetric in (True, False):
        assert kind(System(dimension, size, symmetric=symmetric)) == "direct"


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_more_unknowns_turn_to_multigrid_once(dimension: int) -> None:
    """It stays with the choice at larger sizes, as a factorisation grows faster."""
    for solves in (1, 40, 1000):
        chosen = [kind(System(dimension, size, solves=solves)) for size in SIZES if size > WHOLE]
        assert all(after == "iterative" for before, after in pairwise(chosen) if before == "iterative")


def test_more_right_hand_sides_turn_to_a_factorisation_once() -> None:
    """What is made once is shared by all of them."""
    for dimension in (2, 3):
        for size in (30_000, 120_000):
            chosen = [kind(System(dimension, size, solves=2**k)) for k in range(14)]
            assert chosen[-1] == "direct"
            assert all(after == "direct" for before, after in pairwise(chosen) if before == "direct")


@pytest.mark.parametrize("cost", [factorisation, multigrid])
def test_costs_grow_with_all_that_makes_a_system_larger(cost: Any) -> None:
    """Seconds and memory, of both."""
    for dimension in (1, 2, 3):
        found = [cost(System(dimension, size, solves=10)) for size in SIZES if not size <= WHOLE < 1.5 * size]
        for one, next_one in pairwise(found):
            assert next_one.seconds > one.seconds > 0
            assert next_one.memory > one.memory > 0
    assert cost(replace(IN_SPACE, solves=6)).seconds > cost(IN_SPACE).seconds
    assert cost(replace(IN_SPACE, ranks=2)).seconds < cost(IN_SPACE).seconds
    assert multigrid(replace(IN_SPACE, tolerance=1e-6)).seconds < multigrid(IN_SPACE).seconds


def test_what_does_not_fit_is_not_factorised() -> None:
    """Also of operators that multigrid is not sure to solve with, and where several are held at once."""
    system = System(2, 1_000_000, solves=40)
    needed = factorisation(system).memory
    assert kind(system, 1.01 * needed) == "direct"
    for more in (system, replace(system, symmetric=False)):
        chosen = choose("state", more, 0.99 * needed)
        assert chosen.kind == "iterative"
        assert "GB" in chosen.reason
    assert kind(replace(system, held=2), 1.99 * needed) == "iterative"


def test_an_operator_that_is_not_definite_is_factorised() -> None:
    """Multigrid may not converge, however much cheaper an iteration is."""
    assert kind(System(3, 200_000, symmetric=False)) == "direct"


def test_the_reason_is_told_with_both_costs() -> None:
    """As the summary has them, in numbers that JSON knows."""
    chosen: Choice = choose("state", IN_SPACE, PLENTY)
    told = chosen.summary()
    assert (told["purpose"], told["kind"], told["unknowns"]) == ("state", "iterative", 30_000)
    for each, cost in (("direct", factorisation(IN_SPACE)), ("iterative", multigrid(IN_SPACE))):
        assert told["predicted"][each]["seconds"] == pytest.approx(cost.seconds, rel=0.01)
        assert told["predicted"][each]["memory_mb"] == pytest.approx(cost.memory / 1e6, rel=0.01)
        assert f"{cost.seconds:.2g} s {each}" in told["reason"]


@pytest.mark.parametrize("degree, row", [(0, 5), (1, 15), (2, 230 / 8)])
def test_rows_are_those_of_a_mesh_of_tetrahedra(degree: int, row: float) -> None:
    """Linear: a node and its 14 neighbours along edges; quadratic: 65 of a vertex and 165 of its 7 edges;
    constant: a cell and its four neighbours."""
    assert System(3, 1000, degree).row == pytest.approx(row)
    assert System(3, 3000, degree, components=3).row == pytest.approx(3 * row)


def five_points(cells: int) -> Any:
    """The Laplacian of a square grid, by five points."""
    matrix = PETSc.Mat().createAIJ((cells**2, cells**2), nnz=5, comm=MPI.COMM_SELF)
    for row in range(cells**2):
        i, j = divmod(row, cells)
        matrix.setValue(row, row, 4.0)
        for above, beside in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if 0 <= above < cells and 0 <= beside < cells:
                matrix.setValue(row, above * cells + beside, -1.0)
    matrix.assemble()
    return matrix


def test_the_fill_of_a_factor_is_as_predicted() -> None:
    """Within a factor of two of what MUMPS counts of a grid of 64² nodes."""
    matrix = five_points(64)
    solver = LinearSolver(MPI.COMM_SELF, "direct", "test_fill_")
    solver.set_matrix(matrix)
    entries = solver._ksp.getPC().getFactorMatrix().getMumpsInfog(29)
    predicted = factorisation(System(2, 64**2)).memory / FACTOR
    assert 0.5 * entries < predicted < 2 * entries
    solver.destroy(), matrix.destroy()
