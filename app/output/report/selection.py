"""The section on what the data selected: the regularisation, and whether the unknown has few values."""

from app.output.report.blocks import Block, Paragraph, Table
from app.output.report.results import Results
from app.output.report.shown import picture
from app.output.report.wording import number, numeric, sentence
from app.types import Json, Summary

USUAL = ("weight", "score", "judged_by", "chosen")
"""Keys of a candidate that are none of its own parameters."""

JUDGES = {
    "leave_one_out": "by how it predicts each reading from the others",
    "folds": "by how it predicts readings that were left out together",
    "evidence": "by its evidence",
}
"""How a candidate was judged."""


def selection(run: Results) -> list[Block]:
    """Candidates, the chosen one and why; without candidates what the case asked for."""
    candidates = run.entries("candidates")
    if not candidates:
        return _stated(run)
    blocks: list[Block] = [Paragraph(_chosen(candidates, run.told("choice_reason")))]
    caption = "Scores of the regularisations by their weight: the lower the better"
    blocks += picture(run, "choice.png", caption)
    blocks.append(_table(candidates))
    if reason := run.told("phases", "reason"):
        taken = "were taken" if run.told("phases", "taken") else "were not taken"
        said = f"Phases, that is few values with sharp interfaces, {taken}: {reason}"
        blocks.append(Paragraph(sentence(said)))
    return blocks


def _stated(run: Results) -> list[Block]:
    kind = run.told("regularisation_kind")
    if kind is None:
        return []
    weight = number(run.told("regularisation_weight"))
    said = f"Nothing was selected: the case asks for the regularisation {kind}; its weight is {weight}."
    return [Paragraph(said)]


def _chosen(candidates: list[Summary], reason: Json) -> str:
    """Which one, why, and the score of the best of another kind."""
    chosen = next((each for each in candidates if each.get("chosen")), None)
    if chosen is None:
        return "None of the regularisations was chosen."
    weight, score = (number(chosen.get(key)) for key in ("weight", "score"))
    said = f"Chosen was {_name(chosen)}, weight {weight}, {JUDGES.get(str(chosen.get('judged_by')), '')}"
    said = f"{said.rstrip(' ,')} (score {score}"
    others = [each for each in candidates if each.get("kind") != chosen.get("kind")]
    if others:
        other = min(others, key=lambda each: numeric(each.get("score")))
        said += f"; the least of another kind is {number(other.get('score'))}, {_name(other)}"
    return f"{said}). {sentence(f'The reason: {reason}') if reason else ''}".rstrip()


def _name(candidate: Summary) -> str:
    length = candidate.get("length_scale")
    kind = number(candidate.get("kind")).replace("_", " ")
    return kind if length is None else f"{kind} of length {number(length)}"


def _table(candidates: list[Summary]) -> Table:
    """Those parameters that some candidate has, and its weight and score."""
    known = {key for each in candidates for key, value in each.items() if value is not None}
    own = [key for key in candidates[0] if key in known and key not in USUAL]
    columns = [*own, *USUAL]
    rows = [[_cell(each, key) for key in columns] for each in candidates]
    marked = frozenset(place for place, each in enumerate(candidates) if each.get("chosen"))
    heads = [key.replace("_", " ") for key in columns]
    return Table(caption="Candidates", columns=heads, rows=rows, marked=marked)


def _cell(candidate: Summary, key: str) -> str:
    if key == "chosen":
        return "chosen" if candidate.get(key) else ""
    return number(candidate.get(key)).replace("_", " ")
