"""The complete electrode model against its own equations, and in the limits that are known."""

from typing import Any

import numpy as np
import pytest
import ufl
from bodies import ELECTRODES, RADIUS, combined, dipoles, ring
from dolfinx import fem
from dolfinx.fem import petsc as _fem_petsc
from dolfinx.mesh import locate_entities_boundary, meshtags
from elliptic import COMM, Formula, box_space, dot, raised_on_all_ranks, random_rows

from app.electrical import IN_THE_MESH, Contacts, ElectricalModel, NoContact
from app.mesh import MESHES, CoefficientSpace
from app.parallel import LinearSolver

fem_petsc: Any = _fem_petsc

WIDTH = 0.02

WAVES = Formula(lambda x, library: 1.0 + 0.5 * library.sin(5 * x[0]) - x[1])

SIDES = np.array([[0.5, 0.0], [1.0, 0.5], [0.5, 1.0], [0.0, 0.5]])
"""Middles of a square's sides."""


def square(contacts: Contacts | None) -> ElectricalModel:
    """Electrodes at the middles of the sides of a square of 8 × 8 cells."""
    solver = LinearSolver(COMM, "direct", "test_electrical_")
    abmn = np.array([[0, 1, 2, 3], [0, 3, 1, 2], [1, 2, 3, 0]])
    return ElectricalModel(box_space(2, 8, 1), SIDES, abmn, IN_THE_MESH, 1, solver, contacts)


def test_readings_are_those_of_the_equations_with_electrode_potentials() -> None:
    """∫e⁻ᵐ∇u·∇v + Σ ∫(u − U)(v − V)/z = Σ IV solved as it stands, densely, with the potentials U unknown."""
    width, z = 0.26, 0.3  # two facets each
    model = square(Contacts(width, z))
    m = model.coefficient.interpolate(WAVES)
    found = np.exp(model.at(m).readings) / model.geometric_factors

    mesh, space = model.coefficient.domain.mesh, model.space
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    rho = model.coefficient.function(m)
    dx = ufl.dx(metadata={"quadrature_degree": 3})
    stiffness = fem_petsc.assemble_matrix(fem.form(ufl.exp(-rho) * ufl.inner(ufl.grad(u), ufl.grad(v)) * dx))
    stiffness.assemble()
    size, count = model.size, len(SIDES)
    whole = np.zeros((size + count, size + count))
    whole[:size, :size] = stiffness.convert("dense").getDenseArray()
    for i, (x, y) in enumerate(SIDES):
        facets = locate_entities_boundary(
            mesh, 1, lambda p, x=x, y=y: np.maximum(abs(p[0] - x), abs(p[1] - y)) < 0.13
        )
        ds = ufl.Measure(
            "ds", domain=mesh, subdomain_data=meshtags(mesh, 1, facets, np.ones(len(facets), np.int32))
        )(1)
        mass = fem_petsc.assemble_matrix(fem.form((1 / z) * u * v * ds))
        mass.assemble()
        whole[:size, :size] += mass.convert("dense").getDenseArray()
        edge = fem_petsc.assemble_vector(fem.form((1 / z) * v * ds)).array
        whole[size + i, :size] = whole[:size, size + i] = -edge
        whole[size + i, size + i] = edge.sum()
    expected = []
    for a, b, first, second in model.abmn:
        current = np.zeros(size + count)
        current[size + a], current[size + b] = 1.0, -1.0
        potential = np.linalg.lstsq(whole, current, rcond=None)[0][size:]
        expected.append(potential[first] - potential[second])
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.distributed
def test_poor_contact_spreads_the_current_evenly(gmsh: Any) -> None:
    """z → ∞ on a disc: R of means over arcs of −(1/π) ln|x − y|, to 0.1 %."""
    domain = MESHES["electrodes"](COMM, positions=ring(), width=WIDTH)
    solver = LinearSolver(COMM, "direct", "test_electrical_")
    contacts = Contacts(WIDTH, 1e6)
    model = ElectricalModel(CoefficientSpace(domain, 1), ring(), dipoles(), IN_THE_MESH, 2, solver, contacts)
    found = np.exp(model.at(np.zeros(model.coefficient.owned)).readings) / model.geometric_factors
    x, w = np.polynomial.legendre.leggauss(12)
    along, weights = 0.5 * WIDTH / RADIUS * x, 0.5 * w

    def mean(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        angle = 2 * np.pi * (i - j)[:, None, None] / ELECTRODES + along[None, :, None] - along[None, None, :]
        return np.einsum("rpq,p,q->r", -np.log(np.abs(np.sin(angle / 2))) / np.pi, weights, weights)

    np.testing.assert_allclose(found, combined(mean, dipoles()), rtol=1e-3)


@pytest.mark.distributed
def test_tangent_and_adjoint_hold_with_contacts() -> None:
    """J d is the central difference; ⟨J d, y⟩ = ⟨d, Jᵀ y⟩: the contacts do not know the coefficient."""
    model = square(Contacts(0.26, 0.05))
    m, d, h = model.coefficient.interpolate(WAVES), random_rows(model.coefficient), 1e-4
    difference = (model.at(m + h * d).readings - model.at(m - h * d).readings) / (2 * h)
    there, y = model.at(m), np.array([1.0, -2.0, 0.5])
    tangent = there.tangent(d)
    np.testing.assert_allclose(tangent, difference, rtol=0, atol=1e-7 * np.abs(tangent).max())
    assert abs(tangent @ y - dot(d, there.adjoint(y))) <= 1e-10 * np.linalg.norm(tangent) * np.linalg.norm(y)


def test_good_contact_takes_current_past_the_surface() -> None:
    """Metal shorts what lies beneath it: with less impedance the readings fall."""
    uniform = np.zeros(square(None).coefficient.owned)
    good, poor = (square(Contacts(0.26, z)).at(uniform).readings for z in (0.01, 10.0))
    assert (good < poor).all()


@pytest.mark.distributed
def test_an_electrode_between_the_facets_is_refused() -> None:
    """NoContact on all ranks, where the width is less than the cells allow."""
    with raised_on_all_ranks(NoContact) as caught:
        square(Contacts(1e-3, 1.0))
    assert caught.value.index == 0
