"""The contributor's guide: the blocks of each section, put where they say, add what obeys the laws."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mpi4py import MPI
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Guide:
    """A section of the page."""

    text: str

    @property
    def blocks(self) -> list[tuple[str, str, str]]:
        """File, place in it, and text of each block of Python."""
        return re.findall(r"```python\n# (\S+), (.*?)\n(.*?)```", self.text, flags=re.DOTALL)

    @property
    def files(self) -> set[str]:
        """Those of the program that it changes or adds."""
        return {file for file, _, _ in self.blocks if file.startswith("app/")}

    @property
    def case(self) -> dict[str, Any]:
        """What a case says then."""
        (text,) = re.findall(r"```yaml\n(.*?)```", self.text, flags=re.DOTALL)
        return YAML(typ="safe").load(text)


PAGE = (ROOT / "docs" / "contributing.md").read_text()

SECTIONS = re.split(r"^## (.*)$", PAGE, flags=re.MULTILINE)[1:]

GUIDES = {
    title: Guide(text)
    for title, text in zip(SECTIONS[::2], SECTIONS[1::2], strict=True)
    if title.startswith("Adding")
}


@dataclass(frozen=True)
class Laws:
    """What a section has to bring about."""

    tests: list[str]
    """The law tests of the dictionary."""
    name: str
    """Of what is added, as it stands in the names of its tests."""
    count: int
    """Tests that there are of it."""
    described: str
    """A part of the schema's text."""
    files: dict[str, str] = field(default_factory=dict)
    """That the case of the section needs."""


LAWS = {
    "Adding an equation": Laws(
        ["tests/energy/test_equations.py", "tests/pde/test_equation_convergence.py"],
        "absorption",
        10,  # four roles with two laws each, and two degrees of the state
        "+ a u^3 = source",
    ),
    "Adding a kind of observation": Laws(
        ["tests/observe/test_kinds.py", "tests/energy/test_observed_energies.py"],
        "differences",
        5,  # four of the operator, one of the energy
        "u(a) - u(b)",
        {"drops.csv": "x,y,x2,y2,value\n.2,.3,.5,.5,-.2\n.5,.5,.7,.1,.3\n.7,.1,.2,.3,-.1\n"},
    ),
    "Adding a regularisation": Laws(
        ["tests/prior"],
        "h1_robin",
        114,  # seven laws on six spaces, five on twelve, twelve beside; four more compare ranks
        "coefficient of the term on the boundary",
    ),
}

CASE: dict[str, Any] = {
    "mesh": {"kind": "rectangle", "cells": [8, 8]},
    "equation": {
        "kind": "diffusion",
        "source": 10,
        "boundary": {"rim": {"on": "all", "kind": "dirichlet", "value": 0}},
    },
    "unknowns": {"m": {"role": "log_diffusivity"}},
    "observations": {"heads": {"kind": "points", "file": "heads.csv"}},
}
"""What sections leave as it is."""

HEADS = "x,y,value,sigma\n.2,.3,.4,.01\n.5,.5,.6,.01\n.7,.1,.3,.01\n"


def put(folder: Path, file: str, place: str, text: str) -> None:
    """Put a block where its first line says."""
    path = folder / file
    if place == "a new file":
        assert not path.exists()
        path.write_text(text)
        return
    side, anchor = place.split(" the line ")
    lines = path.read_text().splitlines(keepends=True)
    (at,) = [index for index, line in enumerate(lines) if line.startswith(anchor)]
    lines.insert(at + (side == "after"), text)
    path.write_text("".join(lines))


