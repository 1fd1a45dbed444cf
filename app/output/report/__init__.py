"""report.html: what was asked of a run and what came of it, as one page, made from its folder alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

from app.output.files import written
from app.output.report.blocks import Beside, Block, Section, pictures_of
from app.output.report.comparison import distinct, side_by_side
from app.output.report.embedding import embedded
from app.output.report.facts import facts
from app.output.report.origin import case, versions
from app.output.report.page import page
from app.output.report.progress import convergence, growth, meshes, seconds
from app.output.report.readings import fit
from app.output.report.result import design, outcome, predictions, result
from app.output.report.results import NoRun, Results, read_results
from app.output.report.selection import selection
from app.output.report.shown import pairs

__all__ = ["MOST_RUNS", "NoRun", "report_of", "write_report"]

WRITES = ("report.html",)
"""Names of the files, for whoever replaces them."""

LARGEST = 3_000_000
"""Bytes of a page at most, pictures included."""

MOST_RUNS = 12
"""Runs that a page can show side by side."""

PARTS: dict[str, tuple[str, Callable[[Results], Sequence[Block]]]] = {
    "outcome": ("What was asked and what came out", outcome),
    "result": ("The result, and how sure it is", result),
    "fit": ("The fit to the readings", fit),
    "convergence": ("Convergence", convergence),
    "growth": ("How the network grew", growth),
    "selection": ("What was selected, and why", selection),
    "meshes": ("Meshes, and whether they are fine enough", meshes),
    "predictions": ("Predictions", predictions),
    "design": ("Where to measure next", design),
    "case": ("The case", case),
    "seconds": ("Where the time went", seconds),
    "versions": ("Versions, and how to cite", versions),
}
"""Titles of the sections by their names, and what makes each; those with nothing to say are left out."""


def write_report(path: Path, folders: Sequence[Path]) -> None:
    """Write the report of a run, or of several side by side; serial. Raises NoRun or OSError."""
    text = report_of([read_results(folder) for folder in folders])
    with written(path) as part:
        part.write_text(text, encoding="utf-8")


def report_of(runs: Sequence[Results]) -> str:
    """The page, at most LARGEST bytes unless its text alone is larger; serial."""
    sections = _sections(runs[0]) if len(runs) == 1 else _compared(runs)
    title = runs[0].name if len(runs) == 1 else f"{len(runs)} runs side by side"
    about = "Report of a run of enngf" if len(runs) == 1 else "Report of runs of enngf"
    pictures = pictures_of([block for section in sections for block in section.blocks])
    bare = page(title, about, sections, dict.fromkeys(pictures, ""))
    room = LARGEST - len(bare.encode())
    return page(title, about, sections, embedded(pictures, room))


def _sections(run: Results) -> list[Section]:
    """Of one run, whose numbers stand beside the sentences."""
    made = {name: make(run) for name, (_, make) in PARTS.items()}
    made["outcome"] = [Beside([made["outcome"], pairs("The run in numbers", facts(run))])]
    return [Section(name, PARTS[name][0], blocks) for name, blocks in made.items() if blocks]


def _compared(given: Sequence[Results]) -> list[Section]:
    """The runs' sections next to each other."""
    runs = distinct(given)
    sections = [side_by_side(runs)]
    for name, (title, make) in PARTS.items():
        made = {label: blocks for label, run in runs.items() if (blocks := make(run))}
        if made:
            sections.append(Section(name, title, [Beside(list(made.values()), list(made))]))
    return sections
