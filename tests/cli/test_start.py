"""What the program loads before it answers: the slow libraries only where they are needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mpi4py import MPI

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="starts programs of its own")

ROOT = Path(__file__).parents[2]

SLOW = {"torch", "mpi4py", "petsc4py", "dolfinx", "ufl", "scipy", "pyvista", "matplotlib", "rich"}
"""Libraries that take a tenth of a second or more, and MPI, whose import starts it."""

QUICK = {
    "--help": 0,
    "--version": 0,
    "schema": 0,
    "schema --help": 0,
    "--colour": 2,
    "shcema": 2,
    "none.yaml": 2,
    "cases/quickstart.yaml --set sed=1": 2,
    "cases/quickstart.yaml --check --set unknowns.m.rol=source": 2,
}
"""Command lines that need none of them, and the exit code."""

PROGRAM = """\
import sys
from app.__main__ import main
for line in sys.argv[1:]:
    try:
        code = main(line.split())
    except SystemExit as end:
        code = end.code
    print()
    print("loaded:", code, *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """A command in the repository, one BLAS thread a rank."""
    return subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def loaded(*lines: str) -> list[tuple[int, set[str]]]:
    """The exit code of each command line, one after the other in one process, and the top-level modules that
    are loaded after it."""
    done = run(sys.executable, "-c", PROGRAM, *lines)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("loaded: ")]
    assert len(told) == len(lines)
    return [(int(code), set(modules)) for code, *modules in told]


SETTINGS = {
    ".petscrc": "-ksp_type none\n",
    "petscrc": "-ksp_type none\n",
    "dolfinx_jit_options.json": '{"cffi_extra_compile_args": ["-no-such-option"]}',
    "ffcx_options.json": '{"language": "none"}',
    "ucx.conf": "UCX_TLS=none\n",
    "setup.cfg": "[build_ext]\nlibraries = none\n",
}
"""Files of the working folder that libraries read."""

SHADOWS = (
    "argparse", "ast", "contextlib", "csv", "dataclasses", "enum", "functools", "json", "pathlib", "re",
    "runpy", "shutil", "signal", "subprocess", "tempfile", "threading", "traceback", "types", "typing",
    "warnings", "numpy", "scipy", "rich", "pydantic", "ruamel", "mpi4py", "petsc4py", "dolfinx",
    "dolfinx_solver", "ufl", "basix", "ffcx", "cffi", "matplotlib", "gmsh", "torch", "sitecustomize",
)  # fmt: skip
"""Modules that it or a library imports."""


def test_the_working_folder_changes_nothing(tmp_path: Path) -> None:
    """No module in it is imported and no file of settings read, alone as on a rank."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"import os\nos.write(2, b'{name}\\n')\nraise SystemExit(77)\n")
    for name, text in SETTINGS.items():
        (tmp_path / name).write_text(text)
    case = [str(ROOT / "cases" / "quickstart.yaml"), "--check", "--quiet", "--set", "mesh.cells=[4, 4]"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = [sys.executable, "-m", "app", *case]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_schema_room_needs_no_slow_library() -> None:
    """Nor does evaluating an expression."""
    program = "import app.case, sys; app.case.Expression('sin(x)').numpy([[1.0]]); print(*sys.modules)"
    done = run(sys.executable, "-c", program)
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.split())
    assert "pydantic" in modules and not SLOW & modules


def test_quick_answers_need_no_slow_library() -> None:
    """Help, the version, the schema, and what is wrong with words or a case, on one rank."""
    for (line, expected), (code, modules) in zip(QUICK.items(), loaded(*QUICK), strict=True):
        assert code == expected, line
        assert not SLOW & modules, line


def test_a_check_needs_no_torch() -> None:
    """A network is made by the run, not by the check that it can be made."""
    ((code, modules),) = loaded("cases/quickstart.yaml --check --set mesh.cells=[4,4]")
    assert code == 0 and "dolfinx" in modules
    assert "torch" not in modules


@pytest.mark.parametrize("line", ["schema --help", "--colour", "cases/quickstart.yaml --set sed=1"])
def test_two_ranks_answer_as_one(line: str) -> None:
    """The same words on the same stream, once, and the same exit code."""
    beside = Path(sys.executable).parent / "mpirun"
    mpirun = str(beside) if beside.exists() else str(shutil.which("mpirun"))
    program = [sys.executable, "-m", "app", *line.split()]
    alone, together = run(*program), run(mpirun, "-n", "2", *program)
    assert (together.returncode, together.stdout, together.stderr) == (
        alone.returncode,
        alone.stdout,
        alone.stderr,
    )
    assert alone.stdout or alone.stderr
