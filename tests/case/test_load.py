"""What a case says is what is loaded, and survives the way to YAML and back."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from app.case import (
    BoundedTransform,
    Case,
    CaseError,
    Expression,
    IdentityTransform,
    effective_yaml,
    load_case,
    schema,
)


def test_defaults_fill_a_minimal_case(case_file: Path) -> None:
    """The defaults are as documented, the regularisation covers the unknown."""
    case = load_case(case_file)
    unknown = case.unknowns["m"]
    assert (case.name, case.seed, case.mesh.dimension) == ("small", 0, 2)
    assert (case.equation.degree, case.equation.source) == (2, Expression(10))
    assert case.equation.boundary["rim"].parts is None
    assert unknown.representation.kind == "network" and unknown.representation.hidden == (4,)
    assert unknown.representation.transform == IdentityTransform()
    chosen = case.regularisation["m"]
    assert (chosen.kind, chosen.weight, chosen.length_scale) == ("auto", "cross_validation", None)
    heads = case.observations["heads"]
    assert (heads.noise, heads.misfit.kind, heads.scale) == (None, "gaussian", "linear")
    assert (case.flow.discrepancy, case.flow.max_iterations) == (1.0, 60)
    assert case.resolve(case.observations["heads"].file).read_text().startswith("x,y,value")


ROUND_TRIPS = [
    [],
    ["regularisation.m.length_scale=inf", "regularisation.m.weight=1e-3"],
    ["regularisation.m={kind: h1, length_scale: .inf}", "seed=7", "name=other-1.5"],
    ["regularisation.m.kind=bilaplacian", "observations.heads.noise=relative"],
    ["regularisation.m={kind: edge_preserving, weight: cross_validation, edge_share: 0.2}"],
    ["flow.inner_product=l2"],
    ["unknowns.m.representation.kind=nodal", "unknowns.m.truth=null"],
    ["unknowns.m.representation.transform={kind: bounded, low: -1, high: 2}"],
    ["mesh={kind: file, file: data/heads.csv}", "equation.boundary.rim.on=[a, b]"],
    ["mesh={kind: interval, cells: 4, lower: -1e-3}", "unknowns.m.truth=x"],
    ["mesh={kind: box, cells: [1, 2, 3]}", "equation.source=z"],
    ['equation.source="1 if x < 0.5 else 0.1e-20"', "expansion.strategy=none"],
]


@pytest.mark.parametrize("overrides", ROUND_TRIPS)
def test_effective_yaml_loads_from_elsewhere_to_an_equal_case(
    case_file: Path, tmp_path_factory: pytest.TempPathFactory, overrides: list[str]
) -> None:
    """What is written for another folder and loaded from there is the case, and is written alike again."""
    case = load_case(case_file, overrides)
    elsewhere = tmp_path_factory.mktemp("results") / "case.yaml"
    text = effective_yaml(case, elsewhere.parent)
    elsewhere.write_text(text)
    again = load_case(elsewhere)
    assert again == case and pickle.loads(pickle.dumps(case)) == case
    assert effective_yaml(again, elsewhere.parent) == text


@pytest.mark.parametrize("results", ["results/small", ".", "linked/small"])
def test_effective_yaml_names_files_from_where_it_lies(
    case_file: Path, tmp_path_factory: pytest.TempPathFactory, results: str
) -> None:
    """No path is absolute; moved with the project, results through a link included, it is still the case."""
    project = tmp_path_factory.mktemp("projects") / "one"
    shutil.copytree(case_file.parent, project)
    (project / "scratch" / "deep").mkdir(parents=True)
    (project / "linked").symlink_to("scratch/deep", target_is_directory=True)
    (project / results).mkdir(parents=True, exist_ok=True)
    case = load_case(project / "small.yaml")
    text = effective_yaml(case, project / results)
    assert str(project) not in text
    (project / results / "case.yaml").write_text(text)
    assert load_case(project / results / "case.yaml") == case
    moved = project.rename(project.parent / "other")
    again = load_case(moved / results / "case.yaml")
    assert again.resolve(again.observations["heads"].file) == (moved / "data" / "heads.csv").resolve()
    assert again == load_case(moved / "small.yaml")


def test_different_cases_are_unequal(case_file: Path) -> None:
    """Equality sees every field."""
    assert load_case(case_file) != load_case(case_file, ["flow.discrepancy=1.1"])


def test_a_relative_path_is_that_of_the_case_file(case_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither loading through a relative path nor changing folder later moves the data."""
    monkeypatch.chdir(case_file.parent)
    case = load_case(Path(case_file.name))
    monkeypatch.chdir("/")
    assert case.folder == case_file.parent
    assert case.resolve(Path("data/heads.csv")) == case_file.parent / "data" / "heads.csv"


