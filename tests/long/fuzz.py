"""Bad inputs by the thousand through `--check`: `python tests/long/fuzz.py --count 5000 [--kinds array ohm]`.

Too long for the suite, which tries some hundred. Each input is checked by a process of its own, forked
from one that has loaded all libraries, and ended with all that it has started. Told are tracebacks, internal
failures, hangs, crashes, exit codes that mean nothing, and messages that name neither a line, a key nor an
option; the number of each makes it again. Told too are checks that take long, and where a hanging one was.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from mutants import BASES, KINDS, good_files, mutant  # noqa: E402

import app  # noqa: E402, F401 - before anything numerical

CODES = {0, 1, 2, 3, 130}
PLACED = re.compile(r":\d+: |--set |: found |\(see --help\)|--\w+")
"""What a message about an input has: a line, an override, a file, or an option."""
ADDRESS_SPACE = 8 * 10**9
WALL = 3.0
"""A process that shares the processor may take so many times its seconds by the clock."""
SLOW = 0.5
"""A check that takes so much of its seconds by the clock is told, if it ends well too."""
EACH = 250
"""Inputs after which the counts so far are told."""


@dataclass(frozen=True)
class Outcome:
    """How a check ended."""

    fault: str | None
    """What is wrong with that, None if nothing is."""
    code: int
    said: str
    seconds: float


def judged(status: int, said: str, hung: bool, seconds: float) -> Outcome:
    """What is to be said of an exit status and of what was printed on standard error."""
    code, fault = -1, None
    if hung or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        fault = "hang"
    elif os.WIFSIGNALED(status):
        fault = f"signal {os.WTERMSIG(status)}"
    else:
        code = os.WEXITSTATUS(status)
        if code not in CODES:
            fault = f"exit code {code}"
        elif "Traceback" in said:
            fault = "traceback"
        elif code == 1:
            fault = "internal failure"
        elif code == 2 and not PLACED.search(said):
            fault = "no place"
    return Outcome(fault, code, said, seconds)


def checked(words: list[str], folder: Path, seconds: int) -> Outcome:
    """Check in a child; standard error and the exit status are what count."""
    said, begun, longest = folder / "stderr", time.monotonic(), WALL * seconds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MPI has a thread, which the child does without
        child = os.fork()
    if child == 0:
        _check(words, said, seconds, folder / "stacks")
    hung, status = False, 0
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() - begun > longest:
            hung = True
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):  # what it has started and left behind
        os.killpg(child, signal.SIGKILL)
    told = said.read_text(errors="replace") if said.exists() else ""
    if "--debug" in words:
        told = told.replace("Traceback", "")  # which is what was asked for
    return judged(status, told, hung, time.monotonic() - begun)


def _check(words: list[str], said: Path, seconds: int, stacks: Path) -> None:
    """In the child: run the command line and leave; after its seconds it writes where it is."""
    os.setpgid(0, 0)
    os.chdir(said.parent)
    faulthandler.dump_traceback_later(seconds, file=stacks.open("w"))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    with said.open("wb") as error, open(os.devnull, "r+b") as null:
        os.dup2(null.fileno(), 0), os.dup2(null.fileno(), 1), os.dup2(error.fileno(), 2)
    from app.__main__ import main

    code = 1
    try:
        code = main(words)
    except SystemExit as end:  # --help and --version
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--count", type=int, default=5000)
    add("--seed", type=int, default=0, help="number of the first input")
    add("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    add("--seconds", type=int, default=20, help="of processor time, after which a check counts as hanging")
    add("--keep", type=Path, default=Path("results/fuzz"), help="where faulty inputs are kept")
    add("--tell", action="store_true", help="print how each check ended")
    given = parser.parse_args()
    given.keep = given.keep.resolve()
    from app.cli.ranks import start

    start()
    import app.problem
    import app.run  # noqa: F401

    for base in BASES:
        with tempfile.TemporaryDirectory() as name:
            good_files(Path(name), base)
            outcome = checked([f"{name}/case.yaml", "--check"], Path(name), given.seconds)
            if outcome.code != 0:
                sys.exit(f"the good case {base} is refused: {outcome.said}")
    counts: Counter[str] = Counter()
    slowest = 0.0
    for number in range(given.seed, given.seed + given.count):
        kind = given.kinds[number % len(given.kinds)]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            words = mutant(kind, Random(f"{kind} {number}"), folder)
            outcome = checked(words, folder, given.seconds)
            how = outcome.fault or f"code {outcome.code}"
            counts[how] += 1
            slowest = max(slowest, outcome.seconds)
            if given.tell or outcome.fault is not None or outcome.seconds > SLOW * given.seconds:
                told = " / ".join(outcome.said.strip().splitlines()[-2:])[:300]
                print(f"{kind} {number}: {how} ({outcome.seconds:.1f} s): {told}", flush=True)
            if outcome.fault is not None:
                shutil.copytree(folder, given.keep / f"{kind}-{number}", dirs_exist_ok=True)
        done = number - given.seed + 1
        if done % EACH == 0 or done == given.count:
            told = ", ".join(f"{n} {what}" for what, n in counts.items())
            print(f"{done} inputs, slowest {slowest:.1f} s: {told}", flush=True)


if __name__ == "__main__":
    main()
