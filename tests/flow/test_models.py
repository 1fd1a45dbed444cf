"""The quadratic models against dense linear algebra, and how a rejected trial changes them."""

from functools import reduce

import numpy as np
import pytest
from flow_toys import Dense, Readings, rank_deficient, spd

from app.flow.krylov import Basis, build_basis, build_basis_by_discrepancy
from app.flow.models import GaussNewtonModel, MetricModel, Model
from app.flow.retraction import quadratic

SIZE, READINGS, VECTORS = 20, 12, 6


def rejected(model: Model, times: int) -> Model:
    return reduce(lambda m, _: m.rejected(), range(times), model)


def basis_over(J: np.ndarray, R: Dense, V: np.ndarray, weight: float) -> Basis:
    """A basis over a given R-orthonormal V, which Lanczos alone would not lead to."""
    Y = J @ V
    values = np.linalg.svd(Y, compute_uv=False)
    cautious = float(values[values > 1e-10 * values[0]][-1] ** 2)
    Z = J.T @ Y
    return Basis(V, R.matrix @ V, Y, Z, R.riesz(Z), weight, cautious, np.zeros(V.shape[1]), 0.0)


def random_basis(rank: int) -> tuple[np.ndarray, Dense, Basis]:
    """Six random R-orthonormal vectors and a J of a rank."""
    rng = np.random.default_rng(5)
    R, J = Dense(spd(rng, SIZE)), rank_deficient(rng, READINGS, SIZE, rank)
    q, _ = np.linalg.qr(rng.standard_normal((SIZE, VECTORS)))
    V = np.linalg.solve(np.linalg.cholesky(R.matrix).T, q)
    return J, R, basis_over(J, R, V, 0.02)


def lanczos_basis(departed: bool, discrepancy: bool) -> tuple[np.ndarray, Dense, Basis]:
    rng = np.random.default_rng(6)
    energy = Readings(rng.standard_normal((READINGS, SIZE)), 3.0 * rng.standard_normal(READINGS))
    R = Dense(spd(rng, SIZE))
    departure = 0.3 * departed * rng.standard_normal(SIZE)
    at = energy.at(departure)
    if discrepancy:
        basis = build_basis_by_discrepancy(at, R, departure, 0.25 * at.value, np.inf)
    else:
        basis = build_basis(at, R, departure, 0.25 * at.value, 0.1)
    return at.jacobian(), R, basis


BASES = {
    "random, Y of full rank": lambda: random_basis(READINGS),
    "random, Y of rank 3": lambda: random_basis(3),
    "random, Y of rank 1": lambda: random_basis(1),
    "given weight": lambda: lanczos_basis(departed=True, discrepancy=False),
    "discrepancy at the reference": lambda: lanczos_basis(departed=False, discrepancy=True),
    "discrepancy": lambda: lanczos_basis(departed=True, discrepancy=True),
}
Parts = tuple[np.ndarray, Dense, Basis]


@pytest.fixture(params=BASES.values(), ids=BASES.keys())
def parts(request: pytest.FixtureRequest) -> Parts:
    """J, R and a Krylov basis; with a Y of full rank and of lower rank."""
    return request.param()


def seen(J: np.ndarray, basis: Basis) -> np.ndarray:
    """JᵀQQᵀJ with Q an orthonormal basis of range Y, by an SVD."""
    left, s, _ = np.linalg.svd(J @ basis.V, full_matrices=False)
    Q = left[:, s > 1e-10 * s[0]]
    return J.T @ Q @ Q.T @ J


def dense_model(J: np.ndarray, R: Dense, basis: Basis, lam: float, damping: float) -> np.ndarray:
    """K = (w + λ)R − λ(RV)(RV)ᵀ + JᵀQQᵀJ + ηR (docs/method.md)."""
    RV = R.matrix @ basis.V
    return (basis.weight + lam + damping) * R.matrix - lam * RV @ RV.T + seen(J, basis)


