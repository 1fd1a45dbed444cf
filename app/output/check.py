"""The picture of a case before it runs: mesh, parts of the boundary, and where readings were taken."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from dolfinx.mesh import entities_to_geometry

from app.mesh import TaggedMesh
from app.output.drawing import styled, write_figure
from app.output.files import drawn
from app.types import Axes, Canvas, Untyped

WRITES = ("check.png",)
"""Names of the files, for whoever replaces them."""

MOST_CELLS, MOST_FACETS, MOST_POINTS = 20_000, 3_000, 3_000
"""Edges of more cells would be a grey area; of facets and places in space so many are drawn."""

MARKS = "osD^vP*X"
"""One after the other for observations."""


def draw_check(path: Path, domain: TaggedMesh, sensors: Mapping[str, np.ndarray]) -> str | None:
    """Draw a mesh with its parts and, by observation, the places of readings of shape (n, dimension);
    collective, rank 0 draws.

    Returns, on all ranks, why there is no picture, None if there is one. Raises OSError on all ranks.
    """
    comm, dimension = domain.comm, domain.dimension
    cells = comm.gather(_cells(domain), root=0)
    parts: dict[str, np.ndarray] = {}
    for name in domain.facets:
        gathered = comm.gather(domain.corners(domain.boundary(name)), root=0)
        parts |= {domain.called(name): np.concatenate(gathered)} if gathered else {}

    def draw() -> None:
        of: Untyped = {1: _draw_line, 2: _draw_plane, 3: _draw_space}[dimension]
        with styled():
            of(path, np.concatenate(cells or []), parts, sensors)

    return drawn(comm, draw)


def _cells(domain: TaggedMesh) -> np.ndarray:
    """Vertices of the rank's cells one after the other around each, shape (cells, vertices, dimension); none
    in space, or where they are too many."""
    mesh, dimension = domain.mesh, domain.dimension
    index_map = mesh.topology.index_map(dimension)
    count = index_map.size_local if dimension < 3 and index_map.size_global <= MOST_CELLS else 0
    nodes = entities_to_geometry(mesh, dimension, np.arange(count, dtype=np.int32))
    nodes = nodes[:, [0, 1, 3, 2]] if nodes.shape[1] == 4 else nodes
    points: np.ndarray = mesh.geometry.x[nodes, :dimension]
    return points


def _draw_line(
    path: Path, cells: np.ndarray, parts: Mapping[str, np.ndarray], sensors: Mapping[str, np.ndarray]
) -> None:
    figure, axes = _figure(height=2.4)
    nodes = np.unique(cells)
    axes.plot(nodes, np.zeros(len(nodes)), "|-", color="0.7", lw=1)
    for number, (name, points) in enumerate(parts.items()):
        axes.plot(points.ravel(), np.zeros(points.size), "|", ms=14, mew=3, color=f"C{number}", label=name)
    for mark, (name, points) in zip(_marks(sensors), sensors.items(), strict=True):
        axes.plot(points[:, 0], np.zeros(len(points)), mark, ms=4, color="black", label=_told(name, points))
    axes.set_yticks([])
    _finish(figure, axes, path)


def _draw_plane(
    path: Path, cells: np.ndarray, parts: Mapping[str, np.ndarray], sensors: Mapping[str, np.ndarray]
) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    figure, axes = _figure(height=6.0)
    axes.add_collection(PolyCollection([*cells], facecolors="none", edgecolors="0.8", linewidths=0.3))
    for number, (name, segments) in enumerate(parts.items()):
        axes.add_collection(LineCollection([*segments], colors=f"C{number}", linewidths=3, label=name))
    for mark, (name, points) in zip(_marks(sensors), sensors.items(), strict=True):
        axes.plot(points[:, 0], points[:, 1], mark, ms=3, color="black", label=_told(name, points))
    axes.autoscale_view()
    axes.set_aspect("equal")
    axes.set_ylabel("y")
    _finish(figure, axes, path)


def _draw_space(
    path: Path, cells: np.ndarray, parts: Mapping[str, np.ndarray], sensors: Mapping[str, np.ndarray]
) -> None:
    """Parts see-through, z upwards."""
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    figure, axes = _figure(height=6.0, projection="3d")
    corners = np.concatenate([np.zeros((0, 3)), *(own.reshape(-1, 3) for own in parts.values())])
    for number, (name, facets) in enumerate(parts.items()):
        own = _some(facets, MOST_FACETS)
        own = own[:, [0, 1, 3, 2]] if own.shape[1] == 4 else own
        axes.add_collection3d(Poly3DCollection(own, alpha=0.25, facecolor=f"C{number}", label=name))
    for mark, (name, points) in zip(_marks(sensors), sensors.items(), strict=True):
        shown = _some(points, MOST_POINTS)
        axes.plot(*shown.T, mark, ms=3, color="black", label=_told(name, points))
    corners = np.concatenate([corners, *sensors.values()])
    if len(corners):
        lower, upper = corners.min(axis=0), corners.max(axis=0)
        axes.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]), zlim=(lower[2], upper[2]))
        axes.set_box_aspect(np.maximum(upper - lower, 0.05 * (upper - lower).max()))
    axes.set(ylabel="y", zlabel="z")
    _finish(figure, axes, path)


def _figure(height: float, projection: str | None = None) -> tuple[Canvas, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot(projection=projection)


def _finish(figure: Canvas, axes: Axes, path: Path) -> None:
    axes.set_xlabel("x")
    figure.legend(loc="outside right upper", frameon=False)
    write_figure(figure, path)


def _marks(sensors: Mapping[str, np.ndarray]) -> list[str]:
    return [MARKS[number % len(MARKS)] for number in range(len(sensors))]


def _told(name: str, points: np.ndarray) -> str:
    return f"{name} ({len(points)})"


def _some(rows: np.ndarray, most: int) -> np.ndarray:
    """Rows at equal distances, so many at most."""
    return rows[:: max(1, -(-len(rows) // most))]
