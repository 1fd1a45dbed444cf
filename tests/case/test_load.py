"""Cases: what is right survives the way to YAML and back, what is wrong is told at once."""

from __future__ import annotations

import math
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.case import (
    BoundedTransform,
    Case,
    CaseError,
    Expression,
    IdentityTransform,
    InputError,
    check_dimension,
    effective_yaml,
    load_case,
    schema,
)

Rewrite = Callable[[str, str], Path]


def problems(path: Path, *overrides: str) -> list[str]:
    """What is wrong with a case, also after the error has been pickled for the other ranks."""
    with pytest.raises(CaseError) as caught:
        load_case(path, overrides)
    shared: InputError = pickle.loads(pickle.dumps(caught.value))
    assert shared.problems == caught.value.problems
    assert str(shared) == "\n".join(shared.problems)
    return shared.problems


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


@pytest.mark.parametrize("text", ["inf", ".inf", "Infinity"])
def test_only_the_length_scale_may_be_infinite(case_file: Path, text: str) -> None:
    """An infinite length stands for no mass term."""
    case = load_case(case_file, ["regularisation.m.kind=h1", f"regularisation.m.length_scale={text}"])
    assert case.regularisation["m"].length_scale == math.inf
    assert "a finite number > 0" in problems(case_file, f"regularisation.m.weight={text}")[0]


COMPLETED = {
    "{}": ("auto", "cross_validation"),
    "{weight: cross_validation}": ("auto", "cross_validation"),
    "{kind: auto}": ("auto", "cross_validation"),
    "{weight: discrepancy}": ("h1", "discrepancy"),
    "{weight: 0.5}": ("h1", 0.5),
    "{kind: h1}": ("h1", "discrepancy"),
    "{kind: bilaplacian, length_scale: 0.1}": ("bilaplacian", "discrepancy"),
    "{kind: edge_preserving, weight: cross_validation}": ("edge_preserving", "cross_validation"),
}
"""What a part of a regularisation means: its kind and its weight."""


@pytest.mark.parametrize("given", COMPLETED)
def test_half_a_regularisation_is_completed(case_file: Path, given: str) -> None:
    """A kind alone goes with the weight by discrepancy, a number or discrepancy alone with h1."""
    chosen = load_case(case_file, [f"regularisation.m={given}"]).regularisation["m"]
    assert (chosen.kind, chosen.weight) == COMPLETED[given]


@pytest.mark.parametrize("product", ["l2", "h1", "prior"])
def test_an_explicit_metric_falls_back_to_h1_by_discrepancy(case_file: Path, product: str) -> None:
    """Nothing said of R, a flow without the model that the choice needs does not choose; asked to, it
    refuses."""
    metric = f"flow.inner_product={product}"
    for empty in ([], ["regularisation={}"], ["regularisation.m={}"]):
        chosen = load_case(case_file, [metric, *empty]).regularisation["m"]
        assert (chosen.kind, chosen.weight) == ("h1", "discrepancy")
    for asked in ("kind=auto", "weight=cross_validation"):
        (problem,) = problems(case_file, metric, f"regularisation.m.{asked}")
        assert "regularisation.m" in problem
        assert f"found cross_validation with inner_product {product} and step retracted, expected" in problem


def test_a_length_alone_goes_with_h1_and_an_edge_share_with_edges(case_file: Path) -> None:
    """What describes an R is no wish to have one chosen."""
    for key, kind in (("length_scale", "h1"), ("edge_share", "edge_preserving")):
        given = load_case(case_file, [f"regularisation.m.{key}=0.2"]).regularisation["m"]
        assert (given.kind, given.weight) == (kind, "discrepancy")


def test_the_plain_step_falls_back_to_h1_by_discrepancy(case_file: Path) -> None:
    """It cannot follow the exact model of a choice."""
    given = load_case(case_file, ["flow.step=plain"]).regularisation["m"]
    assert (given.kind, given.weight) == ("h1", "discrepancy")
    (problem,) = problems(case_file, "flow.step=plain", "regularisation.m.kind=auto")
    assert "and step plain, expected" in problem


REFUSED = {
    "{kind: auto, weight: 0.5}": ("weight", "auto with the weight 0.5"),
    "{kind: auto, weight: discrepancy}": ("weight", "auto with the weight discrepancy"),
    "{kind: auto, length_scale: 0.1}": ("length_scale", "auto with a length_scale"),
    "{kind: auto, edge_share: 0.1}": ("edge_share", "auto with an edge_share"),
    "{kind: h1, edge_share: 0.1}": ("edge_share", "h1 with an edge_share"),
    "{kind: bilaplacian, length_scale: inf}": ("length_scale", "bilaplacian with length inf"),
}
"""Regularisations that contradict themselves: key at fault, found."""


