"""Laws of the product over domain and parameters, of its quadrature and of orthogonal decomposition."""

from functools import cache, partial

import numpy as np
import pytest
from mpi4py import MPI

from app.case import Expression
from app.energy import (
    OrthogonalDecomposition,
    ParametricProduct,
    Regression,
    SampleFailed,
    gauss_legendre,
    snapshots,
)
from app.mesh import MESHES, CoefficientSpace
from app.parallel import LinearSolver
from app.pde import BoundaryCondition, Diffusion, ForwardModel
from app.prior.gram import GramMatrix
from app.prior.inner_products import INNER_PRODUCTS

COMM = MPI.COMM_WORLD
CELLS, LENGTH, ROUNDING, SOLVED = (5, 4), 0.7, 1e-12, 1e-9
WEIGHTS = np.array([0.2, 0.5, 0.1, 0.2])

every_norm = pytest.mark.parametrize("norm", INNER_PRODUCTS)


@cache
def space() -> CoefficientSpace:
    return CoefficientSpace(MESHES["rectangle"](COMM, [0.0, 0.0], [1.0, 2.0], CELLS), 1)


@cache
def inner(norm: str) -> GramMatrix:
    return INNER_PRODUCTS[norm](space(), LENGTH, partial(LinearSolver, COMM, "direct", "test_reduction_"))


def rows(*columns: int, seed: int = 0) -> np.ndarray:
    """This rank's rows of random nodal values: one vector or block a sample, (owned, …, S)."""
    first, last = space().space.dofmap.index_map.local_range
    return np.random.default_rng(seed).standard_normal((space().size, *columns))[first:last]


