"""A picture of the coefficient, beside the truth and the error where there is one."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from dolfinx.plot import vtk_mesh
from mpi4py import MPI

from app.output.canvas import load_matplotlib
from app.output.files import drawn, written
from app.types import Axes, Canvas, Space, Summary, Untyped

WRITES = ("coefficient.png",)
"""Names of the files, for whoever replaces them."""

PANEL = 4.2
"""Side of a panel in inches."""

VTK_QUADRILATERAL, VTK_LAGRANGE_QUADRILATERAL = 9, 70
"""VTK's numbers of these cells."""

MOST_POINTS = 1000
"""More measurement points than this would hide the field and are not drawn."""


@dataclass(frozen=True)
class Drawing:
    """The mesh of a space's nodes and fields at them, whole: what rank 0 draws."""

    cells: np.ndarray
    """Nodes of each cell, shape (cells, nodes)."""
    types: np.ndarray
    """VTK's cell types."""
    nodes: np.ndarray
    """Coordinates, shape (nodes, 3)."""
    rows: list[dict[str, np.ndarray]]


def draw_fields(
    path: Path,
    space: Space,
    rows: Sequence[Mapping[str, np.ndarray]],
    points: np.ndarray,
    *,
    logarithmic: bool = False,
    numbered: bool = False,
) -> str | None:
    """Draw owned nodal values of a Lagrange space in rows, fields by their names; collective, rank 0 draws.

    Fields whose name starts with `error` have colours of their own, the others of a row share one scale. In
    space all are drawn in one row. `points`, shape (readings, dimension), are the measurement points,
    `numbered` from 1 if they are electrodes; in the plane the shared scale may be `logarithmic` (fields > 0).
    Returns, on all ranks, why there is no picture, None if there is one: a machine without graphics loses a
    picture in space, not the run. Raises OSError on all ranks.
    """
    comm: MPI.Comm = space.mesh.comm
    drawing = gathered(space, rows)
    plane = partial(_draw_plane, logarithmic=logarithmic, numbered=numbered)

    def draw() -> None:
        load_matplotlib()
        of: Untyped = {1: _draw_line, 2: plane, 3: draw_space}[space.mesh.geometry.dim]
        of(path, drawing, points)

    return drawn(comm, draw)


def gathered(space: Space, rows: Sequence[Mapping[str, np.ndarray]]) -> Drawing | None:
    """On rank 0; None elsewhere."""
    comm: MPI.Comm = space.mesh.comm
    index_map = space.dofmap.index_map
    cells, types, x = vtk_mesh(space)
    width = space.dofmap.list.shape[1]
    local = cells.reshape(-1, width + 1)[:, 1:]
    connectivity = index_map.local_to_global(local.ravel().astype(np.int32)).reshape(local.shape)
    fields = [dict(row) for row in rows]
    part = (connectivity, types, x[: index_map.size_local], fields)
    parts = comm.gather(part, root=0)
    if parts is None:
        return None
    merged = [np.concatenate([part[i] for part in parts]) for i in range(3)]
    whole = [
        {name: np.concatenate([part[3][i][name] for part in parts]) for name in row}
        for i, row in enumerate(fields)
    ]
    return Drawing(merged[0], merged[1], merged[2], whole)


def triangles(drawing: Drawing) -> np.ndarray:
    """The cells of a plane as triangles of their corners, which VTK has first: quadrilaterals as two each."""
    quadrilaterals = drawing.types[0] in (VTK_QUADRILATERAL, VTK_LAGRANGE_QUADRILATERAL)
    first = drawing.cells[:, [0, 1, 2]]
    return np.vstack([first, drawing.cells[:, [0, 2, 3]]]) if quadrilaterals else first


def _draw_line(path: Path, drawing: Drawing, points: np.ndarray) -> None:
    figure, panels = panelled(len(drawing.rows), 1)
    order = np.argsort(drawing.nodes[:, 0], kind="stable")
    for (axes,), fields in zip(panels, drawing.rows, strict=True):
        axes.set_xlabel("x")
        for name, values in fields.items():
            axes.plot(drawing.nodes[order, 0], values[order], label=name)
        if len(points):
            axes.plot(points[:, 0], np.full(len(points), axes.get_ylim()[0]), "k|", label="readings")
        axes.legend()
    save(figure, path)


