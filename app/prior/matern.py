"""Matérn fields in the terms of who states them: correlation length, standard deviation, smoothness."""

from __future__ import annotations

from math import gamma, pi, sqrt
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from app.prior.kinds import AnyParameter, CandidateSpec, Option, Tensor

if TYPE_CHECKING:
    from app.mesh.spaces import CoefficientSpace
    from app.prior.gram import InnerProduct, SolverFactory

type Rows = tuple[tuple[float, ...], ...]

SMOOTHNESS = Option(
    "smoothness",
    1,
    (1, 2, 3),
    "Matern's nu in two dimensions, in one half more and in three half less: how often the field has "
    "derivatives",
)

ANISOTROPY = Tensor(
    "anisotropy",
    "{ratio, angle} of the longest to the shortest correlation length in two dimensions and, in degrees from "
    "the x axis, of the direction of the longest; or a symmetric matrix T, with the correlation length over "
    "sqrt(e.inverse(T) e) in the direction e",
)

BOUNDARY = Option(
    "boundary",
    "robin",
    ("robin", "neumann"),
    "what keeps the variance at the boundary near that inside, or the condition that lets it double there",
)

ROBIN = {
    1: {1: 0.4142, 2: 1 / 1.42, 3: 1 / 1.42},
    2: {1: 0.3007, 2: 0.3444, 3: 0.4142},
    3: {1: 0.2473, 2: 0.2701, 3: 0.3007},
}
"""By smoothness and dimension: times ℓ the coefficient of the boundary term ∫uv.

1/1.42 is that of Daon and Stadler (2018, Mitigating the influence of the boundary on PDE-based covariance
operators), which hIPPYlib takes; the others give the variance on a flat boundary that there is inside.
"""


class Matern:
    """R of unit variance: F(M⁻¹F)^(α − 1) by (1 − ℓ²∇·Θ∇)^α with α = smoothness + 1 (Lindgren, Rue and
    Lindström 2011).

    ν = α − d/2 in d dimensions, and the length is ρ = √(8ν) ℓ, at which the correlation is about 0.14.
    """

    fixed = True
    share = 0.4
    finite = True
    parameters: ClassVar[tuple[AnyParameter, ...]] = (SMOOTHNESS, ANISOTROPY, BOUNDARY)
    considered: ClassVar[tuple[CandidateSpec, ...]] = ()
    lengths: ClassVar[tuple[float, ...]] = (0.1, 0.2, 0.4, 0.8, 1.6)
    """Where the data choose the length, as shares of the diagonal."""

    def __init__(
        self,
        space: CoefficientSpace,
        length: float,
        solver: SolverFactory,
        *,
        smoothness: int = 1,
        anisotropy: Rows | None = None,
        boundary: str = "robin",
    ) -> None:
        import ufl

        from app.prior import forms
        from app.prior.gram import Borrowed
        from app.prior.powers import Factor, power_gram
        from app.prior.terms import Term, boundary_term, stiffness_term

        dimension = space.domain.dimension
        theta = tensor(anisotropy, dimension)
        inner = length / sqrt(8.0 * nu(smoothness, dimension))
        scale = unit_precision(smoothness, theta, inner)
        (u, v), gradients = forms.arguments(space), forms.Gradients(space)
        square = forms.constant(space, scale * inner**2)
        if space.degree == 0:
            form = square * theta[0, 0] * gradients.product(u, v) * gradients.measure
            terms = [stiffness_term(space, square)]
        else:
            root = ufl.as_matrix(np.linalg.cholesky(theta).T.tolist())
            form = square * ufl.inner(root * ufl.grad(u), root * ufl.grad(v)) * ufl.dx
            terms = [Term(lambda w: root * ufl.grad(w), square, 2 * space.degree - 2)]
        if boundary == "robin":
            held = forms.constant(space, scale * inner * ROBIN[smoothness][dimension])
            form += held * u * v * ufl.ds
            terms.append(boundary_term(space, held))
        name = (space, length, smoothness, anisotropy, boundary)
        self._gram = power_gram(space, Factor(form, terms), smoothness + 1, solver, name, scale)
        self._lent = Borrowed(self._gram)

    def at(self, values: np.ndarray) -> InnerProduct:
        """R, whatever the owned nodal values."""
        return self._lent

    def close(self) -> None:
        """Close R."""
        self._gram.close()


def nu(smoothness: int, dimension: int) -> float:
    """Matérn's ν = α − d/2 with α = smoothness + 1."""
    return smoothness + 1 - 0.5 * dimension


def tensor(anisotropy: Rows | None, dimension: int) -> np.ndarray:
    """Θ, the identity unless given."""
    return np.eye(dimension) if anisotropy is None else np.array(anisotropy)


def unit_precision(smoothness: int, theta: np.ndarray, inner: float) -> float:
    """The variance Γ(ν) / (Γ(α) (4π)^(d/2) √det Θ ℓ^d) that (1 − ℓ²∇·Θ∇)^(−α) has in all of space: times this
    the operator has unit variance."""
    dimension = len(theta)
    own = gamma(nu(smoothness, dimension)) / gamma(smoothness + 1)
    return float(own / ((4 * pi) ** (0.5 * dimension) * np.sqrt(np.linalg.det(theta)) * inner**dimension))


def stated_by(
    gamma_: float, delta: float, smoothness: int, anisotropy: Rows | None, dimension: int
) -> tuple[float, float]:
    """Correlation length and standard deviation of (δ − γ∇·Θ∇)^(−α): ρ = √(8νγ/δ), and
    σ² = Γ(ν) / (Γ(α) (4π)^(d/2) √det Θ (γ/δ)^(d/2) δ^α); inf, nan or 0 beyond the range of numbers."""
    inner = np.sqrt(np.float64(gamma_) / delta)
    variance = unit_precision(smoothness, tensor(anisotropy, dimension), inner)
    std = np.sqrt(variance / np.float64(delta) ** (smoothness + 1))
    return float(sqrt(8.0 * nu(smoothness, dimension)) * inner), float(std)
