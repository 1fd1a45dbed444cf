"""Names of the schema's classes."""

from __future__ import annotations

import ast
from pathlib import Path

APP = Path(__file__).parents[2] / "app"


def classes(file: Path) -> set[str]:
    """Names of the classes that a file defines at its top."""
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)}


def test_no_class_of_the_schema_has_the_name_of_another_rooms() -> None:
    """What is the same word elsewhere ends in Spec here, so that a name says which of the two is meant."""
    schema = {name for file in (APP / "case").glob("*.py") for name in classes(file)}
    rest = {name for file in APP.rglob("*.py") if file.parent != APP / "case" for name in classes(file)}
    assert len(schema) > 50 and not schema & rest


def test_no_two_classes_of_the_schema_share_a_name() -> None:
    """The JSON Schema tells its sections by these names."""
    names = [name for file in sorted((APP / "case").glob("*.py")) for name in sorted(classes(file))]
    assert len(names) == len(set(names))
