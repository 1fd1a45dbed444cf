"""The spaces that the laws of this folder hold on."""

import pytest
from elliptic import box_space, variants

from app.mesh import CoefficientSpace

CELLS = {1: 9, 2: 4, 3: 2}


@pytest.fixture(
    scope="module",
    params=variants([(d, p) for d in (1, 2, 3) for p in (1, 2)], in_parallel=[(2, 1), (3, 2)]),
    ids=lambda p: f"{p[0]}D-P{p[1]}",
)
def space(request: pytest.FixtureRequest) -> CoefficientSpace:
    dimension, degree = request.param
    return box_space(dimension, CELLS[dimension], degree, upper=2.0)
