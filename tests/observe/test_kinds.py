"""Laws of every kind of observation: of its operator, and of who closes it."""

import numpy as np
import pytest
from dolfinx import fem
from elliptic import COMM, dot, gathered
from mpi4py import MPI
from observation_table import KINDS, PLACES, PLANE, with_half

from app.case import Expression
from app.mesh import MESHES
from app.observe import ObservationOperator, ObservedState, joined
from app.parallel import multiply, multiply_transpose

SMOOTH = Expression("exp(x)*sin(3*y + 0.2)")

every_kind = pytest.mark.parametrize("kind", PLACES)


def state(comm: MPI.Comm, components: tuple[str, ...] = ()) -> ObservedState:
    """Of quadratic elements on the unit square."""
    domain = MESHES["rectangle"](comm, [0.0, 0.0], [1.0, 1.0], [6, 5])
    shape = (len(components),) if components else ()
    space = fem.functionspace(domain.mesh, ("Lagrange", 2, shape))
    return ObservedState(with_half(domain), space, components, ("left", "bottom"))


def operator(kind: str, observed: ObservedState, **keys: str) -> ObservationOperator:
    return PLACES[kind].operator(kind.split(" ")[0], observed, **keys)


def interpolated(observed: ObservedState, *expressions: Expression) -> np.ndarray:
    """This rank's dofs of a state of these components."""
    owned = observed.space.dofmap.index_map.size_local
    points = observed.space.tabulate_dof_coordinates()[:owned, :2]
    return np.column_stack([expression.numpy(points) for expression in expressions]).ravel()


def matrices(made: ObservationOperator) -> list:
    return [made.matrix, *([] if made.weights is None else [made.weights])]


def test_every_kind_is_in_the_table() -> None:
    """A new kind of observation cannot be without the laws."""
    assert {kind.split(" ")[0] for kind in PLACES} == set(KINDS)


@pytest.mark.parametrize("kind", [kind for kind in PLACES if PLACES[kind].exact is not None])
def test_a_plane_is_read_exactly(kind: str) -> None:
    """By every kind that reads values of the state, of each component alone where there are several."""
    exact = PLACES[kind].exact
    observed = state(COMM)
    readings = gathered(multiply(operator(kind, observed).matrix, interpolated(observed, Expression(PLANE))))
    np.testing.assert_allclose(readings, exact, rtol=0, atol=1e-12)
    observed = state(COMM, ("x", "y"))
    values = interpolated(observed, SMOOTH, Expression(PLANE))
    readings = gathered(multiply(operator(kind, observed, component="y").matrix, values))
    np.testing.assert_allclose(readings, exact, rtol=0, atol=1e-12)


@every_kind
def test_transpose_is_the_adjoint(kind: str) -> None:
    """⟨Bu, y⟩ = ⟨u, Bᵀy⟩, and so for W; neither is zero throughout."""
    observed = state(COMM)
    u, sizes = interpolated(observed, SMOOTH), []
    for matrix in matrices(operator(kind, observed)):
        first, last = matrix.getOwnershipRange()
        y = np.cos(np.arange(first, last))
        left, right = dot(multiply(matrix, u), y), dot(u, multiply_transpose(matrix, y))
        assert left == pytest.approx(right, rel=1e-12, abs=1e-12)
        sizes.append(matrix.norm())
    assert max(sizes) > 0


@every_kind
def test_readings_do_not_depend_on_the_ranks(kind: str) -> None:
    """Each rank alone with the whole mesh has the same."""
    together, alone = state(COMM), state(MPI.COMM_SELF)
    parts = (matrices(operator(kind, observed)) for observed in (together, alone))
    for matrix, own in zip(*parts, strict=True):
        readings = gathered(multiply(matrix, interpolated(together, SMOOTH)))
        expected = multiply(own, interpolated(alone, SMOOTH))
        np.testing.assert_allclose(readings, expected, rtol=0, atol=1e-12)


def test_joined_operators_are_the_parts_below_one_another() -> None:
    """Also where some have no weights, and after the parts are closed."""
    observed = state(COMM)
    parts = [operator(kind, observed) for kind in PLACES]
    u = interpolated(observed, SMOOTH)
    values = np.concatenate([gathered(multiply(part.matrix, u)) for part in parts])
    whole = joined(parts)
    weighted = gathered(multiply(whole.weights, u))
    for part in parts:
        part.close()
    np.testing.assert_allclose(gathered(multiply(whole.matrix, u)), values, rtol=1e-13)
    assert len(weighted) == len(values) and np.count_nonzero(weighted) == 3


@every_kind
def test_an_operator_is_closed_once(kind: str) -> None:
    """Its matrices are gone then, and closing it again does nothing."""
    made = operator(kind, state(COMM))
    for _ in range(2):
        made.close()
        assert all(matrix.handle == 0 for matrix in matrices(made))
