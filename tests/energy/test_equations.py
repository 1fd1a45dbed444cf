"""Laws of the energy for every equation, every role of its coefficient and every kind of observation that
they take; a new one is among them."""

from functools import cache, partial

import numpy as np
import pytest
from equation_table import CONDITIONS, ROLES, coefficient_for, make_equation
from mpi4py import MPI
from observation_table import PLACES, Taken, made

from app.case import Expression
from app.energy import InverseProblem
from app.mesh import MESHES, CoefficientSpace
from app.observe import ObservationOperator, joined
from app.parallel import LinearSolver, on_root
from app.pde import EQUATIONS, ForwardModel
from app.prior import REGULARISATIONS

COMM = MPI.COMM_WORLD

WEIGHT = 0.3
"""Of the regularisation; the misfit and it are then of one size."""

HALVINGS = 0.01 * 0.5 ** np.arange(5)
"""Lengths of the steps of a Taylor test: small against one, and E's rounding small against their squares."""


@cache
def space(alone: bool = False) -> CoefficientSpace:
    """One for all models: MPI has some 2000 communicators, of which each mesh and matrix takes some.

    Over all ranks, or on one alone.
    """
    comm = MPI.COMM_SELF if alone else COMM
    return CoefficientSpace(MESHES["rectangle"](comm, [0.0, 0.0], [1.0, 1.0], [7, 6]), 1)


@cache
def model(equation: str, role: str, alone: bool = False) -> tuple[ForwardModel, dict[str, slice]]:
    """An observed model on the unit square, with everything the equation can be given, and the readings of
    each kind."""
    physics = make_equation(equation, CONDITIONS, 2, role=role, plain=False)
    domain = space(alone)
    solver = LinearSolver(domain.domain.comm, "direct", "test_state_", symmetric=physics.symmetric)
    forward = ForwardModel(physics, domain, 2, solver)
    observed, readings = everything(forward)
    forward.observe_with(observed.matrix, observed.weights)
    return forward, readings


def everything(forward: ForwardModel) -> tuple[ObservationOperator, dict[str, slice]]:
    """All kinds of observation, of each component of the state, and where the readings of each kind are; of
    fluxes there are those of one component only."""
    parts, readings, count = [], {}, 0
    for kind in PLACES:
        section, _ = PLACES[kind].read_as(kind.split(" ")[0])
        taken = Taken(names=("left",)) if kind == "fluxes" else None  # where these equations give the state
        components = forward.components or (None,)
        for component in components if section.of_components or not forward.components else ():
            parts.append(made(kind, forward, taken, component=component))
            rows = parts[-1].matrix.getSize()[0]
            readings[f"{kind} {component}"] = slice(count, count + rows)
            count += rows
    whole = joined(parts)
    for part in parts:
        part.close()
    return whole, readings


def nodal(forward: ForwardModel, role: str, text: str) -> np.ndarray:
    return coefficient_for(role, forward.coefficient.interpolate(Expression(text)))


def direction(forward: ForwardModel) -> np.ndarray:
    """This rank's rows of a standard normal vector."""
    first, last = forward.coefficient.space.dofmap.index_map.local_range
    return np.random.default_rng(0).standard_normal(forward.coefficient.size)[first:last]


def dot(left: np.ndarray, right: np.ndarray) -> float:
    return COMM.allreduce(float(left @ right))


def inverse_problem(forward: ForwardModel, role: str) -> tuple[InverseProblem, np.ndarray]:
    """Data without noise of one coefficient, and another one to look at E from; no two standard deviations
    are alike."""
    data = forward.at(nodal(forward, role, "0.3*cos(2*y) + 0.2*x")).readings
    sigma = np.linspace(0.05, 0.2, len(data))
    return InverseProblem(forward, data, sigma), nodal(forward, role, "0.6*sin(3*x) - 0.4*y")


every_pair = pytest.mark.parametrize(("equation", "role"), ROLES)

ENDS = [
    (kind, role)
    for kind, role in ROLES
    if role in (next(iter(EQUATIONS[kind].roles)), next(reversed(EQUATIONS[kind].roles)))
]
"""Every equation with its first and its last role: another role changes a term, not the rows of ranks."""