@pytest.mark.parametrize("given", REFUSED)
def test_a_regularisation_that_contradicts_itself_is_refused(case_file: Path, given: str) -> None:
    """One line that names the key and says both what was found and what is accepted."""
    key, found = REFUSED[given]
    (problem,) = problems(case_file, f"regularisation.m={given}")
    assert f"regularisation.m.{key}: found {found}, expected " in problem


OVERRIDES = {  # --set: key at fault, found, expected
    "mesh.kind=rectangel": (
        "mesh.kind",
        "'rectangel'",
        "one of box, electrodes, file, interval, rectangle (did",
    ),
    "mesh={cells: [1, 2]}": ("mesh: mesh.kind", "nothing", "one of box, electrodes, file"),
    "mesh=3": ("mesh", "3", "a mapping whose kind is one of box"),
    "mesh.celss=[2, 2]": ("mesh.celss", "unknown key", "upper, cells (did you mean 'cells'?)"),
    "mesh.cells=[64, 0]": ("mesh.cells: mesh.cells[1]", "0", "an integer >= 1"),
    "mesh.cells=[64, true]": ("mesh.cells: mesh.cells[1]", "true", "an integer >= 1"),
    "mesh.cells=64": ("mesh.cells", "64", "a list of 2 integers >= 1"),
    "mesh.lower=[1, 0]": ("mesh.lower", "lower [1.0, 0.0] and upper", "lower < upper"),
    "mesh={kind: rectangle, lower: [1.e7, 0], upper: [1.00000001e7, 1], cells: [400, 4]}": (
        "mesh: mesh.cells",
        "cells of 0.00025 where coordinates are rounded to 1.86e-09",
        "larger ones",
    ),
    "mesh.lower=[.nan, 0]": ("mesh.lower: mesh.lower[0]", "nan", "a finite number"),
    "mesh={kind: file, file: no.msh}": ("mesh: mesh.file", "'no.msh' (no file at", "an existing"),
    "equation.source=10*z": ("equation.source", "z in '10*z'", "x, y (dimension 2)"),
    "equation.source=x.real": ("equation.source", "the attribute access '.real'", "numbers"),
    "equation.source=true": ("equation.source", "true", "a number or an expression"),
    "equation.degree=5": ("equation.degree", "5", "an integer >= 1 and <= 4"),
    "equation.boundary={}": ("equation.boundary", "no condition", "at least one of kind dirichlet"),
    "equation.boundary.rim.kind=Dirichlet": (
        "equation.boundary.rim.kind",
        "'D",
        "(did you mean 'd",
    ),
    "equation.boundary.rim.on=[]": (
        "equation.boundary.rim.on",
        "[]",
        "text or an integer or a list of at least 1",
    ),
    "equation.solver.tolerance=2": ("equation.solver.tolerance", "2", "> 0 and < 1"),
    "unknowns={}": ("unknowns", "an empty mapping", "a mapping with at least one entry"),
    "unknowns={1a: {role: log_diffusivity}}": (
        "unknowns: unknowns.1a",
        "the name '1a'",
        "a name of",
    ),
    "unknowns.m.role=log": ("unknowns.m.role", "'log'", "log_diffusivity"),
    "unknowns.m.representation=nodal": ("unknowns.m.representation", "'nodal'", "a mapping whose"),
    "unknowns.m.representation.hidden=[]": ("unknowns.m.representation.hidden", "[]", "1 to 4"),
    "unknowns.m.representation.hidden=[300]": ("unknowns.m.representation.hidden", "a layer", "no"),
    "observations={}": ("observations", "no observation", "at least one entry"),
    "observations.heads.file=q.csv": (
        "observations.heads.file",
        "'q.csv' (no file at",
        "an existing file",
    ),
    "regularisation.q={}": ("regularisation.q", "the name 'q'", "an unknown of this case: m"),
    "regularisation.m.weight=discrepency": ("regularisation.m.weight", "'d", "(did you mean 'disc"),
    "regularisation.m.weight=true": ("regularisation.m.weight", "true", "prior or a finite"),
    "regularisation.m.kind=bilaplace": ("regularisation.m.kind", "'bilaplace'", "'bilaplacian'"),
    "regularisation.m.edge_share=0": ("regularisation.m.edge_share", "0", "a finite number > 0"),
    "observations.heads.noise=half": ("observations.heads.noise", "'half'", "relative"),
    "regularisation.m.length_scale=.nan": ("regularisation.m.length_scale", "nan", "> 0 or inf"),
    "expansion.scales=[60, 1]": ("expansion.scales", "scales from 60.0", "the smaller first"),
    "expansion.capture=0": ("expansion.capture", "0", "a finite number > 0 and <= 1"),
    "name=..": ("name", "'..'", "text of letters"),
    "name=a/b": ("name", "'a/b'", "text of letters"),
    "seed=-1": ("seed", "-1", "an integer >= 0"),
    "seed=1.5": ("seed", "1.5", "an integer >= 0"),
    "sed=1": ("sed", "unknown key 'sed'", "(did you mean 'seed'?)"),
    "flow=": ("flow", "nothing", "a mapping"),
    "flow.step=[": ("flow.step", "'['", "a YAML value"),
    "mesh.cells.x=3": ("mesh.cells.x", "[8, 8] at mesh.cells", "a mapping"),
    "nonsense": ("'nonsense'", "no key", "dotted.key=value"),
    f"equation.source=[{'1, ' * 500}]": ("equation.source", "[1, 1, ", "a number or"),
}


