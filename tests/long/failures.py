"""Runs on three ranks of which one fails somewhere: `python tests/long/failures.py --places … --faults …`.

Too long for the suite. Asks whether all ranks ended in time, with an exit code of the contract and one
message, whether a checkpoint that there was can be read, and whether a process is left. One line each, and a
count at the end.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

PLACES = {
    "reading": ("app.problem.levels:read_inversion", 1),
    "assembly": ("app.pde.state_equation:StateEquation._assemble_operator", 2),
    "factorisation": ("app.parallel.solver:LinearSolver._set_up", 3),
    "solve": ("app.parallel.solver:LinearSolver._solve_block", 2),
    "adjoint": ("app.pde.forward:ForwardModel._adjoint", 3),
    "jacobian": ("app.network.perceptron:Perceptron.jacobian", 1),
    "flow matrix": ("app.flow.matrix:FlowMatrix.__init__", 1),
    "selection": ("app.flow.advance:after_selection", 1),
    "output": ("app.output:write_fields", 1),
    "checkpoint": ("app.run:save_state", 2),
}
"""A function each, and at which of its calls the fault comes."""


class Unknown(BaseException):
    """None of Python's."""


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def sending(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


FAULTS: dict[str, Callable[[], None]] = {
    "RuntimeError": raising(RuntimeError("injected")),
    "SystemExit": raising(SystemExit(0)),
    "KeyboardInterrupt": raising(KeyboardInterrupt()),
    "MemoryError": raising(MemoryError()),
    "GeneratorExit": raising(GeneratorExit()),
    "BaseException": raising(Unknown("injected")),
    "exit": lambda: os._exit(0),
    "SIGKILL": sending(signal.SIGKILL),
    "SIGSEGV": sending(signal.SIGSEGV),
    "SIGABRT": sending(signal.SIGABRT),
    "SIGTERM": sending(signal.SIGTERM),
}
INTERRUPTIONS = ("KeyboardInterrupt", "SIGTERM")
"""After which the exit code is that of an interruption."""

SHARE = 10.0
"""Seconds within which all ranks have ended, from the fault on."""


def patch(place: str, fault: str, mark: Path) -> None:
    """Let a function of this rank fail, which leaves the moment in a file."""
    (path, at), calls = PLACES[place], 0
    module, _, name = path.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = name.split(".")
    for each in outer:
        owner = getattr(owner, each)
    original = getattr(owner, name)

    def faulty(*args: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            mark.write_text(str(time.time()))
            FAULTS[fault]()
        return original(*args, **more)

    setattr(owner, name, faulty)


def run_one(place: str, fault: str, rank: int, mark: Path) -> int:
    """The program of a rank, of which one is to fail."""
    from app.__main__ import main
    from app.cli import run

    start = run.start

    def started(petsc: Any = ()) -> Any:
        comm = start(petsc)
        if comm.rank == rank:
            patch(place, fault, mark)
        return comm

    run.start = started  # type: ignore[assignment]
    return main()


def left(mark: Path) -> list[int]:
    """Processes of a run that are still there."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(mark).encode() in words:
                found.append(int(entry.name))
    return found


def measure(place: str, fault: str, rank: int, folder: Path) -> bool:
    """Whether a run with a fault went as it should; prints how it went."""
    from launch import environment, mpirun

    from app.output import NoCheckpoint, read_checkpoint

    out, mark = folder / "results", folder / "mark"
    shutil.rmtree(out, ignore_errors=True)
    mark.unlink(missing_ok=True)
    own = [sys.executable, __file__, "inject", place, fault, str(rank), str(mark)]
    case = ["cases/quickstart.yaml", "--set", "mesh.cells=[8,8]", "--out", str(out), "--quiet"]
    words = [mpirun(), "-n", "3", *own, *case]
    with (folder / "output").open("w") as output:
        given: Any = {"stdout": output, "stderr": output, "cwd": ROOT, "start_new_session": True}
        process = subprocess.Popen(words, env=environment(), **given)
        try:
            code = process.wait(timeout=300)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = -1
    begun = float(mark.read_text()) if mark.exists() else 0.0
    while left(mark) and time.time() - begun < 30:
        time.sleep(0.1)
    spent, remaining = time.time() - begun, left(mark)
    messages = [line for line in (folder / "output").read_text().splitlines() if line.strip()]
    checkpoint = ""
    if (out / "checkpoint").is_dir():
        try:
            read_checkpoint(out)
            checkpoint = ", checkpoint whole"
        except NoCheckpoint:
            checkpoint = ", checkpoint NOT whole"
    wanted = 130 if fault in INTERRUPTIONS else 1
    few = len(messages) <= 3 if fault in INTERRUPTIONS else len(messages) == 1
    fine = code == wanted and begun > 0 and spent <= SHARE and few and not remaining
    fine = fine and "NOT" not in checkpoint
    told = f"code {code}, {spent:.1f} s, {len(messages)} line(s){checkpoint}, {len(remaining)} left"
    print(f"{place}, {fault} on rank {rank}: {told}: {'fine' if fine else 'WRONG'}", flush=True)
    if not fine:
        print("    " + "\n    ".join(messages[:6]), flush=True)
    return fine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", nargs="*", choices=PLACES, default=list(PLACES))
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--folder", type=Path, default=Path("results/failures"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    outcomes = [
        measure(place, fault, number % 3, given.folder.resolve())
        for number, (place, fault) in enumerate((p, f) for p in given.places for f in given.faults)
    ]
    print(f"{sum(outcomes)} of {len(outcomes)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["inject"]:
        chosen = sys.argv[2:6]
        del sys.argv[1:6]
        sys.exit(run_one(chosen[0], chosen[1], int(chosen[2]), Path(chosen[3])))
    main()
