"""Laws of two unknowns at once, of one that is constant on each cell, and of one that is known on a part of
the domain; on any number of ranks."""

from functools import cache, partial

import numpy as np
import pytest
from equation_table import make_equation
from mpi4py import MPI

from app.case import Expression
from app.energy import InverseProblem
from app.mesh import MESHES, CoefficientSpace, Known, TaggedMesh, joint_space, point_matrix
from app.parallel import LinearSolver, on_root
from app.pde import BoundaryCondition, ForwardModel
from app.prior import REGULARISATIONS
from app.prior.stacked import StackedRegularisation

COMM = MPI.COMM_WORLD

READINGS = 15

SIGMA = np.linspace(0.05, 0.2, READINGS)
"""Standard deviations, no two alike."""

WEIGHT = 0.3
"""Of the regularisation; the misfit and it are then of one size."""

HALVINGS = 0.01 * 0.5 ** np.arange(5)
"""Lengths of the steps of a Taylor test, as in test_equations.py."""

BOUNDARY = {
    "wall": BoundaryCondition(("left",), "dirichlet", Expression("0.2*y")),
    "inflow": BoundaryCondition(("bottom",), "neumann", Expression("1 + x")),
    "loss": BoundaryCondition(("right",), "robin", Expression("1"), Expression("2 + y")),
}

SCALES = {"log_diffusivity": 1.0, "log_reaction": 0.5, "source": 3.0, "boundary_flux": 2.0}

SETTINGS: dict[str, tuple[str, dict[str, int], str | None]] = {
    "two": ("reaction_diffusion", {"log_diffusivity": 1, "log_reaction": 2}, None),
    "flux": ("nonlinear_diffusion", {"log_diffusivity": 1, "boundary_flux": 1}, None),
    "constant on cells": ("reaction_diffusion", {"log_diffusivity": 0, "source": 1}, None),
    "advection, constant on cells": ("advection_diffusion", {"log_diffusivity": 0}, None),
    "known": ("diffusion", {"log_diffusivity": 1, "source": 1}, "log_diffusivity"),
    "known, constant on cells": ("diffusion", {"log_diffusivity": 0}, "log_diffusivity"),
}
"""An equation, the degree of each unknown by its role, and which is known in the region `right half`."""


@cache
def domain(alone: bool = False) -> TaggedMesh:
    """The unit square, its right half a region."""
    mesh = MESHES["rectangle"](MPI.COMM_SELF if alone else COMM, [0.0, 0.0], [1.0, 1.0], [8, 6])
    middles = mesh.mesh.geometry.x[mesh.mesh.geometry.dofmaps[0]].mean(axis=1)
    return TaggedMesh(mesh.mesh, mesh.facets, {"right half": np.flatnonzero(middles[:, 0] > 0.5)})


@cache
def model(setting: str, alone: bool = False) -> ForwardModel:
    """An observed model."""
    equation, degrees, known = SETTINGS[setting]
    boundary = dict(BOUNDARY)
    if "boundary_flux" in degrees:
        boundary["unknown"] = BoundaryCondition(("top",), "unknown")
    physics = make_equation(equation, boundary, 2, role=tuple(degrees), plain=False)
    part = Known(("right half",), Expression("0.3*y"))
    spaces = [
        CoefficientSpace(domain(alone), degree, part if role == known else None)
        for role, degree in degrees.items()
    ]
    solver = LinearSolver(domain(alone).comm, "direct", "test_state_", symmetric=physics.symmetric)
    forward = ForwardModel(physics, joint_space(spaces), 2, solver)
    points = np.random.default_rng(0).uniform(0.05, 0.95, (READINGS, 2))
    forward.observe_with(point_matrix(domain(alone), forward.space, points))
    return forward


def regularisation(forward: ForwardModel, roles: dict[str, int], kind: str) -> StackedRegularisation:
    spaces = forward.coefficient.parts
    parts = [
        REGULARISATIONS[kind](space, 0.1, partial(LinearSolver, space.comm, "direct", "test_riesz_"))
        for space in spaces
    ]
    return StackedRegularisation(forward.coefficient, parts, [SCALES[role] for role in roles])


