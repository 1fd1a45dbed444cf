"""Several runs side by side: numbers, what differs in their cases, and their histories in common charts."""

from collections.abc import Mapping, Sequence

from app.output.report.blocks import Beside, Block, Section, Table
from app.output.report.facts import FACTS
from app.output.report.progress import errors, misfits
from app.output.report.results import Results
from app.output.report.shown import folded
from app.output.report.wording import UNKNOWN, counted, number
from app.types import Json

FEW_KEYS, MOST_KEYS = 15, 200
"""Keys of the cases that are shown where they differ; more than the first number are folded."""


def side_by_side(runs: Mapping[str, Results]) -> Section:
    """The section that begins a comparison; `runs` by the names that they have there."""
    blocks: list[Block] = [_numbers(runs)]
    histories = {name: run.table("history.csv") for name, run in runs.items()}
    charts = [chart for chart in (misfits(histories), errors(histories)) if chart.known]
    blocks += [Beside([[chart] for chart in charts])] if charts else []
    return Section("comparison", "Side by side", [*blocks, *_differences(runs)])


def distinct(runs: Sequence[Results]) -> dict[str, Results]:
    """By the names of their folders or, where these are not all different, by their paths, numbered where
    these are not."""
    for names in ([run.folder.resolve().name for run in runs], [str(run.folder) for run in runs]):
        if len(set(names)) == len(runs):
            return dict(zip(names, runs, strict=True))
    return {f"{number}: {run.folder}": run for number, run in enumerate(runs, 1)}


def _numbers(runs: Mapping[str, Results]) -> Table:
    """A row for what is known of some run."""
    rows = []
    for name, fact in FACTS.items():
        cells = [fact(run) for run in runs.values()]
        if any(cells):
            rows.append([name, *(each or UNKNOWN for each in cells)])
    return Table(caption="The runs in numbers", columns=("", *runs), rows=rows, named=True)


def _differences(runs: Mapping[str, Results]) -> list[Block]:
    """Keys of the cases that are not the same in all of them."""
    cases = [dict(_flat(run.case)) for run in runs.values()]
    keys = dict.fromkeys(key for case in cases for key in case)
    rows = [
        [key, *(number(case.get(key)) for case in cases)]
        for key in keys
        if any(case.get(key) != cases[0].get(key) for case in cases)
    ]
    caption = f"What differs in the cases ({counted(len(rows), 'key')})"
    found = Table(caption=caption, columns=("key", *runs), rows=rows[:MOST_KEYS], named=True)
    if len(rows) > FEW_KEYS:
        return folded(caption, [found])
    return [found] if rows else []


def _flat(tree: Json, path: str = "") -> list[tuple[str, Json]]:
    """Dotted keys with their values; lists are values."""
    if not isinstance(tree, Mapping) or not tree:
        return [(path, tree)] if path else []
    return [pair for key, each in tree.items() for pair in _flat(each, f"{path}.{key}" if path else str(key))]
