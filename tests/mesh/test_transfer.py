"""Between a coarse mesh and a finer one: prolongation and its transpose."""

from typing import Any

import numpy as np
import pytest
from bodies import RADIUS, ring
from elliptic import COMM, gathered

from app.mesh import MESHES, CoefficientSpace, TaggedMesh, box, interval, joint_space, rectangle
from app.mesh.transfer import Transfer
from app.parallel import gram

pytestmark = pytest.mark.distributed

ROUNDING = 1e-12


def mesh(dimension: int, cells: int) -> TaggedMesh:
    """The unit cube in so many cells along each side."""
    if dimension == 1:
        return interval(COMM, 0.0, 1.0, cells)
    make = rectangle if dimension == 2 else box
    return make(COMM, (0.0,) * dimension, (1.0,) * dimension, (cells,) * dimension)


def spaces(dimension: int, degree: int, cells: tuple[int, int]) -> list[CoefficientSpace]:
    """One a mesh."""
    return [CoefficientSpace(mesh(dimension, count), degree) for count in cells]


KINDS = [(1, 1, (5, 10)), (2, 1, (4, 8)), (2, 2, (3, 6)), (2, 1, (3, 5)), (2, 1, (3, 12)), (3, 1, (2, 4))]
"""Dimension, degree, and cells along a side of both meshes, nested or not."""


@pytest.mark.parametrize("kind", KINDS)
def test_polynomials_of_the_degree_are_carried_over(kind: tuple[int, int, tuple[int, int]]) -> None:
    """Whatever the meshes and their partitions."""
    coarse, fine = spaces(*kind)
    transfer = Transfer(coarse, fine)

    def polynomial(x: np.ndarray) -> np.ndarray:
        return (1.0 + x @ np.arange(1.0, x.shape[1] + 1.0)) ** kind[1]

    found = transfer.prolonged(polynomial(coarse.coordinates))
    np.testing.assert_allclose(found, polynomial(fine.coordinates), rtol=ROUNDING)
    transfer.close()


@pytest.mark.parametrize("degree", [0, 1])
def test_coarse_functions_are_the_same_functions_on_a_nested_mesh(degree: int) -> None:
    """The nodes of both that are in one place have one value; of degree 0 the value of the cell around."""
    coarse, fine = spaces(2, degree, (4, 8))
    transfer = Transfer(coarse, fine)
    values = np.sin(np.arange(coarse.owned) + 100.0 * COMM.rank)
    found = transfer.prolonged(values)
    low, high = gathered(values), gathered(found)
    assert low.min() - ROUNDING <= high.min() and high.max() <= low.max() + ROUNDING
    if degree == 0:
        assert set(np.round(high, 12)) == set(np.round(low, 12))
    transfer.close()


def test_polynomials_are_carried_over_between_meshes_through_electrodes(gmsh: Any) -> None:
    """Neither the cells nor the outlines of which are nested; electrodes are vertices of both."""
    meshes = [MESHES["electrodes"](COMM, positions=ring(), coarsening=factor) for factor in (2.0, 1.0)]
    coarse, fine = (CoefficientSpace(domain, 1) for domain in meshes)
    transfer = Transfer(coarse, fine)
    found = transfer.prolonged(coarse.coordinates[:, 0])
    sagitta = 0.02 * RADIUS  # of the longest chord
    np.testing.assert_allclose(found, fine.coordinates[:, 0], atol=sagitta)
    inside = np.linalg.norm(fine.coordinates, axis=1) < RADIUS - sagitta
    np.testing.assert_allclose(found[inside], fine.coordinates[inside, 0], atol=ROUNDING)
    transfer.close()


def test_restriction_is_the_transpose() -> None:
    """⟨Pu, v⟩ = ⟨u, Pᵀv⟩ for blocks, of two unknowns of different degrees."""
    pairs = zip(spaces(2, 1, (3, 6)), spaces(2, 0, (3, 6)), strict=True)
    coarse, fine = (joint_space(list(parts)) for parts in pairs)
    transfer = Transfer(coarse, fine)
    rng = np.random.default_rng(COMM.rank)
    u = np.asfortranarray(rng.standard_normal((coarse.owned, 3)))
    v = np.asfortranarray(rng.standard_normal((fine.owned, 2)))
    np.testing.assert_allclose(
        gram(COMM, transfer.prolonged(u), v), gram(COMM, u, transfer.restricted(v)), rtol=1e-10
    )
    transfer.close()


def test_nodes_beyond_a_coarse_mesh_have_the_nearest_value() -> None:
    """As those on an arc beyond its chords."""
    coarse = CoefficientSpace(mesh(2, 4), 1)
    fine = CoefficientSpace(rectangle(COMM, (0.0, 0.0), (1.1, 1.0), (11, 4)), 1)
    transfer = Transfer(coarse, fine)
    found = transfer.prolonged(coarse.coordinates[:, 0])
    np.testing.assert_allclose(found, np.minimum(fine.coordinates[:, 0], 1.0), atol=1e-9)
    transfer.close()
