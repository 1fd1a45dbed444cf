"""Digests of cases: the same for cases that run alike, and otherwise the keys that differ have names."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest

from app.case import (
    BaseCase,
    DataError,
    canonical_case,
    case_digest,
    differing_keys,
    effective_yaml,
    load_case,
)

SAME: dict[str, list[str]] = {
    "as it is": [],
    "another name": ["name=other"],
    "a default that is said": ["flow.max_iterations=60"],
    "a number in other words": ["flow.discrepancy=1"],
    "what is worked out afterwards": ["posterior={kind: none, samples: 3}"],
    "what pictures call things": [
        "unknowns.m.label=conductivity",
        "unknowns.m.unit=m/s",
        "output.figures=[pdf]",
    ],
    "what is predicted": ["predictions.q={kind: points, at: [[0.3, 0.4]]}"],
}
"""Overrides that change nothing but words."""

CHANGED = {
    "seed=1": ["seed"],
    "mesh.cells=[8, 9]": ["mesh.cells[1]"],
    "equation.source=11": ["equation.source"],
    "unknowns.m.truth=null": ["unknowns.m.truth"],
    "unknowns.m.representation.hidden=[4, 4]": ["unknowns.m.representation.hidden"],
    "observations.heads.noise=absolute": ["observations.heads.noise"],
    "regularisation.m.length_scale=inf": [
        f"regularisation.m.{key}" for key in ("kind", "weight", "length_scale")
    ],
    "mesh={kind: interval, cells: 8, lower: -1}": ["mesh.kind", "mesh.lower", "mesh.upper", "mesh.cells"],
}
"""Overrides that change the case, and the keys by which they do."""


def load(file: Path, *overrides: str) -> BaseCase:
    """The case, with a truth that every mesh understands."""
    return load_case(file, ["unknowns.m.truth=x", *overrides])


@pytest.mark.parametrize("name", SAME)
def test_cases_that_run_alike_have_one_digest(case_file: Path, name: str) -> None:
    """Neither names nor the ways of saying a thing count."""
    case, other = load(case_file), load(case_file, *SAME[name])
    assert case_digest(other) == case_digest(case)
    assert differing_keys(canonical_case(other), canonical_case(case)) == []


def test_the_effective_case_has_the_digest_of_the_case(
    case_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also from another folder, and with files of other names and the same contents."""
    case, folder = load(case_file), tmp_path_factory.mktemp("results")
    digest = case_digest(case)
    (folder / "case.yaml").write_text(effective_yaml(case, folder))
    assert case_digest(load_case(folder / "case.yaml")) == digest
    data = case_file.parent / "data"
    (data / "heads.csv").rename(data / "renamed.csv")
    assert case_digest(load(case_file, "observations.heads.file=data/renamed.csv")) == digest


@pytest.mark.parametrize("override", CHANGED)
def test_what_differs_is_named_by_its_keys(case_file: Path, override: str) -> None:
    """From either side; and the digests differ."""
    case, other = load(case_file), load(case_file, override)
    one, two = canonical_case(case), canonical_case(other)
    assert differing_keys(one, two) == CHANGED[override]
    assert sorted(differing_keys(two, one)) == sorted(CHANGED[override])
    assert case_digest(case) != case_digest(other)


def test_digests_agree_exactly_where_no_key_differs(case_file: Path) -> None:
    """Of every pair of the cases above; also after a detour by JSON."""
    cases = [load(case_file, *given) for given in SAME.values()]
    cases += [load(case_file, override) for override in CHANGED]
    for one, other in combinations(cases, 2):
        stored = json.loads(json.dumps(canonical_case(one)))
        assert (case_digest(one) == case_digest(other)) == (not differing_keys(stored, canonical_case(other)))


def test_contents_of_files_count(case_file: Path) -> None:
    """One reading more is another case, though the file has the same name."""
    before, digest = canonical_case(load(case_file)), case_digest(load(case_file))
    readings = case_file.parent / "data" / "heads.csv"
    readings.write_text(readings.read_text() + ".3,.3,2\n")
    after = load(case_file)
    assert differing_keys(before, canonical_case(after)) == ["observations.heads.file"]
    assert case_digest(after) != digest


def test_numbers_that_an_xdmf_file_refers_to_count(case_file: Path) -> None:
    """They are in a file of their own."""
    folder = case_file.parent / "data"
    (folder / "heads.xdmf").write_text("<Xdmf><DataItem>heads.h5:/Function/0</DataItem></Xdmf>")
    field = "observations.heads={kind: field, file: data/heads.xdmf}"
    digests = set()
    for numbers in (b"1", b"2"):
        (folder / "heads.h5").write_bytes(numbers)
        digests.add(case_digest(load(case_file, field)))
    assert len(digests) == 2


def test_the_order_of_names_counts(case_file: Path) -> None:
    """Readings and parameters follow it, so that a result of one order is none of the other."""
    entry = "{kind: points, file: data/heads.csv}"
    one = load(case_file, f"observations={{a: {entry}, b: {entry}}}")
    other = load(case_file, f"observations={{b: {entry}, a: {entry}}}")
    assert case_digest(one) != case_digest(other)
    assert differing_keys(canonical_case(one), canonical_case(other)) == ["observations"]


def test_a_file_that_has_gone_is_one_message(case_file: Path) -> None:
    """A case may outlive its data."""
    case, readings = load(case_file), case_file.parent / "data" / "heads.csv"
    readings.unlink()
    with pytest.raises(DataError, match="found an unreadable file") as caught:
        case_digest(case)
    assert str(readings) in str(caught.value)
