"""A chain as plain data: a tree of numbers beside arrays, and back, the same to the last bit."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Protocol

import numpy as np

from app.posterior.chains.chain import Chain, Tally
from app.posterior.chains.moments import Moments
from app.posterior.chains.target import Point
from app.types import Json, Summary

SPREAD = ("m", "derivative", "gradient")
"""Of a point, what has one value an owned node."""


class Order(Protocol):
    """See app.mesh.NodeOrder."""

    def gathered(self, values: np.ndarray) -> np.ndarray | None:
        """All values in order, on rank 0; collective."""

    def spread(self, values: np.ndarray | None) -> np.ndarray:
        """This rank's part of them; collective."""


def as_data(chain: Chain, order: Order) -> tuple[Summary, dict[str, np.ndarray]]:
    """The chain as a tree for JSON and the arrays that it names; collective, whole on rank 0 only."""
    arrays = {"draws": chain.draws}
    for name in ("mean", "square"):
        arrays[f"moments.{name}"] = whole_on_root(order, getattr(chain.moments, name))
    tree: Summary = {
        "number": chain.number,
        "stream": dict(chain.stream),
        "size": chain.size,
        "burnt": asdict(chain.burnt),
        "kept": asdict(chain.kept),
        "count": chain.moments.count,
        "point": _packed(chain.point, order, arrays, "point"),
    }
    return tree, {f"{chain.number}.{name}": array for name, array in arrays.items()}


def from_data(tree: Json, arrays: Mapping[str, np.ndarray], order: Order) -> Chain:
    """The chain of a tree and its arrays; what is spread is needed on rank 0 only. Collective."""
    own = {name.partition(".")[2]: array for name, array in arrays.items() if _is_of(name, tree["number"])}
    mean, square = (order.spread(own[f"moments.{name}"]) for name in ("mean", "square"))
    return Chain(
        number=tree["number"],
        point=_unpacked(tree["point"], own, order, "point"),
        stream=tree["stream"],
        size=tree["size"],
        burnt=Tally(**tree["burnt"]),
        kept=Tally(**tree["kept"]),
        moments=Moments(tree["count"], mean, square),
        draws=own["draws"],
    )


def _is_of(name: str, number: int) -> bool:
    return name.partition(".")[0] == str(number)


def _packed(point: Point, order: Order, arrays: dict[str, np.ndarray], name: str) -> Summary:
    spread = [key for key in SPREAD if getattr(point, key) is not None]
    for key in spread:
        arrays[f"{name}.{key}"] = whole_on_root(order, getattr(point, key))
    assert point.quantities is not None
    arrays[f"{name}.quantities"] = point.quantities
    screened = point.screened
    return {
        "energy": point.energy,
        "misfit": point.misfit,
        "spread": spread,
        "screened": None if screened is None else _packed(screened, order, arrays, f"{name}.screened"),
    }


def _unpacked(tree: Json, arrays: Mapping[str, np.ndarray], order: Order, name: str) -> Point:
    screened = tree["screened"]
    return Point(
        energy=tree["energy"],
        misfit=tree["misfit"],
        quantities=arrays[f"{name}.quantities"],
        screened=None if screened is None else _unpacked(screened, arrays, order, f"{name}.screened"),
        **{key: order.spread(arrays[f"{name}.{key}"]) for key in tree["spread"]},
    )


def whole_on_root(order: Order, values: np.ndarray) -> np.ndarray:
    """All of it on rank 0, nothing on the others."""
    whole = order.gathered(values)
    return np.empty(0) if whole is None else whole
