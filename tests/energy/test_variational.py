"""Laws of variational energies, over all functionals, with conditions of every kind."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from elliptic import COMM, Formula, box_mesh, constant, dot, variants
from mpi4py import MPI

from app.energy import FUNCTIONALS, H1Distance, Ritz, VariationalEnergy, lifting_and_cut_off
from app.mesh import CoefficientSpace, Known
from app.parallel import LinearSolver
from app.pde import BoundaryCondition

GIVEN = Formula(lambda x, library: 0.3 + 0.5 * x[len(x) - 1])
"""Values on the left."""

BUMPY = Formula(lambda x, library: 1.0 + 0.5 * library.sin(2 * x[0]))

COEFFICIENTS: dict[str, dict[str, Any]] = {
    "reaction_diffusion": {"reaction": constant(0.7)},
    "semilinear": {"reaction": constant(0.7), "cubic": BUMPY},
    "p_laplacian": {"exponent": 3.0, "epsilon": 0.1},
}
"""What each functional is given beside diffusivity and source."""

SPACES = variants([(1, 2), (2, 1), (2, 2)], in_parallel=[(2, 1)])
"""(dimension, degree)."""


def solver() -> LinearSolver:
    return LinearSolver(COMM, "direct", "test_ritz_")


@cache
def space_of(dimension: int, degree: int) -> CoefficientSpace:
    mesh = box_mesh(dimension, {1: 12, 2: 5}[dimension])
    return CoefficientSpace(mesh, degree, boundary=[Known(("left",), GIVEN)])


@cache
def energy_of(name: str, dimension: int, degree: int) -> VariationalEnergy:
    functional = FUNCTIONALS[name](diffusivity=BUMPY, source=constant(3.0), **COEFFICIENTS[name])
    conditions = [
        BoundaryCondition(("left",), "dirichlet", GIVEN),
        BoundaryCondition(("right",), "robin", constant(0.4), BUMPY),
    ]
    if dimension > 1:
        conditions.append(BoundaryCondition(("top",), "neumann", constant(-0.6)))
    return VariationalEnergy(functional, conditions, space_of(dimension, degree), solver)


@pytest.fixture(params=[(name, *space) for name in FUNCTIONALS for space in SPACES], ids=str)
def energy(request: pytest.FixtureRequest) -> VariationalEnergy:
    return energy_of(*request.param)


def somewhere(energy: VariationalEnergy, frequency: float = 2.0) -> np.ndarray:
    """A smooth function at the free nodes, the same on any ranks."""
    x = energy.space.coordinates
    return np.sin(frequency * x[:, 0]) + 0.4 * np.cos(3.0 * x[:, -1])


def order(remainder: Callable[[float], float]) -> float:
    """Of a remainder in the size of a perturbation."""
    sizes = np.array([4e-3, 2e-3, 1e-3])
    logarithms = np.log([remainder(h) for h in sizes])
    return float(np.polyfit(np.log(sizes), logarithms, 1)[0])


@pytest.mark.serial
def test_derivative_is_that_of_the_energy(energy: VariationalEnergy) -> None:
    """E(u + hδ) − E(u) − hE′(u)δ is of second order."""
    u, delta = somewhere(energy), somewhere(energy, 5.0)
    before, slope = energy.value(u), dot(energy.derivative(u), delta)
    found = order(lambda h: abs(energy.value(u + h * delta) - before - h * slope))
    assert found == pytest.approx(2.0, abs=0.05)


@pytest.mark.serial
def test_hessian_is_that_of_the_energy(energy: VariationalEnergy) -> None:
    """E′(u + hδ) − E′(u) = hE″(u)δ, with a remainder of second order or, of a quadratic energy, none."""
    u, delta = somewhere(energy), somewhere(energy, 5.0)
    before, image = energy.derivative(u), energy.hessian(u).apply(delta)

    def remainder(h: float) -> float:
        left = energy.derivative(u + h * delta) - before - h * image
        return np.sqrt(dot(left, left))

    if energy.quadratic:
        assert remainder(1.0) <= 1e-12 * np.sqrt(dot(image, image))
    else:
        assert order(remainder) == pytest.approx(2.0, abs=0.05)


def test_hessian_is_symmetric_and_positive(energy: VariationalEnergy) -> None:
    K = energy.hessian(somewhere(energy))
    one, two = somewhere(energy, 4.0), somewhere(energy, 7.0)
    scale = np.sqrt(dot(one, K.apply(one)) * dot(two, K.apply(two)))
    assert dot(one, K.apply(one)) > 0
    assert abs(dot(one, K.apply(two)) - dot(two, K.apply(one))) <= 1e-13 * scale
    np.testing.assert_allclose(K.riesz(K.apply(one)), one, rtol=0, atol=1e-10)


def test_solution_has_no_derivative_and_least_energy(energy: VariationalEnergy) -> None:
    """Newton's method from the lifting; the energy rises on all sides."""
    space, ritz = energy.space, Ritz(energy)
    lifting, cut_off = lifting_and_cut_off(space, BUMPY, solver)
    solution = ritz.minimiser(lifting)
    start, end = energy.derivative(lifting), energy.derivative(solution)
    assert np.sqrt(dot(end, end)) <= 1e-10 * np.sqrt(dot(start, start))
    least = energy.value(solution)
    for side in (-0.1, 0.1):
        assert energy.value(solution + side * cut_off * somewhere(energy)) > least
    assert H1Distance(space, 1.0)(solution, solution) == 0.0


