"""Every kind of observation on the unit square, and arguments that any of them can be given."""

from typing import Any

import numpy as np

from app.mesh import TaggedMesh
from app.observe import OBSERVATIONS, Observation
from app.pde import ForwardModel

RNG_SEED = 3

PLACES: dict[str, dict[str, Any]] = {
    "points": {"points": np.random.default_rng(RNG_SEED).uniform(0.05, 0.95, (7, 2))},
    "averages of regions": {"names": ["half", "all", "half"]},
    "averages over discs": {
        "points": np.array([[0.3, 0.4], [0.5, 0.5], [0.8, 0.7]]),
        "radii": np.array([0.2, 0.4, 0.05]),
    },
    "traces": {"points": np.array([[0.3, 1.0], [0.85, 1.001], [1.0, 0.4]]), "on": ["top", "right"]},
    "fluxes": {"names": ["left", "bottom", "left"], "given": ["left", "bottom"]},
    "field": {"points": np.array([[0.5, 0.5], [0.25, 0.75]])},
}
"""Arguments beside mesh and space, by kind and what tells two ways apart."""


def with_half(domain: TaggedMesh) -> TaggedMesh:
    """The unit square with a region `half` of its cells: those whose centre has x < 0.5."""
    from dolfinx.mesh import compute_midpoints

    cells = domain.mesh.topology.index_map(domain.dimension)
    local = np.arange(cells.size_local + cells.num_ghosts, dtype=np.int32)
    middles = compute_midpoints(domain.mesh, domain.dimension, local)
    return TaggedMesh(domain.mesh, domain.facets, {"half": local[middles[:, 0] < 0.5]})


def made(kind: str, forward: ForwardModel, **given: Any) -> Observation:
    """An observation of the model's state."""
    places = PLACES[kind] | given
    return OBSERVATIONS[kind.split(" ")[0]](with_half(forward.coefficient.domain), forward.space, **places)


def observe(kind: str, forward: ForwardModel, **given: Any) -> Observation:
    """Observe the model so."""
    observation = made(kind, forward, **given)
    forward.observe_with(observation.matrix, observation.weights)
    return observation