def test_model_is_exact_on_its_basis(parts: Parts) -> None:
    """KV = (wR + JᵀJ)V to 1e-10, also after one rejection, which leaves V undamped."""
    J, R, basis = parts
    expected = (basis.weight * R.matrix + J.T @ J) @ basis.V
    model = GaussNewtonModel(R, basis, np.zeros(SIZE))
    for m in [model, model.rejected()]:
        found = m.inner.apply(basis.V)
        np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def test_data_combinations_seen_are_those_of_the_projector_on_range_y(parts: Parts) -> None:
    """ĴᵀĴ = JᵀQQᵀJ to 1e-10: what the model adds to (w + λ)R − λ(RV)(RV)ᵀ, Y = QB of whatever rank."""
    J, R, basis = parts
    RV, lam = R.matrix @ basis.V, basis.cautious
    inner = GaussNewtonModel(R, basis, np.zeros(SIZE)).inner
    added = inner.apply(np.eye(SIZE)) - (basis.weight + lam) * R.matrix + lam * RV @ RV.T
    expected = seen(J, basis)
    np.testing.assert_allclose(added, expected, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("rejections", range(5))
def test_model_equals_its_dense_formula(parts: Parts, rejections: int) -> None:
    """K equals the dense formula to 1e-10, λ eight times larger at each rejection, η = 0, 0, w, 10w, 100w."""
    J, R, basis = parts
    caution, start = 1.5, GaussNewtonModel(R, basis, np.zeros(SIZE), caution=1.5)
    damping = 0.0 if rejections < 2 else basis.weight * 10.0 ** (rejections - 2)
    lam = caution * 8.0**rejections * basis.cautious
    expected = dense_model(J, R, basis, lam, damping)
    found = rejected(start, rejections).inner.apply(np.eye(SIZE))
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("rejections", range(5))
def test_woodbury_inverts_the_model(parts: Parts, rejections: int) -> None:
    """K⁻¹ by Woodbury equals the dense inverse to 1e-9 and undoes `apply`, for a vector and a block."""
    J, R, basis = parts
    model = rejected(GaussNewtonModel(R, basis, np.zeros(SIZE), caution=1.5), rejections)
    dense = dense_model(J, R, basis, model.caution * basis.cautious, model.damping)
    block = np.random.default_rng(0).standard_normal((SIZE, 3))
    expected = np.linalg.solve(dense, block)
    np.testing.assert_allclose(model.inner.riesz(block), expected, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_allclose(model.inner.riesz(model.inner.apply(block)), block, rtol=0, atol=1e-9)
    np.testing.assert_allclose(model.inner.riesz(model.inner.apply(block[:, 0])), block[:, 0], atol=1e-9)


def test_model_is_positive_definite(parts: Parts) -> None:
    """K is symmetric, and at least w R: vᵀKv ≥ w vᵀRv for every v."""
    _, R, basis = parts
    for rejections in range(4):
        inner = rejected(GaussNewtonModel(R, basis, np.zeros(SIZE)), rejections).inner
        K = inner.apply(np.eye(SIZE))
        np.testing.assert_allclose(K, K.T, atol=1e-12 * np.abs(K).max())
        assert np.linalg.eigvalsh(K - (1 - 1e-9) * basis.weight * R.matrix)[0] > -1e-12 * np.abs(K).max()


@pytest.mark.parametrize("columns", [1, 2, 9, 30])
def test_squares_of_models_are_gram_matrices(parts: Parts, columns: int) -> None:
    """square(X) = XᵀKX, symmetric to the last bit, for as many columns as there are or few."""
    _, R, basis = parts
    block = np.asfortranarray(np.random.default_rng(columns).standard_normal((SIZE, columns)))
    for model in (GaussNewtonModel(R, basis, np.zeros(SIZE)), MetricModel(R, np.zeros(SIZE), 0.0, 0.3)):
        found = model.inner.square(block)
        expected = block.T @ model.inner.apply(block)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        np.testing.assert_array_equal(found, found.T)


def test_schedule_of_rejections() -> None:
    """Each rejection multiplies λ by 8; from the second on V is damped too: η = w, then tenfold.

    Nothing else changes, and nothing is computed from J again.
    """
    _, R, basis = random_basis(READINGS)
    derivative = np.arange(float(SIZE))
    model = GaussNewtonModel(R, basis, derivative, caution=2.0)
    w = basis.weight
    for times, damping in enumerate([0.0, 0.0, w, 10 * w, 100 * w, 1000 * w]):
        now = rejected(model, times)
        assert now.caution == 2.0 * 8.0**times
        assert now.damping == pytest.approx(damping, rel=1e-14)
        assert now.rejections == times
        assert now.basis is basis and now.derivative is derivative
        assert now.weight == w


def test_rejections_shorten_the_step() -> None:
    """The ideal step −K⁻¹r gets shorter in the R norm at each rejection, so that some trial succeeds."""
    _, R, basis = lanczos_basis(departed=True, discrepancy=False)
    model: Model = GaussNewtonModel(R, basis, np.random.default_rng(1).standard_normal(SIZE))
    lengths = []
    for _ in range(9):
        delta = model.inner.riesz(model.derivative)
        lengths.append(delta @ R.matrix @ delta)
        model = model.rejected()
    assert np.all(np.diff(lengths) < 0)


def test_metric_model_is_an_explicit_time_step() -> None:
    """K/t, its inverse tK⁻¹, and a rejection that halves t."""
    rng = np.random.default_rng(2)
    K, r = Dense(spd(rng, SIZE)), rng.standard_normal(SIZE)
    model = MetricModel(K, r, 0.5, 0.8)
    block = rng.standard_normal((SIZE, 2))
    np.testing.assert_allclose(model.inner.apply(block), K.matrix @ block / 0.8, rtol=1e-13)
    np.testing.assert_allclose(model.inner.riesz(block), 0.8 * np.linalg.solve(K.matrix, block), rtol=1e-10)
    halved = model.rejected()
    assert (halved.time, halved.weight) == (0.4, 0.5)
    assert halved.plain is K and halved.derivative is r


@pytest.mark.parametrize("kind", ["gauss_newton", "metric"])
def test_quadratic_equals_the_dense_model(kind: str) -> None:
    """quadratic() returns rᵀδ + ½δᵀKδ and its derivative r + Kδ."""
    rng = np.random.default_rng(7)
    J, R, basis = random_basis(3)
    r, delta = rng.standard_normal(SIZE), rng.standard_normal(SIZE)
    if kind == "metric":
        model: Model = MetricModel(R, r, 0.0, 0.3)
        K = R.matrix / 0.3
    else:
        model = GaussNewtonModel(R, basis, r)
        K = dense_model(J, R, basis, basis.cautious, 0.0)
    q, dual = quadratic(model, delta)
    assert q == pytest.approx(r @ delta + 0.5 * delta @ K @ delta, rel=1e-10)
    np.testing.assert_allclose(dual, r + K @ delta, atol=1e-10 * np.abs(dual).max())
