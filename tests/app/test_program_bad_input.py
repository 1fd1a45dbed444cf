"""Bad input: one message that says where, what was found and what is accepted; exit code 2; nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_inputs import TABLE, Bad
from program import QUICKSTART, Run, run_here, run_program

RunOnRanks = Callable[..., Run]


def assert_refused(run: Run, bad: Bad, home: Path) -> None:
    """One message on standard error with all that it should say, exit code 2, and no folder; on standard
    output at most the line that says what was to be done."""
    assert run.code == 2, run.out + run.err
    assert run.out == "" or re.fullmatch(r"[^\n]*; results go to [^\n]*\n", run.out)
    assert "Traceback" not in run.err
    assert len(run.err.splitlines()) == bad.lines, run.err
    for words in bad.says:
        assert words.replace("{}", str(home)) in run.err
    assert bad.late or not run.folder.exists()


def written(title: str, folder: Path, request: pytest.FixtureRequest) -> list[str]:
    """Write the case of a title and return the command line's words."""
    if TABLE[title].gmsh:
        request.getfixturevalue("gmsh")
    return TABLE[title].write(folder)


@pytest.mark.parametrize("title", TABLE)
def test_bad_input_is_one_message(tmp_path: Path, request: pytest.FixtureRequest, title: str) -> None:
    """Whatever is wrong, the user reads where and what in one line, and nothing is left behind."""
    run = run_here(*written(title, tmp_path, request), out=tmp_path / "results")
    assert_refused(run, TABLE[title], tmp_path)


ON_RANKS = [
    "unknown key",
    "attribute in an expression",
    "unknown tag",
    "no data file",
    "two bad readings",
    "misfit overflows",
    "point outside the mesh",
    "point off its part",
    "truth that is not finite",
    "truth of zero",
    "source that is not finite",
    "reference without a state",
    "known on a mesh without regions",
    "tensor that is not positive",
    "states that do not fit",
    "code that fails",
    "no mesh file",
    "surface in space",
    "mesh of lines",
]
"""Of each place where a fault is found, one or two: the case's text, data, mesh, what is evaluated on it, and
the first solve."""


@pytest.mark.parametrize("title", ON_RANKS)
def test_bad_input_is_said_once_on_three_ranks(
    tmp_path: Path, request: pytest.FixtureRequest, run_on_ranks: RunOnRanks, title: str
) -> None:
    """All ranks exit with 2, one of them speaks, and none waits for another; what is said of the others of
    the table is found beside these."""
    run = run_on_ranks(*written(title, tmp_path, request), out=tmp_path / "results")
    assert_refused(run, TABLE[title], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("title", "ranks"), [("unknown key", 1), ("point outside the mesh", 2)])
def test_a_program_refuses_bad_input(
    tmp_path: Path, request: pytest.FixtureRequest, title: str, ranks: int
) -> None:
    """So the process ends with its exit code 2, alone and under mpirun, and prints nothing else."""
    run = run_program(*written(title, tmp_path, request), out=tmp_path / "results", ranks=ranks)
    assert_refused(run, TABLE[title], tmp_path)


OPTIONS = ["--colour", "--set", "more.yaml"]
"""An option that there is not, one without its value, and a second case."""


@pytest.mark.parametrize("words", OPTIONS)
def test_unknown_option_is_one_message(tmp_path: Path, run_on_ranks: RunOnRanks, words: str) -> None:
    """One line, exit code 2, said by one of three ranks too."""
    for run in (run_here, run_on_ranks):
        found = run(QUICKSTART, "--check", words, out=tmp_path / "results")
        assert_refused(found, Bad((words, "--help")), tmp_path)


@pytest.mark.slow
def test_a_program_refuses_an_unknown_option(tmp_path: Path) -> None:
    """So the process ends, which has not started PETSc yet."""
    run = run_program(QUICKSTART, "--check", "--colour", out=tmp_path / "results")
    assert_refused(run, Bad(("--colour", "--help")), tmp_path)
