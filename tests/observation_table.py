"""Every kind of observation on the unit square, and what any of them can be given."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.data import PointData
from app.mesh import TaggedMesh
from app.observe import OBSERVATIONS, ObservationOperator, ObservedState, StateObservations
from app.pde import ForwardModel

PLANE = "1 + 2*x - 3*y"
"""A state that linear elements hold exactly."""

INSIDE = np.random.default_rng(3).uniform(0.05, 0.95, (7, 2))

KINDS = [kind for kind, each in OBSERVATIONS.items() if issubclass(each, StateObservations) and each.of_state]
"""Those that have an operator on the state; four-electrode readings have a forward model of their own."""


@dataclass(frozen=True)
class Taken:
    """Where readings are taken: the section's own keys, and what its file says; and what is read there."""

    keys: dict[str, Any] = field(default_factory=dict)
    points: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    exact: tuple[float, ...] | None = None
    """The readings of the state PLANE, by the definition of the kind; None where they are no such numbers."""

    def read_as(self, kind: str, **keys: Any) -> tuple[StateObservations, PointData]:
        """The section of a kind, with further keys, and the readings."""
        chosen: Any = OBSERVATIONS[kind]
        count = len(self.names if self.points is None else self.points)
        data = PointData(
            points=np.full((count, 2), np.nan) if self.points is None else self.points.copy(),
            values=np.zeros(count),
            sigma=None,
            lines=np.arange(count) + 2,
            names=self.names,
            columns={name: column.copy() for name, column in self.columns.items()},
        )
        return chosen(kind=kind, file="readings.csv", **(self.keys | keys)), data

    def operator(self, kind: str, state: ObservedState, **keys: Any) -> ObservationOperator:
        """What reads the state so."""
        section, data = self.read_as(kind, **keys)
        return section.operator(state, data)


PLACES = {
    "points": Taken(points=INSIDE, exact=tuple(1 + INSIDE @ [2, -3])),
    "averages of regions": Taken(names=("half", "all", "half"), exact=(0.0, 0.5, 0.0)),
    "averages over discs": Taken(
        points=np.array([[0.3, 0.4], [0.5, 0.5], [0.8, 0.7]]),
        columns={"radius": np.array([0.2, 0.4, 0.05])},
        exact=(0.4, 0.5, 0.5),
    ),
    "traces": Taken(
        {"on": ("top", "right")}, np.array([[0.3, 1.0], [0.85, 1.001], [1.0, 0.4]]), exact=(-1.4, -0.3, 1.8)
    ),
    "fluxes": Taken(names=("left", "bottom", "left")),
    "field": Taken(points=np.array([[0.5, 0.5], [0.25, 0.75]]), exact=(0.5, -0.75)),
}
"""By kind, and what tells two ways apart."""


def with_half(domain: TaggedMesh) -> TaggedMesh:
    """The unit square with a region `half` of its cells: those whose centre has x < 0.5."""
    from dolfinx.mesh import compute_midpoints

    cells = domain.mesh.topology.index_map(domain.dimension)
    local = np.arange(cells.size_local + cells.num_ghosts, dtype=np.int32)
    middles = compute_midpoints(domain.mesh, domain.dimension, local)
    return TaggedMesh(domain.mesh, domain.facets, {"half": local[middles[:, 0] < 0.5]})


def state_of(forward: ForwardModel) -> ObservedState:
    """The model's state, which the left and the lower side give."""
    domain = with_half(forward.coefficient.domain)
    return ObservedState(domain, forward.space, forward.components, ("left", "bottom"))


def made(kind: str, forward: ForwardModel, taken: Taken | None = None, **keys: Any) -> ObservationOperator:
    """An observation of the model's state, at the places of the table or others."""
    return (taken or PLACES[kind]).operator(kind.split(" ")[0], state_of(forward), **keys)


def observe(kind: str, forward: ForwardModel) -> ObservationOperator:
    """Observe the model so."""
    operator = made(kind, forward)
    forward.observe_with(operator.matrix, operator.weights)
    return operator
