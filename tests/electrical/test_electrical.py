"""Laws of the map from log-resistivity to log apparent resistivity, its tangent and its adjoint."""

from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
import pytest
from bodies import (
    ALL,
    FEW,
    combined,
    dipoles,
    half_space_model,
    on_cylinder,
    on_disc,
    on_half_space,
    ring,
    ring_model,
)
from elliptic import COMM, Formula, box_space, dot, raised_on_all_ranks, random_rows, variants
from scipy.special import k0

from app.electrical import IN_THE_MESH, BlindReading, ElectricalModel, across_the_section
from app.mesh import PointOutside
from app.parallel import LinearSolver, SolveFailed

HALF_A_PERCENT = 5e-3

ROUNDING = 1e-10
"""Relative; leaves room for the condition of the operator at small wave numbers."""

STEP = 1e-4
DIFFERENCES = 1e-7
"""Relative accuracy of central differences with STEP, for fields of size one."""

LAYERS = Formula(lambda x, library: 4.0 + library.sin(15 * x[0]) - 3 * x[1])
"""A log-resistivity that varies by a factor of ten."""

COARSE = 0.05
"""Size of cells with which laws are tried: they hold on any mesh."""

WAVES = {2: IN_THE_MESH, 2.5: FEW}

dimension = pytest.mark.parametrize("dimension", WAVES)


@pytest.fixture(autouse=True)
def _needs_gmsh(gmsh: Any) -> None:
    """The meshes are generated."""


@cache
def coarse(dimension: float, alone: bool = False) -> ElectricalModel:
    """A model for laws that leave it usable; each law solves at its own coefficient first."""
    return ring_model(WAVES[dimension], COARSE, alone)


@cache
def layers(dimension: float) -> np.ndarray:
    return coarse(dimension).coefficient.interpolate(LAYERS)


def test_potential_of_a_disc() -> None:
    """Two dimensions: electrodes on the rim of a disc, to 0.5 %."""
    found, exact = 1 / ring_model(IN_THE_MESH).geometric_factors, combined(on_disc, dipoles())
    np.testing.assert_allclose(found, exact, rtol=HALF_A_PERCENT)


def test_potential_of_an_infinite_cylinder() -> None:
    """2.5 dimensions: point electrodes around a cylinder without ends, to 0.5 %."""
    found, exact = 1 / ring_model(ALL).geometric_factors, combined(on_cylinder, dipoles())
    np.testing.assert_allclose(found, exact, rtol=HALF_A_PERCENT)


def test_potential_of_a_half_space(gmsh: Any) -> None:
    """Three dimensions: electrodes on an insulated plane, its other sides twenty metres off, to 0.5 %."""
    model = half_space_model(gmsh)
    exact = combined(on_half_space, model.abmn)
    np.testing.assert_allclose(1 / model.geometric_factors, exact, rtol=HALF_A_PERCENT)


@pytest.mark.parametrize("longest", [2.0, 10.0, 100.0])
def test_wave_numbers_bring_the_full_space_back(longest: float) -> None:
    """(1/π) ∫ K₀(kr)/2π dk = 1/(4πr) at all distances between the shortest and the longest, to 0.5 %."""
    waves, r = across_the_section(1.0, longest), np.geomspace(1.0, longest, 20)
    found = sum(w * k0(k * r) for k, w in zip(waves.k, waves.weights, strict=True)) / (2 * np.pi)
    np.testing.assert_allclose(found, 1 / (4 * np.pi * r), rtol=HALF_A_PERCENT)


@dimension
def test_a_uniform_body_has_its_own_apparent_resistivity(dimension: float) -> None:
    """log ρₐ = m for every reading where m is constant."""
    model = coarse(dimension)
    found = model.at(np.full(model.coefficient.owned, 4.6)).readings
    np.testing.assert_allclose(found, 4.6, rtol=1e-9)


