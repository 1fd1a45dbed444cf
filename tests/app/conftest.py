"""Runs of the program, each made once a session and looked at by many tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from launch import environment, mpirun
from on_ranks import Launch
from program import JOBS, LSHAPE, ROOT, TIMEOUT, Job, Run, run_here, run_program

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

COARSER = 4.0
"""Factor by which the coarse mesh of lshape is coarser than the shipped one."""

RunOnRanks = Callable[..., Run]
"""`run_here` on three ranks."""


@pytest.fixture(scope="session")
def run_on_ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunOnRanks]:
    """Runs commands on three ranks, all in one launch; exit codes that differ fail the test."""
    command = [mpirun(), "-n", "3", sys.executable]
    launch = Launch(command, tmp_path_factory.mktemp("ranks"), environment())

    def run(*words: object, out: Path, pictures: bool = False) -> Run:
        answers = launch.call([*map(str, words), "--out", str(out)], pictures, TIMEOUT)
        codes = {code for code, _, _ in answers}
        assert len(codes) == 1, answers
        return Run(codes.pop(), "".join(a[1] for a in answers), "".join(a[2] for a in answers), out)

    yield run
    launch.close()


@pytest.fixture(scope="session")
def coarse_lshape(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The override that gives the case `lshape` a coarse mesh."""
    require_gmsh()
    import gmsh

    path = tmp_path_factory.mktemp("mesh") / "lshape.msh"
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.open(str(ROOT / "meshes" / "lshape.geo"))
        gmsh.option.setNumber("Mesh.MeshSizeFactor", COARSER)
        gmsh.model.mesh.generate(2)
        gmsh.write(str(path))
    finally:
        gmsh.finalize()
    return f"mesh.file={path}"


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[[Job], Run]:
    """The run of a job, made when it is first asked for."""
    runs: dict[Job, Run] = {}

    def made(job: Job) -> Run:
        folder = tmp_path_factory.mktemp("run") / "results"
        if job.program:
            return run_program(*job.words, out=folder, ranks=job.ranks)
        if job.ranks == 1:
            return run_here(*job.words, out=folder, pictures=job.pictures)
        assert job.ranks == 3
        return request.getfixturevalue("run_on_ranks")(*job.words, out=folder, pictures=job.pictures)

    def ran(job: Job) -> Run:
        if job not in runs:
            coarse = (request.getfixturevalue("coarse_lshape"),) if job.case == LSHAPE else ()
            runs[job] = made(replace(job, overrides=(*coarse, *job.overrides)))
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
    """Skip the test that asks where gmsh does not load."""
    try:
        import gmsh  # noqa: F401
    except OSError as error:  # the wheel needs X11 and GLU libraries that a bare machine lacks
        pytest.skip(f"gmsh does not load: {error}")
