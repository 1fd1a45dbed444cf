"""Integrals over parts of the boundary and over lines or surfaces inside the domain."""

from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx.mesh import meshtags

from app.mesh.meshes import TaggedMesh
from app.types import Form, Measure, Symbol


@dataclass(frozen=True)
class Surface:
    """∫ over facets on the boundary, and over facets inside the domain of the mean of their two sides.

    A state has one value there; so what a condition brings in at a facet enters both of its cells together.
    """

    outer: Measure
    inner: Measure

    def __rmul__(self, integrand: Symbol) -> Form:
        """integrand * surface, a UFL form."""
        return integrand * self.outer + ufl.avg(ufl.as_ufl(integrand)) * self.inner


def inside(domain: TaggedMesh, facets: np.ndarray) -> tuple[int, int]:
    """How many facets there are of these, and how many of them are not on the boundary, over all ranks;
    collective. `facets` are the rank's own."""
    interior = np.setdiff1d(facets, domain.boundary("all"))
    counted = domain.comm.allreduce(np.array([len(facets), len(interior)]))
    return int(counted[0]), int(counted[1])


def surfaces(domain: TaggedMesh, parts: list[np.ndarray], **metadata: int) -> list[Measure]:
    """The measure of each part, of which there is at least one; collective.

    `parts` are local indices of the rank's own facets. A part that is on the boundary has a ufl.Measure, any
    other a Surface, which forms are multiplied by alike.
    """
    boundary = domain.boundary("all")
    outer = _measure(domain, "ds", [np.intersect1d(part, boundary) for part in parts], metadata)
    interior = [np.setdiff1d(part, boundary) for part in parts]
    found = domain.comm.allreduce(np.array([len(part) for part in interior]))
    if not found.any():
        return [outer(i) for i in range(len(parts))]
    inner = _measure(domain, "dS", interior, metadata)
    return [Surface(outer(i), inner(i)) if found[i] else outer(i) for i in range(len(parts))]


def _measure(domain: TaggedMesh, kind: str, parts: list[np.ndarray], metadata: dict[str, int]) -> Measure:
    """Whose i-th subdomain is the i-th of the parts, which may share facets."""
    indices = np.concatenate(parts)
    marks = np.concatenate([np.full(len(part), i, dtype=np.int32) for i, part in enumerate(parts)])
    order = np.argsort(indices, kind="stable")
    tags = meshtags(domain.mesh, domain.dimension - 1, indices[order].astype(np.int32), marks[order])
    return ufl.Measure(kind, domain=domain.mesh, subdomain_data=tags, metadata=metadata)


def corners(domain: TaggedMesh, facets: np.ndarray) -> np.ndarray:
    """Vertices of this rank's facets, one facet's after the other's, shape (n, dimension)."""
    return domain.corners(facets).reshape(-1, domain.dimension)


def unfit(name: str, count: int, interior: int) -> str:
    """What is wrong with a part of which so many facets are inside the domain."""
    if not count:
        return f"found the part {name!r} without a facet of the mesh, expected one that has some"
    found = f"found the part {name!r} of {count} facets, of which {interior} are inside the domain"
    return f"{found}, expected all of them on the boundary or all inside"
