"""Cases to begin with: for every equation and mesh, and for tables as people have them."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from elliptic import LSHAPE
from mpi4py import MPI

from app.__main__ import main
from app.case import load_case
from app.case.load import SCHEMA_FILE
from app.case.starter import guess_columns, read_columns
from app.equations import SPECS
from app.problem import starter
from app.schema.problems import InputError

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="writes files, serially")

ELECTRICAL = "electrical_tomography"

EQUATIONS = [spec.model_fields["kind"].annotation.__args__[0] for spec in SPECS]

MESHES = ["interval", "rectangle", "box", "electrodes", "file"]

REFUSED = {
    *product(set(EQUATIONS) - {ELECTRICAL}, ["electrodes"]),
    (ELECTRICAL, "interval"),
    (ELECTRICAL, "file"),
    ("elasticity", "interval"),
}
"""What does not go together, by equation and mesh."""

SOLVED = {
    *product(["diffusion"], MESHES[:3]),
    *product(set(EQUATIONS) - {ELECTRICAL}, ["rectangle"]),
    *product([ELECTRICAL], ["rectangle", "electrodes"]),
    ("heat", "interval"),
    ("diffusion", "file"),
}
"""Of which readings are made up and checked; of the others only the text of the case is read."""


def new(case: Path, *words: str) -> int:
    """The exit code of the command."""
    return main(["new", str(case), *words])


@pytest.mark.parametrize("equation", EQUATIONS)
def test_a_case_for_every_equation_and_mesh_passes_its_check(
    equation: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    gmsh: None,
) -> None:
    """`new` and then `--check` end with 0; what does not go together is refused by its word, with nothing
    left behind."""
    make_up = starter._make_up
    for mesh in MESHES:
        case = tmp_path / f"{mesh}.yaml"
        words = ["--equation", equation, "--mesh", str(LSHAPE) if mesh == "file" else mesh]
        if (equation, mesh) in REFUSED:
            assert new(case, *words) == 2
            assert "--mesh: found" in capfd.readouterr().err and not list(tmp_path.glob(f"{mesh}*"))
            continue
        solved = (equation, mesh) in SOLVED
        monkeypatch.setattr(starter, "_make_up", make_up if solved else lambda *of: None)
        assert new(case, *words) == 0
        assert case.read_text().startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")
        assert load_case(case).name == mesh
        assert not solved or main([str(case), "--check", "--allow-code"]) == 0
        assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["2024", "1e3", "true", "null", "2024-05-01", "heads_2"])
def test_a_case_is_called_what_it_is_to_be_called(tmp_path: Path, name: str) -> None:
    """Also where YAML would take the name for a number, a truth value, nothing or a date."""
    assert new(tmp_path / name, "--mesh", "interval") == 0
    assert load_case(tmp_path / f"{name}.yaml").name == name


def test_a_new_case_runs_at_once(tmp_path: Path) -> None:
    """From the command to results that found the truth to some extent."""
    assert new(tmp_path / "rod", "--mesh", "interval") == 0
    quick = ["--set", "flow.max_iterations=2", "--set", "regularisation.m.kind=h1", "--quiet"]
    assert main([str(tmp_path / "rod.yaml"), "--out", str(tmp_path / "results"), *quick]) in (0, 3)
    assert (tmp_path / "results" / "summary.json").exists()


WELLS = """# field campaign
Well;Easting [m];Northing [m];Elevation [m];Head (m);Std
A1;512300.5;5403200.1;12;31.2;0.05
A2;512900.5;5403900.1;12;32.2;0.05
A3;513300.5;5403500.1;12;30.7;0.05
A4;512700.5;5403300.1;12;;0.05
A5;512800.5;5403650.1;12;31.7;0.05
"""
"""A table as it comes out of a spreadsheet: semicolons, units, a reading that is missing, one height."""


def test_a_table_as_it_comes_is_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The columns are guessed, the mesh lies around the readings, and the case passes its check; a second one
    of the same name is refused."""
    (tmp_path / "wells.csv").write_text(WELLS)
    case = tmp_path / "aquifer"
    assert new(case, "--data", str(tmp_path / "wells.csv")) == 0
    assert "x = Easting [m], y = Northing [m], value = Head (m), sigma = Std" in capfd.readouterr().out
    written = (tmp_path / "aquifer_readings.csv").read_text().splitlines()
    assert written[:2] == ["x,y,value,sigma", "512300.5,5403200.1,31.2,0.05"] and len(written) == 5
    assert "lower: [512200, 5403100], upper: [513500, 5404000]" in case.with_suffix(".yaml").read_text()
    assert main([f"{case}.yaml", "--check"]) == 0
    capfd.readouterr()
    assert new(case) == 2
    assert "found a file of this name" in capfd.readouterr().err


