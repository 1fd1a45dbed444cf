"""Integrals of coefficients that are known."""

import numpy as np
import pytest
from elliptic import COMM, Formula, box_space
from observation_table import with_half

from app.mesh import CoefficientSpace, joint_space
from app.mesh.rows import over_cells, over_facets
from app.pde.functionals import CoefficientIntegral

SLOPE = Formula(lambda x, library: 2 * x[0] + x[1])


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("mean", [False, True])
def test_integrals_over_a_region_and_a_side(degree: int, mean: bool) -> None:
    """Of 2x + y over the left half of the unit square, 1/2, and its side x = 1, 5/2; the second unknown of
    two, whose derivative is the integrals of its basis functions and nothing of the other."""
    domain = with_half(box_space(2, 6, 1).domain)
    spaces = [CoefficientSpace(domain, 1), CoefficientSpace(domain, degree)]
    both = joint_space(spaces)
    m = np.concatenate([spaces[0].interpolate(SLOPE) + 7.0, spaces[1].interpolate(SLOPE)])
    half = over_cells(domain, domain.region("half"))
    side = over_facets(domain, domain.boundary("right"))
    for measure, size, exact in ((half, 0.5, 0.5), (side, 1.0, 2.5)):
        found = CoefficientIntegral(both, 1, "", measure, mean=mean)
        value, rows = found.linearised(m)
        assert value == pytest.approx([exact / (size if mean else 1.0)], rel=1e-12)
        assert COMM.allreduce(float(rows[:, 0] @ m)) == pytest.approx(value[0], rel=1e-12)
        assert not rows[: spaces[0].owned].any()


def test_the_term_of_a_logarithmic_role_is_integrated() -> None:
    """∫ e^m = e³ of the constant 3, with the derivative e³ ∫ φ."""
    space = box_space(2, 4, 1)
    found = CoefficientIntegral(
        space, 0, "log_diffusivity", over_facets(space.domain, space.domain.boundary("left"))
    )
    value, rows = found.linearised(np.full(space.owned, 3.0))
    assert value == pytest.approx([np.exp(3.0)], rel=1e-12)
    assert COMM.allreduce(float(rows.sum())) == pytest.approx(np.exp(3.0), rel=1e-12)
