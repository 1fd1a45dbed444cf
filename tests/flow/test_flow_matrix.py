"""The flow matrix and its direction against dense linear algebra."""

import numpy as np
import pytest
from flow_toys import Dense, rank_deficient, spd

from app.flow.matrix import FlowMatrix
from app.method import FlowMatrixMethod

ROWS, COLUMNS, RANK = 30, 9, 5
CUT, DAMPING = FlowMatrixMethod().cut, FlowMatrixMethod().damping


@pytest.fixture(params=["full", "deficient"])
def parts(request: pytest.FixtureRequest) -> tuple[np.ndarray, Dense, np.ndarray]:
    """A Jacobian of full or lower rank, an inner product and a derivative."""
    rng = np.random.default_rng(3)
    rank = COLUMNS if request.param == "full" else RANK
    D = np.asfortranarray(rank_deficient(rng, ROWS, COLUMNS, rank))
    return D, Dense(spd(rng, ROWS)), rng.standard_normal(ROWS)


def projected_share(D: np.ndarray, K: np.ndarray, r: np.ndarray) -> float:
    """‖Pg‖²_K / ‖g‖²_K with g = K⁻¹r and P the K-orthogonal projection on range(D), by an SVD of LᵀD, K =
    LLᵀ."""
    L = np.linalg.cholesky(K)
    left, s, _ = np.linalg.svd(L.T @ D, full_matrices=False)
    left = left[:, s > 1e-8 * s[0]]
    whitened = np.linalg.solve(L, r)  # Lᵀg
    return float(np.sum((left.T @ whitened) ** 2) / np.sum(whitened**2))


def test_flow_matrix_equals_its_dense_formula(parts: tuple[np.ndarray, Dense, np.ndarray]) -> None:
    """G = DᵀKD, symmetric to the last bit; `@` and pull_back are G and Dᵀ."""
    D, K, r = parts
    G = FlowMatrix(D, K)
    dense = D.T @ K.matrix @ D
    assert np.array_equal(G.to_dense(), G.to_dense().T)
    np.testing.assert_allclose(G.to_dense(), dense, atol=1e-13 * np.abs(dense).max())
    theta = np.arange(1.0, COLUMNS + 1)
    np.testing.assert_allclose(G @ theta, dense @ theta, atol=1e-12 * np.abs(dense).max())
    np.testing.assert_allclose(G.pull_back(r), D.T @ r, atol=1e-13)


def test_direction_is_the_damped_natural_direction(parts: tuple[np.ndarray, Dense, np.ndarray]) -> None:
    """v = −(G + εI)⁻¹Dᵀr with ε = 1e-12 trace G / P (docs/method.md), and its slope is rᵀDv < 0.

    Compared through (G + εI)v and Dv, since rank-deficient systems leave v itself to rounding.
    """
    D, K, r = parts
    G = D.T @ K.matrix @ D
    epsilon = DAMPING * np.trace(G) / COLUMNS
    assert DAMPING == 1e-12
    found = FlowMatrix(D, K).solve(r, K.riesz(r))
    assert found.damping == pytest.approx(epsilon, rel=1e-12)
    expected = -np.linalg.solve(G + epsilon * np.eye(COLUMNS), D.T @ r)
    np.testing.assert_allclose(
        (G + epsilon * np.eye(COLUMNS)) @ found.step, -D.T @ r, atol=1e-9 * np.abs(D.T @ r).max()
    )
    np.testing.assert_allclose(D @ found.step, D @ expected, atol=1e-8 * np.abs(D @ expected).max())
    assert found.slope == pytest.approx(float(r @ D @ found.step), rel=1e-10)
    assert found.slope < 0


def test_direction_equals_the_dense_solution_at_full_rank() -> None:
    """With D of full rank the parameters of the direction themselves equal the dense solution to 1e-10."""
    rng = np.random.default_rng(4)
    D, K, r = rank_deficient(rng, ROWS, COLUMNS, COLUMNS), Dense(spd(rng, ROWS)), rng.standard_normal(ROWS)
    G = D.T @ K.matrix @ D
    expected = -np.linalg.solve(G + 1e-12 * np.trace(G) / COLUMNS * np.eye(COLUMNS), D.T @ r)
    found = FlowMatrix(D, K).solve(r, K.riesz(r)).step
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def test_direction_reports_the_rank(parts: tuple[np.ndarray, Dense, np.ndarray]) -> None:
    """The rank is the number of eigenvalues of G above the cut, here the rank that D was made with."""
    D, K, r = parts
    assert FlowMatrix(D, K).solve(r, K.riesz(r)).rank == np.linalg.matrix_rank(D)


