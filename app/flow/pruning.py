"""Pruning, after Optimal Brain Surgeon (Hassibi and Stork 1993): neurons that the coefficient hardly needs
are removed, and their part is taken over by the others.

m is linear in the outgoing weights c of the last hidden layer and in the output's bias, m = … + Ψc (to first
order, if a transform follows). A neuron j is removed by the Δ with Δⱼ = −cⱼ that changes m least,
min ‖ΨΔ‖²_K = cⱼ² / [(ΨᵀKΨ)⁻¹]ⱼⱼ. Neurons are removed in the order of that cost, which is worked out anew
after each; the costs add up to the square change of m, since what each changes is K-orthogonal to the space
that is left. Of two equal neurons one goes at no cost. No PDE is solved (docs/method.md).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.flow.models import Model
from app.flow.protocols import Network
from app.flow.retraction import Fit, quadratic
from app.method import GrowthMethod
from app.parallel import gram, timed

DEFAULT = GrowthMethod()


def pruned(fit: Fit, model: Model, change: float, loss: float, method: GrowthMethod = DEFAULT) -> Fit:
    """The fit with as few neurons as may be; of each network one stays at least.

    m changes by at most `change` in the norm of K, and q rises by at most `loss`; both are measured, with
    the network as it is without the neurons. Alike on all ranks.
    """
    groups = fit.network.outgoing
    if max(map(len, groups)) < 2 or not (change > 0 and loss > 0):
        return fit
    with timed("jacobian"):
        D = fit.network.jacobian(fit.theta)
    with timed("expansion"):
        linear = np.concatenate([*groups, fit.network.offsets])
        gram_matrix = model.inner.square(np.asfortranarray(D[:, linear]))
        del D
        sizes = [len(group) for group in groups]
        order, costs = eliminated(gram_matrix, fit.theta[linear], sizes, method.prune_ridge)
        count = int(np.searchsorted(np.cumsum(costs), min(change * change, 2.0 * loss), side="right"))
        while count:
            theta = fit.theta.copy()
            theta[linear] = refitted(gram_matrix, fit.theta[linear], order[:count], method.prune_ridge)
            smaller = _without(fit, model, theta, np.sort(order[:count]))
            moved = smaller.values - fit.values
            square = float(gram(model.inner.comm, moved, model.inner.apply(moved)))
            if square <= change * change and smaller.q - fit.q <= loss:
                return smaller
            count //= 2
    return fit


def eliminated(
    gram_matrix: np.ndarray, weights: np.ndarray, sizes: Sequence[int], ridge: float = DEFAULT.prune_ridge
) -> tuple[list[int], np.ndarray]:
    """Neurons in the order in which they are removed, and the square change of m that each adds.

    `gram_matrix` is ΨᵀKΨ of the outgoing weights, group by group of these `sizes`, and of the offsets after
    them, which stay; of each group one neuron stays. Costs are rounded to six digits and the lowest number
    goes first, so that all rank counts choose alike.
    """
    scale = _scale(gram_matrix)
    inverse = np.linalg.inv(scale[:, None] * gram_matrix * scale + ridge * np.eye(len(scale)))
    c = weights / scale
    owner = np.repeat(np.arange(len(sizes)), sizes)
    left, free = list(sizes), np.ones(len(owner), dtype=bool)
    order: list[int] = []
    costs: list[float] = []
    while True:
        allowed = free & (np.array(left)[owner] > 1)
        if not allowed.any():
            return order, np.array(costs)
        each = np.where(allowed, c[: len(owner)] ** 2 / np.diag(inverse)[: len(owner)], np.inf)
        least = int(np.argmin([float(f"{cost:.5e}") for cost in each]))
        order.append(least)
        costs.append(float(each[least]))
        free[least] = False
        left[owner[least]] -= 1
        column = inverse[:, least] / inverse[least, least]
        c = c - column * c[least]
        inverse = inverse - np.outer(column, inverse[least])
        inverse[least, least] = 1.0  # of the removed one only zeros are left


def refitted(
    gram_matrix: np.ndarray, weights: np.ndarray, removed: Sequence[int], ridge: float = DEFAULT.prune_ridge
) -> np.ndarray:
    """The weights, zero where removed, that change m least in the norm of K."""
    scale = _scale(gram_matrix)
    gone = np.zeros(len(weights), dtype=bool)
    gone[list(removed)] = True
    scaled, c = scale[:, None] * gram_matrix * scale, weights / scale
    taken, *_ = np.linalg.lstsq(
        scaled[np.ix_(~gone, ~gone)], scaled[np.ix_(~gone, gone)] @ c[gone], rcond=ridge
    )
    c[~gone] += taken
    c[gone] = 0.0
    result: np.ndarray = c * scale
    return result


def _scale(gram_matrix: np.ndarray) -> np.ndarray:
    """Makes the diagonal one."""
    diagonal = np.diag(gram_matrix)
    return 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))


def _without(fit: Fit, model: Model, theta: np.ndarray, neurons: np.ndarray) -> Fit:
    network: Network
    network, theta = fit.network.without(theta, neurons)
    values = network.values(theta)
    delta = fit.delta + (values - fit.values)
    q, dual = quadratic(model, delta)
    return replace(fit, network=network, theta=theta, values=values, delta=delta, dual=dual, q=q)