@pytest.mark.serial
@every_pair
def test_the_remainder_of_the_energy_is_quadratic(equation: str, role: str) -> None:
    """E(m + td) = E(m) + t E′(m)d + O(t²) with the readings of each kind alone: the derivative of the
    residual by state and coefficient, the transposed solve, the observation and the state are right."""
    forward, readings = model(equation, role)
    energy, m = inverse_problem(forward, role)
    d = direction(forward)
    r = REGULARISATIONS["h1"](
        forward.coefficient, 0.1, partial(LinearSolver, COMM, "direct", "test_riesz_")
    ).at(m)
    shifts = [m + t * d for t in HALVINGS]
    later = [energy.at(shift).residual for shift in shifts]
    penalties = [0.5 * WEIGHT * dot(shift, r.apply(shift)) for shift in (m, *shifts)]
    at = energy.at(m)
    e = at.residual
    for kind, rows in readings.items():
        own = np.zeros_like(e)
        own[rows] = e[rows]
        slope = dot(at.vjp(own) + WEIGHT * r.apply(m), d)
        start, *values = [
            0.5 * float(each[rows] @ each[rows]) + penalty
            for each, penalty in zip((e, *later), penalties, strict=True)
        ]
        remainders = [abs(value - start - t * slope) for value, t in zip(values, HALVINGS, strict=True)]
        rate = np.polyfit(np.log(HALVINGS), np.log(remainders), 1)[0]
        assert rate == pytest.approx(2.0, abs=0.05), kind


@pytest.mark.serial
@every_pair
def test_the_adjoint_is_the_transpose_of_the_tangent(equation: str, role: str) -> None:
    """⟨Jd, y⟩ = ⟨d, Jᵀy⟩ to 1e-10 of the size of its terms, for vectors and each column of a block, with the
    readings of each kind alone."""
    forward, readings = model(equation, role)
    energy, m = inverse_problem(forward, role)
    at = energy.at(m)
    d = direction(forward)
    data = np.zeros((len(at.residual), len(readings)))
    for j, rows in enumerate(readings.values()):
        data[rows, j] = np.cos(np.arange(rows.stop - rows.start))
    tangents, adjoints = at.jvp(np.column_stack([d, m])), at.vjp(data)
    np.testing.assert_allclose(at.jvp(d), tangents[:, 0], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(at.vjp(data[:, 0]), adjoints[:, 0], rtol=1e-10, atol=1e-10)
    for i, left in enumerate((d, m)):
        for j, kind in enumerate(readings):
            tangent, right = tangents[:, i], data[:, j]
            scale = np.linalg.norm(tangent[readings[kind]]) * np.linalg.norm(right)
            assert scale > 0
            assert abs(tangent @ right - dot(left, adjoints[:, j])) <= 1e-10 * scale, kind


@pytest.mark.distributed
@pytest.mark.skipif(COMM.size == 1, reason="compares ranks")
@pytest.mark.parametrize(("equation", "role"), ENDS)
def test_all_ranks_together_find_what_one_finds(equation: str, role: str) -> None:
    """Readings, Jd, and ⟨d, Jᵀy⟩ with the readings of each kind, are those of a rank on its own, for which
    the laws above are: rows that are owned, ghosts and sums over ranks are right."""
    together = figures(equation, role)
    alone = on_root(COMM, lambda: figures(equation, role, alone=True))
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def figures(equation: str, role: str, alone: bool = False) -> tuple[np.ndarray, ...]:
    """Readings at one coefficient, Jd, and the slopes along d of readings of each kind."""
    forward, readings = model(equation, role, alone)
    there = forward.at(nodal(forward, role, "0.6*sin(3*x) - 0.4*y"))
    d = forward.coefficient.interpolate(Expression("cos(5*x*y) - 0.3*x"))
    own = np.zeros((len(there.readings), len(readings)))
    for column, rows in enumerate(readings.values()):
        own[rows, column] = np.cos(np.arange(rows.stop - rows.start))
    return there.readings, there.tangent(d), forward.comm.allreduce(d @ there.adjoint(own))
