"""What pydantic finds wrong, told in the project's words: found beside expected.

What is accepted is read from the JSON Schema, so the schema and the messages cannot disagree and a
new field needs no new message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import ValidationError

from app.case.anisotropy import FORM
from app.case.document import Key
from app.schema.problems import nearest, shown
from app.types import Described, Json

type Schema = Described


class Locator(Protocol):
    """Where each key of a case comes from."""

    def where(self, path: Sequence[Key]) -> str:
        """The file, line and name of a key."""


EXPRESSION = "a number or an expression such as 1 + 0.5*sin(pi*x)"

FORMATS = {
    "expression": EXPRESSION,
    "given": f"{EXPRESSION}, or a mapping with file, results or regions",
    "pointwise": f"{EXPRESSION}, or a mapping with file or results",
    "boundary": f"{EXPRESSION}, or a list, or a mapping with file or results",
    "path": "the path of a file",
    "length_or_inf": "a number > 0 or inf",
    "anisotropy": FORM,
    "places": "a list of places such as [[0.2, 0.5], [0.8, 0.5]], or of names of parts of the mesh",
    "place": "a list of numbers such as [0.2, 0.5], or the name of a part of the mesh",
}
NAME = "a name of letters, digits and _ that begins with no digit"
FOLDER_NAME = "text of letters a-z, digits, '.', '_' and '-', not only dots"
KEY = "[key]"
"""The last step of pydantic's location where the key itself is at fault."""


MOST_PROBLEMS = 50


def problems(error: ValidationError, schema: Schema, data: object, origin: Locator) -> list[str]:
    """One line for each thing that is wrong, in the order of the case's keys, none twice; the first ones."""
    found: dict[tuple[Key, ...], str] = {}
    faults = error.errors(include_url=False)
    for done, fault in enumerate(faults):
        if len(found) == MOST_PROBLEMS:
            told = [f"{origin.where(path)}: {text}" for path, text in found.items()]
            return [*told, f"... and up to {len(faults) - done} more"]
        path, text = _Diagnosis(schema, data).of(fault)
        # for pydantic a list whose items are wrong is too short as well
        below = isinstance(fault["input"], list) and any(known[: len(path)] == path for known in found)
        if not below:
            found.setdefault(path, text)  # each member of a union complains; the first is enough
    return [f"{origin.where(path)}: {text}" for path, text in found.items()]