def block(columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A block over all samples, and the same as (owned, S, columns)."""
    apart = rows(len(WEIGHTS), columns, seed=seed)
    return apart.reshape(-1, columns, order="F"), apart


def dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return COMM.allreduce(left.T @ right)


@every_norm
def test_the_product_is_the_weighted_sum_over_the_samples(norm: str) -> None:
    """blockᵀ (W ⊗ K) block = Σ w_s block_sᵀ K block_s, for a block and for its columns."""
    product = ParametricProduct(inner(norm), WEIGHTS)
    together, apart = block(3)
    expected = sum(w * inner(norm).square(apart[:, s].copy(order="F")) for s, w in enumerate(WEIGHTS))
    np.testing.assert_allclose(product.square(together), expected, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(dot(together, product.apply(together)), expected, rtol=ROUNDING, atol=ROUNDING)
    assert product.norm(together[:, 1]) ** 2 == pytest.approx(expected[1, 1], rel=ROUNDING)
    for column in range(3):
        one = product.apply(together[:, column].copy())
        np.testing.assert_allclose(one, product.apply(together)[:, column], rtol=ROUNDING, atol=ROUNDING)


@every_norm
def test_the_product_is_symmetric_and_positive(norm: str) -> None:
    """⟨x, Ky⟩ = ⟨Kx, y⟩, and the Gram matrix of independent columns has positive eigenvalues."""
    product = ParametricProduct(inner(norm), WEIGHTS)
    x, y = block(4, seed=1)[0], block(4, seed=2)[0]
    left, right = dot(x, product.apply(y)), dot(product.apply(x), y)
    np.testing.assert_allclose(left, right, rtol=0, atol=ROUNDING * np.abs(left).max())
    assert np.linalg.eigvalsh(product.square(x))[0] > 0


@every_norm
def test_riesz_undoes_apply(norm: str) -> None:
    """K⁻¹Kx = x, for a block and for a vector; neither changes what it is given."""
    product = ParametricProduct(inner(norm), WEIGHTS)
    x, _ = block(3)
    before = x.copy()
    np.testing.assert_allclose(product.riesz(product.apply(x)), x, rtol=0, atol=SOLVED)
    np.testing.assert_allclose(product.riesz(product.apply(x[:, 0].copy())), x[:, 0], rtol=0, atol=SOLVED)
    np.testing.assert_array_equal(x, before)


def test_the_regression_in_the_product_has_its_derivative() -> None:
    """E(f + td) − E(f) = ½t²‖d‖² and E′(f + d) = Kd, to rounding: the energy is quadratic."""
    product = ParametricProduct(inner("h1"), WEIGHTS)
    f, d = block(1, seed=1)[0][:, 0].copy(), block(1, seed=2)[0][:, 0].copy()
    energy = Regression(product, f)
    for t in (0.5, 2.0):
        assert energy.at(f + t * d).value == pytest.approx(0.5 * t**2 * product.norm(d) ** 2)
    np.testing.assert_allclose(energy.at(f + d).derivative(), product.apply(d), atol=SOLVED)


@pytest.mark.parametrize("points", [(1,), (4,), (3, 5), (2, 3, 2)])
def test_the_quadrature_is_exact_for_polynomials(points: tuple[int, ...]) -> None:
    """Of degree 2n − 1 in each parameter: the mean of a product of powers, and positive weights."""
    intervals = [(-1.0 + i, 2.0 + 3 * i) for i in range(len(points))]
    samples, weights = gauss_legendre(intervals, points)
    assert samples.shape == (np.prod(points), len(points)) and (weights > 0).all()
    degrees = [2 * count - 1 for count in points]
    found = weights @ np.prod(samples**degrees, axis=1)
    means = [
        (high ** (k + 1) - low ** (k + 1)) / (k + 1) / (high - low)
        for (low, high), k in zip(intervals, degrees, strict=True)
    ]
    assert found == pytest.approx(np.prod(means), rel=1e-12)


@every_norm
def test_the_modes_are_orthonormal_and_all_of_them_reproduce_the_snapshots(norm: str) -> None:
    """VᵀKV = I, and the projection on as many modes as snapshots is the identity on them."""
    X = rows(len(WEIGHTS))
    pod = OrthogonalDecomposition(X, inner(norm), WEIGHTS)
    np.testing.assert_allclose(inner(norm).square(pod.modes), np.eye(len(WEIGHTS)), atol=SOLVED)
    for other in INNER_PRODUCTS:
        np.testing.assert_allclose(pod.projected(X, len(WEIGHTS), inner(other)), X, atol=SOLVED)


@every_norm
def test_the_error_is_the_tail_of_the_singular_values(norm: str) -> None:
    """Σ w_s ‖X_s − P_n X_s‖² = Σ_{i>n} σ_i², and no other n directions do better (Eckart and Young)."""
    X = rows(len(WEIGHTS))
    pod = OrthogonalDecomposition(X, inner(norm), WEIGHTS)
    product = ParametricProduct(inner(norm), WEIGHTS)
    for count in range(1, len(WEIGHTS)):
        tail = np.sqrt(np.sum(pod.singular_values[count:] ** 2))
        error = product.norm((X - pod.projected(X, count, inner(norm))).ravel(order="F"))
        assert error == pytest.approx(tail, rel=SOLVED)
        pod_of_others = OrthogonalDecomposition(rows(len(WEIGHTS), seed=5), inner(norm), WEIGHTS)
        others = product.norm((X - pod_of_others.projected(X, count, inner(norm))).ravel(order="F"))
        assert others > error


def test_dependent_snapshots_have_fewer_modes() -> None:
    """Snapshots in the span of two have two modes."""
    X = rows(2) @ np.array([[1.0, 0.0, 2.0, -1.0], [0.0, 1.0, 1.0, 3.0]])
    pod = OrthogonalDecomposition(X, inner("l2"), WEIGHTS)
    assert len(pod.singular_values) == pod.modes.shape[1] == 2
    np.testing.assert_allclose(pod.projected(X, 2, inner("l2")), X, atol=1e-7)


def forward_model() -> ForwardModel:
    """−∇·(eᵐ ∇u) = 1 with u = 0 on the boundary."""
    equation = Diffusion(
        source=Expression("1"), boundary={"rim": BoundaryCondition(("all",), "dirichlet", Expression("0"))}
    )
    return ForwardModel(equation, space(), 2, LinearSolver(COMM, "direct", "test_state_"))


def test_snapshots_are_states_in_the_order_of_the_samples() -> None:
    """A log-diffusivity that is c all over divides the state by exp(c)."""
    states = snapshots(forward_model(), space(), [np.full(space().owned, c) for c in (0.0, 1.0, -2.0)])
    expected = states[:, :1] * np.exp([0.0, -1.0, 2.0])
    np.testing.assert_allclose(states, expected, rtol=0, atol=1e-10)
    assert COMM.allreduce(states.max(initial=0.0), op=MPI.MAX) > 0.05


def test_a_sample_without_a_state_is_named_on_all_ranks() -> None:
    """exp overflows at the second one."""
    with pytest.raises(SampleFailed) as caught:
        snapshots(forward_model(), space(), [np.full(space().owned, c) for c in (0.0, 1e4)])
    assert COMM.allgather(caught.value.index) == [1] * COMM.size
