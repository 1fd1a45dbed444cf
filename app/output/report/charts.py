"""Charts of numbers as SVG within the page; lines have dashes and marks, which tell them apart in grey."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

WIDTH, PLOT = 480.0, 230.0
"""Of the drawing, and height of its plot, in user units; the letters have 13."""

LEFT, RIGHT, BELOW, ENTRY = 32.0, 12.0, 44.0, 19.0
"""Margins, that at the left beside the numbers there, and the height of an entry of the legend."""

LETTER = 7.6
"""Width of a digit."""

COLOURS = ("#0072b2", "#d55e00", "#000000", "#009e73", "#cc79a7", "#7a7a7a")
"""Okabe and Ito's, which the colour-blind tell apart."""

DASHES = ("", "7 4", "2 3", "10 3 2 3")

DECADES = 10.0
"""Positive numbers that differ by more than this factor have a logarithmic axis."""

HUGE = 1e150
"""Numbers beyond it are not drawn, those below its inverse are zero: their squares are no numbers."""

ALIKE = 1e-9
"""Numbers that differ by a smaller share are drawn as the same."""

STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Line:
    """Values over places; nan where there is none."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    level: bool = False
    """Whether it is a level to compare with, drawn without marks."""

    @property
    def points(self) -> list[tuple[float, float]]:
        """Those that are known, and of a size to be drawn."""
        pairs = zip(self.x, self.y, strict=True)
        return [(x, y if abs(y) > 1 / HUGE else 0.0) for x, y in pairs if abs(x) < HUGE and abs(y) < HUGE]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over common axes."""

    title: str
    horizontal: str
    vertical: str
    lines: Sequence[Line]

    @property
    def known(self) -> bool:
        """Whether there is something to draw."""
        return any(line.points for line in self.lines if not line.level)


@dataclass(frozen=True)
class Axis:
    """From values to places on the drawing."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (self._scaled(each) for each in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value

    def ticks(self) -> list[float]:
        """Round numbers between the ends, some five of them."""
        if not self.logarithmic:
            return _round_numbers(self.low, self.high)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        steps = (1.0, 2.0, 5.0) if last - first <= 2 else (1.0,)
        every = max(1, round((last - first) / 6))
        numbers = [step * 10.0**power for power in range(first, last + 1, every) for step in steps]
        return [each for each in numbers if self.low <= each <= self.high]


def drawing(chart: Chart) -> Element:
    """The chart as an SVG element."""
    shown = [(number, line) for number, line in enumerate(chart.lines) if line.points]
    top = ENTRY * len(shown) + 10.0
    height = top + PLOT + BELOW
    svg = Element("svg", {"viewBox": f"0 0 {WIDTH:g} {height:g}", "role": "img", "aria-label": chart.title})
    points = [point for _, line in shown for point in line.points]
    upward = _axis([y for _, y in points], top + PLOT, top, may_be_logarithmic=True)
    left = LEFT + LETTER * max(len(_short(value)) for value in upward.ticks())
    across = _axis([x for x, _ in points], left, WIDTH - RIGHT)
    _frame(svg, across, upward)
    _labels(svg, chart, across, top)
    for place, (number, line) in enumerate(shown):
        _entry(svg, number, line, across.start, place)
        _curve(svg, number, line, across, upward)
    return svg


def _axis(values: Sequence[float], start: float, end: float, *, may_be_logarithmic: bool = False) -> Axis:
    low, high = min(values), max(values)
    if may_be_logarithmic and low > 0 and high > DECADES * low:
        return Axis(low / 1.25, high * 1.25, start, end, logarithmic=True)
    size = max(abs(low), abs(high))
    margin = 0.06 * (high - low) if high - low > ALIKE * size else 0.5 * size or 0.5
    return Axis(low - margin, high + margin, start, end)


def _round_numbers(low: float, high: float) -> list[float]:
    size = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(size))
    step = unit * next(each for each in STEPS if each * unit >= size * 0.999)
    first = math.ceil(low / step)
    return [(first + i) * step for i in range(math.floor(high / step) - first + 1)]


def _frame(svg: Element, across: Axis, upward: Axis) -> None:
    """Axes, ticks with their numbers, and fine lines across."""
    for value in upward.ticks():
        y = upward(value)
        _line(svg, across.start, y, across.end, y, "grid")
        _text(svg, across.start - 7, y + 4.5, _short(value), "end")
    for value in across.ticks():
        if value == round(value):  # iterations are counted
            _line(svg, across(value), upward.start, across(value), upward.start + 5, "axis")
            _text(svg, across(value), upward.start + 19, f"{value:g}", "middle")
    _line(svg, across.start, upward.start, across.end, upward.start, "axis")
    _line(svg, across.start, upward.start, across.start, upward.end, "axis")


def _labels(svg: Element, chart: Chart, across: Axis, top: float) -> None:
    _text(svg, (across.start + across.end) / 2, top + PLOT + 38, chart.horizontal, "middle")
    x, y = 14.0, top + PLOT / 2
    label = _text(svg, x, y, chart.vertical, "middle")
    label.set("transform", f"rotate(-90 {x:g} {y:g})")


def _entry(svg: Element, number: int, line: Line, x: float, place: int) -> None:
    """A line of the legend, from x on."""
    y = ENTRY * (place + 0.5) + 2
    _path(svg, number, line, [(x, y), (x + 44, y)])
    if not line.level:
        _mark(svg, number, x + 22, y)
    _text(svg, x + 52, y + 4.5, line.label, "start")


def _curve(svg: Element, number: int, line: Line, across: Axis, upward: Axis) -> None:
    places = [(across(x), upward(y)) for x, y in line.points]
    _path(svg, number, line, places)
    for x, y in () if line.level else places:
        _mark(svg, number, x, y)


def _path(svg: Element, number: int, line: Line, places: Sequence[tuple[float, float]]) -> None:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dash = "2 3" if line.level else DASHES[number % len(DASHES)]
    look = {"fill": "none", "stroke": _colour(number, line), "stroke-width": "2", "stroke-dasharray": dash}
    SubElement(svg, "polyline", {"points": drawn, **look})


def _mark(svg: Element, number: int, x: float, y: float) -> None:
    """A circle, a square or a triangle."""
    colour = COLOURS[number % len(COLOURS)]
    if number % 3 == 0:
        SubElement(svg, "circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "3.5", "fill": colour})
        return
    corners = [(-3, -3), (3, -3), (3, 3), (-3, 3)] if number % 3 == 1 else [(0, -4.5), (4, 3), (-4, 3)]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    SubElement(svg, "polygon", {"points": points, "fill": colour})


def _colour(number: int, line: Line) -> str:
    return "#000000" if line.level else COLOURS[number % len(COLOURS)]


def _line(svg: Element, x1: float, y1: float, x2: float, y2: float, name: str) -> None:
    ends = zip(("x1", "y1", "x2", "y2"), (x1, y1, x2, y2), strict=True)
    SubElement(svg, "line", {"class": name, **{key: f"{value:.1f}" for key, value in ends}})


def _short(value: float) -> str:
    """A number at an axis."""
    text = f"{value:.6g}"
    if len(text) <= 7 and "e" not in text:
        return text
    digits, power = f"{value:.2e}".split("e")
    return f"{float(digits):g}e{int(power)}"


def _text(svg: Element, x: float, y: float, text: str, anchor: str) -> Element:
    element = SubElement(svg, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor})
    element.text = text
    return element