class _Diagnosis:
    """One fault of pydantic's, beside the schema and the data."""

    def __init__(self, schema: Schema, data: object) -> None:
        self.schema = schema
        self.data = data

    def of(self, fault: Described) -> tuple[tuple[Key, ...], str]:
        """The path of the key at fault, and the sentence about it."""
        path, node = self.locate(fault["loc"])
        kind = fault["type"]
        if kind == "refused":
            context = fault["ctx"]
            key = context["key"]
            here = path if key is None else (*path, key)
            return here, f"found {context['found']}, expected {context['expected']}"
        if kind == "extra_forbidden":
            known = list(node["properties"])
            expected = f"one of {', '.join(known)}{nearest(path[-1], known)}"
            return path, f"found unknown key {path[-1]!r}, expected {expected}"
        if kind == "missing":
            return path, f"found nothing, expected {self.accepted(node)}"
        value = _entry(self.data, path, fault["input"])
        if fault["loc"][-1:] == (KEY,):
            return path, f"found the name {shown(path[-1])}, expected {NAME}"
        if kind in ("union_tag_invalid", "union_tag_not_found") and isinstance(value, dict):
            key, kinds = node["discriminator"]["propertyName"], list(node["discriminator"]["mapping"])
            value = value.get(key)
            path = (*path, key)
            text = f"one of {', '.join(kinds)}{nearest(value, kinds)}"
            return path, f"found {shown(value)}, expected {text}"
        near = nearest(value, self.choices(node)) if isinstance(value, str) else ""
        return path, f"found {shown(value)}, expected {self.accepted(node)}{near}"

    def locate(self, location: Sequence[Key]) -> tuple[tuple[Key, ...], Schema]:
        """The path in the YAML file and the schema of pydantic's location.

        The location also names the members of unions that were tried; those are no keys.
        """
        path: tuple[Key, ...] = ()
        node = self.resolved(self.schema)
        for step in location[:-1] if location[-1:] == (KEY,) else location:
            if "discriminator" in node:
                node = self.resolved({"$ref": node["discriminator"]["mapping"][step]})
                continue
            if "oneOf" in node:
                node = self.member(node, step)
                continue
            child = self.child(node, step)
            if child is None and not isinstance(node.get("properties"), Mapping):
                break
            path = (*path, step)
            if child is None:
                break
            node = self.resolved(child)
        return path, node

    def member(self, node: Schema, tag: Key) -> Schema:
        """Of a field that may be given in several ways (app.schema.given) the one with a tag."""
        members = [self.resolved(one) for one in node["oneOf"]]
        names = [one.get("title", one.get("format", one.get("type"))) for one in members]
        return members[names.index(tag)]

    def child(self, node: Schema, step: Key) -> Schema | None:
        """The schema of a key or position below a node."""
        if isinstance(step, int):
            fixed = node.get("prefixItems", [])
            inner = fixed[step] if step < len(fixed) else node.get("items")
        elif step in node.get("properties", {}):
            inner = node["properties"][step]
        else:
            named = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
            inner = named[0]
        return inner if isinstance(inner, Mapping) else None

    def resolved(self, node: Schema) -> Schema:
        """A node without indirection: references followed, `or null` left out."""
        while True:
            members = [m for m in node.get("anyOf", []) if m.get("type") != "null"]
            if "$ref" in node:
                node = self.schema["$defs"][node["$ref"].rpartition("/")[2]]
            elif len(members) == 1:
                node = members[0]
            else:
                return node

    def choices(self, node: Schema) -> list[object]:
        """The enumerated values that a node accepts."""
        members = [self.resolved(member) for member in node.get("anyOf", [node])]
        return [
            choice
            for member in members
            for choice in member.get("enum", [member["const"]] if "const" in member else [])
        ]

    def accepted(self, node: Schema, plural: bool = False) -> str:
        """What a node accepts, in words."""
        node = self.resolved(node)
        choices = self.choices(node)
        if node.get("format") in FORMATS:
            return FORMATS[node["format"]]
        if "anyOf" in node:
            return " or ".join(self.accepted(member, plural) for member in node["anyOf"])
        if choices:
            return " or ".join(map(str, choices)) if len(choices) < 2 else _one_of(choices)
        if "discriminator" in node:
            return f"a mapping whose kind is {_one_of(node['discriminator']['mapping'])}"
        match node.get("type"):
            case "array":
                item = node.get("items") or node["prefixItems"][0]
                return f"a list of {_count(node)}{self.accepted(item, plural=True)}"
            case "object":
                return "a mapping" + _entries(node)
            case "integer":
                return ("integers" if plural else "an integer") + _bounds(node)
            case "boolean":
                return "true or false"
            case "number":
                return ("finite numbers" if plural else "a finite number") + _bounds(node)
            case _:
                named = FOLDER_NAME if "pattern" in node else "text"
                return "texts" if plural else named


def _one_of(choices: Sequence[object] | Mapping[str, object]) -> str:
    return f"one of {', '.join(map(str, choices))}"


def _bounds(node: Schema) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {node[name]}" for name, sign in signs.items() if name in node]
    return (" " + " and ".join(bounds)) if bounds else ""


def _entries(node: Schema) -> str:
    """How many entries a mapping accepts."""
    if not node.get("minProperties"):
        return ""
    return " with one entry" if node.get("maxProperties") == 1 else " with at least one entry"


def _count(node: Schema) -> str:
    """How many items a list accepts: `2 `, `1 to 4 `, `at least 1 ` or nothing."""
    least, most = node.get("minItems"), node.get("maxItems")
    if least == most:
        return f"{least} " if least else ""
    return f"{least} to {most} " if most else f"at least {least} "


def _entry(data: Json, path: Sequence[Key], otherwise: object) -> object:
    """The value of the data at a path."""
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return otherwise
    return data
