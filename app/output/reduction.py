"""A family of states that a network holds, beside proper orthogonal decomposition: lines, a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.output.canvas import load_matplotlib
from app.output.files import drawn, written
from app.output.picture import PANEL, Drawing, gathered, triangles
from app.types import Axes, Canvas, Described, Space

WRITES = ("reduction.png",)
"""Names of the files, for whoever replaces them."""


@dataclass(frozen=True)
class Shown:
    """The states at one value of the parameters, owned nodal values."""

    label: str
    """The parameters with their values."""
    truth: np.ndarray
    network: np.ndarray
    decomposition: np.ndarray


@dataclass(frozen=True)
class Decay:
    """What proper orthogonal decompositions of all sizes reach, beside the network."""

    singular_values: np.ndarray
    unseen: Mapping[int, float]
    """Relative error in L2 on unseen parameters, by the number of modes."""
    network: float
    """That of the network."""
    stored: int
    """Numbers that the network stores."""
    modes: int
    """Of the decomposition that is shown."""


def reduction_lines(summary: Described) -> list[str]:
    """What the end of a run says of a reduction, if it is one."""
    if "reduction" not in summary:
        return []
    found = summary["reduction"]
    lines = [f"relative errors in L2 at {found['unseen']} unseen parameters, and numbers stored:"]
    rows = {"network": found, **{f"POD, {count} modes": one for count, one in found["pod"].items()}}
    for name, one in rows.items():
        lines.append(f"  {name:<14}  {one['unseen_error']:.2e}  {one['stored_numbers']:8d}")
    return lines


def draw_reduction(path: Path, space: Space, shown: Sequence[Shown], decay: Decay) -> str | None:
    """Draw some states of a Lagrange space and the decomposition's decay; collective, rank 0 draws.

    Of states in space the decay alone. Returns, on all ranks, why there is no picture, None if there is one.
    Raises OSError on all ranks.
    """
    comm: MPI.Comm = space.mesh.comm
    rows = [{"truth": one.truth, "network": one.network, "decomposition": one.decomposition} for one in shown]
    drawing = gathered(space, rows)

    def draw() -> None:
        assert drawing is not None
        _draw(path, drawing, [one.label for one in shown], decay, space.mesh.geometry.dim)

    return drawn(comm, draw)


def _draw(path: Path, drawing: Drawing, labels: list[str], decay: Decay, dimension: int) -> None:
    load_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = {1: 1, 2: 3, 3: 0}[dimension]
    height = PANEL * (len(labels) if dimension == 2 else 1.3)
    widths = [1.6 * PANEL if dimension == 1 else PANEL * max(columns, 1e-3), 1.5 * PANEL]
    figure: Canvas = Figure(figsize=(sum(widths), height), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, width_ratios=widths)
    if dimension == 1:
        _draw_lines(left.subplots(), drawing, labels, decay)
    elif dimension == 2:
        _draw_panels(left, drawing, labels, decay)
    _draw_decay(right.subplots(), decay)
    with written(path) as part:
        figure.savefig(str(part), bbox_inches="tight", pad_inches=0.05)


def _draw_lines(axes: Axes, drawing: Drawing, labels: list[str], decay: Decay) -> None:
    order = np.argsort(drawing.nodes[:, 0], kind="stable")
    x = drawing.nodes[order, 0]
    for i, (fields, label) in enumerate(zip(drawing.rows, labels, strict=True)):
        names = ("truth", "network", f"POD, {decay.modes} modes") if i == 0 else (None,) * 3
        axes.plot(x, fields["truth"][order], "k-", linewidth=2.5, alpha=0.35, label=names[0])
        axes.plot(x, fields["network"][order], "--", color=f"C{i}", label=names[1])
        axes.plot(x, fields["decomposition"][order], ":", color=f"C{i}", label=names[2])
        steepest = int(np.argmax(np.abs(np.gradient(fields["truth"][order]))))
        axes.annotate(label, (x[steepest], fields["truth"][order][steepest]), color=f"C{i}", fontsize=8)
    axes.set_xlabel("x")
    axes.set_title("states at unseen parameters")
    axes.legend()


def _draw_panels(figure: Canvas, drawing: Drawing, labels: list[str], decay: Decay) -> None:
    panels = figure.subplots(len(labels), 3, squeeze=False)
    corners = triangles(drawing)
    x, y = drawing.nodes[:, 0], drawing.nodes[:, 1]
    for row, fields, label in zip(panels, drawing.rows, labels, strict=True):
        truth = fields["truth"]
        errors = [fields[name] - truth for name in ("network", "decomposition")]
        bound = max(max(float(np.abs(error).max()) for error in errors), 1e-12)
        titles = (f"truth, {label}", "error of the network", f"error of POD, {decay.modes} modes")
        for axes, values, title in zip(row, (truth, *errors), titles, strict=True):
            colours = (
                {"cmap": "viridis"}
                if values is truth
                else {"cmap": "coolwarm", "vmin": -bound, "vmax": bound}
            )
            image = axes.tripcolor(x, y, corners, values, shading="gouraud", **colours)
            bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.85, pad=0.03)
            bar.formatter.set_powerlimits((-2, 2))
            axes.set_title(title, fontsize=9)
            axes.set_aspect("equal")
            axes.set_axis_off()


def _draw_decay(axes: Axes, decay: Decay) -> None:
    squares = decay.singular_values**2
    tails = np.sqrt(np.cumsum(squares[::-1])[::-1] / squares.sum())  # from each value on
    counts, label = np.arange(1, len(squares)), "POD, tail of the singular values"
    axes.semilogy(counts, tails[1:], "-", color="grey", label=label)
    axes.semilogy(list(decay.unseen), list(decay.unseen.values()), "o", label="POD, unseen, in L2")
    axes.axhline(
        decay.network, linestyle="--", color="C1", label=f"network of {decay.stored} numbers, unseen"
    )
    axes.set_ylim(0.1 * min(decay.network, *decay.unseen.values()), 2.0)
    axes.set_xlabel("modes")
    axes.set_ylabel("relative error")
    axes.legend()
