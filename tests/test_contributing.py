"""The contributor's guide: the blocks of a section, put where they say, add what obeys the laws."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mpi4py import MPI
from test_parallel_runs import environment, mpirun

ROOT = Path(__file__).parents[1]

GUIDE = (ROOT / "docs" / "contributing.md").read_text()

SECTIONS = dict(re.findall(r"^# (Adding .*?)\n(.*?)(?=^# Adding|\Z)", GUIDE, flags=re.DOTALL | re.MULTILINE))
"""Text by heading."""

each_section = pytest.mark.parametrize("heading", SECTIONS)

CASE = """\
mesh: {kind: rectangle, cells: [8, 8]}
unknowns:
  m: {role: log_diffusivity}
observations:
  heads: {kind: points, file: heads.csv}
"""

EQUATION = """\
equation:
  kind: diffusion
  source: "10"
  boundary:
    rim: {on: all, kind: dirichlet, value: "0"}
"""

READINGS = "x,y,value,sigma\n.2,.3,.4,.01\n.5,.5,.6,.01\n.7,.1,.3,.01\n"


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


def python(folder: Path, *words: str, code: int = 0) -> str:
    """What Python says in a folder; it has to exit with this code."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def blocks(heading: str) -> list[tuple[str, str, str]]:
    """File, place in it, and text of each block of a section."""
    return re.findall(r"```python\n# (\S+), (.*?)\n(.*?)```", SECTIONS[heading], flags=re.DOTALL)


def copied(folder: Path, heading: str, *parts: str) -> None:
    """A copy of the program with these folders of tests, of a case and its data, and what a section adds."""
    for part in ("app", *parts):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("conftest", "elliptic", "equation_table", "observation_table"):
        shutil.copy(ROOT / "tests" / f"{part}.py", folder / "tests" / f"{part}.py")
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    for file, place, text in blocks(heading):
        put(folder, file, place, text)
    (section,) = re.findall(r"```yaml\n(.*?)```", SECTIONS[heading], flags=re.DOTALL)
    (folder / "case.yaml").write_text(CASE + section)
    (folder / "heads.csv").write_text(READINGS)


@each_section
def test_a_section_needs_less_than_thirty_lines(heading: str) -> None:
    """In all blocks together, blank ones aside."""
    code = "".join(text for _, _, text in blocks(heading))
    assert len([line for line in code.splitlines() if line.strip()]) < 30


@pytest.mark.slow
@pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="starts programs of its own")
def test_the_guide_adds_an_equation(tmp_path: Path) -> None:
    """In a copy of the program the laws over the dictionary hold for it, and a case of it is in order."""
    schema = ["app/case/equation.py"] * 2
    room = "app/pde/equations"
    files = [file for file, _, _ in blocks("Adding an equation")]
    assert files == [f"{room}/absorption.py", *[f"{room}/__init__.py"] * 2, *schema]
    copied(tmp_path, "Adding an equation", "tests/energy", "tests/pde")
    laws = ["tests/energy/test_equations.py", "tests/pde/test_equation_convergence.py"]
    said = python(tmp_path, "-m", "pytest", "-p", "no:cacheprovider", "-k", "absorption", *laws)
    assert "8 passed" in said  # three roles with two laws each, and two degrees of the state
    assert "in order" in python(tmp_path, "-m", "app", "case.yaml", "--check")
    assert "u^3" in python(tmp_path, "-m", "app", "schema")


@pytest.mark.slow
@pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="starts programs of its own")
def test_the_guide_adds_a_regularisation(tmp_path: Path) -> None:
    """In two files of a copy of the program: the laws over the dictionary hold for it, its parameter is a key
    of the case and of the summary, and the message about one that is wrong is as for any other."""
    heading = "Adding a regularisation"
    files = [file for file, _, _ in blocks(heading)]
    assert files == ["app/prior/h1_robin.py", *["app/prior/__init__.py"] * 2]
    copied(tmp_path, heading, "tests/prior")
    laws = ["-m", "pytest", "-p", "no:cacheprovider", "tests/prior", "-k"]
    said = python(tmp_path, *laws, "h1_robin")
    assert "47 passed, 1 skipped" in said  # six laws on six spaces, eleven beside; the last compares ranks
    two = [mpirun(), "-n", "2", sys.executable, *laws, "h1_robin and one_finds"]
    done = subprocess.run(two, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.stdout.count("1 passed") == 2, done.stdout + done.stderr
    (tmp_path / "case.yaml").write_text((tmp_path / "case.yaml").read_text() + EQUATION)
    short = ["--set", "flow.max_iterations=1", "--out", "out", "--quiet"]
    python(tmp_path, "-m", "app", "case.yaml", *short, code=3)  # as it stops before it has converged
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    told = {key: summary[key] for key in ("regularisation_kind", "robin", "edge_share")}
    assert told == {"regularisation_kind": "h1_robin", "robin": 0.7, "edge_share": None}
    assert "coefficient of the term on the boundary" in python(tmp_path, "-m", "app", "schema")
    refused = [("robin=0", "0, expected a finite number > 0"), ("kind=h1", "h1 with a robin, expected")]
    for wrong, message in refused:
        words = ["app", "case.yaml", "--check", "--set", f"regularisation.m.{wrong}"]
        assert message in python(tmp_path, "-m", *words, code=2)
