"""The rigid motions that multigrid is told of a displacement."""

import numpy as np
import pytest
import ufl
from dolfinx import fem
from elliptic import COMM, box_mesh, box_space, constant
from mpi4py import MPI

from app.mesh import assembled
from app.parallel import LinearSolver, multiply
from app.pde import EQUATIONS, BoundaryCondition, ForwardModel
from app.pde.rigid import rigid_motions

HELD = {"held": BoundaryCondition(("left",), "dirichlet", constant(0.0))}


@pytest.mark.distributed
@pytest.mark.parametrize("dimension, degree, count", [(2, 1, 3), (2, 2, 3), (3, 1, 6)])
def test_nothing_resists_a_rigid_motion(dimension: int, degree: int, count: int) -> None:
    """Three in the plane, six in space, each without strain."""
    domain = box_mesh(dimension, 3)
    space = fem.functionspace(domain.mesh, ("Lagrange", degree, (dimension,)))
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    matrix = assembled(fem.form(ufl.inner(ufl.sym(ufl.grad(u)), ufl.sym(ufl.grad(v))) * ufl.dx))
    motions = rigid_motions(space, ("x", "y", "z")[:dimension])
    assert len(motions.getVecs()) == count
    for motion in (vector.getArray(readonly=True).copy() for vector in motions.getVecs()):
        largest = COMM.allreduce(np.abs(motion).max(initial=0.0), op=MPI.MAX)
        left = COMM.allreduce(np.abs(multiply(matrix, motion)).max(initial=0.0), op=MPI.MAX)
        assert left <= 1e-13 * largest * matrix.norm()
    motions.destroy(), matrix.destroy()


@pytest.mark.parametrize("names", [(), ("real", "imaginary"), ("y", "x")])
def test_other_states_have_none(names: tuple[str, ...]) -> None:
    """Scalars, waves, and components in another order."""
    space = fem.functionspace(box_mesh(2, 3).mesh, ("Lagrange", 1, (max(1, len(names)),)))
    assert rigid_motions(space, names) is None


@pytest.mark.parametrize("kind, told", [("iterative", 3), ("direct", 0)])
def test_multigrid_is_told_them(kind: str, told: int) -> None:
    """And still is when the operator was assembled for another coefficient; a factorisation is not."""
    model = ForwardModel(
        EQUATIONS["elasticity"](boundary=HELD), box_space(2, 4, 1), 1, LinearSolver(COMM, kind, "test_rigid_")
    )
    model.observe_with(identity(model))
    for m in (0.0, 1.0):
        model.at(np.full(model.coefficient.owned, m))
        motions = model._operator.getNearNullSpace()
        assert (len(motions.getVecs()) if motions else 0) == told
    model.close()


def identity(model: ForwardModel) -> object:
    """Reads the state as it is."""
    matrix = model._operator.duplicate()
    matrix.zeroEntries()
    matrix.assemble()
    matrix.shift(1.0)
    return matrix
