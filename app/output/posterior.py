"""How sure a coefficient is, as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app.output.drawing import Drawing, Look, Quantity, figure_files, gathered, line, panels, plane, styled
from app.output.drawing.scales import Scale
from app.output.drawing.sheet import Sheet
from app.output.drawing.space import Field, centre, draw_slices
from app.output.files import drawn
from app.types import Space, Summary, Untyped

WRITES = figure_files("posterior")
"""Names of the files, for whoever replaces them."""

DETERMINED = 0.5
"""Share of the prior variance from which on the data count as having determined m at a place; where they
resolve less it is veiled in the picture."""

BAND = 1.6449
"""Standard deviations to either side that hold 90 %."""

DEVIATION = "standard deviation"


@dataclass(frozen=True, eq=False)
class Uncertain:
    """An unknown with how sure it is, owned nodal values."""

    quantity: Quantity
    m: np.ndarray
    std: np.ndarray
    resolved: np.ndarray
    beside: Mapping[str, np.ndarray]
    """By their titles: the standard deviation by Markov chains if there are some, or probabilities of
    phases."""

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """All by their titles."""
        return {"m": self.m, DEVIATION: self.std, "resolved": self.resolved, **self.beside}


def draw_posterior(
    path: Path, on: Space, rows: Sequence[Uncertain], points: np.ndarray, look: Look
) -> str | None:
    """Draw unknowns with their standard deviations, in rows; collective, rank 0 draws.

    On a line the coefficient has its 90 % band, otherwise it is veiled where less than DETERMINED is
    resolved; slices of a space go through the centre of what is resolved. Returns, on all ranks, why there is
    no picture, None if there is one. Raises OSError on all ranks.
    """
    comm: MPI.Comm = on.mesh.comm
    drawing = gathered(on, [row.fields for row in rows])

    def draw() -> None:
        with styled():
            of: Untyped = {1: _draw_line, 2: _draw_plane, 3: draw_uncertain_space}[on.mesh.geometry.dim]
            of(path, drawing, rows, points, look)

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


def _draw_line(
    path: Path, drawing: Drawing, rows: Sequence[Uncertain], points: np.ndarray, look: Look
) -> None:
    x, order = line.along(drawing)
    sheet = Sheet([[(line.WIDTH, line.HEIGHT)] for _ in rows], bars=False, labelled=True)
    for number, (row, fields) in enumerate(zip(rows, drawing.rows, strict=True)):
        axes, shown = sheet.panel(number, 0), row.quantity.shown
        m, std, resolved, *others = (values[order] for values in fields.values())
        axes.plot(x, shown(m), "C0-", label="recovered")
        band = {"alpha": 0.3, "linewidth": 0, "label": "90 %"}
        axes.fill_between(x, shown(m - BAND * std), shown(m + BAND * std), **band)
        for other in others:
            dashed = {"color": "black", "linestyle": "dashed", "linewidth": 0.8}
            axes.plot(x, shown(m - BAND * other), **dashed, label="90 % by chains")
            axes.plot(x, shown(m + BAND * other), **dashed)
        low, high = axes.get_ylim()
        veil = {"color": plane.GREY, "alpha": 0.5, "linewidth": 0, "label": _legend()}
        axes.fill_between(x, low, high, where=resolved < DETERMINED, **veil)
        if len(points):
            axes.plot(points[:, 0], np.full(len(points), low), "k|", label="readings")
        axes.set_ylim(low, high)
        line.finish(axes, x, row.quantity, look)
    sheet.save(path, look.formats)


def _draw_plane(
    path: Path, drawing: Drawing, rows: Sequence[Uncertain], points: np.ndarray, look: Look
) -> None:
    told = []
    for row, fields in zip(rows, drawing.rows, strict=True):
        m, std, resolved, *others = fields.values()
        deviation = Scale.plain(row.quantity.difference, [std, *others])
        scale = Scale.of(row.quantity, [m])
        veiled = panels.field(
            f"recovered (grey: {_legend()})", row.quantity.shown(m), scale, panels.veil(resolved, DETERMINED)
        )
        own = panels.field(DEVIATION, std, deviation, panels.dots(points))
        told.append([veiled, own])
        told[-1] += [panels.field(f"{DEVIATION} by chains", other, deviation) for other in others]
    panels.draw_panels(path, drawing, told, look)


def draw_uncertain_space(
    path: Path, drawing: Drawing, rows: Sequence[Uncertain], points: np.ndarray, look: Look
) -> None:
    """Slices through what is known best."""
    told = []
    for row, fields in zip(rows, drawing.rows, strict=True):
        m, std, resolved, *others = fields.values()
        scale = Scale.of(row.quantity, [m])
        veiled = (resolved, DETERMINED)
        told.append(Field("recovered", row.quantity.shown(m), scale, veiled=veiled))
        told.append(Field(DEVIATION, std, Scale.plain(row.quantity.difference, [std])))
        for title, other in zip(row.beside, others, strict=True):
            told.append(Field(title, other, Scale.plain(title, [other])))
    share = np.mean([fields["resolved"] for fields in drawing.rows], axis=0)
    draw_slices(path, drawing, told, look, centre(drawing, share))


def _legend() -> str:
    return f"less than {DETERMINED:.0%} resolved"
