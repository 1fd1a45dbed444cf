"""A case in a line: what a run of it will do."""

from __future__ import annotations

from app.case.base import BaseCase
from app.case.case import Case
from app.types import Untyped


def in_a_line(case: BaseCase) -> str:
    """What is sought, in what, from what, and on which mesh."""
    unknowns: dict[str, Untyped] = getattr(case, "unknowns", {})
    if not isinstance(case, Case):
        energy: Untyped = getattr(case, "energy", None)
        return f"{case.name}: {energy.kind} of {', '.join(unknowns)}, {_mesh(case)}"
    sought = ", ".join(f"{name} ({unknown.role})" for name, unknown in unknowns.items())
    named = [
        f"{experiment}.{name}" if experiment else name
        for experiment, part in case.parts.items()
        for name in part.observations
    ]
    readings = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
    return f"{case.name}: recovering {sought} of {case.equation.kind} from {readings}, {_mesh(case)}"


def _mesh(case: BaseCase) -> str:
    mesh: Untyped = case.mesh
    if mesh.kind == "file":
        return f"on the mesh {mesh.file.name}"
    if mesh.kind == "electrodes":
        return "on a mesh through the electrodes"
    cells = mesh.cells if isinstance(mesh.cells, tuple) else (mesh.cells,)
    return f"on {' x '.join(map(str, cells))} cells"
