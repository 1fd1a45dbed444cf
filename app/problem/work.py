"""What the solves of a run amount to in work units: solves with the state operator of its finest mesh."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from app.parallel import Tally
from app.pde import Counts

MESH = "mesh_"
"""How a meter names what is solved and factorised on one mesh; the coarsest has the number 0."""


class Sized(Protocol):
    """What has dofs."""

    @property
    def size(self) -> int:
        """Their number over all ranks."""


class OnMesh(Protocol):
    """An inverse problem on one of the meshes of a run."""

    @property
    def forward(self) -> Sized:
        """Its state."""

    @property
    def coefficient(self) -> Sized:
        """Its unknowns."""


def work_on(number: int, counts: Counts, riesz: Tally) -> dict[str, float]:
    """What was done on a mesh, as a meter tells it; on this rank."""
    told = {
        "state_solves": counts.state_solves,
        "linear_solves": counts.linear_solves,
        "riesz_solves": riesz.solves,
        "states": counts.state_rhs + counts.recomputed_rhs,
        "state_seconds": counts.state_seconds,
        "factorisation_seconds": counts.factorisation_seconds + riesz.setup_seconds,
    }
    return {f"{MESH}{number}_{name}": value for name, value in told.items()}


def done_on(number: int, spent: Mapping[str, float]) -> dict[str, float]:
    """The same from what was spent."""
    prefix = f"{MESH}{number}_"
    return {name.removeprefix(prefix): each for name, each in spent.items() if name.startswith(prefix)}


def work_units(spent: Mapping[str, float], meshes: Sequence[OnMesh]) -> list[float]:
    """What was spent on each mesh, the coarsest first, in solves with the state operator of the last.

    A right-hand side counts by the state dofs of its mesh over the finest's, one of R by the coefficient dofs
    over the finest's state dofs; a factorisation as so many solves for a state on the same mesh as take
    its time.
    """
    finest = meshes[-1].forward.size
    found = []
    for number, mesh in enumerate(meshes):
        done = done_on(number, spent)
        if not done:
            found.append(0.0)
            continue
        solves = done["linear_solves"]
        if done["state_seconds"] > 0.0:
            solves += done["factorisation_seconds"] * done["states"] / done["state_seconds"]
        units = solves * mesh.forward.size + done["riesz_solves"] * mesh.coefficient.size
        found.append(units / finest)
    return found
