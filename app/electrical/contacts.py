"""The complete electrode model: electrodes with a width and a contact impedance."""

from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.mesh import compute_midpoints

from app.mesh import assembled
from app.mesh.meshes import TaggedMesh
from app.mesh.rows import integrals, over_facets, sparse_matrix, sparse_rows
from app.parallel import timed
from app.parallel.blocks import PETSc
from app.types import Matrix, Space


class NoContact(ValueError):
    """An electrode without a boundary facet; `index` counts the electrodes from 0."""

    def __init__(self, index: int, width: float) -> None:
        super().__init__(index, width)
        self.index, self.width = index, width

    def __str__(self) -> str:
        where = f"within half its width of {self.width:g} m"
        return f"found no facet of the boundary {where} at electrode {self.index + 1}, expected a finer mesh"


@dataclass(frozen=True)
class Contacts:
    """Electrodes that cover the boundary within half a `width` (m) of their positions, with the
    `impedance` z (Ωm²) between metal and body.

    σ∂u/∂n = (U_l − u)/z on electrode l, ∫σ∂u/∂n over it the current I_l (Somersalo, Cheney and Isaacson
    1992). With the electrode's potential U_l = zI_l/|e_l| + mean_l(u) eliminated, that is a source
    I_l mean_l(v) and a symmetric form S, which does not know the coefficient.
    """

    width: float
    impedance: float

    def assemble(self, domain: TaggedMesh, space: Space, positions: np.ndarray) -> tuple[Matrix, Matrix]:
        """The means as a PETSc matrix (electrodes, state dofs), and S = (1/z) Σ_l ∫_l (u − mean_l(u))v.

        A voltage between electrodes that carry no current is the difference of their means. The caller
        destroys both. Raises NoContact on all ranks.
        """
        comm, index_map = domain.comm, space.dofmap.index_map
        facets = self._facets(domain, positions)
        means, rank_one = [], []
        for electrode, own in enumerate(facets):
            values = integrals(space, over_facets(domain, own))
            here = np.flatnonzero(values)
            rows = here + index_map.local_range[0]
            seen = comm.allgather((rows, values[here]))
            dofs, weights = (np.concatenate([part[i] for part in seen]) for i in (0, 1))
            size = float(weights.sum())
            if not size > 0:
                raise NoContact(electrode, self.width)
            means.append((np.full(len(rows), electrode), rows, values[here] / size))
            outer = -np.outer(values[here], weights) / size
            rank_one.append((np.repeat(rows, len(dofs)), np.tile(dofs, len(rows)), outer.ravel()))
        v = ufl.TestFunction(space)
        with timed("compile"):
            mass = fem.form(ufl.TrialFunction(space) * v * over_facets(domain, np.concatenate(facets)))
        shunt = assembled(mass)
        correction = sparse_matrix(comm, *shunt.getSizes(), *map(np.concatenate, zip(*rank_one, strict=True)))
        shunt.axpy(1.0, correction, PETSc.Mat.Structure.DIFFERENT_NONZERO_PATTERN)
        shunt.scale(1.0 / self.impedance)
        correction.destroy()
        entries = map(np.concatenate, zip(*means, strict=True))
        return sparse_rows(space, len(positions), *entries), shunt

    def _facets(self, domain: TaggedMesh, positions: np.ndarray) -> list[np.ndarray]:
        """Local indices of each electrode's facets; a facet belongs to the nearest electrode."""
        boundary = domain.boundary("all")
        dimension = domain.dimension
        domain.mesh.topology.create_connectivity(dimension - 1, dimension)
        middles = compute_midpoints(domain.mesh, dimension - 1, boundary)[:, :dimension]
        distance = np.linalg.norm(middles[:, None, :] - positions[None, :, :], axis=2)
        nearest = distance.argmin(axis=1) if len(boundary) else np.empty(0, dtype=int)
        within = distance.min(axis=1, initial=np.inf) < 0.5 * self.width
        return [boundary[within & (nearest == electrode)] for electrode in range(len(positions))]