def nodal(forward: ForwardModel, *texts: str) -> np.ndarray:
    """Interpolants, one an unknown."""
    spaces = forward.coefficient.parts
    return np.concatenate([s.interpolate(Expression(t)) for s, t in zip(spaces, texts, strict=False)])


def direction(forward: ForwardModel) -> np.ndarray:
    """Alike on all numbers of ranks, and rough."""
    rough = Expression("sin(37*x + 11*y) + cos(23*x*y)"), Expression("cos(41*x - 17*y)")
    spaces = forward.coefficient.parts
    return np.concatenate([s.interpolate(f) for s, f in zip(spaces, rough, strict=False)])


def dot(left: np.ndarray, right: np.ndarray) -> float:
    return COMM.allreduce(float(left @ right))


def inverse_problem(setting: str, alone: bool = False) -> tuple[ForwardModel, InverseProblem, np.ndarray]:
    """Data without noise of one coefficient, and another one to look at E from."""
    forward = model(setting, alone)
    data = forward.at(nodal(forward, "0.3*cos(2*y) + 0.2*x", "0.5 + 0.3*x*y")).readings
    energy = InverseProblem(forward, data, SIGMA)
    return forward, energy, nodal(forward, "0.6*sin(3*x) - 0.4*y", "1 - 0.5*cos(3*y)")


every_setting = pytest.mark.parametrize("setting", SETTINGS)


@pytest.mark.serial
@every_setting
def test_the_remainder_of_the_energy_is_quadratic(setting: str) -> None:
    """E(m + td) = E(m) + t E′(m)d + O(t²) with all unknowns moving at once."""
    forward, energy, m = inverse_problem(setting)
    d = direction(forward)
    r = regularisation(forward, SETTINGS[setting][1], "h1").at(m)

    def value(t: float) -> float:
        shift = m + t * d
        return energy.at(shift).value + 0.5 * WEIGHT * dot(shift, r.apply(shift))

    start, slope = value(0.0), dot(energy.at(m).derivative() + WEIGHT * r.apply(m), d)
    remainders = [abs(value(t) - start - t * slope) for t in HALVINGS]
    rate = np.polyfit(np.log(HALVINGS), np.log(remainders), 1)[0]
    assert rate == pytest.approx(2.0, abs=0.05)
    assert COMM.allgather(rate) == [rate] * COMM.size


@pytest.mark.serial
@every_setting
def test_the_adjoint_is_the_transpose_of_the_tangent(setting: str) -> None:
    """⟨Jd, y⟩ = ⟨d, Jᵀy⟩ to 1e-10, for vectors and for columns of a block; every unknown has its share."""
    forward, energy, m = inverse_problem(setting)
    at = energy.at(m)
    d, y = direction(forward), np.cos(np.arange(READINGS))
    block, data = np.asfortranarray(np.column_stack([d, m])), np.column_stack([y, SIGMA])
    pairs = [(at.jvp(d), d, y, at.vjp(y))]
    tangents, adjoints = at.jvp(block), at.vjp(data)
    pairs += [(tangents[:, j], block[:, j], data[:, j], adjoints[:, j]) for j in range(2)]
    for tangent, left, right, adjoint in pairs:
        assert len(adjoint) == forward.coefficient.owned
        scale = np.linalg.norm(tangent) * np.linalg.norm(right)
        assert scale > 0
        assert abs(tangent @ right - dot(left, adjoint)) <= 1e-10 * scale
        assert all(dot(part, part) > 0 for part in forward.coefficient.split(adjoint))


