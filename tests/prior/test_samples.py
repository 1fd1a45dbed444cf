"""Laws of the samples of inner products, and of their pointwise variance."""

from collections.abc import Iterator
from contextlib import closing
from functools import cache, partial

import numpy as np
import pytest
from dolfinx.mesh import CellType, compute_midpoints, create_rectangle
from elliptic import COMM, WAVES, Formula, box_mesh, constant, gathered, variants
from mpi4py import MPI
from products import product, regularisation, solver

from app.mesh import MESHES, CoefficientSpace, Known, NodeOrder, TaggedMesh, joint_space
from app.parallel import LinearSolver
from app.prior import REGULARISATIONS
from app.prior.gram import InnerProduct
from app.prior.inner_products import INNER_PRODUCTS, weighted_product
from app.prior.stacked import StackedRegularisation
from app.prior.variance import estimated_variance, exact_variance

LENGTH = 0.4
"""ℓ of these tests, so short that the inverses by dense algebra are good to 1e-12 and better."""

ACCURACY = 1e-10

SPACES = {
    "1D linear": (1, 9, 1),
    "1D constant": (1, 9, 0),
    "2D linear": (2, 4, 1),
    "2D quadratic": (2, 3, 2),
    "2D constant": (2, 3, 0),
    "3D linear": (3, 2, 1),
    "3D quadratic": (3, 2, 2),
    "3D constant": (3, 2, 0),
}
"""Dimension, cells along each axis and degree."""

IN_PARALLEL = ["2D linear", "2D constant", "2D quadratic known", "3D quadratic"]


def quadrilaterals() -> CoefficientSpace:
    """On cells that their nodes do not map affinely."""
    made = create_rectangle(COMM, [(0.0, 0.0), (2.0, 2.0)], (4, 3), CellType.quadrilateral)
    made.geometry.x[:, 0] *= 1 + 0.2 * made.geometry.x[:, 1]
    return CoefficientSpace(TaggedMesh(made, {}), 1)


def partly_known(degree: int) -> CoefficientSpace:
    """Of which the left side and a region are known."""
    domain = box_mesh(2, 4, upper=2.0)
    cells = domain.mesh.topology.index_map(2).size_local
    middles = compute_midpoints(domain.mesh, 2, np.arange(cells, dtype=np.int32))
    corner = np.flatnonzero((middles[:, :2] > 1.0).all(axis=1)).astype(np.int32)
    tagged = TaggedMesh(domain.mesh, domain.facets, {"corner": corner})
    left = Known(("left",), constant(3.0))
    return CoefficientSpace(tagged, degree, Known(("corner",), constant(2.0)), [left] if degree else [])


@cache
def space_of(name: str) -> CoefficientSpace:
    if name == "2D quadrilaterals":
        return quadrilaterals()
    if name.endswith("known"):
        return partly_known({"constant": 0, "linear": 1, "quadratic": 2}[name.split()[1]])
    dimension, cells, degree = SPACES[name]
    return CoefficientSpace(box_mesh(dimension, cells, upper=2.0), degree)


NAMES = [*SPACES, "2D quadrilaterals", "2D linear known", "2D quadratic known", "2D constant known"]


@pytest.fixture(params=variants(NAMES, in_parallel=IN_PARALLEL), scope="module")
def place(request: pytest.FixtureRequest) -> CoefficientSpace:
    return space_of(request.param)


@pytest.fixture(params=["two unknowns", *INNER_PRODUCTS, *REGULARISATIONS], scope="module")
def gram(request: pytest.FixtureRequest, place: CoefficientSpace) -> Iterator[InnerProduct]:
    """Each inner product and regularisation, these at a coefficient that varies; two of them together."""
    name, values = request.param, place.interpolate(WAVES)
    if name == "two unknowns":
        parts = [REGULARISATIONS[kind](place, LENGTH, solver) for kind in ("edge_preserving", "trilaplacian")]
        together = StackedRegularisation(joint_space([place, place]), parts, [1.0, 20.0])
        with closing(together), closing(together.at(np.concatenate([values, values]))) as K:
            yield K
        return
    with product(name, place, values if name in REGULARISATIONS else None, LENGTH) as K:
        yield K


def whole(K: InnerProduct) -> np.ndarray:
    """K as a dense matrix, the same on every rank, in the order of the ranks' rows."""
    size, first = COMM.allreduce(K.owned), COMM.exscan(K.owned) or 0
    return gathered(K.apply(np.eye(size)[first : first + K.owned]))


def test_samples_have_the_inverse_as_their_covariance(gram: InnerProduct) -> None:
    """S Sᵀ = K⁻¹ to 1e-10 by dense algebra, S applied to all of the identity in place of white noise."""
    S = gathered(gram.coloured(np.eye(gram.noise)))
    expected = np.linalg.inv(whole(gram))
    np.testing.assert_allclose(S @ S.T, expected, rtol=0, atol=ACCURACY * np.abs(expected).max())


def test_the_variance_is_the_diagonal_of_the_inverse(gram: InnerProduct) -> None:
    """To 1e-10 where there are few nodes."""
    expected = np.diag(np.linalg.inv(whole(gram)))
    np.testing.assert_allclose(gathered(gram.variance()), expected, rtol=ACCURACY)


