"""Draw fields in space: `python -I render.py FIELDS.npz PICTURE.png`, the picture's own process."""

import sys

import numpy as np
import pyvista

from app.types import Untyped

PANEL = 620
"""Side of a panel in pixels."""


def main(source: str, target: str) -> None:
    """Cut the octant towards the viewer out of the box and draw the fields side by side."""
    data = np.load(source)
    cells, nodes = data["mesh cells"], data["mesh nodes"]
    padded = np.hstack([np.full((len(cells), 1), cells.shape[1]), cells]).ravel()
    names = [name for name in data.files if not name.startswith(("mesh ", "scale "))]
    low, high = nodes.min(axis=0), nodes.max(axis=0)
    middle = 0.5 * (low + high)
    octant = [middle[0], high[0], middle[1], high[1], middle[2], high[2]]
    size = [PANEL * len(names), PANEL]
    plotter: Untyped = pyvista.Plotter(off_screen=True, shape=(1, len(names)), window_size=size, border=False)
    for column, name in enumerate(names):
        grid = pyvista.UnstructuredGrid(padded, data["mesh types"], nodes)
        grid.point_data[name] = data[name]
        plotter.subplot(0, column)
        plotter.add_mesh(
            grid.clip_box(octant, invert=True),
            scalars=name,
            cmap="coolwarm" if name.startswith("error") else "viridis",
            clim=tuple(data[f"scale {name}"]),
            scalar_bar_args={"title": name, "color": "black", "fmt": "%.2g", "n_labels": 3},
        )
        plotter.set_background("white")
        plotter.view_isometric()
    plotter.screenshot(target)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
