"""The section `method` of a case: the marked constants of the flow, with the names, values and ranges of
their dataclasses."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.case import CaseError, case_digest, effective_yaml, load_case, schema
from app.method import Krylov, Method, Trials

CONVEX = Path(__file__).parents[2] / "cases" / "smooth.yaml"


def keys(of: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key of a section `method` in the JSON Schema, and what is said of it there."""
    told = schema()["$defs"]
    waiting = [("method", told[of])]
    while waiting:
        path, section = waiting.pop()
        for name, key in section["properties"].items():
            if "$ref" in key:
                waiting.append((f"{path}.{name}", told[key["$ref"].rpartition("/")[2]]))
            else:
                yield f"{path}.{name}", key


KEYS = {False: dict(keys("MethodSpec")), True: dict(keys("ConvexMethodSpec"))}
"""By whether the case is of a convex energy."""
ALL = [(convex, path) for convex, own in KEYS.items() for path in own]


def constant(method: Method, path: str) -> float:
    """The constant of a dotted key."""
    value: Any = method
    for name in path.split(".")[1:]:
        value = getattr(value, name)
    return value


def other(key: dict[str, Any]) -> float:
    """A value within the range of a key, near its default one but not the same."""
    return key["default"] + 1 if key["type"] == "integer" else key["default"] * 1.25 or 0.5


@pytest.mark.parametrize("convex, path", ALL)
def test_each_key_sets_its_constant(convex: bool, path: str, case_file: Path, tmp_path: Path) -> None:
    """That one alone, by default to what it is; it is part of the digest, and of the effective case, which
    holds nothing else of the section."""
    key, file = KEYS[convex][path], CONVEX if convex else case_file
    plain, usual = load_case(file), load_case(file, [f"{path}={json.dumps(key['default'])}"])
    case = load_case(file, [f"{path}={json.dumps(other(key))}"])
    assert constant(Method(), path) == key["default"] and type(key["default"]) is type(other(key))
    assert constant(case.method.over(Method()), path) == other(key)
    changed = {
        each
        for each in KEYS[convex]
        if constant(case.method.over(Method()), each) != constant(Method(), each)
    }
    assert changed == {path}
    assert plain.method.over(Method()) == Method() == usual.method.over(Method())
    assert case_digest(usual) == case_digest(plain) != case_digest(case)
    assert "method" not in plain.effective()
    (tmp_path / "case.yaml").write_text(effective_yaml(case, tmp_path))
    again = load_case(tmp_path / "case.yaml")
    for same in (again, pickle.loads(pickle.dumps(case))):
        assert same == case and same.method.over(Method()) == case.method.over(Method())


@pytest.mark.parametrize("convex, path", ALL)
def test_each_key_has_a_sentence_and_a_range(convex: bool, path: str, case_file: Path) -> None:
    """Beyond which a value is refused, and so is a truth value."""
    key = KEYS[convex][path]
    assert key["description"][0].isupper() and "…" not in key["description"]
    beyond = {key.get("minimum", key.get("exclusiveMinimum", 0)) - 1, True}
    beyond |= {key["maximum"] + 1} if "maximum" in key else set()
    beyond |= {key["exclusiveMaximum"]} if "exclusiveMaximum" in key else set()
    for value in beyond:
        with pytest.raises(CaseError, match=f"{path}: found .*, expected"):
            load_case(CONVEX if convex else case_file, [f"{path}={json.dumps(value)}"])


def test_what_the_case_sets_holds_over_what_is_given(case_file: Path) -> None:
    """The rest stays as it is given."""
    case = load_case(case_file, ["method.krylov.max_vectors=7"])
    given = Method(krylov=Krylov(max_vectors=9, enough=0.1), trials=Trials(accept=0.5))
    assert case.method.over(given) == Method(krylov=Krylov(max_vectors=7, enough=0.1), trials=given.trials)


@pytest.mark.parametrize(
    "override, told",
    [
        ("method.krylov.max_vector=7", "did you mean 'max_vectors'"),
        ("method.krilov.max_vectors=7", "did you mean 'krylov'"),
        ("method.discrepancy.aim=0.9", "found unknown key 'discrepancy'"),
        ("method.trials=3", "found 3, expected a mapping"),
    ],
)
def test_other_keys_are_refused(override: str, told: str, case_file: Path) -> None:
    """Those of no constant and those of constants that a case does not set."""
    with pytest.raises(CaseError, match=told):
        load_case(case_file, [override])


def test_convex_energies_have_no_keys_without_effect() -> None:
    """What only the misfit of observations has use for is no key of theirs."""
    with pytest.raises(CaseError, match=r"method\.krylov: found unknown key 'krylov'"):
        load_case(CONVEX, ["method.krylov.max_vectors=7"])
    assert set(KEYS[True]) < set(KEYS[False])
