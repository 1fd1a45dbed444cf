"""Laws of the energy ½‖m − f‖²_K of a regression, and of the flow that minimises it."""

from functools import cache, partial
from itertools import pairwise

import numpy as np
import pytest
from mpi4py import MPI
from states import states_of

from app.case import Expression, RegressionCase
from app.mesh import MESHES, CoefficientSpace
from app.parallel import LinearSolver, gram
from app.prior.gram import GramMatrix
from app.prior.inner_products import weighted_product
from app.problem import Problem, build

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


def problem_of(**more: object) -> Problem:
    data = {
        "mesh": {"kind": "rectangle", "cells": [10, 10]},
        "energy": {"kind": "regression", "function": FUNCTION, "norm": "h1"},
        **more,
    }
    return build(RegressionCase.model_validate(data), COMM)


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
    minimisation = problem_of().minimisation
    energy = minimisation.energy
    m, delta = np.random.default_rng(COMM.rank).standard_normal((2, len(minimisation.reference)))
    at = energy.at(m)
    image = at.hessian().apply(delta)
    expected = float(gram(COMM, delta, at.derivative() + 0.5 * image))
    assert energy.at(m + delta).value - at.value == pytest.approx(expected, rel=1e-11)


@pytest.mark.serial
@pytest.mark.parametrize("product", ["energy", "l2", "h1"])
@pytest.mark.parametrize("step", ["retracted", "plain"])
def test_energy_falls_in_every_product_and_step(product: str, step: str) -> None:
    """The flow never rises and goes down from the first iteration on."""
    flow = {"inner_product": product, "step": step, "max_iterations": 4}
    last = states_of(problem_of(flow=flow, expansion={"candidates": 60}))[-1]
    energies = [record.misfit for record in last.records]
    assert all(later <= earlier for earlier, later in pairwise(energies))
    assert energies[1] < 0.9 * energies[0]


@pytest.mark.serial
def test_run_stops_at_the_distance_that_it_says() -> None:
    """From one neuron; what the model says is missing is the energy itself."""
    problem = problem_of(flow={"tolerance": 0.02, "max_iterations": 20})
    last = states_of(problem)[-1]
    record = last.records[-1]
    assert last.stop_reason == "tolerance"
    assert record.missing == pytest.approx(record.misfit, rel=1e-6, abs=1e-12)
    assert problem.report.summary(last, "tolerance")["distance"] < 0.021


def test_nodal_values_are_there_in_one_step() -> None:
    nodal = {"m": {"representation": {"kind": "nodal"}}}
    last = states_of(problem_of(unknowns=nodal, flow={"tolerance": 1e-6}))[-1]
    assert len(last.records) == 2
    assert last.records[-1].misfit < 1e-20
