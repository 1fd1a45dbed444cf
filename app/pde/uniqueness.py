"""Whether the state equation has one state only: what an operator leaves open, and how it is called.

A state is not unique where the operator A takes some other state to zero. Where nothing holds a connected
part of the mesh it is one without a gradient (a constant) or without strain (a rigid motion); these are tried
one after the other, on every part. Whatever else there is grows in a few inverse iterations with the
factorisation.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from mpi4py import MPI
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from app.mesh.meshes import TaggedMesh
from app.parallel import LinearSolver, SolveFailed, multiply, multiply_transpose
from app.pde.rigid import is_displacement
from app.types import Matrix, Space

ROUNDING = 4e-15
"""A v this small against |diag A| v is rounding, of a constant or rigid motion v; it was 1e-16 to 1.1e-15."""

SINGULAR = 7e-16
"""The same of what inverse iteration finds, the smallest there is; it was 1.6e-16 to 3.9e-16."""

ITERATIONS = 4
"""Of inverse iteration: each brings a state that a singular operator takes to zero out by many digits."""

SUSPECT = 1e-6
"""A v below this share of |diag A| v is looked at: it is mostly some h² over that of the whole domain."""

RESONANT = 1e-4
"""Where the terms of vᵀ A v cancel to this share, a change of them by as much changes all of the state."""


class NotUnique(SolveFailed):
    """The state equation has several states, or none; raised on all ranks alike."""


def refuse_open_states(
    operator: Matrix, space: Space, names: Sequence[str], domain: TaggedMesh, fixed: np.ndarray
) -> None:
    """Raise NotUnique where a constant or rigid motion of a part of the mesh is left open; collective.

    `names` are those of the state's components, `fixed` the owned dofs that Dirichlet conditions give. One
    product with the operator for each kind of motion.
    """
    left = list(_left_open(operator, space, names, domain, fixed))
    if left:
        expected = "conditions that hold it: dirichlet, or robin with a transfer above 0"
        raise NotUnique(f"found a state that is not unique: {'; '.join(left)}, expected {expected}")


def refuse_singular(
    operator: Matrix,
    solver: LinearSolver,
    space: Space,
    domain: TaggedMesh,
    by_cell: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Raise NotUnique where the factorisation that the solver holds shows a state v that A takes to zero, or,
    of an operator that is not definite, so nearly to zero as at an eigenfrequency; collective.

    `by_cell` gives what each of the rank's cells contributes to vᵀ A v.
    """
    comm, diagonal = domain.comm, _diagonal(operator)
    found = np.random.default_rng(comm.rank).standard_normal(len(diagonal))
    for step in range(ITERATIONS):
        found = solver.solve(found / _norm(comm, found), transpose=bool(step % 2), checked=False)
        if not np.isfinite(_norm(comm, found)):
            expected = "an operator that is not singular"
            raise NotUnique(f"found a state that is not unique, or none, expected {expected}")
    image, size = multiply(operator, found), _norm(comm, diagonal * found)
    left = _norm(comm, image) / size
    if left <= SINGULAR:
        where = _largest_at(found, space, domain)
        found_one = f"found a state that is not unique: another one, largest at {where}, may be added to it"
        raise NotUnique(f"{found_one}, expected conditions that hold it there")
    asymmetry = _norm(comm, image - multiply_transpose(operator, found)) / size
    if solver.symmetric or left > SUSPECT or asymmetry > ROUNDING:
        return
    own = by_cell(found / _norm(comm, found))
    total, terms = comm.allreduce(np.array([own.sum(), np.abs(own).sum()]))
    if abs(total) < RESONANT * terms:
        added = f"another one, largest at {_largest_at(found, space, domain)}, may be added to it"
        share = f"but for {abs(total) / terms:.1g} of the equation's terms, as at an eigenfrequency"
        expected = "another frequency, or a part of the boundary that absorbs"
        raise NotUnique(f"found a state that is hardly unique: {added} {share}, expected {expected}")


