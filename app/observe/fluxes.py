"""Fluxes through parts of the boundary where the state is given."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

from app.mesh.meshes import TaggedMesh
from app.mesh.rows import empty_rows, fem_petsc, integrals, over_facets
from app.parallel import timed
from app.parallel.blocks import PETSc


class StateNotGiven(ValueError):
    """The state is not given on all of a part whose flux is read; `index` counts the parts from 0."""

    def __init__(self, index: int, name: str) -> None:
        super().__init__(index, name)
        self.index, self.name = index, name

    def __str__(self) -> str:
        return (
            f"found the flux through {self.name}, where no dirichlet condition holds, expected a part where "
            "one does: elsewhere the flux is given and the state is read"
        )


def flux_weights(domain: TaggedMesh, space: Any, names: Sequence[str], given: Sequence[str]) -> Any:
    """W with (W A(u, m))_i = the integral of the flux into the domain through the part named i.

    The flux q_h on the boundary where the state is given, Γ = `given`, is found from ∫_Γ q_h v = A(u, m; v)
    for all v of the state's space (Carey, Chow and Seager 1985); it converges faster than ∇u_h does. So its
    integral over a part is A(u, m; w) with w the L²(Γ) projection of the part's indicator: one where Γ is
    that part alone. The flux is that of the equation, for diffusion κ ∂u/∂n.
    """
    comm, index_map = domain.comm, space.dofmap.index_map
    facets = domain.boundary(given) if given else np.empty(0, dtype=np.int32)
    parts = [domain.boundary(name) for name in names]
    for index, part in enumerate(parts):
        if comm.allreduce(len(np.setdiff1d(part, facets))):
            raise StateNotGiven(index, names[index])
    dofs = fem.locate_dofs_topological(space, domain.dimension - 1, facets)
    own = np.unique(dofs[dofs < index_map.size_local])
    mass = _rows_of_mass(domain, space, facets, own)
    shares = np.stack([integrals(space, over_facets(domain, part))[own] for part in parts], axis=1)
    seen = comm.allgather((own + index_map.local_range[0], mass, shares))
    trace = np.concatenate([part[0] for part in seen])
    rows, columns, values = (np.concatenate([part[1][i] for part in seen]) for i in range(3))
    kept = np.isin(columns, trace)
    place = np.searchsorted(trace, [rows[kept], columns[kept]])  # ranks own ascending dofs
    whole = csc_matrix((values[kept], (place[0], place[1])), shape=(len(trace), len(trace)))
    weights = splu(whole).solve(np.concatenate([part[2] for part in seen]))
    matrix = empty_rows(space, len(names))
    for row in range(*matrix.getOwnershipRange()):
        matrix.setValues([row], trace.astype(PETSc.IntType), weights[:, row])
    matrix.assemble()
    return matrix


def _rows_of_mass(
    domain: TaggedMesh, space: Any, facets: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Global rows and columns and values of ∫_Γ φ_i φ_j, for these owned dofs i."""
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    with timed("compile"):
        form = fem.form(u * v * over_facets(domain, facets))
    matrix = fem_petsc.assemble_matrix(form)
    matrix.assemble()
    start, columns, values = matrix.getValuesCSR()
    matrix.destroy()
    rows = np.repeat(np.arange(len(start) - 1), np.diff(start))
    kept = np.isin(rows, own)
    first = space.dofmap.index_map.local_range[0]
    return rows[kept] + first, columns[kept], values[kept]
