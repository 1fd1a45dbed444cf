"""Retraction: the parameters whose coefficient follows the model's step, without any PDE solve."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from app.flow.matrix import FlowMatrix
from app.flow.models import Model
from app.flow.protocols import Network
from app.method import FlowMatrixMethod, Limits, Retraction
from app.parallel import gram, timed

DEFAULT = Retraction()
MATRIX = FlowMatrixMethod()


@dataclass(frozen=True)
class Fit:
    """A network on its way to minimise q(m(θ) − m_k) over θ."""

    network: Network
    theta: np.ndarray
    values: np.ndarray
    """m(θ)."""
    delta: np.ndarray
    """m(θ) − m_k."""
    dual: np.ndarray
    """r + Kδ."""
    q: float
    """q(δ), negative when something was gained."""
    inner_steps: int = 0
    """Levenberg–Marquardt steps so far, rejected ones included."""
    damping: float | None = None
    """μ, relative to trace G / P, to go on with."""


def start_fit(network: Network, theta: np.ndarray, values: np.ndarray, model: Model) -> Fit:
    """The fit at δ = 0."""
    return Fit(network, theta, values, np.zeros_like(values), model.derivative, 0.0)


def retract(
    fit: Fit,
    model: Model,
    G: FlowMatrix | None = None,
    limits: Limits = DEFAULT.coarse,
    method: Retraction = DEFAULT,
    matrix: FlowMatrixMethod = MATRIX,
) -> Fit:
    """Levenberg–Marquardt with geodesic acceleration from a fit, within limits.

    D is new at each accepted step; `G` is the flow matrix at the fit, if it is known already. A step solves
    (DᵀKD + μI) s = −Dᵀ(r + Kδ) by Cholesky and is bent by its correction of second order; μ follows the
    ratio of true to predicted decrease of q (Nielsen 1999).
    """
    start = fit.values - fit.delta
    share, growth = (method.damping if fit.damping is None else fit.damping), 2.0
    D, gains = None, list[float]()
    for _ in range(limits.steps):
        if G is None:
            with timed("jacobian"):
                D = fit.network.jacobian(fit.theta, D)
            G = FlowMatrix(D, model.inner, matrix)
        with timed("retraction"):
            slope = G.pull_back(fit.dual)
            unit = max(np.trace(G.to_dense()) / G.size, np.finfo(float).tiny)
            trial, rejected = None, 0
            while trial is None and rejected < method.max_rejections:
                trial, ratio = _attempt(fit, model, G, slope, share * unit, start, method)
                if trial is None:
                    rejected += 1
                    share, growth = share * growth, growth * 2.0
            if trial is None:
                return replace(fit, inner_steps=fit.inner_steps + rejected, damping=None)
            growth = 2.0
            share = max(share * max(1 / 3, 1 - (2 * min(ratio, 1.0) - 1) ** 3), method.least_damping)
            G = None
            gains.append(fit.q - trial.q)
            fit = replace(trial, inner_steps=fit.inner_steps + rejected + 1, damping=share)
            if limits.ended(gains, -fit.q, len(fit.theta)):
                return fit
    return fit


def _attempt(
    fit: Fit,
    model: Model,
    G: FlowMatrix,
    slope: np.ndarray,
    mu: float,
    start: np.ndarray,
    method: Retraction,
) -> tuple[Fit | None, float]:
    try:
        solve = G.damped(mu)
    except np.linalg.LinAlgError:
        return None, 0.0
    step = -solve(slope)
    predicted = -float(slope @ step + 0.5 * step @ (G @ step))
    theta = fit.theta + step + _bend(fit, model, G, solve, step, method)
    values = fit.network.values(theta)
    delta = values - start
    q, dual = quadratic(model, delta)
    ratio = (fit.q - q) / predicted if predicted > 0 else 0.0
    if not (np.isfinite(q) and ratio > method.accept):
        return None, 0.0
    return Fit(fit.network, theta, values, delta, dual, q), ratio


def _bend(
    fit: Fit,
    model: Model,
    G: FlowMatrix,
    solve: Callable[[np.ndarray], np.ndarray],
    step: np.ndarray,
    method: Retraction,
) -> np.ndarray:
    """Second-order correction of a step: −½ (G + μI)⁻¹ DᵀK m″ with m″ the second derivative of m along it.

    Levenberg–Marquardt follows a straight line in parameters, this one the geodesic of the same start
    (Transtrum and Sethna 2012); zero where the correction is too large to be believed.
    """
    probed = fit.network.values(fit.theta + method.probe * step) - fit.values
    second = (2.0 / method.probe) * (probed / method.probe - G.jacobian @ step)
    if not np.isfinite(gram(G.comm, second, second)):
        return np.zeros_like(step)
    bend = -0.5 * solve(G.pull_back(model.inner.apply(second)))
    believed = 2.0 * np.linalg.norm(bend) <= method.largest_bend * np.linalg.norm(step)
    return bend if believed else np.zeros_like(step)


def quadratic(model: Model, delta: np.ndarray) -> tuple[float, np.ndarray]:
    """q(δ) = rᵀδ + ½δᵀKδ and r + Kδ."""
    image = model.inner.apply(delta)
    q = gram(model.inner.comm, delta, model.derivative + 0.5 * image)
    return float(q), model.derivative + image
