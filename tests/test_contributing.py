"""The contributor's guide: its blocks, put where they say, add an equation that obeys the laws."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mpi4py import MPI

ROOT = Path(__file__).parents[1]

GUIDE = (ROOT / "docs" / "contributing.md").read_text()

BLOCKS = re.findall(r"```python\n# (\S+), (.*?)\n(.*?)```", GUIDE, flags=re.DOTALL)
"""File, place in it, and text of each block."""

CASE = """\
mesh: {kind: rectangle, cells: [8, 8]}
unknowns:
  m: {role: log_diffusivity}
observations:
  heads: {kind: points, file: heads.csv}
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


def python(folder: Path, *words: str) -> str:
    """What Python says in a folder; it has to exit with 0."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_guide_needs_less_than_thirty_lines() -> None:
    """In all blocks together, blank ones aside."""
    code = "".join(text for _, _, text in BLOCKS)
    assert len([line for line in code.splitlines() if line.strip()]) < 30


@pytest.mark.slow
@pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="starts programs of its own")
def test_the_guide_adds_an_equation(tmp_path: Path) -> None:
    """In a copy of the program the laws over the dictionary hold for it, and a case of it is in order."""
    schema = ["app/case/equation.py"] * 2
    room = "app/pde/equations"
    assert [file for file, _, _ in BLOCKS] == [f"{room}/absorption.py", *[f"{room}/__init__.py"] * 2, *schema]
    for part in ("app", "tests/energy", "tests/pde"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("conftest", "elliptic", "equation_table", "observation_table"):
        shutil.copy(ROOT / "tests" / f"{part}.py", tmp_path / "tests" / f"{part}.py")
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    for file, place, text in BLOCKS:
        put(tmp_path, file, place, text)
    laws = ["tests/energy/test_equations.py", "tests/pde/test_equation_convergence.py"]
    said = python(tmp_path, "-m", "pytest", "-p", "no:cacheprovider", "-k", "absorption", *laws)
    assert "8 passed" in said  # three roles with two laws each, and two degrees of the state
    (section,) = re.findall(r"```yaml\n(.*?)```", GUIDE, flags=re.DOTALL)
    (tmp_path / "case.yaml").write_text(CASE + section)
    (tmp_path / "heads.csv").write_text(READINGS)
    assert "in order" in python(tmp_path, "-m", "app", "case.yaml", "--check")
    assert "u^3" in python(tmp_path, "-m", "app", "schema")
