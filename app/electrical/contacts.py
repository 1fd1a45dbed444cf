"""The complete electrode model: electrodes with a width and a contact impedance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as _fem_petsc
from dolfinx.mesh import compute_midpoints, meshtags

from app.mesh.meshes import TaggedMesh
from app.parallel import timed
from app.parallel.blocks import PETSc

fem_petsc: Any = _fem_petsc  # its overloads by singledispatch are unknown to type checkers


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

    def assemble(self, domain: TaggedMesh, space: Any, positions: np.ndarray) -> tuple[Any, Any]:
        """The means as a PETSc matrix (electrodes, state dofs), and S = (1/z) Σ_l ∫_l (u − mean_l(u))v.

        A voltage between electrodes that carry no current is the difference of their means. Raises NoContact
        on all ranks.
        """
        comm, index_map = domain.comm, space.dofmap.index_map
        facets = self._facets(domain, positions)
        v = ufl.TestFunction(space)
        means = PETSc.Mat().createAIJ(
            ((PETSc.DECIDE, len(positions)), (index_map.size_local, index_map.size_global)), comm=comm
        )
        means.setOption(PETSc.Mat.Option.NEW_NONZERO_ALLOCATION_ERR, False)
        every = np.sort(np.concatenate(facets))
        with timed("compile"):
            mass = fem.form(ufl.TrialFunction(space) * v * _over(domain, every))
        shunt = fem_petsc.assemble_matrix(mass)
        shunt.assemble()
        rank_one = PETSc.Mat().createAIJ(shunt.getSizes(), nnz=1, comm=comm)
        rank_one.setOption(PETSc.Mat.Option.NEW_NONZERO_ALLOCATION_ERR, False)
        for electrode, own in enumerate(facets):
            integral: Any = fem_petsc.assemble_vector(fem.form(v * _over(domain, own)))
            integral.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
            values = integral.array[: index_map.size_local].copy()
            integral.destroy()
            here = np.flatnonzero(values)
            seen = comm.allgather((here + index_map.local_range[0], values[here]))
            dofs, weights = (np.concatenate([part[i] for part in seen]) for i in (0, 1))
            size = float(weights.sum())
            if not size > 0:
                raise NoContact(electrode, self.width)
            rows = (here + index_map.local_range[0]).astype(PETSc.IntType)
            means.setValues([electrode], rows, values[here] / size)
            rank_one.setValues(rows, dofs.astype(PETSc.IntType), -np.outer(values[here], weights) / size)
        means.assemble()
        rank_one.assemble()
        shunt.axpy(1.0, rank_one, PETSc.Mat.Structure.DIFFERENT_NONZERO_PATTERN)
        shunt.scale(1.0 / self.impedance)
        rank_one.destroy()
        return means, shunt

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


def _over(domain: TaggedMesh, facets: np.ndarray) -> Any:
    """The measure over some facets; of one number, so that all electrodes share one compiled form."""
    tags = meshtags(domain.mesh, domain.dimension - 1, facets, np.ones(len(facets), dtype=np.int32))
    return ufl.Measure("ds", domain=domain.mesh, subdomain_data=tags)(1)
