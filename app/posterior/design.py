"""Where to measure next: candidates by what their readings would take off the variance.

A reading g·m + noise of variance v takes CggᵀC/(v + gᵀCg) off a covariance C, whatever it reads. So the best
next one is known from the products of C with the candidates' rows, made once; the choice of several goes
greedily (Krause, Singh and Guestrin 2008; Alexanderian 2021 for the trace as the aim, A-optimality).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.parallel import gram
from app.posterior.posterior import GaussianPosterior

TIE = 1e-6
"""Candidates whose decrease differs by less than this share are equally good, and the first of them is
chosen: no choice hangs on a last digit."""

KNOWN = 1e-12
"""Functionals whose variance is less than this share of what it was before the data are known already."""


@dataclass(frozen=True, eq=False)
class Aim:
    """Σ variances of some functionals of the coefficient, which is to become small."""

    before: float
    """Its value now."""
    products: Callable[[np.ndarray], np.ndarray]
    """From a block X of coefficients to XᵀQX, the same on all ranks, where the sum is tr(QC); collective."""


def mean_variance(posterior: GaussianPosterior, weights: np.ndarray) -> Aim:
    """Σ weights · variance over the nodal values where R and J are; `weights`, (owned,) ≥ 0, such as the
    integrals of the nodes' basis functions."""
    at = posterior.linearised
    before = float(at.R.comm.allreduce(weights @ at.variance()))
    return Aim(before, lambda block: gram(at.R.comm, block, weights[:, None] * block))


def functional_variance(posterior: GaussianPosterior, rows: np.ndarray) -> Aim:
    """The mean of the variances of functionals, each relative to what it is now; of their derivatives, a
    block of one column each at the nodes of the result. Those that are known already do not count."""
    at, coarse = posterior.linearised, posterior.restricted(rows)
    prior, variances = map(np.diag, at.functional_covariances(coarse))
    unsure = variances > KNOWN * prior
    scaled = np.asfortranarray(coarse[:, unsure] / np.sqrt(variances[unsure] * max(1, unsure.sum())))

    def products(block: np.ndarray) -> np.ndarray:
        seen = gram(at.R.comm, scaled, block)
        result: np.ndarray = seen.T @ seen
        return result

    return Aim(float(unsure.any()), products)


@dataclass(frozen=True, eq=False)
class Design:
    """Candidates in the order in which they are chosen, and what they leave; the same on all ranks."""

    order: np.ndarray
    """Numbers of the candidates, from 0."""
    before: float
    """The aim without any of them."""
    left: np.ndarray
    """The aim with the first, the first two, and so on."""
    std_before: np.ndarray
    """Standard deviation of m at the result's nodes, (owned,)."""
    std_after: np.ndarray
    """The same with the readings of all that are chosen."""

    @property
    def share(self) -> np.ndarray:
        """What is left of the aim, as a share of what it was."""
        return self.left / self.before if self.before > 0 else np.zeros_like(self.left)


def designed(
    posterior: GaussianPosterior, rows: np.ndarray, variances: np.ndarray, aim: Aim, number: int
) -> Design:
    """Choose so many of the candidates, each at most once; collective.

    `rows` are the derivatives of what they read, a block of one column each at the nodes of the result,
    `variances` > 0 those of their noise: candidates at one place are repeated readings.
    """
    at = posterior.linearised
    coarse = np.asfortranarray(posterior.restricted(rows))
    image = at.covariance(coarse)
    covariance = gram(at.R.comm, coarse, image)
    order, left = greedy(covariance, aim.products(image), variances, aim.before, number)
    chosen = covariance[np.ix_(order, order)] + np.diag(variances[order])
    root = np.linalg.cholesky(chosen)
    taken = np.square(np.linalg.solve(root, image[:, order].T)).sum(axis=0)
    return Design(order, aim.before, left, posterior.std, posterior.std_less(taken))


def greedy(
    covariance: np.ndarray, products: np.ndarray, variances: np.ndarray, before: float, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """The order of the choice, and tr(QC) after each.

    `covariance` GᵀCG of the candidates' rows G and `products` GᵀCQCG, (candidates, candidates) each, are
    those of C now; one choice changes both by matrices of rank one and two.
    """
    K, S = covariance.copy(), products.copy()
    open_ = np.ones(len(K), dtype=bool)
    order, left = [], []
    for _ in range(number):
        decrease = np.where(open_, np.diag(S) / (np.diag(K) + variances), -np.inf)
        best = int(np.flatnonzero(decrease >= decrease.max() - TIE * abs(decrease.max()))[0])
        before -= max(float(decrease[best]), 0.0)
        order.append(best)
        left.append(before)
        open_[best] = False
        k, s, size = K[:, best].copy(), S[:, best].copy(), float(K[best, best] + variances[best])
        S += (s[best] / size) * np.outer(k, k) / size - (np.outer(s, k) + np.outer(k, s)) / size
        K -= np.outer(k, k) / size
    return np.array(order, dtype=int), np.array(left)
