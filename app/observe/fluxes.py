"""Fluxes through parts of the boundary, and from lines or surfaces inside, where the state is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from app.data.places import Source
from app.data.points import PointData, read_parts
from app.observe.kinds import ObservedState, StateObservations
from app.observe.operators import ObservationOperator
from app.schema.section import DataFile
from app.types import Matrix, Space

if TYPE_CHECKING:
    from app.mesh import TaggedMesh

NOT_GIVEN = (
    "found the flux through {}, where no dirichlet condition holds, expected a part where one does: "
    "elsewhere the flux is given and the state is read"
)


class FluxObservations(StateObservations):
    """Integrals of the flux into the domain through parts of the boundary where the state is given."""

    kind: Literal["fluxes"]
    """Integrals of the flux into the domain through parts of the boundary where the state is given; for
    diffusion the diffusivity times du/dn. From a part inside the domain both sides together."""
    file: DataFile
    """A CSV or NPY file with the columns on (the name of a part of the mesh, or all), value and, if known,
    sigma."""

    of_components = False

    def read(self, path: Source, dimension: int, *, in_time: bool) -> PointData:
        """See StateObservations."""
        return read_parts(path, dimension)

    def operator(self, state: ObservedState, data: PointData) -> ObservationOperator:
        """(W A(u, m))_i = the integral of the flux into the domain through the part i, B = 0.

        Raises PlaceError for a part that the mesh lacks and one where the state is not given, on all ranks.
        """
        from app.mesh.rows import empty_rows

        names = data.names or ()
        weights = flux_weights(state.domain, state.space, names, state.given)
        return ObservationOperator(empty_rows(state.space, len(names)), weights)


def flux_weights(domain: TaggedMesh, space: Space, names: Sequence[str], given: Sequence[str]) -> Matrix:
    """W with (W A(u, m))_i = the integral of the flux into the domain through the part named i.

    The flux q_h on the boundary where the state is given, Γ = `given`, is found from ∫_Γ q_h v = A(u, m; v)
    for all v of the state's space (Carey, Chow and Seager 1985); it converges faster than ∇u_h does. So its
    integral over a part is A(u, m; w) with w the L²(Γ) projection of the part's indicator: one where Γ is
    that part alone. The flux is that of the equation, for diffusion κ ∂u/∂n; of a part inside the domain it
    is what enters both sides together, the jump of the flux across it.
    """
    from dolfinx import fem
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import splu

    from app.mesh import MeshError, PlaceError
    from app.mesh.facets import inside, unfit
    from app.mesh.rows import integrals, over_facets, sparse_rows

    comm, index_map = domain.comm, space.dofmap.index_map
    facets = domain.boundary(given) if given else np.empty(0, dtype=np.int32)
    parts = []
    for index, name in enumerate(names):
        try:
            parts.append(domain.boundary(name))
        except MeshError as error:
            raise PlaceError(index, f"on: {error}") from None
        count, interior = inside(domain, parts[-1])
        if not count or 0 < interior < count:
            raise PlaceError(index, f"on: {unfit(name, count, interior)}")
        if comm.allreduce(len(np.setdiff1d(parts[-1], facets))):
            raise PlaceError(index, NOT_GIVEN.format(name))
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
    mine = own + index_map.local_range[0]
    rows = np.repeat(np.arange(len(names)), len(mine))
    values = weights[np.isin(trace, mine)].T.ravel()
    return sparse_rows(space, len(names), rows, np.tile(mine, len(names)), values)


def _rows_of_mass(
    domain: TaggedMesh, space: Space, facets: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Global rows and columns and values of ∫_Γ φ_i φ_j, for these owned dofs i."""
    import ufl
    from dolfinx import fem

    from app.mesh import assembled
    from app.mesh.rows import over_facets
    from app.parallel import timed

    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    with timed("compile"):
        form = fem.form(u * v * over_facets(domain, facets))
    matrix = assembled(form)
    start, columns, values = matrix.getValuesCSR()
    matrix.destroy()
    rows = np.repeat(np.arange(len(start) - 1), np.diff(start))
    kept = np.isin(rows, own)
    first = space.dofmap.index_map.local_range[0]
    return rows[kept] + first, columns[kept], values[kept]
