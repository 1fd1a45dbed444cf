"""A case's keys as a page of Markdown, from the JSON Schema."""

import json
import re
from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]
"""A JSON Schema, or a part of one."""

BEGINNING = """# Every key

Made by `python -m app schema --format markdown`. A key without a default has to be given. A section that can
be of several kinds says which by its key `kind`. Expressions are of the coordinates `x`, `y`, `z` (and `t` in
time): numbers, `pi`, `+ - * / **`, and functions such as `sin`, `exp`, `log`, `sqrt`, `tanh`. A field is an
expression, or values from a [file](#file-field), of [earlier results](#results-field) or for each
[region](#regions-field) of the mesh.
"""

FIELDS = {
    "given": "field",
    "pointwise": "field, but no regions",
    "boundary": "field, but no regions, or list of expression",
}
"""What may stand where a field is given, by the format in the schema (app.schema.given)."""


def page(schema: Node) -> str:
    """All kinds of cases, and what their sections hold, each once, where it is first asked for."""
    known: Node = schema["$defs"]
    order: list[str] = []
    for name in _named(schema):
        _collect(name, known, order)
    return "\n".join([BEGINNING, *(_section(name, known[name]) for name in order)])


def _collect(name: str, known: Node, order: list[str]) -> None:
    """The definition, and behind it those that it refers to."""
    if name not in order:
        order.append(name)
        for each in _named(known[name]):
            _collect(each, known, order)


def _named(node: object) -> Iterator[str]:
    """The definitions that a part of a schema refers to, in order."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        for key, value in node.items():
            if key not in ("$defs", "discriminator", "default"):
                yield from _named(value)
    elif isinstance(node, list):
        for each in node:
            yield from _named(each)


def _section(name: str, node: Node) -> str:
    lines = [f"## {title(name)}", "", _cell(node.get("description", "")), ""]
    needed = node.get("required", ())
    lines += ["| key | value | default | |", "|---|---|---|---|"]
    for key, value in node.get("properties", {}).items():
        default = "" if key in needed or "default" not in value else f"`{_shown(value['default'])}`"
        lines.append(f"| `{key}` | {_values(value)} | {default} | {_cell(value.get('description', ''))} |")
    return "\n".join([*lines, ""])


def title(name: str) -> str:
    """`FluxObservations` as `Flux observations`; what only says that it is a schema is left out."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*", name.removesuffix("Spec"))
    return " ".join([words[0], *(word.lower() for word in words[1:])])


def _values(node: Node) -> str:
    """What may stand there."""
    if "$ref" in node:
        name = title(node["$ref"].rpartition("/")[2])
        return f"[{name}](#{name.lower().replace(' ', '-')})"
    if node.get("format") in FIELDS:
        return FIELDS[node["format"]]
    for several in ("anyOf", "oneOf"):
        if several in node:
            options = [_values(each) for each in node[several] if each.get("type") != "null"]
            return " or ".join(dict.fromkeys(options))
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join(f"`{each}`" for each in node["enum"])
    return _of_type(node)


def _of_type(node: Node) -> str:
    kind: str | list[str] = node.get("type", "anything")
    if node.get("format") == "expression":
        return "expression"
    if kind == "array":
        return _list(node)
    if kind == "object":
        inner = next(iter(node.get("patternProperties", {}).values()), node.get("additionalProperties"))
        return f"names, each with {_values(inner)}" if isinstance(inner, dict) else "section"
    words = {"integer": "whole number", "string": "text", "boolean": "true or false"}
    kinds = kind if isinstance(kind, list) else [kind]
    return f"{' or '.join(words.get(each, each) for each in kinds)}{_range(node)}"


def _list(node: Node) -> str:
    parts = node.get("prefixItems")
    if parts:
        return f"list of {len(parts)}: {_values(parts[0])}"
    return f"list of {_values(node['items'])}" if isinstance(node.get("items"), dict) else "list"


def _range(node: Node) -> str:
    """Its bounds in words, the largest counts left out."""
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {node[key]:g}" for key, sign in words.items() if key in node and node[key] < 1e9]
    return f" {', '.join(bounds)}" if bounds else ""


def _shown(value: object) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    """Text in one line, without what ends a cell of a table."""
    return " ".join(text.split()).replace("|", "∣")
