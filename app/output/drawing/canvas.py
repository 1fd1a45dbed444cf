"""The library that draws: how its pictures look, and the files that they are written into."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.output.files import written
from app.types import Canvas, Untyped

DPI = 150
"""Pixels an inch of a PNG."""

FINE = 250
"""Pixels an inch of what vector graphics hold as pixels."""

VECTOR = ("pdf", "svg")
"""Formats that a case can ask for."""

STYLE: Untyped = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}
"""Text stays text in vector graphics, so that a journal can set it in its own font."""

SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"
"""Colours of a quantity, and of what is positive or negative: both are told apart by those who are
colour-blind, and the first grows lighter with the value, so that it survives printing in grey."""


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw in the project's style. Matplotlib, which is slow to import, is imported here; a matplotlibrc of
    the working folder is not read."""
    with contextlib.chdir("/"):
        import matplotlib
    with matplotlib.rc_context(STYLE):
        yield


def blank(width: float, height: float) -> Canvas:
    """An empty figure of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Canvas = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure: Canvas, path: Path, formats: Sequence[str] = ()) -> None:
    """Write a figure as PNG, and beside it in other formats; a file that cannot be written leaves the one
    that was there as it was."""
    with written(path) as part:
        figure.savefig(str(part), pil_kwargs={"compress_level": 4})
    for other in formats:
        with written(path.with_suffix(f".{other}")) as part:
            figure.savefig(str(part), dpi=FINE)


def figure_files(name: str) -> tuple[str, ...]:
    """Names of the files that a picture may consist of."""
    return f"{name}.png", *(f"{name}.{other}" for other in VECTOR)
