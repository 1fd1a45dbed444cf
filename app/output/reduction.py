"""A family of states that a network holds, beside proper orthogonal decomposition: lines, a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.output.drawing import Drawing, Look, Quantity, figure_files, gathered, line, panels, styled
from app.output.drawing.scales import Scale
from app.output.drawing.sheet import Sheet
from app.output.files import drawn
from app.types import Axes, Described, Space, Untyped

WRITES = figure_files("reduction")
"""Names of the files, for whoever replaces them."""


@dataclass(frozen=True)
class Shown:
    """The states at one value of the parameters, owned nodal values."""

    label: str
    """The parameters with their values."""
    truth: np.ndarray
    network: np.ndarray
    decomposition: np.ndarray

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """All by their names."""
        return {"truth": self.truth, "network": self.network, "decomposition": self.decomposition}


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


def draw_reduction(
    path: Path, on: Space, shown: Sequence[Shown], decay: Decay, quantity: Quantity, look: Look
) -> str | None:
    """Draw some states of a Lagrange space and the decomposition's decay; collective, rank 0 draws.

    Of states in space the decay alone. Returns, on all ranks, why there is no picture, None if there is one.
    Raises OSError on all ranks.
    """
    comm: MPI.Comm = on.mesh.comm
    drawing = gathered(on, [one.fields for one in shown])

    def draw() -> None:
        assert drawing is not None
        with styled():
            of: Untyped = {1: _draw_line, 2: _draw_plane, 3: _draw_space}[on.mesh.geometry.dim]
            of(path, drawing, [one.label for one in shown], decay, quantity, look)

    return drawn(comm, draw)


def _draw_line(
    path: Path, drawing: Drawing, labels: list[str], decay: Decay, quantity: Quantity, look: Look
) -> None:
    sheet = Sheet([[(line.WIDTH, line.HEIGHT)]] * 2, bars=False, labelled=True)
    axes, (x, order) = sheet.panel(0, 0, "states at unseen parameters"), line.along(drawing)
    for i, (fields, label) in enumerate(zip(drawing.rows, labels, strict=True)):
        names = ("truth", "network", f"POD, {decay.modes} modes") if i == 0 else (None,) * 3
        truth, network, decomposition = (values[order] for values in fields.values())
        axes.plot(x, truth, "k-", linewidth=2.5, alpha=0.35, label=names[0])
        axes.plot(x, network, "--", color=f"C{i}", label=names[1])
        axes.plot(x, decomposition, ":", color=f"C{i}", label=names[2])
        steepest = int(np.argmax(np.abs(np.gradient(truth))))
        axes.annotate(label, (x[steepest], truth[steepest]), color=f"C{i}", fontsize=8)
    axes.set_xlabel(look.coordinate(0))
    axes.set_ylabel(quantity.axis)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    _draw_decay(sheet.panel(1, 0), decay)
    sheet.save(path, look.formats)


def _draw_plane(
    path: Path, drawing: Drawing, labels: list[str], decay: Decay, quantity: Quantity, look: Look
) -> None:
    told = []
    for fields, label in zip(drawing.rows, labels, strict=True):
        truth, network, decomposition = fields.values()
        errors = [network - truth, decomposition - truth]
        scale = Scale.about_zero(quantity.axis, errors)
        own = [panels.field(f"truth, {label}", truth, Scale.of(quantity, [truth]))]
        titles = ("error of the network", f"error of POD, {decay.modes} modes")
        own += [panels.field(title, error, scale) for title, error in zip(titles, errors, strict=True)]
        told.append(own)
    told.append([panels.chart("", lambda axes, _: _draw_decay(axes, decay))])
    panels.draw_panels(path, drawing, told, look)


def _draw_space(
    path: Path, drawing: Drawing, labels: list[str], decay: Decay, quantity: Quantity, look: Look
) -> None:
    sheet = Sheet([[(line.WIDTH, line.HEIGHT)]], bars=False)
    _draw_decay(sheet.panel(0, 0), decay)
    sheet.save(path, look.formats)


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
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
