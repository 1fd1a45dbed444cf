"""The sections on what came out: in words, in pictures, as predictions, and where to measure next."""

from app.output.report.blocks import Block, Items, Paragraph, Table
from app.output.report.outcome import sentences, unknowns_of
from app.output.report.results import Results
from app.output.report.shown import folded, pairs, picture, plain, table
from app.output.report.wording import number, sentence
from app.output.state import PICTURES

SURE = {
    "laplace": "How sure it is: the standard deviation, with a veil where the readings resolve little",
    "interfaces": "How sure it is: the probability of each phase, with its interface",
}
"""What posterior.png shows, by the kind of posterior."""

PHASES = ("values", "values_std", "sizes", "sizes_5", "sizes_95")
"""What is told of each phase: its value with the deviation, its size with bounds of 90 %."""


def outcome(run: Results) -> list[Block]:
    """Four sentences, and what else is to be known."""
    first, *others = sentences(run)
    blocks: list[Block] = [Paragraph(first, "verdict"), Paragraph(" ".join(others))]
    if known := _to_be_known(run):
        blocks.append(Items("To be known:", known))
    return blocks


def result(run: Results) -> list[Block]:
    """The coefficient, beside the truth where it is known, and how sure it is."""
    named = "; ".join(unknowns_of(run)) or "the unknown"
    beside = ", beside the truth and the error" if run.told("relative_error") is not None else ""
    blocks = picture(run, "coefficient.png", f"Recovered: {named}{beside}")
    for path in sorted(run.folder.glob(PICTURES)):
        of = path.stem.removeprefix("state").replace("_", " ")
        blocks += picture(run, path.name, f"The state as it changes with time{of and f', experiment{of}'}")
    blocks += picture(run, "reduction.png", "States at unseen parameters, and the error by numbers stored")
    blocks += _reduction(run)
    blocks += picture(run, "posterior.png", SURE.get(str(run.told("posterior", "kind")), SURE["laplace"]))
    blocks += _phases(run)
    if note := run.told("posterior", "note"):
        blocks.append(Paragraph(sentence(f"a remark on this: {note}")))
    numbers = plain(run.named("posterior"), without=("note",))
    return blocks + folded("How sure it is, in numbers", pairs("Section posterior of summary.json", numbers))


def predictions(run: Results) -> list[Block]:
    """What the case predicts, with bounds."""
    rows = run.table("predictions.csv")
    caption = "Predictions: value, standard deviation after and before the data, quantiles of 5, 50 and 95 %"
    blocks = table(rows, caption)
    if covered := run.told("predictions", "covered"):
        said = f"Of the true values a share of {number(covered)} lies between the outer quantiles."
        blocks.append(Paragraph(said))
    return blocks


def design(run: Results) -> list[Block]:
    """Where to measure next, if that was asked for."""
    caption = "Standard deviation before and after the chosen readings, and the variance that is left"
    rows = table(run.table("design.csv"), "Chosen readings, the most useful first")
    return picture(run, "design.png", caption) + rows


def _to_be_known(run: Results) -> list[str]:
    """Advice, notes on the data, and what is missing."""
    found = [str(each) for each in (*run.listed("verdict", "advice"), *run.listed("notes"))]
    if left_out := run.told("left_out", "readings"):
        found.append(f"readings that no coefficient changes were left out: {number(left_out)}")
    found += [f"{name} is missing: {reason}" for name, reason in run.named("unwritten").items()]
    return [sentence(each) for each in found]


def _phases(run: Results) -> list[Block]:
    """The values of phases, and how large these are; the first value is that of the rest."""
    columns = [run.listed("posterior", name) for name in PHASES]
    values, deviations, *sizes = columns
    sizes = [["", *each] for each in sizes]
    names = ["the rest", *(f"phase {i}" for i in range(1, len(values)))]
    rows = [
        [name, *map(number, cells)] for name, *cells in zip(names, values, deviations, *sizes, strict=False)
    ]
    heads = ("", "value", "standard deviation", "size", "5 %", "95 %")
    return [Table(caption="Phases", columns=heads, rows=rows, named=True)] if values else []


def _reduction(run: Results) -> list[Block]:
    """A network beside proper orthogonal decompositions."""
    own = run.named("reduction")
    counts = run.named("reduction", "pod")
    modes = {f"POD, {count} modes": run.named("reduction", "pod", count) for count in counts}
    rows = [
        (name, number(told.get("unseen_error")), number(told.get("stored_numbers")))
        for name, told in {"network": own, **modes}.items()
    ]
    caption = f"Relative error in L2 at {number(own.get('unseen'))} unseen parameters"
    columns = ("approximation", "error", "numbers stored")
    return [Table(caption=caption, columns=columns, rows=rows, named=True)] if own else []
