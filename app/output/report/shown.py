"""Files of the results as blocks of a report."""

from collections.abc import Mapping, Sequence

from app.output.report.blocks import Block, Folded, Paragraph, Picture, Table
from app.output.report.results import Results, Rows
from app.output.report.wording import cell, number
from app.types import Described, Json

SHOWN = 100
"""Rows of a table at most."""


def picture(run: Results, name: str, caption: str) -> list[Block]:
    """A picture of the results, nothing where there is none."""
    path = run.picture(name)
    return [Picture(path, f"{caption}, {run.name}", f"{caption}.")] if path else []


def table(rows: Rows, caption: str, columns: Sequence[str] | None = None) -> list[Block]:
    """Rows of a CSV file, those columns that are asked for and there; nothing where there are no rows."""
    if not rows:
        return []
    names = [name for name in columns or rows[0] if name in rows[0]]
    cells = [[cell(row.get(name)) for name in names] for row in rows[:SHOWN]]
    blocks: list[Block] = [Table(caption=caption, columns=names, rows=cells)]
    if len(rows) > SHOWN:
        blocks.append(Paragraph(f"The first {SHOWN} rows; the file has them all."))
    return blocks


def folded(title: str, blocks: Sequence[Block]) -> list[Block]:
    """To be unfolded; nothing of nothing."""
    return [Folded(title, blocks)] if blocks else []


def pairs(caption: str, values: Mapping[str, str]) -> list[Block]:
    """Names with what they are; nothing of nothing."""
    rows = list(values.items())
    return [Table(caption=caption, columns=(), rows=rows, named=True)] if rows else []


def plain(values: Described, without: Sequence[str] = ()) -> dict[str, str]:
    """Numbers and words of a section of the summary, by names that can be read, but for what is nested."""
    return {
        _readable(name): number(value)
        for name, value in values.items()
        if name not in without and not _nested(value)
    }


def _readable(name: str) -> str:
    return name.replace("_", " ")


def _nested(value: Json) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(isinstance(each, Mapping | list) for each in inner)
