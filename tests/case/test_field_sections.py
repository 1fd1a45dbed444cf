"""What a case says of given fields beside expressions: read, told, written again, and known by content."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from app.case import CaseError, Expression, case_digest, differing_keys, effective_yaml, load_case
from app.case.digest import canonical_case

REFERENCE = "unknowns.m.reference="


@pytest.fixture
def with_files(case_file: Path) -> Path:
    """The small case, a file of values and results of a run beside it."""
    (case_file.parent / "recharge.csv").write_text("x,y,value\n0,0,1\n1,0,2\n0,1,3\n")
    (case_file.parent / "earlier").mkdir()
    for name in ("network.json", "coefficient.safetensors"):
        (case_file.parent / "earlier" / name).write_text(name)
    return case_file


FIELDS = {
    "a file": "{file: recharge.csv, column: value}",
    "results": "{results: earlier, unknown: m}",
    "regions": "{regions: {aquifer: 1e-3, '7': x*y}, else: 2}",
}

PLACES = ("unknowns.m.reference", "unknowns.m.truth", "equation.source", "unknowns.m.known.value")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_written_with_the_case_and_read_again(
    with_files: Path, tmp_path_factory: pytest.TempPathFactory, name: str, place: str
) -> None:
    """From another folder, and by pickle: an equal case of the same digest."""
    overrides = [f"{place}={FIELDS[name]}"]
    if place == "unknowns.m.known.value":
        overrides.append("unknowns.m.known.on=core")
    case, folder = load_case(with_files, overrides), tmp_path_factory.mktemp("results")
    (folder / "case.yaml").write_text(effective_yaml(case, folder))
    again = load_case(folder / "case.yaml")
    assert case_digest(again) == case_digest(case) == case_digest(pickle.loads(pickle.dumps(case)))


def test_a_field_is_what_the_case_says(with_files: Path) -> None:
    """It answers what an expression is asked; a mean is the reference whatever it is."""
    case = load_case(with_files, ["regularisation.m={kind: matern, mean: " + FIELDS["regions"] + "}"])
    reference = case.unknowns["m"].reference
    assert reference == case.regularisation["m"].mean
    assert reference.regions == {"aquifer": Expression("0.001"), "7": Expression("x*y")}
    assert reference.otherwise == Expression(2)
    assert reference.constant is None and not reference.variables
    assert load_case(with_files, [REFERENCE + FIELDS["a file"]]).unknowns["m"].reference.text == (
        "{file: recharge.csv, column: value}"
    )


@pytest.mark.parametrize("name, file", [("a file", "recharge.csv"), ("results", "earlier/network.json")])
def test_the_content_of_files_is_a_part_of_the_case(with_files: Path, name: str, file: str) -> None:
    """Other values are another case; another name is not."""
    folder = with_files.parent
    case = load_case(with_files, [REFERENCE + FIELDS[name]])
    before, (first, _, rest) = canonical_case(case), file.partition("/")
    (folder / first).rename(folder / f"renamed{Path(first).suffix}")
    said = FIELDS[name].replace(Path(first).stem, "renamed")
    renamed = load_case(with_files, [REFERENCE + said])
    assert canonical_case(renamed) == before
    path = folder / f"renamed{Path(first).suffix}" / rest
    path.write_text(path.read_text() + "\n")
    key = {"a file": "file", "results": "results"}[name]
    assert differing_keys(before, canonical_case(renamed)) == [f"unknowns.m.reference.{key}"]


REFUSED = {
    "{fil: a.csv}": (
        "",
        "found a mapping of fil, expected an expression, or a mapping with one of the keys file, results, "
        "regions (did you mean 'file'?)",
    ),
    "{file: recharge.csv, colum: a}": (
        ".colum",
        "found unknown key 'colum', expected one of file, column (did you mean 'column'?)",
    ),
    "{file: recharge.csv, results: earlier}": (
        ".results",
        "found unknown key 'results', expected one of file, column",
    ),
    "{file: small.yaml}": (
        ".file",
        "found a file 'small.yaml', expected one of .csv, .npy, .npz, .vtu, .pvtu, .xdmf",
    ),
    "{file: recharge.csv, column: x}": (
        ".column",
        "found the coordinate x, expected the column of the values",
    ),
    "{results: nowhere}": (
        ".results",
        "found 'nowhere' (no network.json in {folder}/nowhere), expected the folder of the results of a run",
    ),
    "{regions: {}}": (".regions", "found an empty mapping, expected a mapping with at least one entry"),
    "{regions: {clay: x +}}": (
        ".regions.clay",
        "found invalid syntax at column 1 of 'x +', expected an expression such as 1 + 0.5*sin(pi*x)",
    ),
    "{regions: {clay: z}}": (".regions.clay", "found z in 'z', expected x, y (dimension 2)"),
    "{regions: {clay: 1}, els: 2}": (
        ".els",
        "found unknown key 'els', expected one of regions, else (did you mean 'else'?)",
    ),
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_mistake_is_answered_by_its_key(with_files: Path, said: str) -> None:
    """What was found and what is accepted, with the nearest key."""
    key, told = REFUSED[said]
    with pytest.raises(CaseError) as refused:
        load_case(with_files, [REFERENCE + said])
    (problem,) = refused.value.problems
    where = "--set unknowns.m.reference: " + (f"unknowns.m.reference{key}: " if key else "")
    assert problem == where + told.replace("{folder}", str(with_files.parent))


def test_boundary_values_are_no_regions(with_files: Path) -> None:
    """They are of points, or a list of expressions of components."""
    for said in (FIELDS["a file"], FIELDS["results"], "[1, x]"):
        load_case(with_files, [f"equation.boundary.rim.value={said}"])
    with pytest.raises(CaseError, match="a mapping of regions, else, expected an expression, or a mapping"):
        load_case(with_files, [f"equation.boundary.rim.value={FIELDS['regions']}"])
