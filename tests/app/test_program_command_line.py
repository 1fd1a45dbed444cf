"""The command line beside the case: what it prints, checks, refuses and replaces."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from launch import environment
from program import COARSE, QUICKSTART, ROOT, TIMEOUT, Run, finish, run_here, settings, start

TINY = settings("mesh.cells=[6, 6]", "flow.max_iterations=1")
"""The shortest run there is; it stops with exit code 3."""


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def test_schema_is_json_schema_on_stdout() -> None:
    """`python -m app schema` prints a JSON Schema of the kinds of cases, each with its sections."""
    done = python("-m", "app", "schema")
    assert (done.returncode, done.stderr) == (0, "")
    schema = json.loads(done.stdout)
    kinds = [schema["$defs"][kind["$ref"].rpartition("/")[2]] for kind in schema["anyOf"]]
    assert all(kind["type"] == "object" for kind in kinds) and len(kinds) > 1
    assert all(kind["properties"].keys() >= {"mesh", "energy", "unknowns", "flow", "seed"} for kind in kinds)
    assert kinds[0]["properties"].keys() >= {"equation", "observations"}


def test_help_does_not_start_mpi() -> None:
    """--help exits with 0 and has loaded neither MPI (whose import starts it) nor PETSc nor torch."""
    script = (
        "import sys; from app.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: code = end.code\n"
        "print([m for m in ('mpi4py.MPI', 'petsc4py', 'torch', 'dolfinx') if m in sys.modules], code)"
    )
    done = python("-c", script)
    assert done.stdout.splitlines()[-1] == "[] 0"
    assert "--overwrite" in done.stdout and "Exit codes" in done.stdout


def test_check_finds_a_good_case_in_order(tmp_path: Path, run_on_ranks: Callable[..., Run]) -> None:
    """--check exits with 0, says so once, below what a run would do, and leaves a picture only."""
    for run in (run_here, run_on_ranks):
        found = run(QUICKSTART, "--check", "--set", COARSE, out=tmp_path / "results")
        assert (found.code, found.err) == (0, "")
        *held, last = found.out.splitlines()
        assert found.out.count("in order") == 1 and "in order" in last
        assert "mesh: part left (x_min): 16 facets of length 1" in held
        assert any(line.startswith("observation heads: 300 readings") for line in held)
        assert [path.name for path in found.folder.iterdir()] == ["check.png"]


def test_the_first_line_says_what_will_be_done(tmp_path: Path) -> None:
    """What is sought, in what, from what, on which mesh, and where the results go."""
    folder = tmp_path / "results"
    run = run_here(QUICKSTART, *TINY, out=folder)
    first = run.out.splitlines()[0]
    assert first == (
        "quickstart: recovering m (log_diffusivity) of diffusion from heads, on 6 x 6 cells; "
        f"results go to {folder}"
    )


def test_quiet_run_prints_nothing(tmp_path: Path) -> None:
    """--quiet: the exit code and the folder speak."""
    run = run_here(QUICKSTART, *TINY, "--quiet", out=tmp_path / "results")
    assert (run.code, run.out, run.err) == (3, "", "")
    assert run.summary["stop_reason"] == "max_iterations"


def test_earlier_results_are_safe_without_overwrite(tmp_path: Path) -> None:
    """A taken folder is exit code 2 and nothing in it changes; --overwrite replaces results and no more."""
    folder = tmp_path / "results"
    folder.mkdir()
    earlier = {"summary.json": "{}", "history.csv": "", "fields_p7_000000.vtu": "old", "my notes.txt": "mine"}
    for name, text in earlier.items():
        (folder / name).write_text(text)
    refused = run_here(QUICKSTART, *TINY, out=folder)
    assert refused.code == 2 and len(refused.err.splitlines()) == 1
    assert str(folder) in refused.err and "--overwrite" in refused.err
    assert {path.name: path.read_text() for path in folder.iterdir()} == earlier

    replaced = run_here(QUICKSTART, *TINY, "--overwrite", out=folder)
    assert replaced.code == 3 and replaced.summary["status"] == "stopped"
    assert (folder / "my notes.txt").read_text() == "mine"
    assert not (folder / "fields_p7_000000.vtu").exists()


def test_interrupted_run_leaves_its_results(tmp_path: Path) -> None:
    """A SIGINT to one of two ranks ends the run after the iteration: exit code 130, status interrupted.
    PETSc's -log_view is honoured then too, with a stage for each part of the program's own timing."""
    folder = tmp_path / "results"
    endless = settings("mesh.cells=[8, 8]", "flow.discrepancy=1e-3", "regularisation.m.weight=1")
    process = start(QUICKSTART, *endless, "-log_view", out=folder, ranks=2)
    try:
        history = folder / "history.csv"
        deadline = time.monotonic() + TIMEOUT
        while not history.exists() or len(history.read_text().splitlines()) < 3:  # the start and an iteration
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(min(_leaves(process.pid)), signal.SIGINT)
    finally:
        run = finish(process, folder)
    assert run.code == 130, run.out + run.err
    assert run.summary["status"] == run.summary["stop_reason"] == "interrupted"
    assert len(run.history) == run.summary["outer_iterations"] + 1
    assert len(run.field("m")) and (folder / "coefficient.png").exists()
    stages = set(re.findall(r"^ *\d+: +(\w+):", run.out, re.MULTILINE))
    assert stages >= {"assembly", "solve", "krylov", "jacobian", "flow_matrix", "retraction", "output"}


def _leaves(pid: int) -> list[int]:
    """Descendants of a process that have no children, itself if it has none: what computes and, begun after
    it, what watches over it."""
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    if not children:
        return [pid]
    with contextlib.suppress(FileNotFoundError):  # one that ends meanwhile
        return [leaf for child in children for leaf in _leaves(child)]
    return []
