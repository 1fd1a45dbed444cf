"""What is wrong with a case is told at once: by its line or `--set`, with what was found and is accepted."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from faults import Rewrite, problems

from app.case import CaseError, check_dimension, load_case

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
    "unknowns.m.role=log_transmissivity": ("unknowns.m.role", "'log_t", "did you mean 'log_diffusivity'"),
    "unknowns.m.role=recharge": ("unknowns.m.role", "'recharge'", "did you mean 'source'"),
    "equation.kind=poisson": ("equation.kind", "'poisson'", "did you mean 'diffusion'"),
    "equation.boundary.rim.kind=fixed": ("equation.boundary.rim.kind", "'fixed'", "did you mean 'dirichlet'"),
    "regularisation.m.kind=tv": ("regularisation.m.kind", "'tv'", "did you mean 'edge_preserving'"),
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


def test_a_constant_reference_outside_the_bounds_is_refused(case_file: Path) -> None:
    """The network starts at the reference, so the transform must be able to take that value."""
    bounded = "unknowns.m.representation.transform={kind: bounded, low: 1, high: 2}"
    (problem,) = problems(case_file, bounded)
    assert "unknowns.m.reference: found 0.0, expected a value between 1.0 and 2.0" in problem
    load_case(case_file, [bounded, "unknowns.m.reference=1.5"])