def test_dual_squares_are_the_diagonal_of_the_dual_square(gram: InnerProduct) -> None:
    """Of each column rᵀK⁻¹r, the same on all ranks."""
    block = np.random.default_rng(COMM.rank).standard_normal((gram.owned, 5))
    found = gram.dual_squares(block)
    np.testing.assert_allclose(found, np.diag(gram.dual_square(block, {})), rtol=1e-9)
    assert len({value.tobytes() for value in COMM.allgather(found)}) == 1


def test_draws_follow_one_another(gram: InnerProduct) -> None:
    """Three and then two are five at once, and what is drawn is `coloured` white noise."""
    at_once = gram.sample(np.random.default_rng(1), 5)
    rng = np.random.default_rng(1)
    parts = np.concatenate([gram.sample(rng, 3), gram.sample(rng, 2)], axis=1)
    scale = np.abs(at_once).max(initial=0.0)
    assert at_once.shape == (gram.owned, 5)
    np.testing.assert_allclose(parts, at_once, rtol=0, atol=ACCURACY * scale)
    noise = np.random.default_rng(1).standard_normal((5, gram.noise)).T
    np.testing.assert_allclose(gram.coloured(noise), at_once, rtol=0, atol=ACCURACY * scale)


def test_an_estimated_variance_is_near_the_exact_one(gram: InnerProduct) -> None:
    """Of eight directions and 400 draws, within 5 standard errors at every node; 1e-8 are allowed for
    rounding."""
    exact, found = exact_variance(gram), estimated_variance(gram, directions=8, samples=400)
    off = gathered(np.abs(found.values - exact) / (found.error + 1e-8 * exact))
    assert off.max() < 5.0


@pytest.mark.serial
@pytest.mark.parametrize("name", REGULARISATIONS)
def test_the_error_of_an_estimated_variance_is_what_it_says(name: str) -> None:
    """The root mean square of errors over standard errors is 0.6 to 1.4 (those at neighbouring nodes are
    alike), and more directions leave smaller ones."""
    space = CoefficientSpace(box_mesh(2, 16, upper=2.0), 1)
    with product(name, space, space.interpolate(WAVES), LENGTH) as R:
        exact = exact_variance(R)
        few, many = (estimated_variance(R, directions, samples=100) for directions in (5, 40))
    assert 0.6 < np.sqrt(np.mean(np.square((few.values - exact) / few.error))) < 1.4
    assert np.mean(many.error) < 0.7 * np.mean(few.error)


@pytest.mark.skipif(COMM.size == 1, reason="compares ranks")
@pytest.mark.parametrize("name", REGULARISATIONS)
@pytest.mark.parametrize("degree", [0, 1, 2])
def test_all_ranks_together_draw_what_one_draws(name: str, degree: int) -> None:
    """The same functions, by their values in the order of the nodes, to 1e-9; and the estimated variance."""
    found = []
    for comm in (COMM, MPI.COMM_SELF):
        domain = MESHES["rectangle"](comm, [0.0, 0.0], [2.0, 1.0], [6, 5])
        space = CoefficientSpace(domain, degree)
        made = REGULARISATIONS[name](space, LENGTH, partial(LinearSolver, comm, "direct", "test_one_"))
        R, order = made.at(space.interpolate(WAVES)), NodeOrder(comm, space.coordinates)
        drawn = R.sample(np.random.default_rng(3), 4)
        estimated = estimated_variance(R, directions=6, samples=20).values
        found.append([comm.bcast(order.gathered(each)) for each in (drawn, estimated)])
        R.close(), made.close()
    for together, alone in zip(*found, strict=True):
        np.testing.assert_allclose(together, alone, rtol=0, atol=1e-9 * np.abs(alone).max())


@pytest.mark.serial
def test_an_r_of_an_earlier_coefficient_draws_its_own_samples() -> None:
    """Its ρ is that of the coefficient it was made at, also where its first sample comes after a later R."""
    space = space_of("2D linear")
    with regularisation("edge_preserving", space) as made:
        first = made.at(space.interpolate(WAVES))
        later = made.at(space.interpolate(Formula(lambda x, library: x[0] ** 2)))
        S = gathered(first.coloured(np.eye(first.noise)))
        expected = np.linalg.inv(whole(first))
        first.close(), later.close()
    np.testing.assert_allclose(S @ S.T, expected, rtol=0, atol=ACCURACY * np.abs(expected).max())


@pytest.mark.serial
def test_what_is_closed_or_has_no_root_draws_nothing() -> None:
    """ValueError and TypeError, before PETSc sees it."""
    space = space_of("2D linear")
    K = weighted_product(space, constant(2.0), LENGTH, solver)
    with closing(K), pytest.raises(TypeError, match="root"):
        K.sample(np.random.default_rng(0), 1)
    for name in REGULARISATIONS:
        with regularisation(name, space) as made:
            R = made.at(space.interpolate(WAVES))
            R.sample(np.random.default_rng(0), 1)
            R.close()
        with pytest.raises(ValueError, match="closed"):
            R.sample(np.random.default_rng(0), 1)