@dimension
def test_a_body_twice_as_resistive_reads_twice_as_much(dimension: float) -> None:
    """log ρₐ(m + c) = log ρₐ(m) + c: every row of J adds up to one."""
    model, m = coarse(dimension), layers(dimension)
    twice, there = model.at(m + np.log(2)).readings - np.log(2), model.at(m)
    np.testing.assert_allclose(there.readings, twice, rtol=1e-9)
    np.testing.assert_allclose(there.tangent(np.ones(model.coefficient.owned)), 1.0, rtol=1e-9)


@dimension
def test_tangent_is_the_central_difference(dimension: float) -> None:
    """J d = (log ρₐ(m + hd) − log ρₐ(m − hd)) / 2h up to O(h²)."""
    model, m = coarse(dimension), layers(dimension)
    direction = random_rows(model.coefficient)
    tangent = model.at(m).tangent(direction)
    above, below = (model.at(m + step * direction).readings for step in (STEP, -STEP))
    difference = (above - below) / (2 * STEP)
    np.testing.assert_allclose(difference, tangent, rtol=0, atol=DIFFERENCES * np.abs(tangent).max())


@dimension
def test_adjoint_is_the_transpose_of_the_tangent(dimension: float) -> None:
    """⟨J d, y⟩ = ⟨d, Jᵀ y⟩; blocks are their columns; data are alike on all ranks."""
    model = coarse(dimension)
    there = model.at(layers(dimension))
    block = random_rows(model.coefficient, 3)
    data = np.random.default_rng(1).standard_normal((len(model.abmn), 3))
    tangent, adjoint = there.tangent(block), there.adjoint(data)
    for column in range(3):
        np.testing.assert_allclose(there.tangent(block[:, column]), tangent[:, column], rtol=ROUNDING)
        single = there.adjoint(data[:, column], incremental=False)
        scale = np.abs(single).max(initial=0.0)
        np.testing.assert_allclose(single, adjoint[:, column], rtol=0, atol=ROUNDING * scale)
        left, right = tangent[:, column] @ data[:, column], dot(block[:, column], adjoint[:, column])
        assert abs(left - right) <= ROUNDING * np.linalg.norm(tangent) * np.linalg.norm(data)
    assert all(np.array_equal(tangent, other) for other in COMM.allgather(tangent))


@pytest.mark.distributed
@pytest.mark.skipif(COMM.size == 1, reason="compares ranks")
@dimension
def test_all_ranks_together_find_what_one_finds(dimension: float) -> None:
    """Readings, J d and ⟨d, Jᵀ y⟩ are those of every rank on its own."""
    together, alone = figures(coarse(dimension)), figures(coarse(dimension, alone=True))
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-8 * np.abs(alone).max())


def figures(model: ElectricalModel) -> np.ndarray:
    """Readings at one coefficient, J along one direction, and the slope of one combination of readings."""
    there = model.at(model.coefficient.interpolate(LAYERS))
    d = model.coefficient.interpolate(Formula(lambda x, library: library.cos(20 * x[0]) - 4 * x[1]))
    y = np.cos(np.arange(len(there.readings)))
    slope = model.coefficient.domain.comm.allreduce(d @ there.adjoint(y))
    return np.array([*there.readings, *there.tangent(d), slope])


@dimension
def test_current_and_voltage_may_change_places(dimension: float) -> None:
    """Reciprocity: R of a, b, m, n is that of m, n, a, b, though current flows elsewhere."""
    original = coarse(dimension)
    a, b, m, n = original.abmn.T
    swapped = _same_but(original, ring(), np.column_stack([m, n, a, b]), dimension)
    coefficient = layers(dimension)
    np.testing.assert_allclose(
        swapped.at(coefficient).readings, original.at(coefficient).readings, rtol=ROUNDING
    )


@pytest.mark.distributed
def test_where_the_potential_is_zero_does_not_matter() -> None:
    """At k = 0 the dof at the first electrode is grounded: another first electrode, the same readings."""
    original = coarse(2)
    order = np.roll(np.arange(len(ring())), 5)
    rolled = _same_but(original, ring()[order], np.argsort(order)[original.abmn], 2)
    m = layers(2)
    np.testing.assert_allclose(rolled.at(m).readings, original.at(m).readings, rtol=ROUNDING)
    np.testing.assert_allclose(rolled.geometric_factors, original.geometric_factors, rtol=1e-9)


