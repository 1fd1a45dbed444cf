"""Coarser meshes of a case, on which its run begins."""

from __future__ import annotations

from app.case.base import BaseCase
from app.case.mesh import BoxMesh, ElectrodeMesh, FileMesh, IntervalMesh, Mesh, RectangleMesh

FEWEST = {1: 64, 2: 32, 3: 12}
"""Cells along the longest side of the coarsest generated mesh, at least, by the dimension."""

LEAST = 2
"""The same along every side, where the case asks for so many levels."""

COARSEST = 2.0
"""The coarsening of a mesh through electrodes, at most."""

ROUGHEST = 4.0
"""The same where the case asks for so many levels."""


def coarser[C: BaseCase](case: C, *, asked: bool = False) -> C | None:
    """The same case on a mesh of twice the cell size, where there is one.

    Generated meshes have half as many cells along each side, while as many are left as FEWEST says or, if the
    level is `asked` for, LEAST; a mesh from a file is refined one time less; one through
    electrodes is made anew with cells twice as large, up to COARSEST or ROUGHEST.
    """
    mesh = _coarser(case.mesh, asked=asked)
    return None if mesh is None else case.on_mesh(mesh)


def _coarser(mesh: Mesh, *, asked: bool) -> Mesh | None:
    match mesh:
        case IntervalMesh():
            (halved,) = _halved((mesh.cells,))
            return mesh.model_copy(update={"cells": halved}) if _enough((halved,), asked=asked) else None
        case RectangleMesh() | BoxMesh():
            cells = _halved(mesh.cells)
            return mesh.model_copy(update={"cells": cells}) if _enough(cells, asked=asked) else None
        case FileMesh() if mesh.refine > 0:
            return mesh.model_copy(update={"refine": mesh.refine - 1})
        case ElectrodeMesh():
            coarsening, most = 2.0 * mesh.coarsening, ROUGHEST if asked else COARSEST
            return mesh.model_copy(update={"coarsening": coarsening}) if coarsening <= most else None
        case _:
            return None


def _halved(cells: tuple[int, ...]) -> tuple[int, ...]:
    """Of an odd number of cells the larger half: the meshes are then not nested."""
    return tuple(-(-count // 2) for count in cells)


def _enough(cells: tuple[int, ...], *, asked: bool) -> bool:
    return min(cells) >= LEAST if asked else max(cells) >= FEWEST[len(cells)]
