"""A figure of panels whose sizes are said in inches, so that all of a kind are equal and nothing is measured
twice."""

from collections.abc import Sequence
from pathlib import Path

from app.output.drawing.canvas import blank, write_figure
from app.types import Axes, Canvas

LEFT, BOTTOM, TITLE = 0.62, 0.46, 0.30
"""Inches for the labels of an axis, and for a title."""

GAP, EDGE = 0.18, 0.08
"""Between panels that share an axis, and at the edge of the sheet."""

THINNEST = 0.35
"""No panel is thinner."""

SHORTEST = 1.1
"""No colour bar beside a panel is shorter."""

BAR, BESIDE, BELOW = 0.11, 0.88, 0.62
"""How thick a colour bar is, and what it takes with its labels, beside a panel and below it."""

PAD = 0.09
"""From a panel to its colour bar."""


class Sheet:
    """Rows and columns of panels, each with room for a colour bar beside it, or `below` it where panels are
    flat."""

    def __init__(
        self,
        sizes: Sequence[Sequence[tuple[float, float]]],
        *,
        labelled: bool = False,
        below: bool = False,
        bars: bool = True,
        bars_behind: int = 0,
    ) -> None:
        """`sizes` are widths and heights in inches, those of a row from left to right. All panels have
        `labelled` axes, or those at the left and at the bottom only; the first columns have no bars, if these
        are only `bars_behind` that of a number."""
        columns = max(len(row) for row in sizes)
        self._sizes, self._below = sizes, below
        self._widths = [max(row[i][0] for row in sizes if i < len(row)) for i in range(columns)]
        self._heights = [max(height for _, height in row) for row in sizes]
        beside, under = (BESIDE, 0.0) if bars and not below else (GAP, BELOW if bars else 0.0)
        x, self._x = EDGE, list[float]()
        for i, width in enumerate(self._widths):
            x += LEFT if labelled or i == 0 else GAP
            self._x.append(x)
            x += width + (beside if i >= bars_behind else EDGE)
        last = len(sizes) - 1
        y, self._y = EDGE, [0.0] * len(sizes)
        for i in range(last, -1, -1):
            y += under + (BOTTOM if labelled or below or i == last else GAP)
            self._y[i] = y
            y += self._heights[i] + TITLE
        self._whole = (x, y)
        self.figure: Canvas = blank(*self._whole)

    def panel(self, row: int, column: int, title: str = "", *, space: bool = False) -> Axes:
        """The axes of a panel, in its column from the left and in the middle of its row; of a `space` seen
        from outside."""
        projection = {"projection": "3d", "computed_zorder": False} if space else {}
        x, y, width, height = self._place(row, column)
        if space:  # which has its numbers inside
            x, width = x - 0.8 * LEFT, width + 0.8 * LEFT
        axes = self.figure.add_axes(self._rectangle(x, y, width, height), **projection)
        if title:
            axes.set_title(title)
        return axes

    def bar(self, row: int, column: int) -> Axes:
        """The axes of a panel's colour bar."""
        x, y, width, height = self._place(row, column)
        if self._below:
            return self.figure.add_axes(self._rectangle(x, y - BOTTOM - PAD - BAR, width, BAR))
        high = max(height, SHORTEST)
        return self.figure.add_axes(self._rectangle(x + width + PAD, y - 0.5 * (high - height), BAR, high))

    def save(self, path: Path, formats: Sequence[str]) -> None:
        """See write_figure."""
        write_figure(self.figure, path, formats)

    def _place(self, row: int, column: int) -> tuple[float, float, float, float]:
        width, height = self._sizes[row][column]
        return self._x[column], self._y[row] + 0.5 * (self._heights[row] - height), width, height

    def _rectangle(self, x: float, y: float, width: float, height: float) -> tuple[float, ...]:
        whole = self._whole
        return x / whole[0], y / whole[1], width / whole[0], height / whole[1]
