"""Laws of the energy ½‖m − f‖²_K of a regression, and of the flow that minimises it."""

from functools import cache, partial
from itertools import pairwise

import numpy as np
import pytest
from mpi4py import MPI

from app.case import Expression, RegressionCase
from app.flow import AtTolerance, ConvexBuilder, Outcome, run_flow
from app.mesh import MESHES, CoefficientSpace
from app.parallel import LinearSolver, gram
from app.prior.gram import GramMatrix
from app.prior.inner_products import weighted_product
from app.problem.convex import ConvexSetup
from app.problem.regression import prepare_regression

COMM = MPI.COMM_WORLD

LENGTHS = {"l2": None, "h1": 0.5}

FUNCTION = "sin(3*x) + y**2"


@cache
def space(degree: int) -> CoefficientSpace:
    return CoefficientSpace(MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [6, 5]), degree)


@cache
def product(norm: str, degree: int, weight: str = "1 + x") -> GramMatrix:
    solver = partial(LinearSolver, COMM, "direct", "test_riesz_")
    return weighted_product(space(degree), Expression(weight), LENGTHS[norm], solver)


class Silent:
    """An observer that says nothing."""

    def iteration(self, record: object) -> None: ...
    def note(self, message: str) -> None: ...
    def chosen(self, choice: object) -> None: ...


def setup_of(**more: object) -> ConvexSetup:
    data = {
        "mesh": {"kind": "rectangle", "cells": [10, 10]},
        "energy": {"kind": "regression", "function": FUNCTION, "norm": "h1"},
        **more,
    }
    return prepare_regression(COMM, RegressionCase.model_validate(data))


def run(setup: ConvexSetup, tolerance: float = 0.02, most: int = 20) -> Outcome:
    def half_square(coefficient: np.ndarray) -> float:
        return 0.5 * float(gram(COMM, coefficient, setup.energy.product(coefficient).apply(coefficient)))

    start = setup.step.values()
    stopping = AtTolerance(tolerance, half_square, most)
    given = (setup.energy, setup.energy.residual(start), np.zeros_like(start))
    return run_flow(*given, ConvexBuilder(setup.plain), setup.step, stopping, Silent())


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("norm", LENGTHS)
def test_norms_are_those_of_the_exact_integrals(norm: str, degree: int) -> None:
    """‖x‖² with the weight 1 + x: ∫(1 + x)x² = 7/12, and ∫(1 + x) = 3/2 for the gradient."""
    m = space(degree).interpolate(Expression("x"))
    square = float(gram(COMM, m, product(norm, degree).apply(m)))
    length = LENGTHS[norm]
    expected = 7 / 12 if length is None else 3 / 2 + 7 / 12 / length**2
    assert square == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("norm", LENGTHS)
def test_riesz_inverts_the_product(norm: str) -> None:
    m = space(1).interpolate(Expression("cos(2*x) - y"))
    K = product(norm, 1)
    np.testing.assert_allclose(K.riesz(K.apply(m)), m, atol=1e-10)


def test_energy_is_its_own_quadratic_model() -> None:
    """E(m + δ) − E(m) = rᵀδ + ½δᵀKδ to rounding, at any size of δ."""
    energy = setup_of().energy
    rng = np.random.default_rng(COMM.rank)
    m, delta = rng.standard_normal((2, len(energy.residual(0.0))))
    residual = energy.residual(m)
    before, slope = energy.misfit(residual), energy.derivative(residual)
    image = energy.product(m).apply(delta)
    expected = float(gram(COMM, delta, slope + 0.5 * image))
    after = energy.misfit(energy.residual(m + delta))
    assert after - before == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("product", ["energy", "l2", "h1"])
@pytest.mark.parametrize("step", ["retracted", "plain"])
def test_energy_falls_in_every_product_and_step(product: str, step: str) -> None:
    """The flow never rises and goes down from the first iteration on."""
    setup = setup_of(flow={"inner_product": product, "step": step}, expansion={"candidates": 60})
    energies = [record.misfit for record in run(setup, most=4).records]
    assert all(later <= earlier for earlier, later in pairwise(energies))
    assert energies[1] < 0.9 * energies[0]


def test_run_stops_at_the_distance_that_it_says() -> None:
    """From one neuron; what the model says is missing is the energy itself."""
    setup = setup_of()
    outcome = run(setup)
    last = outcome.records[-1]
    assert outcome.stop_reason == "tolerance"
    assert last.missing == pytest.approx(last.misfit, rel=1e-6, abs=1e-12)
    assert setup.tell(outcome.coefficient)["distance"] < 0.021


def test_nodal_values_are_there_in_one_step() -> None:
    setup = setup_of(unknowns={"m": {"representation": {"kind": "nodal"}}})
    outcome = run(setup, tolerance=1e-6)
    assert len(outcome.records) == 2
    assert outcome.records[-1].misfit < 1e-20
