"""The text of a starter case."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from app.case.document import NotYaml, read_document
from app.case.starter.body import Body
from app.case.starter.equations import Start
from app.equations import SPECS

WIDE = 34
"""Where comments begin."""

MIDDLE_RESISTIVITY = 5.0
"""Of a made-up body, as a logarithm of ohm m."""


@dataclass(frozen=True)
class Readings:
    """What a starter case says of an observation."""

    name: str
    file: str
    kind: str = "points"
    component: str | None = None
    note: str = ""


def case_text(
    name: str,
    equation: str,
    body: Body,
    start: Start,
    readings: Sequence[Readings],
    *,
    made_up: bool,
    schema: str,
) -> str:
    """The YAML of a case, with comments; `schema` is where the schema's file is."""
    run = f"python -m app {name}.yaml" + (" --allow-code" if start.code else "")
    terms = {key: text.replace("{name}", name) for key, text in start.terms.items()}
    lines = [
        f"# yaml-language-server: $schema={schema}",
        f"# {_sentence(equation)}",
        *_notes(run),
        f"name: {quoted(name)}",
        "",
        f"mesh: {body.mesh}",
        "",
        "equation:",
        f"  kind: {equation}",
        *(_noted(f"  {key}: {text}", start.notes.get(key, "")) for key, text in terms.items()),
    ]
    if start.conditions:
        lines += [_noted("  boundary:", _parts(body)), *(f"    {each}" for each in start.conditions)]
    lines += ["", "unknowns:", *_unknown(start, body if made_up else None), "", "observations:"]
    for each in readings:
        component = f", component: {each.component}" if each.component else ""
        lines += [f"  # {each.note}"] if each.note else []
        lines.append(f"  {each.name}: {{kind: {each.kind}, file: {quoted(each.file)}{component}}}")
    return "\n".join([*lines, *OPTIONS]) + "\n"


def quoted(text: str) -> str:
    """A text as YAML reads it within a flow mapping: in quotes where it would be a number, or no text."""
    try:
        plain = read_document(f"{{text: {text}}}").data == {"text": text}
    except NotYaml:
        plain = False
    return text if plain else json.dumps(text, ensure_ascii=False)


def _notes(run: str) -> list[str]:
    """What to do with the case."""
    return [
        f"# Check and draw it with {run} --check,",
        f"# run it with {run}",
        "# Numbers and expressions are a first guess: replace them by what you know, in units that agree.",
    ]


OPTIONS = (
    "",
    "# More keys, which have defaults (python -m app schema lists all):",
    "# regularisation: {m: {kind: matern, correlation_length: 0.3, std: 1}}   # else the data choose",
    "# predictions: {there: {kind: points, at: [[0.5, 0.5]]}}                 # with their uncertainty",
    "# flow: {max_iterations: 20}",
)
"""The end of a case."""


def _unknown(start: Start, made_up_on: Body | None) -> list[str]:
    """The section of the unknown, with the truth where readings are made up of it."""
    lines = ["  m:", _noted(f"    role: {start.role}", _meaning(start.role))]
    base = start.reference
    if base is not None:
        lines.append(_noted(f'    reference: "{base:.6g}"', "where the recovery starts"))
    if made_up_on is not None:
        middle = MIDDLE_RESISTIVITY if base is None else base
        told = f"{middle:.6g} + " if middle else ""
        first, second = made_up_on.bump(0), made_up_on.bump(1, 0.03)
        lines += [
            "    # The readings were made up of this truth. A run compares with it and never uses it.",
            f'    truth: "{told}{start.scale:.3g}*{first} - {0.8 * start.scale:.3g}*{second}"',
        ]
    return lines


def _meaning(role: str) -> str:
    if role.startswith("log_"):
        return f"m is the natural logarithm of the {role.removeprefix('log_').replace('_', ' ')}"
    told = {"value": "m is what was read", "coefficient": "m is what the Python file makes of it"}
    return told.get(role, f"m is the {role}")


def _parts(body: Body) -> str:
    """Which parts conditions may name."""
    if not body.generated:
        return f"on {', '.join(body.parts)}"
    ends = {1: "x_min, x_max", 2: "x_min, x_max, y_min, y_max", 3: "x_min, x_max, …, z_max"}[body.dimension]
    return f"on all, or on sides: {ends}"


def _sentence(equation: str) -> str:
    """What the equation is."""
    for spec in SPECS:
        described = spec.model_fields["kind"]
        if equation in getattr(described.annotation, "__args__", ()):
            return " ".join((described.description or "").split())
    raise KeyError(equation)


def _noted(line: str, note: str) -> str:
    """A line with a comment behind it."""
    return f"{line:<{WIDE}}# {note}" if note else line