@pytest.mark.parametrize("override", OVERRIDES, ids=lambda text: text[:40])
def test_a_bad_override_is_told_by_its_key(case_file: Path, override: str) -> None:
    """One line `--set key: found ..., expected ...`, with long values cut."""
    key, found, expected = OVERRIDES[override]
    (problem,) = problems(case_file, override)
    assert problem.startswith(f"--set {key}: found {found}")
    assert expected in problem.partition(", expected ")[2]
    assert len(problem) < 400


REWRITES = [  # text of the case, its replacement, line and key at fault, fragment
    ("role: log_diffusivity", "rol: log_diffusivity", "9: unknowns.m.rol", "did you mean 'role'"),
    ("    role: log_diffusivity\n", "", "8: unknowns.m.role", "found nothing, expected one of log_diff"),
    ("  kind: diffusion", "  kind: difusion", "3: equation.kind", "did you mean 'diffusion'"),
    ("source: 10", "source: 10 + q", "4: equation.source", "unknown name 'q' at column 6"),
    ("kind: dirichlet", "kind: neumann", "5: equation.boundary", "found only neumann"),
    ("cells: [8, 8]", "cells: [8,\n  0]", "2: mesh.cells[1]", "found 0"),
    (", cells: [8, 8]", "", "1: mesh.cells", "found nothing, expected a list of 2 integers >= 1"),
    (
        "heads.csv",
        "none.csv",
        "12: observations.heads.file",
        "'data/none.csv' (no file at",
    ),
    ("mesh:", "meshes:", "1: mesh", "found nothing"),
    ("  m:\n", "  m: &m\n", "", ""),
]


@pytest.mark.parametrize(("old", "new", "place", "fragment"), REWRITES)
def test_a_bad_file_is_told_by_line_and_key(
    rewritten: Rewrite, old: str, new: str, place: str, fragment: str
) -> None:
    """Each message begins with file:line: dotted.key, the line being the key's or its mapping's."""
    path = rewritten(old, new)
    if not place:
        load_case(path)
        return
    found = problems(path)
    assert any(p.startswith(f"{path}:{place}: ") and fragment in p for p in found), found


def test_all_problems_are_told_at_once(rewritten: Rewrite) -> None:
    """Six faults of six kinds, in the file and on the command line, give six lines."""
    path = rewritten("    role: log_diffusivity", "    rol: z\n    reference: z\n    degree: 1.5")
    found = problems(path, "flow.step=x", "mesh.cells=[1]")
    keys = [re.split(r": found", problem)[0].rpartition(" ")[2] for problem in found]
    expected = {"mesh.cells[1]", "flow.step", *(f"unknowns.m.{k}" for k in ("role", "rol"))}
    assert set(keys) == expected | {"unknowns.m.reference", "unknowns.m.degree"}


UNREADABLE = {
    b"": ("", "found an empty file"),
    b"# nothing\n": ("", "found an empty file"),
    b"- 1\n": (":1", "found [1], expected a mapping"),
    b"hello\n": (":1", "found text without a key, expected a mapping"),
    b"a: 1\na: 2\n": (":2", "found the key 'a' twice"),
    b"a:\n b: [1\n": (":3", "not YAML"),
    b"a: 1\n\tb: 2\n": (":2", "not YAML"),
    b"a: 1\n---\nb: 1\n": (":2", "another document"),
    b"a: *b\n": (":1", "undefined alias 'b'"),
    b"a: 1\nb: \xff\n": (":2", "found the byte 0xff, expected UTF-8"),
    b"a: 2026-13-45\n": ("", "not YAML"),
    b"a: !!python/name:os.system x\n": (":1", "found the YAML tag"),
    b"a: \x01\n": (":1", "not YAML"),
    b"a: " + b"[" * 1000: (":1", "nested too deeply, or one within itself, expected at most 50 levels"),
}


