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
    return {"regularisation_kind": "perimeter", "length_scale": None, "phases": told}


def phase_fields(given: Inversion, state: flow.FlowState) -> Summary:
    """The share of each phase at each node, functions by their names; empty without phases."""
    if state.stage != "phases":
        return {}
    network: Untyped = state.representation.network
    shares, space = network.shares(state.representation.theta), given.spaces[given.name]
    named = {f"phase_{number + 1}": column for number, column in enumerate(np.ascontiguousarray(shares.T))}
    return {
        name: space.everywhere(space.extended(np.ascontiguousarray(own))[0], name)
        for name, own in named.items()
    }