@pytest.mark.serial
@every_setting
@pytest.mark.parametrize("kind", REGULARISATIONS)
def test_a_regularisation_of_all_unknowns_is_an_inner_product(setting: str, kind: str) -> None:
    """Symmetric, positive, and undone by its Riesz solve; its square is that of its product."""
    forward = model(setting)
    m = nodal(forward, "0.6*sin(3*x) - 0.4*y", "1 - 0.5*cos(3*y)")
    r = regularisation(forward, SETTINGS[setting][1], kind).at(m)
    d = direction(forward)
    assert dot(m, r.apply(d)) == pytest.approx(dot(d, r.apply(m)), rel=1e-9)
    assert dot(d, r.apply(d)) > 0
    np.testing.assert_allclose(r.riesz(r.apply(d)), d, atol=1e-8)
    block = np.asfortranarray(np.column_stack([m, d]))
    square = r.square(block)
    assert square[0, 1] == pytest.approx(dot(m, r.apply(d)), rel=1e-9)
    np.testing.assert_allclose(r.apply(block)[:, 1], r.apply(d), rtol=1e-10, atol=1e-10 * abs(square).max())


def test_a_scale_is_a_unit() -> None:
    """An unknown in a unit a thousand times as small, and its scale with it: R's values are the same."""
    forward = model("two")
    m = nodal(forward, "0.6*sin(3*x)", "1 - cos(3*y)")
    parts = [
        REGULARISATIONS["h1"](space, 0.1, partial(LinearSolver, COMM, "direct", "test_riesz_"))
        for space in forward.coefficient.parts
    ]
    values = []
    for unit in (1.0, 1000.0):
        r = StackedRegularisation(forward.coefficient, parts, [1.0, unit]).at(m)
        shift = np.concatenate(
            [part * s for part, s in zip(forward.coefficient.split(m), (1, unit), strict=True)]
        )
        values.append(dot(shift, r.apply(shift)))
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_where_it_is_known_nothing_moves() -> None:
    """The function has the known value at the region's nodes, those on its border included, and elsewhere the
    nodal values; a region's cells of degree 0 are its own alone."""
    for degree, border in ((1, 0.5 - 1e-9), (0, 0.5)):
        space = CoefficientSpace(domain(), degree, Known(("right half",), Expression("0.3*y")))
        m = space.function(7.0 + space.coordinates[:, 0])
        x = space.space.tabulate_dof_coordinates()
        expected = np.where(x[:, 0] > border, 0.3 * x[:, 1], 7.0 + x[:, 0])
        np.testing.assert_allclose(m.x.array, expected, atol=1e-14)
        total = space.space.dofmap.index_map.size_global
        assert 0 < space.size == COMM.allreduce(space.owned) < total


def test_steps_between_cells_measure_the_gradient() -> None:
    """Of degree 0, ∫|∇m|² of a linear m is right in the mean over directions to 10 % on this mesh, and ∫ m²
    exact for a constant."""
    space = CoefficientSpace(MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 1.0], [24, 24]), 0)
    r = REGULARISATIONS["h1"](space, 10.0, partial(LinearSolver, COMM, "direct", "test_riesz_")).at(
        np.empty(0)
    )
    one = np.ones(space.owned)
    assert dot(one, r.apply(one)) == pytest.approx(0.01, rel=1e-12)
    squares = []
    for text in ("x", "y"):
        m = space.interpolate(Expression(text))
        squares.append(dot(m, r.apply(m)) - 0.01 / 3)
    assert np.mean(squares) == pytest.approx(1.0, rel=0.1)


@pytest.mark.skipif(COMM.size == 1, reason="compares ranks")
@every_setting
def test_all_ranks_together_find_what_one_finds(setting: str) -> None:
    """Misfit, slope, R and R⁻¹ of fixed coefficients are those of a rank on its own."""
    together = figures(setting)
    alone = on_root(COMM, lambda: figures(setting, alone=True))
    np.testing.assert_allclose(together, alone, rtol=1e-8)


def figures(setting: str, alone: bool = False) -> list[float]:
    """Misfit, slope, dᵀRd and dᵀR⁻¹d."""
    forward, energy, m = inverse_problem(setting, alone)
    at, d = energy.at(m), direction(forward)
    r = regularisation(forward, SETTINGS[setting][1], "edge_preserving").at(m)
    pairs = (at.derivative(), d), (d, r.apply(d)), (d, r.riesz(d))
    return [at.value, *(forward.comm.allreduce(float(left @ right)) for left, right in pairs)]
