"""Values of nodes in an order that the partition does not change, and meshes kept in it."""

import numpy as np
import pytest
from elliptic import COMM, box_mesh

from app.case import Expression
from app.mesh import CoefficientSpace, JointOrder, NodeOrder, restored, stored

SPACES = [(1, 1), (2, 0), (2, 1), (2, 2), (3, 1)]
"""Dimension of the mesh, degree of the space."""

FIELD = Expression("sin(3*x) + x*x")


@pytest.mark.parametrize(("dimension", "degree"), SPACES)
def test_gathered_values_are_ordered_by_place(dimension: int, degree: int) -> None:
    """The coordinates themselves come out sorted, alike on any number of ranks, and spreading undoes it to
    the last bit."""
    space = CoefficientSpace(box_mesh(dimension, 4), degree)
    order = NodeOrder(COMM, space.coordinates)
    values = space.interpolate(FIELD)
    whole, places = order.gathered(values), order.gathered(space.coordinates)
    if COMM.rank == 0:
        assert whole is not None and places is not None
        np.testing.assert_allclose(whole, FIELD.numpy(places), rtol=1e-13, atol=1e-14)
        rounded = [tuple(row) for row in np.round(places, 6)]
        assert rounded == sorted(rounded) and len(set(rounded)) == space.size
    np.testing.assert_array_equal(order.spread(whole), values)


def test_blocks_are_ordered_one_after_the_other() -> None:
    """As of several unknowns."""
    spaces = [CoefficientSpace(box_mesh(2, 4), degree) for degree in (1, 0)]
    parts = [NodeOrder(COMM, space.coordinates) for space in spaces]
    order = JointOrder(parts, [space.owned for space in spaces])
    values = np.concatenate([space.interpolate(FIELD) for space in spaces])
    whole = order.gathered(values)
    if COMM.rank == 0:
        assert whole is not None and len(whole) == sum(space.size for space in spaces)
    np.testing.assert_array_equal(order.spread(whole), values)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_stored_mesh_is_the_mesh(dimension: int) -> None:
    """The same nodes, cells and volume, and functions on it have the same values by place."""
    domain = box_mesh(dimension, 4)
    kept = stored(domain)
    again = restored(COMM, kept)
    assert again.mesh.topology.index_map(dimension).size_global == (
        domain.mesh.topology.index_map(dimension).size_global
    )
    values = []
    for each in (domain, again):
        space = CoefficientSpace(each, 1)
        values.append(NodeOrder(COMM, space.coordinates).gathered(space.interpolate(FIELD)))
    if COMM.rank == 0:
        np.testing.assert_allclose(values[0], values[1], rtol=0, atol=1e-14)
