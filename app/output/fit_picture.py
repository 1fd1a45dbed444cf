"""fit.png: readings against predictions, and the whitened residuals in space and against the noise model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mpi4py import MPI
from scipy import stats

from app.output.drawing import styled, write_figure
from app.output.files import drawn
from app.output.fit import Fit, bulk_deviation
from app.types import Axes, Canvas, Untyped

MOST_DRAWN = 4000
"""Of more readings the panels of single ones show the farthest and, evenly, the others."""

MOST_NAMED = 8
"""More observations than this share the last colour and name."""

BOUND = 4.0
"""Deviations at which the colours end: of Gaussian noise one reading in 16 000 lies beyond."""

APART = 10.0
"""Observations whose ranges differ by more than this factor are drawn each in its own range: else the smaller
would be dots."""

WIDE = 2.0
"""Meshes that are wider than this many times their height have the colours' bar below."""

BAND = 0.95
"""Share of Gaussian samples that lie in the normal plot's band at each of its places."""

WHITENED = "residual (predicted − read) / σ"


def draw_fit(
    comm: MPI.Comm, path: Path, fit: Fit, corners: np.ndarray, formats: Sequence[str] = ()
) -> str | None:
    """Draw the four panels; `corners` are the lower and the upper one of the mesh's box, (2, dimension).

    Collective, rank 0 draws. Returns, on all ranks, why there is no picture, None if there is one. Raises
    OSError on all ranks.
    """

    def draw() -> None:
        with styled():
            _draw(path, fit, corners, formats)

    return drawn(comm, draw)


