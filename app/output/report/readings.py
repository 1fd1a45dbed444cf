"""The section on the fit: readings beside predictions, the noise, the worst readings."""

from app.output.report.blocks import Block, Table
from app.output.report.results import Results
from app.output.report.shown import picture, table
from app.output.report.wording import number
from app.types import Summary

WORST = 10
"""Readings that are named."""


def fit(run: Results) -> list[Block]:
    """Readings beside predictions, the worst of them, the noise, and experiments."""
    caption = "Readings beside what the result predicts of them, and the residuals in standard deviations"
    return picture(run, "fit.png", caption) + _worst(run) + _noise(run) + _experiments(run)


def _worst(run: Results) -> list[Block]:
    """Of all readings, else those that the summary names."""
    rows = run.worst("fit.csv", "residual", WORST)
    if not rows:
        rows = [{name: str(each) for name, each in told.items()} for told in run.entries("worst_readings")]
    told = "residual: predicted less read in standard deviations"
    return table(rows[:WORST], f"The readings that are farthest from their prediction ({told})")


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
