"""Tiny inputs that stand for huge ones, and files that are none: refused at once, in one sentence."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import ufl
from basix.ufl import element

from app.case import CaseError, DataError, Expression, ExpressionError, load_case
from app.case.document import DEEPEST_NESTING, LARGEST_FILE, MOST_ENTRIES
from app.data import read_points, read_readings
from app.mesh import in_ufl
from app.schema.grammar import HIGHEST_DEGREE, degree

X = ufl.SpatialCoordinate(ufl.Mesh(element("Lagrange", "triangle", 1, shape=(2,))))


def bomb(levels: int, width: int) -> str:
    """Lists of aliases of lists of aliases."""
    rows = ["a0: &a0 [x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, levels)]
    return "\n".join(rows)


TEXTS = {
    "aliases of aliases": (
        bomb(9, 9),
        f"found more than {MOST_ENTRIES} entries, those that aliases repeat included",
    ),
    "aliases in mappings": (
        bomb(9, 9).replace("[", "{k: [").replace("]", "]}"),
        "found more than",
    ),
    "a list within itself": ("a: &a [*a]", "found unknown key 'a'"),
    "a mapping within itself": ("a: &a {b: *a}", "found unknown key 'a'"),
    "brackets": ("[" * 100_000, f"expected at most {DEEPEST_NESTING} levels"),
    "braces over lines": ("a: " + "{a:\n" * 100, f"expected at most {DEEPEST_NESTING} levels"),
    "indentation": ("".join(" " * i + "a:\n" for i in range(200)), "nested too deeply"),
    "length": ("#" * LARGEST_FILE + "\na: 1", "found a file of 0 MB (at most 0.2 MB are read)"),
    "a long number": ("seed: " + "9" * 5000, "found text that is not YAML"),
    "a long hexadecimal number": (
        "seed: 0x" + "f" * 5000,
        "found an integer of more than 300 digits, expected",
    ),
    "a long number where a kind is due": ("energy: {kind: 0x" + "f" * 5000 + "}", "found an integer of more"),
    "a long number as a key": (
        "? 0x" + "f" * 5000 + "\n: 1",
        "found an integer of more than 300 digits as a key",
    ),
    "a truth value that is none": ("a: !!bool maybe", "found text that is not YAML"),
    "bytes": ("name: !!binary aGk=", "found a bytes, expected"),
    "a tagged list": ("a: !!python/object/apply:os.system [ls]", "found the YAML tag"),
    "a tagged mapping": ("a: !x {b: 1}", "found the YAML tag"),
    "a key that is a list": ("? [1, 2]\n: 3", "found a key that is neither text nor a number"),
    "a key that is nothing": ("? \n: 3", "found a key that is neither text nor a number"),
    "keys that become one": ("1: a\n'1': b", "found the key '1' twice"),
    "not a number": ("flow: {discrepancy: .nan}", "flow.discrepancy: found nan, expected a finite number"),
    "two bytes a character": ("mesh: 1".encode("utf-16").decode("latin-1"), "expected UTF-8 text"),
    "text alone": ("root:x:0:0:root:/root:/bin/sh", "found text without a key"),
    "many wrong items": (f"mesh: {{kind: box, cells: [{'a, ' * 1000}]}}", "mesh.cells"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_no_case_needs_is_refused(tmp_path: Path, name: str) -> None:
    """By its line where it has one, before it is expanded."""
    text, expected = TEXTS[name]
    path = tmp_path / "case.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(CaseError) as caught:
        load_case(path)
    told = "\n".join(caught.value.problems)
    assert expected in told and told.startswith(f"{path}:")
    assert len(told) < 10_000 and "root" not in told.replace(str(path), "")


DEGREES = {
    "x**3*y": 4,
    "x**2.5": 3,
    "x**-2": 3,
    "x**y": 3,
    "sqrt(x)*exp(y)/x": 7,
    "1 if x < .5 else x**4": 4,
    "min(x, y**3, 2)": 3,
    "abs(x - y)": 1,
    "sin(3)*x": 1,
    "-x + y**2": 2,
    "x**16*y**14": 30,
}


@pytest.mark.parametrize("text", DEGREES)
def test_the_degree_is_the_one_of_ufl(text: str) -> None:
    """By which it chooses the quadrature."""
    expression = Expression(text)
    estimated = ufl.algorithms.estimate_total_polynomial_degree(in_ufl(expression, X))
    assert degree(expression._tree) == estimated == DEGREES[text]


HIGH = [
    "((x**16)**16)**16",
    "(((x**16)**16)**16)**16",
    "sin(" * 190 + "x" + ")" * 190,
    "x**16*y**15",
    "x*" * 40 + "x",
]


@pytest.mark.parametrize("text", HIGH, ids=lambda text: text[:20])
def test_a_degree_that_cannot_be_integrated_is_refused(text: str) -> None:
    """With the way in which it is counted."""
    with pytest.raises(ExpressionError, match=rf"found the polynomial degree .* at most {HIGHEST_DEGREE} \("):
        Expression(text)


@pytest.mark.parametrize("text", ["abs(" * 150 + "x" + ")" * 150, "min(x, " * 150 + "y" + ")" * 150])
def test_deep_nesting_of_a_low_degree_is_translated(text: str) -> None:
    """An absolute value of one is that one, which UFL would make a term within itself."""
    form = in_ufl(Expression(text), X)
    assert form((0.25, 0.5)) == 0.25


@pytest.mark.parametrize("text", ["sqrt(0*x - 1)", "(0*x - 1)**.5", "1/(0*x)", "log(0*x)", "exp(0*x + 1000)"])
def test_what_ufl_computes_to_no_real_number_is_refused(text: str) -> None:
    """As what it is, not as an error of UFL's."""
    with pytest.raises(ExpressionError, match="which cannot be translated"):
        in_ufl(Expression(text), X)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(str(path))


NO_FILES: dict[str, Callable[[Path], None]] = {
    "a named pipe": fifo,
    "a directory": Path.mkdir,
    "a socket": listening,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "an unreadable file (Too many levels of symbolic links)": lambda path: path.symlink_to(path.name),
    "no such file": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_not_opened(
    tmp_path: Path, kind: str, rewritten: Callable[[str, str], Path]
) -> None:
    """As a case, as data that a case names, and by the readers."""
    path = tmp_path / "a"
    NO_FILES[kind](path)
    for read in (load_case, lambda path: read_points(path, 2), read_readings):
        with pytest.raises((CaseError, DataError)) as caught:
            read(path)
        (problem,) = caught.value.problems
        assert problem.startswith(f"{path}: found {kind}, expected")
    with pytest.raises(CaseError, match=r"observations\.heads\.file: found 'a' \("):
        load_case(rewritten("data/heads.csv", "a"))


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000, "b\0", "\ud800"])
def test_names_that_no_file_can_have_are_refused(rewritten: Callable[[str, str], Path], name: str) -> None:
    """Too long, or with characters that are none."""
    path = rewritten("data/heads.csv", '"' + name.replace("\0", "\\0").replace("\ud800", "\\ud800") + '"')
    with pytest.raises(CaseError, match=r"observations\.heads\.file: found .*, expected"):
        load_case(path)


LARGE = [
    "mesh.cells=[1000000000000, 2]",
    "unknowns.m.representation.hidden=[10000000000]",
    "flow.max_iterations=1e30",
]


@pytest.mark.parametrize("override", LARGE)
def test_counts_have_an_end(case_file: Path, override: str) -> None:
    """Whatever it is that is counted."""
    with pytest.raises(CaseError, match="expected an integer >= 1 and <= 1000000000"):
        load_case(case_file, [override])
