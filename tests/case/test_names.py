"""Names of the schema's classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import app.case  # noqa: F401 - all rooms that have sections
from app.schema import Section

APP = Path(__file__).parents[2] / "app"


def sections(kind: type[Section] = Section) -> Iterator[type[Section]]:
    """Every class of the schema, in whichever room."""
    for each in kind.__subclasses__():
        yield each
        yield from sections(each)


def classes() -> set[tuple[str, str]]:
    """Module and name of every class that stands at the top of a file."""
    return {
        (f"app.{file.relative_to(APP).with_suffix('').as_posix().replace('/', '.')}", node.name)
        for file in APP.rglob("*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef)
    }


def test_no_class_of_the_schema_has_the_name_of_another() -> None:
    """What is the same word elsewhere ends in Spec here, so that a name says which of the two is meant."""
    schema = {(each.__module__, each.__name__) for each in sections()}
    names, rest = {name for _, name in schema}, {name for _, name in classes() - schema}
    assert len(schema) > 50 and not names & rest


def test_no_two_classes_of_the_schema_share_a_name() -> None:
    """The JSON Schema tells its sections by these names."""
    names = [each.__name__ for each in {*sections()}]
    assert len(names) == len(set(names))
