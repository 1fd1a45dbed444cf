"""A run's state as plain data: a tree of names, numbers and lists beside arrays, and back.

What is spread over the ranks is gathered in an order that does not depend on the partition. A state that is
read back lacks what `complete` makes again, and is the same to the last bit otherwise.
"""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

import numpy as np

from app.flow.builders import KrylovMemory, MetricMemory
from app.flow.convex import ConvexMemory
from app.flow.exact import ExactMemory, Taken
from app.flow.phases.protocols import PhaseNetwork, PhasesOf
from app.flow.phases.stage import PhaseMemory
from app.flow.protocols import Network
from app.flow.records import Expansion, Record
from app.flow.scores import Folds
from app.flow.state import FlowState, PhaseChoice, Refinement, Representation, Selected, StepState
from app.types import Json, Summary

KINDS = {
    kind.__name__: kind
    for kind in (
        ConvexMemory, ExactMemory, Expansion, FlowState, Folds, KrylovMemory, MetricMemory, PhaseChoice,
        PhaseMemory, Record, Refinement, Selected, StepState, Taken,
    )
}  # fmt: skip
"""Dataclasses that a state is made of, by their names."""

MADE_AGAIN = {"evaluation", "exact", "notes", "read"}
"""Fields of a state that are not saved."""

SPREAD = {"lagged"}
"""Fields with one value an owned node."""


class Order(Protocol):
    """See app.mesh.NodeOrder."""

    def gathered(self, values: np.ndarray) -> np.ndarray | None:
        """All values in order, on rank 0; collective."""

    def spread(self, values: np.ndarray | None) -> np.ndarray:
        """This rank's part of them; collective."""


type _Made = tuple[Network | None, PhasesOf | None]
"""What networks, and phases, are made by."""


class Damaged(ValueError):
    """Data that are not those of a state."""


def as_data(state: FlowState, order: Order) -> tuple[Summary, dict[str, np.ndarray]]:
    """The state as a tree for JSON and the arrays that it names; collective, whole on rank 0 only."""
    arrays: dict[str, np.ndarray] = {}
    return _packed(state, order, arrays), arrays


def from_data(
    tree: Json,
    arrays: Mapping[str, np.ndarray],
    order: Order,
    network: Network | None,
    phases: PhasesOf | None = None,
) -> FlowState:
    """The state of a tree and its arrays, the same on all ranks; `network` is one at the nodes in question,
    and `phases` make those.

    Arrays of what is spread are needed on rank 0 only. Collective; raises Damaged on all ranks alike.
    """
    try:
        state = _unpacked(tree, arrays, order, (network, phases))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"found data that are not those of a run's state ({error})") from None
    if not isinstance(state, FlowState):
        raise Damaged("found data of something else than a run's state")
    return state


def _packed(value: object, order: Order, arrays: dict[str, np.ndarray]) -> Json:
    if isinstance(value, Representation):
        own = value.theta if value.network is not None else order.gathered(value.theta)
        shape = None if value.network is None else value.network.shape
        phases = value.network.described() if isinstance(value.network, PhaseNetwork) else None
        return {
            "$kind": "Representation",
            "phases": phases,
            "shape": _packed(shape, order, arrays),
            "size": value.size,
            "theta": _named(own, arrays),
        }
    if is_dataclass(value):
        packed: Summary = {"$kind": type(value).__name__}
        for each in fields(value):
            own = getattr(value, each.name)
            if each.name in MADE_AGAIN:
                continue
            if each.name in SPREAD and own is not None:
                packed[each.name] = {"$spread": _named(order.gathered(own), arrays)}
            else:
                packed[each.name] = _packed(own, order, arrays)
        return packed
    if isinstance(value, np.ndarray):
        return _named(value, arrays)
    if isinstance(value, Mapping):
        return {"$map": {key: _packed(own, order, arrays) for key, own in value.items()}}
    if isinstance(value, tuple | list):
        return [_packed(own, order, arrays) for own in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    return value


def _named(values: np.ndarray | None, arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """Put an array among the others; on ranks that have none only its name counts."""
    name = f"{len(arrays):04d}"
    arrays[name] = np.empty(0) if values is None else np.ascontiguousarray(values)
    return {"$array": name}


def _unpacked(value: Json, arrays: Mapping[str, np.ndarray], order: Order, made: _Made) -> Any:
    if isinstance(value, list):
        return tuple(_unpacked(own, arrays, order, made) for own in value)
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return arrays[value["$array"]]
    if "$spread" in value:
        return order.spread(arrays[value["$spread"]["$array"]])
    if "$float" in value:
        return float(value["$float"])
    if "$map" in value:
        return {key: _unpacked(own, arrays, order, made) for key, own in value["$map"].items()}
    given = {key: own for key, own in value.items() if key != "$kind"}
    if value["$kind"] == "Representation":
        theta = arrays[given["theta"]["$array"]]
        if given["shape"] is None:
            return Representation(None, order.spread(theta), int(given["size"]))
        network, phases = made
        if given.get("phases") is not None:
            if phases is None:
                raise Damaged("found phases where none are considered")
            own: Any = phases.of(given["phases"])
        elif network is None:
            raise Damaged("found a network where nodal values are sought")
        else:
            own = network.shaped(_unpacked(given["shape"], arrays, order, made))
        if theta.shape != (own.size,):
            raise Damaged(f"found {theta.size} parameters for a network with {own.size}")
        return Representation.of(own, theta)
    unpacked = {key: _unpacked(own, arrays, order, made) for key, own in given.items()}
    return KINDS[value["$kind"]](**unpacked)