def _draw(path: Path, fit: Fit, corners: np.ndarray, formats: Sequence[str]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Canvas = Figure(figsize=(10.0, 8.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    chosen = fit.spread_out(MOST_DRAWN)
    _draw_predicted(figure.add_subplot(2, 2, 1), fit, chosen)
    _draw_places(figure, fit, chosen, corners)
    _draw_histogram(figure.add_subplot(2, 2, 3), fit.residual)
    _draw_normal(figure.add_subplot(2, 2, 4), fit.residual)
    for axes in figure.axes[:1] + figure.axes[-2:]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    write_figure(figure, path, formats)


def _draw_predicted(axes: Axes, fit: Fit, chosen: np.ndarray) -> None:
    """Each reading with what is predicted of it, an observation a colour."""
    read, predicted, scaled = _in_ranges(fit)
    count = len(fit.series)
    for number, series in enumerate(fit.series):
        own = chosen[fit.of[chosen] == number]
        label = series.name if number < MOST_NAMED else "_others"
        colour = f"C{min(number, MOST_NAMED)}"
        axes.plot(read[own], predicted[own], "o", ms=3.5, mew=0, alpha=0.5, color=colour, label=label)
    low, high = float(read[chosen].min()), float(read[chosen].max())
    axes.plot([low, high], [low, high], "k-", linewidth=1, zorder=3)
    ratio = fit.logarithmic.all() or fit.electrodes is not None
    if ratio and not scaled and low > 0 and predicted[chosen].min() > 0:
        axes.set_xscale("log")
        axes.set_yscale("log")
    unit = " (0 and 1: least and largest of its observation)" if scaled else ""
    axes.set_xlabel(f"read{unit}")
    axes.set_ylabel("predicted")
    axes.set_title("predicted against read")
    if count > 1:
        axes.legend(fontsize=8, frameon=False)


def _in_ranges(fit: Fit) -> tuple[np.ndarray, np.ndarray, bool]:
    """Readings and predictions, of observations with very different ranges in units of these, and whether
    they are."""
    lowest, size = np.zeros(len(fit)), np.ones(len(fit))
    for number in np.unique(fit.of):
        own = fit.read[fit.of == number]
        lowest[fit.of == number] = own.min()
        size[fit.of == number] = np.ptp(own) or np.abs(own).max() or 1.0
    if size.max() <= APART * size.min():
        return fit.read, fit.predicted, False
    return (fit.read - lowest) / size, (fit.predicted - lowest) / size, True


def _draw_places(figure: Canvas, fit: Fit, chosen: np.ndarray, corners: np.ndarray) -> None:
    """Residuals where the readings were taken, the farthest on top; of those on parts by the part."""
    placed = fit.placed[chosen]
    chosen = chosen[placed] if placed.any() else chosen
    chosen = chosen[np.argsort(np.abs(fit.residual[chosen]), kind="stable")]
    if not placed.any():
        return _draw_parts(figure.add_subplot(2, 2, 2), fit, chosen)
    points, residual, ends = fit.points[chosen], fit.residual[chosen], [tuple(pair) for pair in corners.T]
    names, where = list("xyz"[: points.shape[1]]), "in space"
    if len(names) == 1 and fit.times is not None:
        points, names, where = np.column_stack([points, fit.times[chosen]]), ["x", "t"], "in space and time"
        ends.append((0.0, float(fit.times.max())))
    in_space = len(names) == 3
    axes = figure.add_subplot(2, 2, 2, **({"projection": "3d"} if in_space else {}))
    look = _look(residual) | ({"depthshade": False} if in_space else {})
    if len(names) == 1:
        points = np.column_stack([points, residual])
        axes.axhline(0.0, color="k", linewidth=1)
    image = axes.scatter(*points.T, c=residual, **look)
    wide = _set_ends(axes, ends, names)
    axes.set_title(f"residuals {where if fit.electrodes is None else 'at the mean of the electrodes'}")
    bar = {"location": "bottom", "pad": 0.03} if wide or in_space else {"pad": 0.03}
    figure.colorbar(image, ax=axes, extend="both", shrink=0.85, **bar).set_label(WHITENED)


def _set_ends(axes: Axes, ends: list[tuple[float, float]], names: list[str]) -> bool:
    """Axes of the mesh's box, true to its shape in space; whether that is wide."""
    for name, (low, high) in zip("xyz", ends, strict=False):
        margin = 0.03 * (high - low)
        getattr(axes, f"set_{name}lim")(low - margin, high + margin)
    sizes = [high - low for low, high in ends]
    axes.set_xlabel("x")
    axes.set_ylabel(names[1] if len(names) > 1 else WHITENED)
    if len(names) == 3:
        axes.set_zlabel("z")
        axes.set_box_aspect(sizes)
        axes.xaxis.labelpad = axes.yaxis.labelpad = 8
        for axis, size in zip((axes.xaxis, axes.yaxis, axes.zaxis), sizes, strict=True):
            axis.set_major_locator(_few_ticks(2 + round(3 * size / max(sizes))))
    elif names[1:] == ["y"]:
        axes.set_aspect("equal")
        return sizes[0] > WIDE * sizes[1]
    return False


def _few_ticks(count: int) -> Untyped:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(count)


def _look(residual: np.ndarray) -> dict[str, Untyped]:
    """Marks coloured by the residual, whose areas grow with it so that it is seen without colours too;
    smaller ones of many."""
    most = np.clip(2e4 / len(residual), 6.0, 70.0)
    share = np.minimum(np.abs(residual) / BOUND, 1.0)
    edges = {"edgecolors": "0.3", "linewidths": 0.3}
    return {"cmap": "coolwarm", "vmin": -BOUND, "vmax": BOUND, "s": most * (0.2 + 0.8 * share), **edges}


def _draw_parts(axes: Axes, fit: Fit, chosen: np.ndarray) -> None:
    """Residuals of readings that belong to parts of the mesh."""
    names = [fit.parts[i] if fit.parts is not None else "" for i in chosen]
    order = {name: place for place, name in enumerate(sorted(set(names)))}
    residual = fit.residual[chosen]
    axes.scatter([order[name] for name in names], residual, c=residual, **_look(residual))
    axes.axhline(0.0, color="k", linewidth=1)
    axes.set_xticks(range(len(order)), list(order), rotation=90 if len(order) > 6 else 0)
    axes.set_xlabel("part of the mesh")
    axes.set_ylabel(WHITENED)
    axes.set_title("residuals by part")


def _draw_histogram(axes: Axes, residual: np.ndarray) -> None:
    """The residuals beside the density of N(0, 1)."""
    end = BOUND * max(1.0, bulk_deviation(residual))
    inside = np.clip(residual, -end, end)
    bins = int(np.clip(2 * np.sqrt(len(residual)), 8, 60))
    axes.hist(inside, bins=np.linspace(-end, end, bins + 1), density=True, color="0.7", label="residuals")
    s = np.linspace(-end, end, 400)
    axes.plot(s, stats.norm.pdf(s), "k-", linewidth=1.2, label="N(0, 1), as σ says")
    beyond = int(np.count_nonzero(np.abs(residual) > end))
    if beyond:
        told = f"beyond ±{end:.2g}:\n{beyond}, drawn there"
        axes.text(0.02, 0.97, told, transform=axes.transAxes, va="top", fontsize=8)
    axes.set_xlabel(WHITENED)
    axes.set_ylabel("density")
    axes.set_title("residuals against the noise model")
    axes.legend(fontsize=8, frameon=False)


def _draw_normal(axes: Axes, residual: np.ndarray) -> None:
    """Ordered residuals against quantiles of N(0, 1), with the band that samples of it keep to."""
    count = len(residual)
    numbers = np.unique(np.linspace(0, count - 1, min(count, MOST_DRAWN)).astype(int))
    ranks = numbers + 1
    expected = stats.norm.ppf((ranks - 0.5) / count)
    tails: Untyped = [(1 - BAND) / 2, (1 + BAND) / 2]
    low, high = (stats.norm.ppf(stats.beta.ppf(tail, ranks, count - ranks + 1)) for tail in tails)
    axes.fill_between(expected, low, high, color="0.85", linewidth=0, label=f"{100 * BAND:.0f} % of samples")
    axes.plot(expected, expected, "k-", linewidth=1, label="N(0, 1), as σ says")
    axes.plot(expected, np.sort(residual)[numbers], "o", ms=3.5, mew=0, color="C0", alpha=0.8)
    axes.set_xlabel("quantile of N(0, 1)")
    axes.set_ylabel("ordered residuals / σ")
    axes.set_title("normal plot")
    axes.legend(fontsize=8, frameon=False)
