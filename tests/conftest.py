"""What all tests share, on one rank and under `mpirun -n 3`, where every rank runs every test."""

import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import app  # noqa: F401 - before anything numerical: one BLAS thread a rank, and the order the wheel asks for

import pytest  # isort: skip
from mpi4py import MPI  # isort: skip


TESTS = Path(__file__).parent

DISTRIBUTED = ("energy", "observe", "posterior", "prior")
"""Folders whose tests are of rows that ranks own, but for those that are marked `serial`; elsewhere those are
that are marked `distributed`."""


FIRST = "tests/test_parallel_runs.py"
"""The file that takes longest: with several processes the others are run beside it, not before it."""

TOGETHER = "tests/app"
"""The folder whose files share runs of the program."""


def pytest_configure() -> None:
    """Compile forms without optimisation, here and in programs that tests start, by a file of DOLFINx's
    settings: it takes a fifth of a form's time, more than it saves on a few hundred cells."""
    settings = Path(tempfile.gettempdir()) / f"enngf-tests-{os.getuid()}"
    file = settings / "dolfinx" / "dolfinx_jit_options.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps({"cffi_extra_compile_args": ["-O0", "-g0"]}))
    part.replace(file)
    os.environ["XDG_CONFIG_HOME"] = str(settings)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On several ranks, which take longer where they outnumber the cores, leave out what is not of them."""
    if MPI.COMM_WORLD.size == 1:
        items.sort(key=lambda item: not item.nodeid.startswith(FIRST))
        return
    of_ranks = [item for item in items if _of_ranks(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in of_ranks])
    items[:] = of_ranks


def pytest_collection_finish() -> None:
    """What has been imported stays: each search for circles would go through all of it, a fifth of a second
    for each problem that is closed."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Several processes share the files, so that what the tests of one have in common is made once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return TOGETHER if file.startswith(f"{TOGETHER}/") else file

    return ByFile(config, log)


def _of_ranks(item: pytest.Item) -> bool:
    """Whether a test is for several ranks."""
    if item.get_closest_marker("serial"):
        return False
    return item.path.parent.name in DISTRIBUTED or item.get_closest_marker("distributed") is not None


@pytest.fixture(scope="module", autouse=True)
def _released() -> Iterator[None]:
    """After each module give back what the caches of tests hold, its own and those that it shares: MPI has
    some 2000 communicators, of which each mesh and matrix takes some, and without one a process ends; on
    several ranks PETSc's objects wait to be destroyed together."""
    yield
    of_tests = [module for module in sys.modules.values() if _is_of_tests(module)]
    for value in [value for module in of_tests for value in vars(module).values()]:
        if hasattr(value, "cache_clear"):
            value.cache_clear()
    release()


def _is_of_tests(module: ModuleType) -> bool:
    """Whether its file lies in the folder of the tests."""
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(TESTS)


def release() -> None:
    """Destroy on all ranks what nothing refers to any more."""
    gc.collect()
    if "petsc4py.PETSc" in sys.modules:
        sys.modules["petsc4py.PETSc"].garbage_cleanup()


@pytest.fixture(scope="session")
def comm() -> MPI.Comm:
    """All ranks."""
    return MPI.COMM_WORLD


@pytest.fixture
def shared_tmp_path(comm: MPI.Comm, tmp_path: Path) -> Path:
    """Rank 0's temporary folder, the same on all ranks."""
    return comm.bcast(tmp_path, root=0)


@pytest.fixture(scope="session")
def gmsh() -> ModuleType:
    """gmsh, whose wheel needs X11 and OpenGL libraries that a bare machine lacks."""
    try:
        import gmsh
    except OSError as error:
        pytest.skip(f"gmsh does not load here: {error}")
    return gmsh


@pytest.fixture(scope="module")
def undrawn() -> Iterator[dict[str, Any]]:
    """No pictures, which take longer than small runs; gives what draws them, by its name in app.output."""
    from app import output

    names = "draw_fields", "draw_choice", "draw_expansion", "draw_posterior"
    drawing = {name: getattr(output, name) for name in names}
    with pytest.MonkeyPatch.context() as patch:
        for name in drawing:
            patch.setattr(output, name, lambda *_, **__: None)
        yield drawing


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test that fails on one rank may leave the others waiting in a collective call: end them all."""
    if report.failed and MPI.COMM_WORLD.size > 1:
        rank = MPI.COMM_WORLD.rank
        print(f"\nrank {rank}: {report.nodeid} failed\n{report.longreprtext}", file=sys.stderr, flush=True)
        time.sleep(1.0)  # mpirun drops what it has not yet read when the ranks end
        MPI.COMM_WORLD.Abort(1)
