"""The error of a network as a function: not of what the finite elements of a mesh make of it."""

import numpy as np

from app import flow
from app.mesh import QuadratureSpace, RelativeError
from app.problem.inversion import Inversion
from app.types import Summary, Untyped

RULE = 10
"""Degree of the rule by which errors are taken."""


def function_error(given: Inversion, state: flow.FlowState) -> Summary:
    """‖m − truth‖ / ‖truth‖ of phases, which have more of an interface than the mesh can hold, beside that of
    their interpolant; nothing of other coefficients, or where no truth is known. Collective."""
    network: Untyped = state.representation.network
    truth = given.truths.get(given.name)
    if not isinstance(network, flow.PhaseNetwork) or truth is None or not network.uniform:
        return {}
    space = QuadratureSpace(given.domain, RULE)
    here: Untyped = network
    values = here.at(here.nodes_at(space.coordinates, np.zeros(space.owned))).values(
        state.representation.theta
    )
    return {"function_error": RelativeError(space, truth)(values)}