def _same_but(
    original: ElectricalModel, electrodes: np.ndarray, abmn: np.ndarray, dimension: float
) -> ElectricalModel:
    """A model in the same space, between other electrodes."""
    solver = LinearSolver(COMM, "direct", "test_electrical_")
    return ElectricalModel(original.coefficient, electrodes, abmn, WAVES[dimension], 2, solver)


def test_direct_and_iterative_solvers_agree() -> None:
    """log ρₐ and J d are those of the factorisation when conjugate gradients solve."""
    direct, space = coarse(2.5), coarse(2.5).coefficient
    solver = LinearSolver(COMM, "iterative", "test_electrical_cg_")
    iterative = ElectricalModel(space, ring(), dipoles()[:4], FEW, 2, solver)
    m, direction = layers(2.5), random_rows(space)
    found, expected = iterative.at(m), direct.at(m)
    np.testing.assert_allclose(found.readings, expected.readings[:4], rtol=1e-8)
    np.testing.assert_allclose(found.tangent(direction), expected.tangent(direction)[:4], rtol=1e-6)


@dimension
def test_counts_are_of_electrodes_and_wave_numbers(dimension: float) -> None:
    """An evaluation is one set-up a wave number and as many right-hand sides as electrodes for each; J is for
    free."""
    model = coarse(dimension)
    waves = len(WAVES[dimension].k)
    before = asdict(model.counts)
    there = model.at(layers(dimension))
    there.adjoint(np.eye(len(model.abmn)))
    there.tangent(random_rows(model.coefficient))
    grown = {key: value - before[key] for key, value in asdict(model.counts).items()}
    assert grown.pop("factorisation_seconds") > 0.0 and grown.pop("state_seconds") > 0.0
    assert grown == {
        "state_solves": 1, "state_rhs": 16 * waves, "recomputed_rhs": 0, "adjoint_rhs": 0,
        "incremental_rhs": 0, "block_rhs": 0,
        "factorisations": waves, "block_seconds": 0, "single_seconds": 0,
    }  # fmt: skip


@pytest.mark.distributed
@dimension
@pytest.mark.parametrize("wild", variants([np.nan, 1e4, -1e4], in_parallel=[1e4]))
def test_a_coefficient_without_state_fails_on_all_ranks_and_breaks_nothing(
    dimension: float, wild: float
) -> None:
    """SolveFailed on every rank; what was found before it keeps its readings and its J, formed after it, and
    the model gives what it gave."""
    model, m = coarse(dimension), layers(dimension)
    direction, found, other = random_rows(model.coefficient), model.at(m), model.at(m)
    before, tangent = found.readings, other.tangent(direction)
    with raised_on_all_ranks(SolveFailed):
        model.at(np.full_like(m, wild))
    np.testing.assert_array_equal(found.readings, before)
    np.testing.assert_allclose(found.tangent(direction), tangent, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(model.at(m).readings, before, rtol=ROUNDING)


@pytest.mark.distributed
def test_a_reading_that_symmetry_makes_zero_is_refused() -> None:
    """Current along a square's diagonal, voltage between the other corners: no geometric factor."""
    corners = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    solver = LinearSolver(COMM, "direct", "test_electrical_")
    abmn = np.array([[0, 2, 3, 1], [0, 1, 2, 3]])
    with raised_on_all_ranks(BlindReading) as caught:
        ElectricalModel(box_space(2, 6, 1), corners, abmn, IN_THE_MESH, 2, solver)
    assert caught.value.index == 1


@pytest.mark.distributed
def test_an_electrode_off_the_mesh_is_refused() -> None:
    """PointOutside on all ranks, by the electrode's number."""
    electrodes = ring()
    electrodes[3] *= 1.5
    solver = LinearSolver(COMM, "direct", "test_electrical_")
    with raised_on_all_ranks(PointOutside) as caught:
        ElectricalModel(coarse(2).coefficient, electrodes, dipoles(), IN_THE_MESH, 2, solver)
    assert caught.value.index == 3