def _draw_plane(
    path: Path, drawing: Drawing, points: np.ndarray, *, logarithmic: bool, numbered: bool
) -> None:
    from matplotlib.colors import LogNorm, Normalize

    figure, panels = panelled(len(drawing.rows), max(map(len, drawing.rows)))
    corners = triangles(drawing)
    x, y = drawing.nodes[:, 0], drawing.nodes[:, 1]
    for axes in panels.ravel():
        axes.set_axis_off()
    shown = [(row, name) for row in drawing.rows for name in row]
    places = [axes for row, fields in zip(panels, drawing.rows, strict=True) for axes in row[: len(fields)]]
    for axes, (fields, name) in zip(places, shown, strict=True):
        values = fields[name]
        low, high, colours = _scale(fields, name)
        ratio = logarithmic and not name.startswith("error")
        norm = LogNorm(low, high) if ratio and high > low > 0 else Normalize(low, high)
        image = axes.tripcolor(x, y, corners, values, shading="gouraud", cmap=colours, norm=norm)
        figure.colorbar(image, ax=axes, location="bottom", shrink=0.85, pad=0.03)
        axes.set_title(name)
        axes.set_aspect("equal")
        if numbered:
            axes.scatter(points[:, 0], points[:, 1], s=14, c="black", linewidths=0, zorder=3, clip_on=False)
    if numbered:
        middle = points.mean(axis=0)
        for number, point in enumerate(points, 1):
            panels[0, 0].annotate(
                str(number), middle + 1.08 * (point - middle), ha="center", va="center", fontsize=7
            )
    elif len(points) <= MOST_POINTS:
        for axes in panels[:, 0]:
            axes.scatter(points[:, 0], points[:, 1], s=3, c="white", alpha=0.7, linewidths=0)
    save(figure, path)


def draw_space(path: Path, drawing: Drawing, points: np.ndarray) -> None:
    """By pyvista in a process of its own, since graphics libraries that are missing or broken kill theirs."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fields.npz"
        fields = {name: values for row in drawing.rows for name, values in row.items()}
        scales = {f"scale {name}": np.array(_scale(row, name)[:2]) for row in drawing.rows for name in row}
        mesh = {"mesh cells": drawing.cells, "mesh types": drawing.types, "mesh nodes": drawing.nodes}
        content: Summary = {**mesh, **scales, **fields}
        np.savez(file, **content)
        script = Path(__file__).with_name("render.py")
        # Isolated, and without what the launcher tells its ranks: the child is none of them.
        command = [sys.executable, "-I", str(script), str(file)]
        launcher = ("PMI", "PMIX", "HYDRA", "MPI", "OMPI")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(launcher)}
        with written(path) as part:
            command.append(str(part.resolve()))
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
            if done.returncode != 0 or not part.exists():
                reason = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
                raise RuntimeError(f"pyvista could not draw here ({reason[0]})")


def _scale(fields: Mapping[str, np.ndarray], name: str) -> tuple[float, float, str]:
    """Least and greatest value of a field's colours, and their name."""
    if name.startswith("error"):
        bound = max(float(np.abs(fields[name]).max()), 1e-12)
        return -bound, bound, "coolwarm"
    shared = np.concatenate([values for key, values in fields.items() if not key.startswith("error")])
    return float(shared.min()), float(shared.max()), "viridis"


def panelled(rows: int, panels: int) -> tuple[Canvas, Axes]:
    """A figure with its axes in rows of so many panels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PANEL * panels, 1.3 * PANEL * rows), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, panels, squeeze=False)


def coloured(
    figure: Canvas,
    axes: Axes,
    drawing: Drawing,
    name: str,
    values: np.ndarray,
    ends: tuple[float | None, float | None] = (None, None),
) -> None:
    """Nodal values by colours between these ends, or their own."""
    x, y = drawing.nodes[:, 0], drawing.nodes[:, 1]
    shown = {"shading": "gouraud", "cmap": "viridis", "vmin": ends[0], "vmax": ends[1]}
    image = axes.tripcolor(x, y, triangles(drawing), values, **shown)
    figure.colorbar(image, ax=axes, location="bottom", shrink=0.85, pad=0.03)
    axes.set_title(name)
    axes.set_aspect("equal")
    axes.set_axis_off()


def save(figure: Canvas, path: Path) -> None:
    """Write a figure, or leave the file that was there as it was."""
    with written(path) as part:
        figure.savefig(str(part), bbox_inches="tight", pad_inches=0.05)
