"""How sure a coefficient is, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.output import picture
from app.output.canvas import load_matplotlib
from app.output.files import drawn
from app.output.picture import MOST_POINTS, Drawing, coloured, gathered, panelled, save, triangles
from app.types import Axes, Space, Summary, Untyped

WRITES = ("posterior.png",)
"""Names of the files, for whoever replaces them."""

DETERMINED = 0.5
"""Share of the prior variance from which on the data count as having determined m at a place; where they
resolve less it is veiled in the picture."""

BAND = 1.6449
"""Standard deviations to either side that hold 90 %."""

GREY = (0.75, 0.75, 0.75)


def draw_posterior(
    path: Path, space: Space, rows: Sequence[Mapping[str, np.ndarray]], points: np.ndarray
) -> str | None:
    """Draw owned nodal values of a Lagrange space: in each row a coefficient, its standard deviation and what
    of it is resolved, in this order, and the deviation by Markov chains if there are some; collective, rank 0
    draws.

    In the plane the coefficient is veiled where less than DETERMINED is resolved, on a line it has its 90 %
    band, in space all are shown. Returns, on all ranks, why there is no picture, None if there is one. Raises
    OSError on all ranks.
    """
    comm: MPI.Comm = space.mesh.comm
    drawing = gathered(space, rows)

    def draw() -> None:
        load_matplotlib()
        of: Untyped = {1: _draw_line, 2: _draw_plane, 3: _draw_space}[space.mesh.geometry.dim]
        of(path, drawing, points)

    return drawn(comm, draw)


def posterior_lines(summary: Summary) -> list[str]:
    """What is said at the end of a run: how much the data determine, and what is to be known of that."""
    told = summary.get("posterior")
    if not told:
        return []
    note = f"; {told['note']}" if told["note"] else ""
    if told["kind"] == "none":
        return [f"posterior: none{note}"]
    if told["kind"] == "interfaces":
        return [f"posterior: {_phases(told)}{note}"]
    share = told["determined"]
    if isinstance(share, dict):
        where = ", ".join(f"{name} on {part:.0%}" for name, part in share.items())
    else:
        where = f"the unknown on {share:.0%}"
    return [
        f"posterior: the data determine {where} of the domain (half of the prior variance or more), with "
        f"{told['freedom']:.1f} degrees of freedom, {told['information']:.1f} nats{note}",
        *_chain_lines(told.get("chains")),
    ]


def _phases(told: Summary) -> str:
    """How large phases are, and which value each has."""
    columns = ("sizes", "sizes_5", "sizes_95")
    sizes = zip(*(told[name] for name in columns), strict=True)
    values = list(zip(told["values"], told["values_std"], strict=True))
    said = [
        f"phase {number} ({value:.3g}, sd {std:.2g}) covers {size:.3g} ({low:.3g} to {high:.3g})"
        for number, ((size, low, high), (value, std)) in enumerate(zip(sizes, values[1:], strict=True), 1)
    ]
    value, std = values[0]
    whole = f"of {told['measure']:.3g}, the rest is {value:.3g} (sd {std:.2g})"
    return f"{', '.join(said)} {whole}; bounds of 90 % by {told['draws']} draws"


def _chain_lines(told: Summary | None) -> list[str]:
    """What Markov chains say of the linearised posterior."""
    if told is None or told["std_ratio"] is None:
        return []
    return [
        f"chains: the standard deviation of the posterior is {told['std_ratio']:.2f} times that of the "
        "linearised problem (median of the nodes)"
    ]


def _draw_line(path: Path, drawing: Drawing, points: np.ndarray) -> None:
    figure, panels = panelled(len(drawing.rows), 1)
    order = np.argsort(drawing.nodes[:, 0], kind="stable")
    x = drawing.nodes[order, 0]
    for (axes,), fields in zip(panels, drawing.rows, strict=True):
        (name, m), (_, std), (_, resolved), *chains = ((key, values[order]) for key, values in fields.items())
        axes.plot(x, m, label=name)
        axes.fill_between(x, m - BAND * std, m + BAND * std, alpha=0.3, linewidth=0, label="90 %")
        for _, other in chains:
            band = {"color": "black", "linestyle": "dashed", "linewidth": 0.8}
            axes.plot(x, m - BAND * other, **band, label="90 % by chains")
            axes.plot(x, m + BAND * other, **band)
        low, high = axes.get_ylim()
        veil = {"color": GREY, "alpha": 0.5, "linewidth": 0, "label": _legend()}
        axes.fill_between(x, low, high, where=resolved < DETERMINED, **veil)
        if len(points):
            axes.plot(points[:, 0], np.full(len(points), low), "k|", label="readings")
        axes.set_ylim(low, high)
        axes.set_xlabel("x")
        axes.legend()
    save(figure, path)


def _draw_plane(path: Path, drawing: Drawing, points: np.ndarray) -> None:
    figure, panels = panelled(len(drawing.rows), len(drawing.rows[0]) - 1)
    for (left, right, *others), fields in zip(panels, drawing.rows, strict=True):
        (name, m), (label, std), (_, resolved), *chains = fields.items()
        coloured(figure, left, drawing, name, m)
        _veil(left, drawing, resolved)
        left.set_title(f"{name} (grey: {_legend()})")
        ends = (std.min(), std.max()) if chains else (None, None)
        coloured(figure, right, drawing, label, std, ends)
        for axes, (called, other) in zip(others, chains, strict=True):
            coloured(figure, axes, drawing, called, other, ends)
        if len(points) <= MOST_POINTS:
            right.scatter(points[:, 0], points[:, 1], s=3, c="white", alpha=0.7, linewidths=0)
    save(figure, path)


def _draw_space(path: Path, drawing: Drawing, points: np.ndarray) -> None:
    """Each field with a scale of its own."""
    rows = [{name: values} for row in drawing.rows for name, values in row.items()]
    picture.draw_space(path, Drawing(drawing.cells, drawing.types, drawing.nodes, rows), points)


def _veil(axes: Axes, drawing: Drawing, resolved: np.ndarray) -> None:
    """Grey where less than DETERMINED is resolved."""
    x, y = drawing.nodes[:, 0], drawing.nodes[:, 1]
    axes.tricontourf(x, y, triangles(drawing), resolved, levels=[-1.0, DETERMINED], colors=[GREY], alpha=0.85)


def _legend() -> str:
    return f"less than {DETERMINED:.0%} resolved"