def copied(folder: Path, guides: list[Guide]) -> None:
    """The program and its tests, with what these sections add."""
    shutil.copytree(ROOT / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    for guide in guides:
        for block in guide.blocks:
            put(folder, *block)


def write_case(folder: Path, titles: list[str]) -> None:
    """The case of these sections together, and its data."""
    case = dict(CASE)
    for title in titles:
        case |= GUIDES[title].case
        for name, text in LAWS[title].files.items():
            (folder / name).write_text(text)
    (folder / "heads.csv").write_text(HEADS)
    YAML(typ="safe").dump(case, folder / "case.yaml")


def python(folder: Path, *words: str) -> str:
    """What Python says in a folder."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


IN_TURNS = """
import json, sys
import app, pytest
from app.__main__ import main
programs = {"app": main, "pytest": pytest.main}
print([int(programs[name](words)) for name, *words in json.loads(sys.argv[1])])
"""


def in_turns(folder: Path, *commands: list[str], codes: list[int]) -> str:
    """What `python -m` says of these commands, one after the other in one process, whose imports take longer
    than they do; they have to exit with these codes."""
    said = python(folder, "-c", IN_TURNS, json.dumps(commands))
    assert str(codes) in said, said
    return said


CHECK = ["app", "case.yaml", "--check"]


def laws_of(tests: list[str], chosen: str) -> list[str]:
    """The command of these tests as far as they are of what is chosen."""
    return ["pytest", "-p", "no:cacheprovider", "-k", chosen, *tests]


def test_every_section_has_its_laws() -> None:
    """A section that is not executed here may have become wrong."""
    assert list(LAWS) == list(GUIDES)


@pytest.mark.parametrize("title", GUIDES)
def test_a_section_takes_two_files_of_the_program(title: str) -> None:
    """One of its own and the room's dictionary, and fewer than fifty lines in all, blank ones aside."""
    guide = GUIDES[title]
    assert [place for _, place, _ in guide.blocks].count("a new file") == 1 and len(guide.files) <= 2
    code = "".join(text for _, _, text in guide.blocks)
    assert len([line for line in code.splitlines() if line.strip()]) < 50


alone = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="starts programs of its own")


@pytest.mark.slow
@alone
@pytest.mark.parametrize("title", GUIDES)
def test_the_laws_hold_for_what_a_section_adds(title: str, tmp_path: Path) -> None:
    """In a copy of the program the laws over the dictionary find it, and a case of it is in order."""
    laws = LAWS[title]
    copied(tmp_path, [GUIDES[title]])
    write_case(tmp_path, [title])
    said = in_turns(tmp_path, laws_of(laws.tests, laws.name), CHECK, codes=[0, 0])
    assert f"{laws.count} passed" in said
    assert "in order" in said


@pytest.mark.slow
@alone
def test_all_sections_go_together(tmp_path: Path) -> None:
    """One case has all of them, the schema describes them, and laws over two of the dictionaries hold; none
    breaks the arrows of imports."""
    copied(tmp_path, list(GUIDES.values()))
    write_case(tmp_path, list(GUIDES))
    chosen = " or ".join(["names", "without_meshes", *(laws.name for laws in LAWS.values())])
    tests = ["tests/test_imports.py", "tests/case/test_names.py", "tests/energy/test_equations.py"]
    said = in_turns(tmp_path, ["app", "schema"], CHECK, laws_of(tests, chosen), codes=[0, 0, 0])
    assert all(laws.described in said for laws in LAWS.values())
    assert "in order" in said


@pytest.mark.slow
@alone
def test_a_parameter_of_a_regularisation_is_a_key_of_case_and_summary(tmp_path: Path) -> None:
    """And the message about one that is wrong is as for any other."""
    title = "Adding a regularisation"
    copied(tmp_path, [GUIDES[title]])
    write_case(tmp_path, [title])
    short = ["app", "case.yaml", "--set", "flow.max_iterations=1", "--out", "out", "--quiet"]
    wrong = {"robin=0": "0, expected a finite number > 0", "kind=h1": "h1 with a robin, expected"}
    refused = [[*CHECK, "--set", f"regularisation.m.{key}"] for key in wrong]
    said = in_turns(tmp_path, short, *refused, codes=[3, 2, 2])  # 3: it stops before it has converged
    assert all(message in said for message in wrong.values())
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    told = {key: summary[key] for key in ("regularisation_kind", "robin", "edge_share")}
    assert told == {"regularisation_kind": "h1_robin", "robin": 0.7, "edge_share": None}
