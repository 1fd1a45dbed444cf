"""The schema of a case, as editors get it, and the cases that name it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.case import schema
from app.case.examples import speaks_for_itself
from app.case.load import SCHEMA_FILE
from app.case.shipped import FOLDER, MODELINE, sentence_of, shipped_cases

SECTIONS: dict[str, Any] = schema()["$defs"]  # type: ignore[assignment]

KEYS = [
    (name, key, told)
    for name, section in SECTIONS.items()
    for key, told in section.get("properties", {}).items()
]


def test_the_schema_file_is_current() -> None:
    """`make schema` makes it anew."""
    assert json.loads(SCHEMA_FILE.read_text()) == schema()


def test_every_key_is_described() -> None:
    """With a sentence, and with a default, a list of values, sections or an example."""
    assert len(KEYS) > 400
    for name, key, told in KEYS:
        assert told.get("description", "").endswith("."), f"{name}.{key} has no sentence"
        assert speaks_for_itself(told), f"{name}.{key} has no example: app/case/examples.py"


def test_shipped_cases_say_what_they_are() -> None:
    """Each begins with the schema's line for editors and a sentence of its own, within a line's length."""
    cases = shipped_cases()
    assert len(cases) > 40
    said = {}
    for case in cases:
        path = case.read_text().splitlines()[0].removeprefix(f"{MODELINE} $schema=")
        assert (FOLDER / path).resolve() == SCHEMA_FILE, case
        said[sentence_of(case)] = case
    assert len(said) == len(cases)
    assert all(30 < len(sentence) < 180 and sentence.endswith(".") for sentence in said), said


def test_cases_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """A line each."""
    from app.__main__ import main

    assert main(["cases"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(shipped_cases())
    assert any("quickstart.yaml" in line and "Three smooth bumps" in line for line in lines)
