"""Electrical models that see the log-resistivity at the points of a quadrature rule."""

from functools import cache

import numpy as np
import pytest
from dolfinx import fem
from elliptic import COMM, WAVES, Formula, box_space, dot

from app.electrical import IN_THE_MESH, ElectricalModel, WaveNumbers
from app.mesh import SharpSpaces
from app.parallel import LinearSolver

ELECTRODES = np.array([[0.5, 0.0], [1.0, 0.4], [0.6, 1.0], [0.0, 0.5], [0.0, 0.2], [1.0, 0.8]])

ABMN = np.array([[0, 1, 2, 3], [0, 3, 1, 2], [4, 5, 0, 2], [1, 3, 4, 5]])

RULE = 5
"""Degree of the rule, by which models of a linear coefficient and a quadratic potential are integrated."""

ROUNDING = 1e-10

STEP, DIFFERENCES = 1e-4, 1e-7
"""Of central differences, and the relative accuracy that they have."""

KINDS = {"2": IN_THE_MESH, "2.5": WaveNumbers(np.array([1.0, 5.0]), np.array([0.5, 0.5]))}


@cache
def model(kind: str, sharp: bool = True) -> ElectricalModel:
    """Of a square."""
    space = box_space(2, 6, 1)
    seen = SharpSpaces([space], RULE) if sharp else space
    solver = LinearSolver(COMM, "direct", "test_electrical_")
    return ElectricalModel(seen, ELECTRODES, ABMN, KINDS[kind], 2, solver)


JUMP = Formula(lambda x, library: 0.7 * (x[0] + 0.7 * x[1] > 0.83))
"""Across a line that no facet lies on."""


@pytest.mark.distributed
@pytest.mark.parametrize("kind", KINDS)
def test_tangent_is_the_central_difference_and_the_adjoint_its_transpose(kind: str) -> None:
    """J d = (y(m + hd) − y(m − hd)) / 2h up to O(h²), ⟨J d, y⟩ = ⟨d, Jᵀ y⟩, of m that jumps in cells; nodes
    play no part."""
    forward = model(kind)
    unknowns = forward.coefficient
    m = unknowns.interpolate([WAVES]) + unknowns.interpolate([JUMP])
    d = unknowns.interpolate([Formula(lambda x, library: np.cos(5 * x[0] * x[1]) - 0.3 * x[0])])
    found, y = forward.at(m), np.random.default_rng(1).standard_normal(len(ABMN))
    tangent, adjoint = found.tangent(d), found.adjoint(y)
    difference = (forward.at(m + STEP * d).readings - forward.at(m - STEP * d).readings) / (2 * STEP)
    np.testing.assert_allclose(difference, tangent, rtol=0, atol=DIFFERENCES * np.abs(tangent).max())
    assert abs(tangent @ y - dot(d, adjoint)) <= ROUNDING * np.linalg.norm(tangent) * np.linalg.norm(y)
    assert not unknowns.split(adjoint)[0].any() and unknowns.split(adjoint)[1].any()


@pytest.mark.distributed
@pytest.mark.parametrize("kind", KINDS)
def test_the_interpolant_at_the_points_is_the_interpolant(kind: str) -> None:
    """Values of the nodal interpolant at the points give the readings of the nodal model."""
    nodal, sharp = model(kind, sharp=False), model(kind)
    (points,) = sharp.coefficient.points
    m = nodal.coefficient.interpolate(WAVES)
    mesh = nodal.coefficient.domain.mesh
    cells = np.arange(mesh.topology.index_map(2).size_local, dtype=np.int32)
    rule = points.space.ufl_element().custom_quadrature()[0]
    whole = np.empty(points.owned)
    at_points = fem.Expression(nodal.coefficient.function(m), rule).eval(mesh, cells)
    whole[points.space.dofmap.list[cells].ravel()] = at_points.ravel()
    found = sharp.at(sharp.coefficient.joined([np.concatenate([m, whole])])).readings
    np.testing.assert_allclose(found, nodal.at(m).readings, rtol=0, atol=ROUNDING)
