"""Coefficients as arrays of owned nodal values, and their error against a truth."""

import numpy as np
import pytest
from elliptic import COMM, WAVES, Formula, box_space, constant, gathered, variants

from app.mesh import CoefficientSpace, RelativeError

pytestmark = pytest.mark.distributed

CELLS = {1: 9, 2: 5, 3: 3}

ROUNDING = 1e-12


@pytest.fixture(
    params=variants([(d, p) for d in (1, 2, 3) for p in (1, 2)], in_parallel=[(2, 2), (3, 1)]),
    ids=lambda p: f"{p[0]}D-P{p[1]}",
)
def space(request: pytest.FixtureRequest) -> CoefficientSpace:
    dimension, degree = request.param
    return box_space(dimension, CELLS[dimension], degree)


def test_owned_rows_of_all_ranks_are_the_nodes(space: CoefficientSpace) -> None:
    """(cells × degree + 1)^dimension nodes, each owned by one rank."""
    degree = space.space.element.basix_element.degree
    nodes = (CELLS[space.domain.dimension] * degree + 1) ** space.domain.dimension
    coordinates = gathered(space.coordinates)
    assert space.size == len(coordinates) == nodes
    assert len(np.unique(coordinates.round(8), axis=0)) == nodes


def test_functions_take_rows_in_the_order_of_the_coordinates(space: CoefficientSpace) -> None:
    """The function of interpolated nodal values is DOLFINx's own interpolant, ghosts included."""
    function = space.function(space.interpolate(WAVES))
    expected = space.function(np.zeros(space.owned))
    expected.interpolate(lambda x: WAVES.numpy(x[: space.domain.dimension].T))
    np.testing.assert_allclose(function.x.array, expected.x.array, rtol=0, atol=ROUNDING)


X = Formula(lambda x, library: x[0])

ERRORS = {
    "itself": (X, X, 0.0),
    "nothing found": (WAVES, constant(0.0), 1.0),
    "twice the truth": (constant(3.0), constant(6.0), 1.0),
    # ∫(x − x²)² / ∫x⁴ = (1/30) / (1/5)
    "square": (Formula(lambda x, library: x[0] ** 2), X, (1 / 6) ** 0.5),
    # ∫(x − x⁵)² / ∫x¹⁰ = (1/3 − 2/7 + 1/11) / (1/11); the integrand has degree 10, as the quadrature.
    "fifth power": (Formula(lambda x, library: x[0] ** 5), X, (11 / 3 - 22 / 7 + 1) ** 0.5),
}
"""Truth, coefficient and relative error on the unit cube."""


@pytest.mark.parametrize("name", ERRORS)
def test_relative_error_is_that_of_the_integrals(space: CoefficientSpace, name: str) -> None:
    """‖m − truth‖ / ‖truth‖ in L2 against integrals done by hand, the same on all ranks."""
    truth, coefficient, expected = ERRORS[name]
    error = RelativeError(space, truth)(space.interpolate(coefficient))
    assert error == pytest.approx(expected, rel=ROUNDING, abs=ROUNDING)
    assert len(set(COMM.allgather(error))) == 1
