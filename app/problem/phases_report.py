"""What is said and shown of a coefficient of few values."""

import numpy as np

from app import flow
from app.problem.inversion import Inversion
from app.types import Summary, Untyped


def phases_summary(given: Inversion, state: flow.FlowState) -> Summary:
    """The section `phases` of summary.json, nothing where phases were not considered; collective."""
    choice = state.phase_choice
    if choice is None:
        return {}
    told: Summary = {"taken": choice.taken, "reason": choice.reason}
    network: Untyped = state.representation.network
    if state.stage != "phases":
        return {"phases": told}
    comm, theta, dimension = given.domain.comm, state.representation.theta, given.domain.dimension
    sizes = comm.allreduce(network.sizes(theta)) * network.length**dimension
    perimeters = comm.allreduce(network.perimeters(theta)) * network.length ** (dimension - 1)
    told |= {
        "number": choice.number,
        "values": network.of_values(theta).tolist(),
        "sizes": sizes.tolist(),
        "perimeters": perimeters.tolist(),
        "freedom": choice.freedom,
    }
    if isinstance(network, flow.SmoothPhaseNetwork):
        told["smooth"] = {
            "regularisation_kind": flow.SMOOTH,
            "length_scale": choice.smooth_length,
            "regularisation_weight": choice.smooth_weight,
        }
    return {"regularisation_kind": "perimeter", "length_scale": None, "phases": told}


def phase_fields(given: Inversion, state: flow.FlowState) -> Summary:
    """The share of each phase at each node, and what varies smoothly beside them, functions by their names;
    empty without phases."""
    if state.stage != "phases":
        return {}
    network: Untyped = state.representation.network
    theta, space = state.representation.theta, given.spaces[given.name]
    shares = np.ascontiguousarray(network.shares(theta).T)
    named = {f"phase_{number + 1}": column for number, column in enumerate(shares)}
    if isinstance(network, flow.SmoothPhaseNetwork):
        named["smooth"] = network.smooth_values(theta)
    return {
        name: space.everywhere(space.extended(np.ascontiguousarray(own))[0], name)
        for name, own in named.items()
    }
