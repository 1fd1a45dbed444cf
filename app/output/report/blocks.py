"""What a report is made of, before it is a page: sections of paragraphs, tables, pictures and charts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.output.report.charts import Chart


@dataclass(frozen=True)
class Paragraph:
    """Text, whose `tone` is a class of the style sheet."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Items:
    """A list under a lead."""

    lead: str
    items: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as text, with a head unless there are no columns' names."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: frozenset[int] = frozenset()
    """Numbers of the rows that stand out."""
    shares: Sequence[float] = ()
    """Where there are some, a bar of this length from 0 to 1 ends each row."""
    named: bool = False
    """Whether the first cell of a row is its head."""


@dataclass(frozen=True)
class Picture:
    """A PNG, what it shows for those who do not see it, and a caption."""

    path: Path
    alternative: str
    caption: str


@dataclass(frozen=True)
class Verbatim:
    """Text as it stands in a file."""

    text: str


@dataclass(frozen=True)
class Folded:
    """Blocks that show when their title is asked for."""

    title: str
    blocks: Sequence["Block"]


@dataclass(frozen=True)
class Beside:
    """Columns of blocks next to each other where there is room, perhaps each with a title."""

    columns: Sequence[Sequence["Block"]]
    titles: Sequence[str] = ()


type Block = Paragraph | Items | Table | Picture | Chart | Verbatim | Folded | Beside


@dataclass(frozen=True)
class Section:
    """A part of the report with a heading; `name` is its anchor."""

    name: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)


def pictures_of(blocks: Sequence[Block]) -> list[Path]:
    """All pictures in blocks, in their order."""
    found: list[Path] = []
    for block in blocks:
        match block:
            case Picture(path):
                found.append(path)
            case Folded(_, inner):
                found += pictures_of(inner)
            case Beside(columns):
                for column in columns:
                    found += pictures_of(column)
            case _:
                pass
    return found
