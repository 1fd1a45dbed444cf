"""Coarser meshes of a case, on which its run begins."""

from __future__ import annotations

from typing import Literal

from app.case.base import BaseCase
from app.case.mesh import BoxMesh, FileMesh, IntervalMesh, Mesh, RectangleMesh
from app.schema.section import Count

type Levels = Literal["auto"] | Count

FEWEST = {1: 64, 2: 32, 3: 12}
"""Cells along the longest side of the coarsest generated mesh, at least, by the dimension."""


def coarser[C: BaseCase](case: C) -> C | None:
    """The same case on a mesh of twice the cell size, where there is one.

    Generated meshes have half as many cells along each side, while as many are left as FEWEST says; a mesh
    from a file is refined one time less.
    """
    mesh = _coarser(case.mesh)
    return None if mesh is None else case.on_mesh(mesh)


def _coarser(mesh: Mesh) -> Mesh | None:
    match mesh:
        case IntervalMesh():
            cells = -(-mesh.cells // 2)
            return mesh.model_copy(update={"cells": cells}) if cells >= FEWEST[1] else None
        case RectangleMesh() | BoxMesh():
            halved = tuple(-(-count // 2) for count in mesh.cells)
            enough = max(halved) >= FEWEST[len(halved)]
            return mesh.model_copy(update={"cells": halved}) if enough else None
        case FileMesh() if mesh.refine > 0:
            return mesh.model_copy(update={"refine": mesh.refine - 1})
        case _:
            return None
