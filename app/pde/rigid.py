"""Rigid motions of a displacement: what elasticity hardly resists where nothing holds the body."""

from collections.abc import Sequence

import numpy as np

from app.parallel.blocks import PETSc
from app.types import Space, Untyped


def is_displacement(names: Sequence[str], dimension: int) -> bool:
    """Whether a state's components, by their names, are those of a displacement."""
    return bool(names) and tuple(names) == ("x", "y", "z")[:dimension]


def rigid_motions(space: Space, names: Sequence[str]) -> Untyped:
    """Translations and rotations of a displacement as PETSc's NullSpace, which the caller destroys, None of
    any other state; collective.

    Multigrid by aggregation needs them to be exact on coarse levels (Vaněk, Mandel and Brezina 1996).
    """
    dimension = space.mesh.geometry.dim
    if not is_displacement(names, dimension):
        return None
    index = space.dofmap.index_map
    places = PETSc.Vec().create(space.mesh.comm)
    places.setSizes((index.size_local * dimension, PETSc.DECIDE), bsize=dimension)
    places.setUp()
    places.array[:] = np.ravel(space.tabulate_dof_coordinates()[: index.size_local, :dimension])
    motions = PETSc.NullSpace().createRigidBody(places)
    places.destroy()
    return motions
