"""Neurons for the level sets of phases: those by which an interface can best move where the readings ask."""

import numpy as np
from scipy import linalg

from app.flow.phases.objective import Objective, Point, Sensitivity
from app.flow.phases.pursuit import pursued
from app.flow.state import Representation
from app.parallel import gram
from app.types import Untyped


def grown_by(
    objective: Objective, point: Point, J: Sensitivity, rng: np.random.Generator
) -> Representation | None:
    """The same phases with neurons added to the level set where they promise most; collective.

    A candidate counts by how much it lowers the Gauss–Newton model together with all parameters that there
    are: by the Schur complement of H (the gain of app.flow.expansion, here with the perimeter's part).
    """
    if objective.seen is not None:  # what would join is asked for at the nodes
        return None
    found = [
        _promise(objective, point, J, number, rng)
        for number in range(point.network.number)
        if point.network.room
    ]
    best = max(found, key=lambda promise: promise[0], default=None)
    if best is None or not best[0] > 0:
        return None
    _, incoming, number = best
    network: Untyped = point.network
    larger, theta = network.grown(point.own.theta, incoming, number)
    return Representation.of(larger, theta)


def _promise(
    objective: Objective, point: Point, J: Sensitivity, number: int, rng: np.random.Generator
) -> tuple[float, np.ndarray, int]:
    """By how much the model falls with the best neurons of one level set, and these."""
    method, network, theta = objective.method, point.network, point.own.theta
    pool = network.pool(theta, number, method.candidates, method.slopes, rng)
    of_m, of_rows = network.raised(theta, number, objective.weight)
    columns = np.asfortranarray(of_m[:, None] * pool.tangent)
    model = objective.quadratic(point, J)
    counted = slice(None) if objective.counted is None else objective.counted
    images = J.along(point.at, columns, objective.comm)[counted]
    residual = point.at.residual[counted]
    crossed = model.images.T @ images
    slopes = -(images.T @ residual)
    inner = images.T @ images + method.held**2 * np.eye(images.shape[1])
    if objective.weight:
        places, rows = network.near(theta, number), model.tangent.rows[number]
        raised = of_rows[places, None] * pool.tangent[places]
        scaled = network.scales[rows.columns, None]
        crossed[rows.columns] += scaled * gram(objective.comm, rows.derivative, raised)
        slopes -= gram(objective.comm, raised, rows.values)
        inner += gram(objective.comm, raised, raised)
    H = model.H + method.least_damping * np.eye(len(theta))
    solved = linalg.cho_solve(linalg.cho_factor(H), np.column_stack([crossed, model.gradient]))
    inner -= crossed.T @ solved[:, :-1]
    slopes += crossed.T @ solved[:, -1]
    chosen, gained = pursued(inner, slopes, min(method.joining, pool.room))
    return float(gained.sum()), pool.incoming[chosen], number