def _largest_at(found: np.ndarray, space: Space, domain: TaggedMesh) -> str:
    """Where a state is largest."""
    size = space.dofmap.index_map_bs
    nodes = space.tabulate_dof_coordinates()[: len(found) // size, : domain.dimension]
    sizes = np.abs(found).reshape(-1, size).max(axis=1)
    best = [(float(sizes.max()), nodes[int(sizes.argmax())].tolist())] if len(sizes) else []
    _, place = max(each for own in domain.comm.allgather(best) for each in own)
    return f"({', '.join(f'{x:.6g}' for x in place)})"


@dataclass(frozen=True)
class Part:
    """A connected part of the mesh, its bounding box."""

    lower: np.ndarray
    upper: np.ndarray

    def __str__(self) -> str:
        low, high = (", ".join(f"{x:.6g}" for x in corner) for corner in (self.lower, self.upper))
        return f"the part of the mesh from ({low}) to ({high})"


def _left_open(
    operator: Matrix, space: Space, names: Sequence[str], domain: TaggedMesh, fixed: np.ndarray
) -> Iterator[str]:
    """What may be added to the state, in words, part by part."""
    comm, size = domain.comm, space.dofmap.index_map_bs
    owned = space.dofmap.index_map.size_local
    labels, parts = connected_parts(domain, space)
    places = space.tabulate_dof_coordinates()[:owned, : domain.dimension]
    motions = _motions(places - np.array([0.5 * (part.lower + part.upper) for part in parts])[labels], names)
    kept = np.ones(owned * size, dtype=bool)
    kept[fixed] = False
    diagonal, rows = _diagonal(operator), np.repeat(labels, size)
    columns = [np.where(kept, motion, 0.0) for motion in motions.values()]
    images = np.stack([multiply(operator, column) for column in columns], axis=1)
    weighted = np.stack([(diagonal * column) ** 2 for column in columns], axis=1)
    sizes = np.stack([np.bincount(rows, column, len(parts)) for column in weighted.T], axis=1)
    sizes = np.sqrt(comm.allreduce(sizes))
    lengths = comm.allreduce(float(np.abs(places).max(initial=0.0)), op=MPI.MAX)
    for index, part in enumerate(parts):
        moving = np.flatnonzero(sizes[index] > 0)
        # Points far from the origin are rounded, and rotations with them.
        far = 1 + lengths / np.linalg.norm(part.upper - part.lower)
        units = sizes[index, moving] * np.where(moving < max(1, len(names)), 1.0, far)
        local = np.linalg.qr(images[rows == index][:, moving] / units, mode="r")
        _, values, directions = np.linalg.svd(np.vstack(comm.allgather(local)))
        values = np.pad(values, (0, len(moving) - len(values)))
        null = directions[values <= ROUNDING]
        if len(null):
            told = _named(null, [list(motions)[i] for i in moving])
            yield f"{told} may be added to it" + (f" in {part}" if len(parts) > 1 else "")


def _named(null: np.ndarray, names: Sequence[str]) -> str:
    """Motions by name as far as each is free by itself; the rest are some of them at once."""
    free = [name for name, share in zip(names, (null**2).sum(axis=0), strict=True) if share > 0.99]
    others = len(null) - len(free)
    if others:
        free.append("a rotation" if others == 1 else f"{others} rotations")
    return " and ".join(free)


def _motions(places: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Constants, and rotations of a state with as many components as there are coordinates; all dofs."""
    nodes, dimension = places.shape
    if not names:
        return {"a constant": np.ones(nodes)}
    unit = np.eye(len(names))
    displacement = is_displacement(names, dimension)
    word = "a translation in" if displacement else "a constant of the component"
    found = {f"{word} {name}": np.tile(unit[i], nodes) for i, name in enumerate(names)}
    if displacement:
        for i in range(dimension):
            for j in range(i + 1, dimension):
                turned = np.outer(places[:, i], unit[j]) - np.outer(places[:, j], unit[i])
                name = "a rotation" if dimension == 2 else f"a rotation in the plane {names[i]}{names[j]}"
                found[name] = turned.ravel()
    return found


def connected_parts(domain: TaggedMesh, space: Space) -> tuple[np.ndarray, list[Part]]:
    """Which part of the mesh each owned node of a space belongs to, and the parts, by the lowest of their
    vertices; collective. Cells that share a vertex are connected."""
    mesh, comm = domain.mesh, domain.comm
    vertices = mesh.topology.index_map(0)
    mesh.topology.create_connectivity(mesh.topology.dim, 0)
    of_cells = mesh.topology.connectivity(mesh.topology.dim, 0).array.reshape(len(space.dofmap.list), -1)
    count = vertices.size_local + vertices.num_ghosts
    edges = (np.repeat(of_cells[:, 0], of_cells.shape[1]), of_cells.ravel())
    _, local = connected_components(coo_matrix((np.ones(len(edges[0])), edges), (count, count)))
    numbers = vertices.local_to_global(np.arange(count, dtype=np.int32))
    lowest = np.full(local.max(initial=-1) + 1, vertices.size_global)
    np.minimum.at(lowest, local, numbers)
    # Vertices that ranks share join what each of them has found.
    ghosts = np.concatenate(comm.allgather(numbers[vertices.size_local :]))
    shared = np.isin(numbers, ghosts)
    links = np.hstack(comm.allgather(np.stack([lowest[local[shared]], numbers[shared]])))
    ends = np.unique(np.concatenate([links.ravel(), *comm.allgather(lowest)]))
    place = np.searchsorted(ends, links)
    total, joined = connected_components(
        coo_matrix((np.ones(links.shape[1]), (place[0], place[1])), (len(ends), len(ends)))
    )
    of_vertices = joined[np.searchsorted(ends, lowest[local])]
    labels = np.zeros(space.dofmap.index_map.size_local + space.dofmap.index_map.num_ghosts, dtype=int)
    labels[space.dofmap.list] = of_vertices[of_cells[:, :1]]
    return labels[: space.dofmap.index_map.size_local], _boxes(domain, of_vertices[of_cells[:, 0]], total)


def _boxes(domain: TaggedMesh, of_cells: np.ndarray, count: int) -> list[Part]:
    """The bounding boxes of parts of the mesh, from the part of each local cell."""
    geometry = domain.mesh.geometry
    corners = geometry.x[geometry.dofmaps[0], : domain.dimension]
    lower, upper = np.full((count, domain.dimension), np.inf), np.full((count, domain.dimension), -np.inf)
    np.minimum.at(lower, of_cells, corners.min(axis=1))
    np.maximum.at(upper, of_cells, corners.max(axis=1))
    domain.comm.Allreduce(MPI.IN_PLACE, lower, op=MPI.MIN)
    domain.comm.Allreduce(MPI.IN_PLACE, upper, op=MPI.MAX)
    return [Part(low, high) for low, high in zip(lower, upper, strict=True)]


def _diagonal(matrix: Matrix) -> np.ndarray:
    vector = matrix.getDiagonal()
    diagonal: np.ndarray = np.abs(vector.array)
    vector.destroy()
    return diagonal


def _norm(comm: MPI.Comm, vector: np.ndarray) -> float:
    """Euclidean, scaled against overflow."""
    finite = comm.allreduce(bool(np.isfinite(vector).all()), op=MPI.LAND)
    largest: float = comm.allreduce(float(np.abs(vector).max(initial=0.0)) if finite else np.inf, op=MPI.MAX)
    if not 0 < largest < np.inf:
        return largest
    scaled = vector / largest
    square: float = comm.allreduce(float(scaled @ scaled))
    return largest * float(np.sqrt(square))
