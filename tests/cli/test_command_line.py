"""What the words of a command line mean, and who answers them."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from mpi4py import MPI
from ruamel.yaml import YAML

import app
from app.__main__ import main
from app.cli import COMMANDS, UsageError, parse, ranks
from app.cli.columns import COLUMNS
from app.cli.run import RUN

ROOT = Path(__file__).parents[2]


NEEDED = {
    "new": ["plate"],
    "sweep": ["case.yaml", "--set", "seed=0,1"],
    "evaluate": ["results", "--points", "p.csv"],
    "export": ["results", "--format", "npz"],
    "sample-prior": ["case.yaml"],
    "design": ["results", "--candidates", "p.csv", "--number", "2"],
    "report": ["results"],
}
"""Words without which a command is refused."""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_word_is_a_command(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever files there are; ./NAME is a file, and behind options the word is refused."""
    monkeypatch.chdir(tmp_path)
    for there in (False, True):
        if there:
            (tmp_path / name).write_text("mesh: {}")
        assert parse([name, *NEEDED.get(name, [])])[0] is COMMANDS[name]
        command, options = parse([f"./{name}"])
        assert command is RUN and options.case == f"./{name}"
        with pytest.raises(UsageError, match=f"found the command {name} behind options, expected it as the"):
            parse(["--quiet", name])


def test_any_other_word_is_a_case() -> None:
    """Options stand before or behind it, PETSc's behind it."""
    command, options = parse(["--quiet", "a.yaml", "--set", "seed=1", "-log_view", "-ksp_type", "cg"])
    assert command is RUN and options.case == "a.yaml"
    assert (options.quiet, options.overrides, options.petsc) == (
        True,
        ["seed=1"],
        ["-log_view", "-ksp_type", "cg"],
    )


REFUSED = {
    "": "the following arguments are required: CASE.yaml",
    "--colour a.yaml": "unrecognized argument --colour",
    "a.yaml b.yaml": "unrecognized argument b.yaml",
    "a.yaml --set": "argument --set: expected one argument",
    "a.yaml --time-limit soon": "argument --time-limit: found 'soon', expected minutes > 0",
    "design a --candidates b --number x": "argument --number: found 'x', expected a whole number >= 1",
    "schema a.yaml": "python -m app schema: unrecognized argument a.yaml",
    "sample-prior a.yaml --number 0": "argument --number: found '0', expected a whole number from 1 to 1000",
    "schema -log_view": "python -m app schema: unrecognized argument -log_view",
    "shcema": "commands new, cases, sweep, schema, evaluate, export, sample-prior, design, report (did",
}


@pytest.mark.parametrize("line", REFUSED)
def test_words_that_mean_nothing_are_refused(line: str) -> None:
    """One line that says where help is or what was meant."""
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    (said,) = str(caught.value).splitlines()
    assert said.startswith("python -m app") and REFUSED[line] in said


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """With its sentence; each command explains itself too. It is printed by one rank."""
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    speaks = MPI.COMM_WORLD.rank == 0
    for name, command in COMMANDS.items():
        assert (f"{name}: {command.sentence}" in said) == speaks
        with pytest.raises(SystemExit):
            main([name, "--help"])
        assert (f"python -m app {name}" in capsys.readouterr().out) == speaks


def test_help_explains_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    """Those above the lines of a run, in their order."""
    from app.output.console import HEADING

    assert [*COLUMNS] == HEADING.split()
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(told in said for told in COLUMNS.values()) == (MPI.COMM_WORLD.rank == 0)
    assert all(len(line) <= 110 for line in said.splitlines())


def test_a_case_that_is_wrong_is_one_message_and_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a traceback, unless it is asked for; on one rank."""
    path = MPI.COMM_WORLD.bcast(tmp_path) / "none.yaml"
    for debug in ([], ["--debug"]):
        assert main([str(path), *debug]) == 2
        said = capsys.readouterr().err
        if MPI.COMM_WORLD.rank == 0:
            assert said.splitlines()[-1] == f"{path}: found no such file, expected a YAML case file"
            assert ("Traceback" in said) == bool(debug)
        else:
            assert said == ""


def test_a_name_too_long_for_a_file_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    """Also one that could be a command's."""
    assert main(["a" * 5000]) == 2
    said = capsys.readouterr().err
    assert MPI.COMM_WORLD.rank or (len(said.splitlines()) == 1 and "File name too long" in said)


RANKS = {
    "alone": ({}, False, True),
    "MPICH 0": ({"PMI_RANK": "0"}, True, True),
    "MPICH 1": ({"PMI_RANK": "1"}, True, False),
    "Open MPI 1": ({"OMPI_COMM_WORLD_RANK": "1"}, True, False),
    "MPICH 1 in a job of Slurm": ({"SLURM_PROCID": "0", "PMI_RANK": "1"}, True, False),
    "Slurm 3": ({"SLURM_PROCID": "3"}, True, False),
}
"""Environments: what the launcher says, whether there may be other ranks, whether this one speaks."""


@pytest.mark.parametrize("title", RANKS)
def test_the_launcher_tells_the_rank_before_mpi(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that --help and a wrong option need no MPI and are told once."""
    told, launched, speaks = RANKS[title]
    for name in ranks.LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    for name, rank in told.items():
        monkeypatch.setenv(name, rank)
    monkeypatch.setattr(ranks, "world", lambda: None)
    assert (ranks.launched(), ranks.speaks()) == (launched, speaks)


def test_where_mpi_runs_it_tells_the_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "7")
    assert ranks.speaks() == (MPI.COMM_WORLD.rank == 0)


def test_the_version_is_told_with_those_of_what_it_stands_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--version"])
    told = dict(line.split(" ") for line in capsys.readouterr().out.splitlines())
    assert ended.value.code == 0 and told["enngf"] == app.__version__
    assert {"python", "torch", "numpy", "mpi4py"} <= set(told)


def test_the_package_says_the_same_everywhere() -> None:
    """The console script is the program; one version, also where the software is to be cited."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    module, _, function = project["project"]["scripts"]["enngf"].partition(":")
    assert getattr(import_module(module), function) is main
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "app.__version__"}
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    assert citation["version"] == app.__version__
    assert citation["title"] == project["project"]["name"]
    assert citation["license"] == project["project"]["license"]
