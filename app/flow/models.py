"""Quadratic models of the energy around a coefficient, q(δ) = rᵀδ + ½δᵀKδ, and how rejection changes them."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from mpi4py import MPI

from app.flow.krylov import Basis
from app.flow.protocols import InnerProduct
from app.method import Caution, Exact, Krylov
from app.parallel import gram, symmetric_product

CAUTION = Caution()


class Model(Protocol):
    """q(δ) = rᵀδ + ½δᵀKδ with K an inner product; immutable."""

    @property
    def derivative(self) -> np.ndarray:
        """r, a dual vector."""

    @property
    def inner(self) -> InnerProduct:
        """K."""

    @property
    def weight(self) -> float:
        """Weight of the regularisation at which trials are judged."""

    @property
    def damped(self) -> bool:
        """Whether earlier rejections hold the step back."""

    def rejected(self) -> "Model":
        """The more cautious model after a rejected trial; costs no right-hand side."""


class LowRank:
    """K = shift·R + C diag(signs) Cᵀ with R⁻¹C at hand; the inverse by Woodbury costs Riesz solves only.

    C is a block; `overlap` is CᵀR⁻¹C.
    """

    def __init__(
        self,
        R: InnerProduct,
        shift: float,
        C: np.ndarray,
        RinvC: np.ndarray,
        signs: np.ndarray,
        overlap: np.ndarray,
    ) -> None:
        self.comm = R.comm
        self._R, self._shift, self._C, self._RinvC, self._signs = R, shift, C, RinvC, signs
        self._capacitance = shift * np.eye(len(signs)) + signs[:, None] * overlap

    def apply(self, block: np.ndarray) -> np.ndarray:
        """K @ block."""
        seen = gram(self.comm, self._C, block)
        image = self._R.apply(block)
        image *= self._shift
        image += self._C @ self._signed(seen)
        return image

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """K⁻¹ @ block."""
        plain = self._R.riesz(block)
        seen = gram(self.comm, self._RinvC, block)
        correction = np.linalg.solve(self._capacitance, self._signed(seen))
        result: np.ndarray = (plain - self._RinvC @ correction) / self._shift
        return result

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ K block."""
        result = self._R.square(block)
        result *= self._shift
        seen = gram(self.comm, self._C, block)
        result += symmetric_product(seen, self._signed(seen))
        return result

    def _signed(self, seen: np.ndarray) -> np.ndarray:
        result: np.ndarray = seen * (self._signs if seen.ndim == 1 else self._signs[:, None])
        return result


@dataclass(frozen=True)
class GaussNewtonModel:
    """K = (w + λ)R − λ(RV)(RV)ᵀ + ĴᵀĴ + ηR: exact on V at η = 0, cautious elsewhere (the safe complement).

    Ĵ are the data combinations that the basis saw. λ is the basis's smallest Ritz value times `caution`; a
    rejection multiplies it, from the second on V is damped too (η = w, then tenfold each time).
    """

    R: InnerProduct
    basis: Basis
    derivative: np.ndarray
    caution: float = 1.0
    damping: float = 0.0
    rejections: int = 0
    rule: Caution = CAUTION
    rank_cut: float = Krylov.rank_cut

    @property
    def weight(self) -> float:
        return self.basis.weight

    @property
    def damped(self) -> bool:
        return self.damping > 0.0

    @cached_property
    def _factors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """C = [RV, Ĵᵀ], R⁻¹C, CᵀR⁻¹C and the number of vectors in V."""
        basis = self.basis
        _, s, right = np.linalg.svd(basis.Y, full_matrices=False)
        kept = s > self.rank_cut * np.max(s, initial=0.0)
        rotation = right[kept].T / s[kept]
        C = np.asfortranarray(np.hstack([basis.RV, basis.Z @ rotation]))
        RinvC = np.asfortranarray(np.hstack([basis.V, basis.RinvZ @ rotation]))
        return C, RinvC, gram(self.R.comm, C, RinvC), basis.size

    @cached_property
    def inner(self) -> InnerProduct:
        C, RinvC, overlap, vectors = self._factors
        lam = self.caution * self.basis.cautious
        signs = np.ones(C.shape[1])
        signs[:vectors] = -lam
        return LowRank(self.R, self.weight + lam + self.damping, C, RinvC, signs, overlap)

    def rejected(self) -> "GaussNewtonModel":
        again, rule = self.rejections + 1, self.rule
        damping = self.damping
        if again >= rule.damped_from:
            damping = rule.damped * damping if damping else self.weight
        harder = replace(self, caution=rule.rejected * self.caution, damping=damping, rejections=again)
        harder.__dict__["_factors"] = self._factors
        return harder


@dataclass(frozen=True)
class LowRankFactors:
    """C with JᵀJ ≈ CCᵀ, R⁻¹C and CᵀR⁻¹C; C is the rows' block times the orthonormal `combinations`."""

    C: np.ndarray
    RinvC: np.ndarray
    overlap: np.ndarray
    combinations: np.ndarray


def exact_factors(R: InnerProduct, weight: float, rows: np.ndarray, cut: float = Exact.cut) -> LowRankFactors:
    """C of a block of rows Ĵᵀ, without the directions that R outweighs: no more columns than needed."""
    inverse = R.riesz(rows)
    values, vectors = np.linalg.eigh(gram(R.comm, rows, inverse))
    kept = values > cut * weight
    kept[-1] = True
    C, RinvC = (np.asfortranarray(block @ vectors[:, kept]) for block in (rows, inverse))
    return LowRankFactors(C, RinvC, np.diag(values[kept]), vectors[:, kept])


@dataclass(frozen=True)
class ExactModel:
    """K = wR + JᵀJ + ηR with J known; a rejection makes η w, then `steeper` times as much each time."""

    R: InnerProduct
    weight: float
    factors: LowRankFactors
    derivative: np.ndarray
    damping: float = 0.0
    steeper: float = Exact.damped

    @cached_property
    def inner(self) -> InnerProduct:
        factors = self.factors
        signs = np.ones(factors.C.shape[1])
        shift = self.weight + self.damping
        return LowRank(self.R, shift, factors.C, factors.RinvC, signs, factors.overlap)

    @property
    def damped(self) -> bool:
        return self.damping > 0.0

    def rejected(self) -> "ExactModel":
        return replace(self, damping=max(self.steeper * self.damping, self.weight))


@dataclass(frozen=True)
class Scaled:
    """K / t."""

    plain: InnerProduct
    time: float

    @property
    def comm(self) -> MPI.Comm:
        return self.plain.comm

    def apply(self, block: np.ndarray) -> np.ndarray:
        return self.plain.apply(block) / self.time

    def riesz(self, block: np.ndarray) -> np.ndarray:
        return self.plain.riesz(block) * self.time

    def square(self, block: np.ndarray) -> np.ndarray:
        return self.plain.square(block) / self.time


@dataclass(frozen=True)
class MetricModel:
    """q(δ) = rᵀδ + δᵀKδ / (2t) of an explicit gradient flow; a rejection halves the time step t."""

    plain: InnerProduct
    derivative: np.ndarray
    weight: float
    time: float
    newton: bool = False
    """Whether K is the energy's Hessian, so that with t = 1 nothing holds the step back."""

    @cached_property
    def inner(self) -> InnerProduct:
        return Scaled(self.plain, self.time)

    @property
    def damped(self) -> bool:
        return not self.newton or self.time < 1.0

    def rejected(self) -> "MetricModel":
        return replace(self, time=0.5 * self.time)
