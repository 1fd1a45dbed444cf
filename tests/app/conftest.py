"""Runs of the program, each made once a session and looked at by many tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from program import JOBS, LSHAPE, Job, Run

BLOB = """\
mesh: {mesh}
equation:
  kind: diffusion
  source: 10
  degree: 1
  boundary:
    rim: {{on: all, kind: dirichlet}}
unknowns:
  m: {{role: log_diffusivity}}
observations:
  heads: {{kind: points, file: blob.csv}}
flow: {{max_iterations: 6}}
"""
"""A case without a truth on the unit interval, square or cube."""


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Job], Run]:
    """The run of a job, made when it is first asked for."""
    runs: dict[Job, Run] = {}

    def ran(job: Job) -> Run:
        if job.case == LSHAPE:
            require_gmsh()
        if job not in runs:
            runs[job] = job.run(tmp_path_factory.mktemp("run") / "results")
        return runs[job]

    return ran


@pytest.fixture(scope="session")
def titled(run_of: Callable[[Job], Run]) -> Callable[[str], Run]:
    """The run of a title in JOBS."""
    return lambda title: run_of(JOBS[title])


@pytest.fixture
def blob(tmp_path: Path) -> Callable[[str, int], Path]:
    """Writes a case on a mesh of the given dimension, with made-up readings of a smooth bump."""

    def write(mesh: str, dimension: int) -> Path:
        rng = np.random.default_rng(1)  # any seed
        points = rng.uniform(0.1, 0.9, (40, dimension))
        # Ten times the first sine's share of the solution of -laplace u = 1, times a smooth tilt.
        values = 10 / (dimension * np.pi**2) * np.sin(np.pi * points).prod(axis=1) * (1 + 0.3 * points[:, 0])
        rows = [",".join([*"xyz"[:dimension], "value", "sigma"])]
        rows += [
            ",".join(map(str, [*point, value, 0.03])) for point, value in zip(points, values, strict=True)
        ]
        (tmp_path / "blob.csv").write_text("\n".join(rows))
        path = tmp_path / "blob.yaml"
        path.write_text(BLOB.format(mesh=mesh))
        return path

    return write


@pytest.fixture
def gmsh() -> None:
    """Skips a test that needs gmsh where its library does not load."""
    require_gmsh()


def require_gmsh() -> None:
    try:
        import gmsh  # noqa: F401
    except OSError as error:  # the wheel needs X11 and GLU libraries that a bare machine lacks
        pytest.skip(f"gmsh does not load: {error}")
