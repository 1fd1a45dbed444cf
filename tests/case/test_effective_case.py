"""The effective case is the case: loaded from the results it says the same, and so does a run of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.case import canonical_case, effective_yaml, load_case

CASES = sorted((Path(__file__).parents[2] / "cases").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_shipped_case_survives_its_results(path: Path, tmp_path: Path) -> None:
    """Defaults, seeds, names, experiments and the contents of files, to the last digit; and once more."""
    results = tmp_path / "results" / "deep"
    results.mkdir(parents=True)
    case = load_case(path, ["seed=7"])
    text = effective_yaml(case, results)
    (results / "case.yaml").write_text(text)
    again = load_case(results / "case.yaml")
    assert again == case and type(again) is type(case)
    assert canonical_case(again) == canonical_case(case)
    assert list(again.parts) == list(case.parts)
    for name, part in case.parts.items():
        assert again.parts[name] == part
    assert effective_yaml(again, results) == text


NUMBERS = ["1e-5", "-0.0", "1e300", "0.1", "123456789012345680", "1e22", "3", "5e-324", "1.0"]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_the_same_to_the_last_bit(case_file: Path, number: str) -> None:
    """As numbers and as expressions, however YAML writes them."""
    for override in (f"mesh.lower=[{number}, -3]", f"equation.source={number}"):
        case = load_case(case_file, [override, "mesh.upper=[1e301, 4]"])
        (case_file.parent / "again.yaml").write_text(effective_yaml(case, case_file.parent))
        again = load_case(case_file.parent / "again.yaml", ["name=small"])
        assert again == case and repr(again.effective()) == repr(case.effective())


TEXTS = [
    "yes",
    "null",
    "1e3",
    "~",
    "a: b",
    "# c",
    "é",
    "'",
    '"',
    " x",
    "x ",
    "on",
    "2026-01-01",
    "[a",
    "1_0",
    "=",
    "<<",
]


@pytest.mark.parametrize("text", TEXTS)
def test_names_of_the_users_are_the_same(case_file: Path, text: str) -> None:
    """Whatever else YAML might take them for."""
    case = load_case(
        case_file, [f"equation.boundary={{{json.dumps(text)}: {{on: {json.dumps(text)}, kind: dirichlet}}}}"]
    )
    again = case_file.parent / "again.yaml"
    again.write_text(effective_yaml(case, case_file.parent))
    assert load_case(again, ["name=small"]) == case