@pytest.mark.parametrize("content", UNREADABLE, ids=lambda content: str(content[:20]))
def test_a_file_that_is_no_yaml_mapping_gives_one_problem(case_file: Path, content: bytes) -> None:
    """Empty, broken and foreign files give one CaseError each, with the line where there is one."""
    case_file.write_bytes(content)
    place, fragment = UNREADABLE[content]
    (problem,) = problems(case_file)
    assert problem.startswith(f"{case_file}{place}: ") and fragment in problem
    assert "\n" not in problem and len(problem) < 400


SECOND = {
    "unknowns.n={role: diffusivity}": "unknowns.n: found the role diffusivity beside the unknown m, which is",
    "unknowns.n={role: source, representation: {kind: nodal}}": "the representation nodal beside network",
    "unknowns.n.rol=1": "unknowns.n.rol:",
}


@pytest.mark.parametrize("override", SECOND)
def test_a_second_unknown_has_to_fit_the_first(case_file: Path, override: str) -> None:
    """Another term, and the same kind of representation."""
    assert any(SECOND[override] in problem for problem in problems(case_file, override))


def test_regularisations_of_several_unknowns_agree(case_file: Path) -> None:
    """What is said of one holds for the others, the scale aside; what contradicts it is told by its key."""
    second = "unknowns.n={role: source}"
    case = load_case(case_file, [second, "regularisation.n={kind: bilaplacian, weight: 2, scale: 5}"])
    m, n = case.regularisation["m"], case.regularisation["n"]
    assert (m.kind, m.weight, m.scale, n.scale) == ("bilaplacian", 2, 1, 5)
    given = ["regularisation.m={kind: h1}", "regularisation.n={kind: bilaplacian}"]
    (problem,) = problems(case_file, second, *given)
    assert "regularisation.n: found kind bilaplacian beside h1 of the unknown m, expected the same" in problem


def test_known_parts_are_of_the_domain(case_file: Path) -> None:
    """A flux through the boundary has no region."""
    flux = "unknowns.m={role: boundary_flux, on: top, known: {on: wall, value: 1}}"
    (problem,) = problems(case_file, flux)
    assert "unknowns.m.known: found known values of the role boundary_flux, expected none" in problem


def test_a_path_that_cannot_be_read_gives_one_problem(tmp_path: Path) -> None:
    """No file, a folder and a closed file are told apart."""
    assert "found no such file" in problems(tmp_path / "none.yaml")[0]
    assert "found a directory" in problems(tmp_path)[0]
    closed = tmp_path / "closed.yaml"
    closed.write_text("a: 1")
    closed.chmod(0)
    if os.geteuid() != 0:  # root reads everything
        assert "found an unreadable file" in problems(closed)[0]


def test_a_coordinate_that_the_mesh_file_lacks_is_found_later(case_file: Path) -> None:
    """With a mesh from a file `check_dimension` tells the line of each expression at fault."""
    overrides = ["mesh={kind: file, file: data/heads.csv}", "equation.source=z"]
    case = load_case(case_file, overrides)
    assert case.mesh.dimension is None
    check_dimension(case, 3)
    with pytest.raises(CaseError) as caught:
        check_dimension(case, 1)
    source, truth = caught.value.problems
    assert source == "--set equation.source: found z in 'z', expected x (dimension 1)"
    assert truth.startswith(f"{case_file}:10: unknowns.m.truth: found y in 'sin(pi*x)*y'")


def test_bom_crlf_and_merged_keys_are_read(case_file: Path) -> None:
    """What editors and YAML's own merge keys add does not matter."""
    text = case_file.read_text().replace("{on: all, kind: dirichlet}", "{<<: {kind: dirichlet}}")
    plain = load_case(case_file)
    case_file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_case(case_file) == plain


def test_a_file_name_becomes_a_safe_case_name(case_file: Path) -> None:
    """Characters that a results' folder should not have become dashes."""
    assert load_case(case_file.rename(case_file.with_name("my case é.yaml"))).name == "my-case--"


def test_a_constant_reference_outside_the_bounds_is_refused(case_file: Path) -> None:
    """The network starts at the reference, so the transform must be able to take that value."""
    bounded = "unknowns.m.representation.transform={kind: bounded, low: 1, high: 2}"
    (problem,) = problems(case_file, bounded)
    assert "unknowns.m.reference: found 0.0, expected a value between 1.0 and 2.0" in problem
    load_case(case_file, [bounded, "unknowns.m.reference=1.5"])


def test_every_field_has_a_sentence_in_the_schema() -> None:
    """The JSON Schema describes each key of each section."""
    sections = list(schema()["$defs"].values())
    kinds = {part["$ref"].rpartition("/")[2] for part in schema()["anyOf"]}
    assert {Case.__name__, "RegressionCase"} <= kinds and len(sections) > 15
    for section in sections:
        assert section["additionalProperties"] is False
        for key, field in section["properties"].items():
            assert field["description"].endswith("."), (section["title"], key)
