"""Networks that come close to a given function."""

from typing import TYPE_CHECKING, cast

import numpy as np
from mpi4py import MPI

from app.flow.phases import pursued
from app.parallel import gram

if TYPE_CHECKING:
    from app.network import Network

DRAWN = 800
"""Neurons to choose from."""

SCALES = (1.0, 12.0)
"""Range of the slopes of their arguments, where these are zero."""

RIDGE = 1e-4
"""Of the least squares, in units of the number of nodes."""

MISSING = 0.15
"""Share of a level set's variance that may be outside of the span."""

WIDE = 0.25
"""Of a step: the level set rises like tanh where a coefficient is about this far from half of it."""


def matched[N: "Network"](
    comm: MPI.Comm,
    one: N,
    target: np.ndarray,
    least: int,
    most: int,
    rng: np.random.Generator,
    missing: float = MISSING,
) -> tuple[N, np.ndarray]:
    """A network of one hidden layer close to a function at the owned nodes, and its θ; collective.

    Of many random neurons it has those whose span holds the function best: `least` of them at least, and as
    many as leave no more than a share of it `missing`, `most` at most.
    """
    drawn = one.candidates(one.start(rng), DRAWN, SCALES, rng)
    columns = np.column_stack([drawn.tangent, np.ones(len(target)), target])
    products = gram(comm, columns, columns)
    constant, number = products[:, DRAWN], products[DRAWN, DRAWN]
    centred = products - np.outer(constant, constant) / number
    most = max(most, least)
    chosen, gains = pursued(centred[:DRAWN, :DRAWN], centred[:DRAWN, -1], most)
    left = 1.0 - np.cumsum(gains) / (0.5 * max(centred[-1, -1], np.finfo(float).tiny))
    chosen = chosen[: max(least, 1 + int(np.argmax(left < missing)) if left.min() < missing else most)]
    basis = [*chosen, DRAWN]
    inside = products[np.ix_(basis, basis)] + RIDGE * number * np.eye(len(basis))
    outgoing = np.linalg.solve(inside, products[basis, -1])
    shaped, rows = cast(N, one.shaped([((len(chosen),), ())])), drawn.incoming[chosen]
    return shaped, np.concatenate([rows[:, :-1].ravel(), rows[:, -1], outgoing])


def step_target(m: np.ndarray, around: float, value: float) -> np.ndarray:
    """What a level set is to be where m goes from one value to another: positive beyond half of the way."""
    share = (m - around) / (value - around) - 0.5
    found: np.ndarray = 0.5 * np.tanh(share / WIDE)
    return found