def test_a_plain_table_is_used_where_it_is(tmp_path: Path) -> None:
    """Also one in time, which asks for the heat equation."""
    table = tmp_path / "probes.csv"
    table.write_text("x,t,value\n0.1,1,2\n0.5,2,3\n0.9,4,3.5\n")
    assert new(tmp_path / "rod", "--data", str(table)) == 0
    text = (tmp_path / "rod.yaml").read_text()
    assert "file: probes.csv" in text and "kind: heat" in text and "end: 4" in text
    assert main([str(tmp_path / "rod.yaml"), "--check"]) == 0


@pytest.mark.parametrize(
    "words, said",
    [
        (["my case"], "NAME: found 'my case', expected letters"),
        (["plate", "--equation", "difusion"], "(did you mean 'diffusion'?)"),
        (["plate", "--mesh", "rectangel"], "or a .msh file (did you mean 'rectangle'?)"),
        (["plate", "--data", "none.csv"], "none.csv: found no such file, expected a table"),
        (["case.csv/plate"], "case.csv: the file cannot be written"),
        ([".yaml"], "NAME: found '.yaml', expected letters"),
        (["earth", "--equation", ELECTRICAL, "--data", "case.csv"], "expected a survey (.ohm, .dat, .shm)"),
    ],
)
def test_what_cannot_be_is_refused(
    words: list[str],
    said: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a line, and nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "case.csv").touch()
    assert main(["new", *words]) == 2
    assert said in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["case.csv"]


@pytest.mark.parametrize(
    "header, told",
    [
        ("x,y,value", "x, y, value"),
        ("E,N,h,err", "x = E, y = N, value = h, sigma = err"),
        ("X,Y,Z,Salinity", "x = X, y = Y, z = Z, value = Salinity"),
        ("lon,lat,time,temp", "x = lon, y = lat, t = time, value = temp"),
        ("y,z,value", None),
        ("a,b,c,d", None),
        ("x,y,one,two", None),
    ],
)
def test_columns_are_guessed(header: str, told: str | None) -> None:
    """By what they are usually called; where two could be the readings, or no place is, it is said."""
    if told is None:
        with pytest.raises(InputError, match=r"wells.csv:1: found the columns .* expected"):
            guess_columns(header.split(","), "wells.csv:1")
    else:
        assert str(guess_columns(header.split(","), "wells.csv:1")) == told


@pytest.mark.parametrize(
    "text, told",
    [
        ("x,value\n1,2,3\n", "t.csv:2: found 3 cells, expected 2"),
        ("x,value\n1,high\n", "t.csv:2: value: found 'high', expected a number"),
        ("x,value\n1,\n", "t.csv: found no readings"),
        ("x,value\n1,inf\n", "t.csv:2: value: found 'inf', expected a finite number"),
        ("x,value\n1,1_0\n", "t.csv:2: value: found '1_0', expected a number"),
        ("x,value\n1,1e300\n", r"t.csv:2: value: found '1e300', expected a number between -1e\+50 and"),
        ("x,value,sigma\n1,2,0\n", "t.csv:2: sigma: found '0', expected a number > 0"),
        ("x,t,value\n1,-1,2\n", "t.csv:2: t: found '-1', expected a time >= 0"),
        ("x,value,value\n1,2,3\n", "t.csv:1: found 2 columns 'value', expected one"),
        ("x,\x1bvalue\n1,2\n", r"t.csv:1: found the column '\\x1bvalue', expected a name without control"),
        (f"x,value\n{'9' * 200_000},2\n", "t.csv:2: found field larger than field limit"),
    ],
)
def test_a_table_that_is_none_is_refused_by_its_line(tmp_path: Path, text: str, told: str) -> None:
    """As case and data are."""
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=told):
        read_columns(tmp_path / "t.csv")


@pytest.mark.parametrize("rows", ["1e-300,1\n3e-300,2", "1e17,1\n1e17,2", "0.2,1e-300", "5,3"])
def test_readings_of_no_extent_have_a_mesh_around_them(tmp_path: Path, rows: str) -> None:
    """Also where all are at one place, or as good as."""
    (tmp_path / "t.csv").write_text(f"x,value\n{rows}\n")
    assert new(tmp_path / "rod", "--data", str(tmp_path / "t.csv")) == 0
    mesh = load_case(tmp_path / "rod.yaml").mesh
    assert mesh.lower < float(rows.split(",")[0]) < mesh.upper


@pytest.mark.parametrize("name", ["null", "123", "yes", "1e5"])
def test_a_name_that_yaml_reads_otherwise_is_quoted(tmp_path: Path, name: str) -> None:
    """The case is called as it was asked for."""
    (tmp_path / "t.csv").write_text("x,value\n0,1\n1,2\n")
    assert new(tmp_path / name, "--data", str(tmp_path / "t.csv")) == 0
    assert load_case(tmp_path / f"{name}.yaml").name == name


def test_a_path_that_is_no_text_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A case could not name it."""
    table = tmp_path / "caf\udce9.csv"
    table.write_text("x,value\n0,1\n1,2\n")
    assert new(tmp_path / "rod", "--data", str(table)) == 2
    assert "which is no UTF-8 text, expected one that a case can name" in capfd.readouterr().err
    assert [*tmp_path.iterdir()] == [table]