def test_pseudo_inverse_equals_numpys_with_the_same_cut(parts: tuple[np.ndarray, Dense, np.ndarray]) -> None:
    """G⁺ = S (SGS)⁺ S with S G S of unit diagonal, by
    numpy.linalg.pinv with the relative cut 1e-10 of
    docs/method.md, for a vector and a block."""
    D, K, _ = parts
    G = FlowMatrix(D, K)
    assert CUT == 1e-10
    S = np.diag(np.diag(G.to_dense()) ** -0.5)
    expected = S @ np.linalg.pinv(S @ G.to_dense() @ S, rcond=CUT, hermitian=True) @ S
    scale = np.abs(expected).max()
    np.testing.assert_allclose(G.pseudo_solve(np.eye(COLUMNS)), expected, atol=1e-11 * scale)
    np.testing.assert_allclose(G.pseudo_solve(np.arange(9.0)), expected @ np.arange(9.0), atol=1e-10 * scale)


@pytest.mark.parametrize(("angle", "rank"), [(3e-5, 2), (3e-6, 1)])
def test_pseudo_inverse_drops_what_lies_below_the_cut(angle: float, rank: int) -> None:
    """Two unit columns at an angle α have eigenvalues 1 ± cos α, their ratio is α²/4: on both sides of 1e-10,
    the difference of the columns counts or not."""
    D = np.array([[1.0, np.cos(angle)], [0.0, np.sin(angle)]])
    G = FlowMatrix(D, Dense(np.eye(2)))
    assert np.linalg.matrix_rank(G.pseudo_solve(np.eye(2)), tol=1e-3) == rank


def test_what_counts_as_zero_does_not_depend_on_the_parameters_units() -> None:
    """Columns of lengths 1 to 1e-8 that are orthogonal span five directions, all of them kept; one of zeros
    none."""
    lengths = np.array([1.0, 1e-2, 1e-4, 1e-6, 1e-8, 0.0])
    G = FlowMatrix(np.diag(lengths), Dense(np.eye(6)))
    kept = np.append(lengths[:5] ** -2.0, 0.0)
    np.testing.assert_allclose(np.diag(G.pseudo_solve(np.eye(6))), kept, rtol=1e-12)


def test_alignment_is_the_share_of_the_gradient_in_the_tangent_space(
    parts: tuple[np.ndarray, Dense, np.ndarray],
) -> None:
    """cos²a equals the dense projection's ‖Pg‖²_K/‖g‖²_K and lies in [0, 1]."""
    D, K, r = parts
    alignment = FlowMatrix(D, K).alignment(r, K.riesz(r))
    assert alignment == pytest.approx(projected_share(D, K.matrix, r), rel=1e-10)
    assert 0.0 <= alignment <= 1.0
    assert FlowMatrix(D, K).solve(r, K.riesz(r)).alignment == alignment


def test_alignment_is_one_for_a_gradient_in_the_tangent_space(
    parts: tuple[np.ndarray, Dense, np.ndarray],
) -> None:
    """For K⁻¹r = Dv the network can follow the gradient: cos²a = 1 to rounding."""
    D, K, _ = parts
    gradient = D @ np.linspace(-1.0, 2.0, COLUMNS)
    alignment = FlowMatrix(D, K).alignment(K.apply(gradient), gradient)
    assert alignment == pytest.approx(1.0, abs=1e-12)


def test_alignment_is_zero_for_a_gradient_orthogonal_to_the_tangent_space(
    parts: tuple[np.ndarray, Dense, np.ndarray],
) -> None:
    """For Dᵀr = 0 the network cannot follow at all: cos²a = 0 to rounding."""
    D, K, r = parts
    r = r - D @ np.linalg.lstsq(D, r, rcond=1e-10)[0]
    assert FlowMatrix(D, K).alignment(r, K.riesz(r)) == pytest.approx(0.0, abs=1e-12)


def test_damped_solve_refuses_an_indefinite_matrix() -> None:
    """A negative damping beyond the smallest eigenvalue raises LinAlgError, which callers treat as a
    rejection."""
    G = FlowMatrix(np.eye(4), Dense(np.eye(4)))
    with pytest.raises(np.linalg.LinAlgError):
        G.damped_solve(np.ones(4), -2.0)
