"""The section on the fit: readings beside predictions, the noise, the worst readings."""

from app.output.report.blocks import Block, Table
from app.output.report.results import Results
from app.output.report.shown import picture, table
from app.output.report.wording import cell, number
from app.types import Summary

WORST = 10
"""Readings that are named."""

POINT = ("x", "y", "z")
"""Columns of fit.csv that are coordinates."""

NUMBERS = ("residual", "read", "rhoa", "predicted", "sigma")
"""What is shown of a reading as it stands there; `rhoa` is the reading in tables of 0.1."""

OTHERS = ("experiment", "observation", "file", "line", "place", "scale", *NUMBERS)
"""Columns that do not say where a reading was taken, as all others do, and `place` of a summary, which says
all of it."""


def fit(run: Results) -> list[Block]:
    """Readings beside predictions, the worst of them, the noise, and experiments."""
    caption = "Readings beside what the result predicts of them, and the residuals in standard deviations"
    return picture(run, "fit.png", caption) + _worst(run) + _noise(run) + _experiments(run)


def _worst(run: Results) -> list[Block]:
    """Of all readings, else those that the verdict names, or the summary of 0.1."""
    rows = run.worst("fit.csv", "residual", WORST)
    if not rows:
        named = (run.entries("verdict", "worst") or run.entries("worst_readings"))[:WORST]
        rows = [{name: str(each) for name, each in told.items()} for told in named]
    shown = [_told(row) for row in rows]
    told = "The readings that are farthest from their prediction; residuals in standard deviations"
    return table(shown, told)


def _told(row: dict[str, str]) -> dict[str, str]:
    """A row of fit.csv in fewer columns: which reading it is, where, and how far off."""
    names = (row.get("experiment"), row.get("observation"))
    reading = {"observation": ": ".join(filter(None, names)), "line": _line(row)}
    point = [cell(row[name]) for name in POINT if row.get(name)]
    others = [f"{name} {cell(row[name])}" for name in row if name not in (*OTHERS, *POINT) and row[name]]
    place = ", ".join(filter(None, [row.get("place"), f"({', '.join(point)})" if point else "", *others]))
    numbers = {name: row[name] for name in NUMBERS if name in row}
    return {name: text for name, text in (reading | {"place": place}).items() if text} | numbers


def _line(row: dict[str, str]) -> str:
    return ":".join(filter(None, (row.get("file"), row.get("line"))))


def _noise(run: Results) -> list[Block]:
    rows = [_level(told) for told in run.entries("verdict", "noise")]
    columns = ("observation", "standard deviation", "least reading", "largest reading")
    caption = "Noise, beside the range of the readings"
    return [Table(caption=caption, columns=columns, rows=rows, named=True)] if rows else []


def _level(told: Summary) -> tuple[str, ...]:
    sigma = number(told.get("sigma"), 3) + (" (relative)" if told.get("relative") else "")
    return number(told.get("observation")), sigma, number(told.get("least")), number(told.get("largest"))


def _experiments(run: Results) -> list[Block]:
    names = run.named("experiments")
    keys = ("readings", "misfit")
    rows = [(name, *(number(run.told("experiments", name, key)) for key in keys)) for name in names]
    columns = ("experiment", *keys)
    return [Table(caption="By experiment", columns=columns, rows=rows, named=True)] if rows else []