def test_set_reaches_into_sections_that_the_file_leaves_out(case_file: Path) -> None:
    """`--set` parses YAML, creates mappings, and keeps the defaults beside the key it sets."""
    overrides = [
        "flow.max_iterations=3",
        "unknowns.m.representation.max_width=9",
        "mesh.cells=[2,3]",
    ]
    overrides += ["unknowns.m.representation.transform={kind: bounded, low: -1, high: 1}"]
    case = load_case(case_file, [*overrides, "flow.max_iterations=4"])
    representation = case.unknowns["m"].representation
    assert (case.flow.max_iterations, case.flow.step) == (4, "retracted")
    assert representation.kind == "network" and representation.max_width == 9
    assert representation.transform == BoundedTransform(low=-1, high=1)
    assert case.mesh.kind == "rectangle" and case.mesh.cells == (2, 3)
    assert case.where("flow", "max_iterations") == "--set flow.max_iterations"


def test_a_part_goes_by_its_number_with_quotes_or_without(case_file: Path) -> None:
    """Which YAML tells apart and a case does not; what is no whole number names nothing."""
    for said, parts in (("7", ("7",)), ("'7'", ("7",)), ("[7, rim]", ("7", "rim"))):
        case = load_case(case_file, [f"equation.boundary.rim.on={said}"])
        assert case.equation.boundary["rim"].parts == parts
    for wrong in ("7.0", "true", "[true]"):
        with pytest.raises(CaseError, match="expected text or an integer or a list of at least 1"):
            load_case(case_file, [f"equation.boundary.rim.on={wrong}"])


@pytest.mark.parametrize("number", ["1e-3", "1.0e-3", "1E-3", "'1e-3'", ".001", "1.e-3"])
def test_scientific_notation_is_a_number(case_file: Path, number: str) -> None:
    """Also in the forms that some versions of YAML read as text."""
    assert load_case(case_file, [f"flow.discrepancy={number}"]).flow.discrepancy == 1e-3


def test_bom_crlf_and_merged_keys_are_read(case_file: Path) -> None:
    """What editors and YAML's own merge keys add does not matter."""
    text = case_file.read_text().replace("{on: all, kind: dirichlet}", "{<<: {kind: dirichlet}}")
    plain = load_case(case_file)
    case_file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_case(case_file) == plain


def test_a_file_name_becomes_a_safe_case_name(case_file: Path) -> None:
    """Characters that a results' folder should not have become dashes."""
    assert load_case(case_file.rename(case_file.with_name("my case é.yaml"))).name == "my-case--"


def test_every_field_has_a_sentence_in_the_schema() -> None:
    """The JSON Schema describes each key of each section."""
    sections = list(schema()["$defs"].values())
    kinds = {part["$ref"].rpartition("/")[2] for part in schema()["anyOf"]}
    assert {Case.__name__, "RegressionCase"} <= kinds and len(sections) > 15
    for section in sections:
        assert section["additionalProperties"] is False
        for key, field in section["properties"].items():
            assert field["description"].endswith("."), (section["title"], key)