@pytest.mark.parametrize(("dimension", "degree"), SPACES)
def test_given_values_are_exact(dimension: int, degree: int) -> None:
    """At the nodes of the part, on whatever rank its facets are; no other node is given."""
    space = space_of(dimension, degree)
    points = space.space.tabulate_dof_coordinates()[: len(space.nodal(space.function(np.zeros(space.owned))))]
    values = space.nodal(space.function(np.full(space.owned, 7.0)))
    left = np.isclose(points[:, 0], 0.0)
    np.testing.assert_array_equal(values[left], GIVEN.numpy(points[left, :dimension]))
    np.testing.assert_array_equal(values[~left], 7.0)


@pytest.mark.parametrize(("dimension", "degree"), SPACES)
def test_lifting_and_cut_off(dimension: int, degree: int) -> None:
    """The lifting of x is x itself where nothing flows across, the cut-off x(2 − x) with a wall at x = 0."""
    mesh = box_mesh(dimension, {1: 12, 2: 5}[dimension])
    x = Formula(lambda x, library: x[0])
    both = CoefficientSpace(mesh, degree, boundary=[Known(("left",), x), Known(("right",), x)])
    lifting, cut_off = lifting_and_cut_off(both, constant(2.0), solver)
    np.testing.assert_allclose(lifting, both.coordinates[:, 0], atol=1e-12)
    assert (cut_off > 0).all() and COMM.allreduce(cut_off.max(initial=0.0), op=MPI.MAX) == 1.0
    one = space_of(dimension, degree)
    _, cut_off = lifting_and_cut_off(one, constant(2.0), solver)
    expected = one.coordinates[:, 0] * (2 - one.coordinates[:, 0])
    np.testing.assert_allclose(cut_off, expected, atol=1e-10 if degree == 2 or dimension == 1 else 0.1)


def test_energy_is_the_exact_integral() -> None:
    """Of u = x on the unit square: ∫½|∇u|² + ½u² + ¼u⁴ − 3u = ½ + 1/6 + 1/20 − 3/2, and on the right
    −(2u − ½·5u²) = −2 + 5/2."""
    x, one = Formula(lambda x, library: x[0]), constant(1.0)
    space = CoefficientSpace(box_mesh(2, 4), 1, boundary=[Known(("left",), x)])
    functional = FUNCTIONALS["semilinear"](diffusivity=one, source=constant(3.0), reaction=one, cubic=one)
    condition = BoundaryCondition(("right",), "robin", constant(2.0), constant(5.0))
    energy = VariationalEnergy(functional, [condition], space, solver)
    u = space.interpolate(x)
    assert energy.value(u) == pytest.approx(1 / 2 + 1 / 6 + 1 / 20 - 3 / 2 - 2 + 5 / 2, rel=1e-13)
    assert energy.half_square(u) == pytest.approx(1 / 2 + 1 / 6 + 3 / 10 + 5 / 2, rel=1e-13)
