"""A picture of the coefficient, beside the truth and the error where there is one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from dolfinx.plot import vtk_mesh
from mpi4py import MPI

PANEL = 620
"""Side of a panel in pixels."""


def draw_fields(path: Path, space: Any, fields: Mapping[str, np.ndarray], points: np.ndarray) -> None:
    """Draw owned nodal values of a Lagrange space side by side; collective, rank 0 draws.

    Fields whose name starts with `error` have their own colours; the others share one scale. `points`, shape
    (readings, dimension), are the measurement points. In three dimensions the box is cut open at its centre.
    """
    gathered = _gather(space, list(fields.values()))
    if space.mesh.comm.rank == 0:
        cells, types, nodes, values = gathered
        _draw(path, cells, types, nodes, dict(zip(fields, values, strict=True)), points)


def _gather(space: Any, arrays: list[np.ndarray]) -> Any:
    """The mesh of the space's nodes and the values at them, on rank 0."""
    comm: MPI.Comm = space.mesh.comm
    index_map = space.dofmap.index_map
    owned = index_map.size_local
    cells, types, x = vtk_mesh(space)
    # The cells of vtk_mesh are owned cells; their nodes are local dofs, made global here.
    width = cells[0] + 1
    local = cells.reshape(-1, width)[:, 1:] if len(types) else np.empty((0, width - 1), dtype=int)
    nodes = index_map.local_to_global(local.ravel().astype(np.int32)).reshape(local.shape)
    parts = comm.gather((nodes, types, x[:owned], [array[:owned] for array in arrays]), root=0)
    if parts is None:
        return None
    connectivity = np.vstack([part[0] for part in parts])
    padded = np.hstack([np.full((len(connectivity), 1), connectivity.shape[1]), connectivity])
    values = [np.concatenate([part[3][i] for part in parts]) for i in range(len(arrays))]
    return (
        padded.ravel(),
        np.concatenate([part[1] for part in parts]),
        np.vstack([part[2] for part in parts]),
        values,
    )


def _draw(
    path: Path,
    cells: np.ndarray,
    types: np.ndarray,
    nodes: np.ndarray,
    fields: dict[str, np.ndarray],
    points: np.ndarray,
) -> None:
    import pyvista

    flat = np.ptp(nodes[:, 2]) == 0
    if np.ptp(nodes[:, 1]) == 0:
        _draw_line(path, nodes[:, 0], fields, points)
        return
    shared = np.concatenate([v for k, v in fields.items() if not k.startswith("error")])
    limits = (float(shared.min()), float(shared.max()))
    plotter: Any = pyvista.Plotter(
        off_screen=True,
        shape=(1, len(fields)),
        window_size=[PANEL * len(fields), PANEL],
        border=False,
    )
    for column, (name, values) in enumerate(fields.items()):
        grid = pyvista.UnstructuredGrid(cells, types, nodes)
        grid.point_data[name] = values
        plotter.subplot(0, column)
        error = name.startswith("error")
        bound = max(float(np.abs(values).max()), 1e-300)
        plotter.add_mesh(
            grid if flat else grid.clip_box(_octant(nodes), invert=True),
            scalars=name,
            cmap="coolwarm" if error else "viridis",
            clim=(-bound, bound) if error else limits,
            scalar_bar_args={
                "title": name,
                "vertical": False,
                "position_x": 0.15,
                "position_y": 0.02,
                "width": 0.7,
                "height": 0.07,
                "title_font_size": 22,
                "label_font_size": 16,
                "fmt": "%.2g",
                "color": "black",
            },
        )
        if flat and column == 0:
            cloud = np.zeros((len(points), 3))
            cloud[:, :2] = points[:, :2]
            plotter.add_points(cloud, color="white", point_size=4, opacity=0.7)
        plotter.set_background("white")
        if flat:
            plotter.view_xy()
            plotter.camera.zoom(1.15)
            plotter.camera.focal_point = np.array(plotter.camera.focal_point) - [0, 0.06, 0]
            plotter.camera.position = np.array(plotter.camera.position) - [0, 0.06, 0]
        else:
            plotter.view_isometric()
    plotter.screenshot(str(path))
    plotter.close()


def _octant(nodes: np.ndarray) -> list[float]:
    """The octant that is cut away, towards the viewer."""
    low, high = nodes.min(axis=0), nodes.max(axis=0)
    middle = 0.5 * (low + high)
    return [middle[0], high[0], middle[1], high[1], middle[2], high[2]]


def _draw_line(path: Path, x: np.ndarray, fields: dict[str, np.ndarray], points: np.ndarray) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="x")
    order = np.argsort(x)
    for name, values in fields.items():
        axes.plot(x[order], values[order], label=name)
    axes.plot(points[:, 0], np.full(len(points), axes.get_ylim()[0]), "k|", label="readings")
    axes.legend()
    figure.savefig(str(path), dpi=120)
