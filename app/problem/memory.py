"""What a case takes at least, by its numbers alone: what cannot fit is refused before it is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from mpi4py import MPI

from app.case import (
    BaseCase,
    BoxMesh,
    Case,
    CaseError,
    ElectrodeMesh,
    GrowingNetwork,
    IntervalMesh,
    LinearSolverSpec,
    RectangleMesh,
    ReductionCase,
)
from app.flow import Method
from app.mesh import ReadMesh, TaggedMesh
from app.parallel.memory import available
from app.types import Untyped

NUMBER = 8
"""Bytes of a number in double precision."""

CELL = 300
"""Bytes of a cell of a mesh with its topology, at least (400 on `quickstart` with 512 x 512 rectangles)."""

UNKNOWN = 400
"""Bytes of an unknown of the state with its row of the operator and of the factor or the preconditioner, at
least (730 on `quickstart` with 512 x 512 rectangles)."""

FILL = 100
"""Bytes of an unknown's row of the factor in three dimensions, times the cubic root of their number, at least
(6800 bytes in all on 24 x 24 x 24 boxes of degree 2, 4000 on half as many in each direction)."""

ROWS = 2
"""Blocks of the size of the rows of J that are there at once: they and their Riesz representatives."""

CELLS = {1: 1, 2: 2, 3: 6}
"""Simplices into which an interval, a rectangle and a box are cut, by the dimension; a mesh of simplices that
is refined again and again comes to have so many for each vertex."""

AT_ELECTRODE = 2
"""Cells at an electrode that is a vertex of the boundary, where all have the usual sizes; at least."""

type Path = tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """What is known of a mesh, over all ranks."""

    cells: float
    nodes: float
    dimension: int

    @staticmethod
    def of(domain: TaggedMesh) -> Size:
        """Of a mesh that there is."""
        topology = domain.mesh.topology
        cells = topology.index_map(topology.dim).size_global
        return Size(cells, topology.index_map(0).size_global, domain.dimension)

    @staticmethod
    def refined(given: ReadMesh, times: int) -> Size:
        """Of a mesh that is read, once it is refined so many times; nodes at least."""
        cells, nodes = given.cells * 2.0 ** (given.dimension * times), float(given.vertices)
        if times:
            simplices = given.cell in ("triangle", "tetrahedron")
            nodes = max(nodes, cells / CELLS[given.dimension] if simplices else cells)
        return Size(cells, nodes, given.dimension)

    @staticmethod
    def through(electrodes: np.ndarray, mesh: ElectrodeMesh) -> Size:
        """Of a mesh through electrodes, at least: cells of one size far from them and some at each."""
        extent, distance = np.ptp(electrodes, axis=0), mesh.coarsening * (mesh.size or np.inf)
        if len(extent) == 2:
            cells = 0.5 * float(np.prod(extent)) / distance**2
        else:
            reach = 10.0 * float(np.linalg.norm(extent))
            margin, depth = mesh.margin or reach, mesh.depth or reach
            cells = float(np.prod(extent[:2] + 2.0 * margin)) * depth / distance**3
        cells += AT_ELECTRODE * len(electrodes) / mesh.coarsening ** len(extent)
        return Size(cells, cells / (2 if len(extent) == 2 else 6), len(extent))

    @staticmethod
    def generated(mesh: IntervalMesh | RectangleMesh | BoxMesh) -> Size:
        """Of a mesh that is not yet made."""
        along = (mesh.cells,) if isinstance(mesh, IntervalMesh) else mesh.cells
        cells = CELLS[len(along)] * prod(map(float, along))
        return Size(cells, prod(count + 1.0 for count in along), len(along))


def require_memory(comm: MPI.Comm, case: BaseCase, size: Size, mesh: Path = ("mesh", "cells")) -> None:
    """Raise CaseError on all ranks where a part of the case does not fit into the memory that is left, or all
    together do not; `mesh` is the key that makes the mesh large. Collective.

    The estimate is low: what passes may still be too large.
    """
    left = available(comm) * comm.size
    needed = estimate(case, size, mesh)
    total = sum(needed.values())
    if total <= left:
        return
    path = mesh if needed[mesh] > left else max(needed, key=needed.__getitem__)
    found = f"what takes at least {told_bytes(needed[path])} of memory"
    if needed[path] < total:
        found += f" ({told_bytes(total)} with the rest of the case)"
    raise CaseError(
        [f"{case.where(*path)}: found {found}, expected at most the {told_bytes(left)} that are left"]
    )


def require_rows(comm: MPI.Comm, case: Case, readings: int, nodes: int, method: Method) -> None:
    """Raise CaseError on all ranks where the rows of J do not fit into the memory that is left: those of
    all readings or of their combinations, at all nodes of the coefficient, with their Riesz representatives.

    Only where the data choose the regularisation or its weight are they made for certain. Collective.
    """
    left = available(comm) * comm.size
    if all(not one.selected for one in case.regularisation.values()):
        return
    rows = readings if readings <= method.sketch.most_rows else min(method.sketch.columns, readings)
    needed = ROWS * NUMBER * float(rows) * nodes
    if needed > left:
        where = case.where("experiments" if case.experiments else "observations")
        found = f"what takes at least {told_bytes(needed)} of memory ({rows} rows of J at {nodes} nodes)"
        expected = f"at most the {told_bytes(left)} that are left, or a stated weight of the regularisation"
        raise CaseError([f"{where}: found {found}, expected {expected}"])


def estimate(case: BaseCase, size: Size, mesh: Path) -> dict[Path, float]:
    """Bytes over all ranks at least, by the key that most of them hang on."""
    needed = {mesh: CELL * size.cells + _operator(case, size)}
    samples = _samples(case) if isinstance(case, ReductionCase) else 1.0
    if isinstance(case, ReductionCase):
        widest = max(case.energy.parameters, key=lambda name: case.energy.parameters[name].points)
        needed["energy", "parameters", widest, "points"] = NUMBER * samples * size.nodes
        needed["energy", "unseen"] = NUMBER * case.energy.unseen * size.nodes
    unknowns: dict[str, Untyped] = getattr(case, "unknowns", {})
    nodes = size.nodes * samples
    for name, unknown in unknowns.items():
        if not isinstance(unknown.representation, GrowingNetwork):
            continue
        count = _parameters(unknown.representation.hidden, size.dimension)
        needed["unknowns", name, "representation", "hidden"] = NUMBER * count * (nodes + count)
        rule: Untyped = getattr(case, "expansion", None)
        if rule is not None and rule.strategy != "none":
            needed["expansion", "candidates"] = NUMBER * float(rule.candidates) * nodes
    return needed


def _operator(case: BaseCase, size: Size) -> float:
    """Bytes of the state's operator, factorised or not."""
    equation: Untyped = getattr(case, "equation", None)
    solver = getattr(equation, "solver", None)
    unknowns = size.nodes * float(getattr(equation, "degree", 1)) ** size.dimension
    direct = solver is not None and (solver.kind == "direct" or _below(unknowns, solver))
    filled = direct and size.dimension == 3
    return unknowns * (UNKNOWN + (FILL * unknowns ** (1 / 3) if filled else 0.0))


def _below(unknowns: float, solver: LinearSolverSpec) -> bool:
    """Whether a factorisation is asked for by the number of unknowns; one that is chosen fits."""
    return solver.kind == "auto" and solver.direct_below is not None and unknowns < solver.direct_below


def _samples(case: ReductionCase) -> float:
    """Combinations of the parameters' values."""
    return prod(float(one.points) for one in case.energy.parameters.values())


def _parameters(hidden: tuple[int, ...], dimension: int) -> float:
    """Weights of a network whose first layer sees products of the coordinates."""
    inputs = [dimension * (dimension + 3) / 2, *map(float, hidden)]
    return sum((before + 1) * width for before, width in zip(inputs, [*hidden, 1], strict=True))


def told_bytes(size: float) -> str:
    """A number of bytes in words."""
    return f"{size / 1e9:.3g} GB" if size < 1e12 else f"{size / 1e12:,.0f} TB"
