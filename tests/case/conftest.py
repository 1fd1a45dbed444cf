"""A small valid case in a temporary folder, which tests bend out of shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

CASE = """\
mesh: {kind: rectangle, cells: [8, 8]}
equation:
  kind: diffusion
  source: 10
  boundary:
    rim: {on: all, kind: dirichlet}
unknowns:
  m:
    role: log_diffusivity
    truth: sin(pi*x)*y
observations:
  heads: {kind: points, file: data/heads.csv}
"""


@pytest.fixture
def case_file(tmp_path: Path) -> Path:
    """The valid case with its data file."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "heads.csv").write_text("x,y,value\n.1,.2,3\n")
    path = tmp_path / "small.yaml"
    path.write_text(CASE)
    return path


@pytest.fixture
def rewritten(case_file: Path) -> Callable[[str, str], Path]:
    """The valid case with one piece of its text replaced."""

    def rewrite(old: str, new: str) -> Path:
        assert old in CASE
        case_file.write_text(CASE.replace(old, new))
        return case_file

    return rewrite
