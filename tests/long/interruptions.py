"""Runs that are killed and told to end at random moments: `python tests/long/interruptions.py
kill|term|compile|many|repeat`.

Too long for the suite. `kill` ends the whole job by SIGKILL, resumes it, and compares history and coefficient
with those of a run that was left alone (with `--onto N` it goes on with N ranks, and stop and error are
compared); `term` sends SIGTERM and asks for the exit code, the time it took and a checkpoint that is whole;
`compile` does so, by all signals in turn, while forms are compiled into an empty cache, and asks whether the
next check is in order; `many` solves problems one after the other in a process and prints its memory and its
open communicators; `repeat` compares runs of a case bit by bit. One line each, and a count at the end.
"""

import argparse
import contextlib
import csv
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from launch import environment, mpirun  # noqa: E402

SMALL = {
    "quickstart": ["mesh.cells=[24,24]"],
    "inclusions": ["mesh.cells=[24,24]"],
    "heat_pinnacle": ["mesh.cells=[10,10]", "expansion.candidates=100"],
    "two_unknowns": ["mesh.cells=[16,16]"],
    "ritz_poisson": ["mesh.cells=[16,16]"],
    "cube": ["mesh.cells=[32,32,32]"],
}
GRACE = 20.0
"""Seconds within which all ranks have ended after SIGTERM."""


def command(name: str, out: Path, ranks: int, *words: str) -> list[str]:
    own = [each for key in SMALL[name] for each in ("--set", key)]
    program = [sys.executable, "-m", "app", f"cases/{name}.yaml", *own, "--out", str(out), "--quiet", *words]
    return program if ranks == 1 else [mpirun(), "-n", str(ranks), *program]


def started(words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, cwd=ROOT, env=environment(), start_new_session=True)


def history(folder: Path) -> list[list[str]]:
    """Without the seconds."""
    with (folder / "history.csv").open(newline="") as file:
        return [[cell for key, cell in row.items() if key != "seconds"] for row in csv.DictReader(file)]


def same(one: Path, other: Path, ranks: int) -> bool:
    """To the last bit on one rank; on more the same decisions and numbers to 1e-10."""
    rows = history(one), history(other)
    if ranks == 1:
        files = [(folder / "coefficient.safetensors").read_bytes() for folder in (one, other)]
        return rows[0] == rows[1] and files[0] == files[1]
    pairs = [(a, b) for x, y in zip(*rows, strict=False) for a, b in zip(x, y, strict=True) if a != b]
    near = all("." in a and abs(float(a) - float(b)) <= 1e-10 * abs(float(a)) for a, b in pairs)
    return len(rows[0]) == len(rows[1]) and near


def alike(one: Path, other: Path) -> bool:
    """The same stop, and errors that differ by less than a hundredth."""
    told = [json.loads((folder / "summary.json").read_text()) for folder in (one, other)]
    errors = [each["relative_error"] for each in told]
    errors = [each if isinstance(each, dict) else {"m": each} for each in errors]
    close = all(abs(errors[1][name] - error) <= 0.01 * error for name, error in errors[0].items())
    return close and told[0]["stop_reason"] == told[1]["stop_reason"]


def used(session: int) -> float:
    """Processor seconds of the processes of a session, which do not depend on what else the machine does."""
    spent = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                spent += sum(map(int, fields[11:15]))
    return spent / os.sysconf("SC_CLK_TCK")


def kill(name: str, times: int, ranks: int, folder: Path, draw: random.Random, onto: int | None) -> int:
    """How many of the killed runs ended as the one that was left alone; they go on with `onto` ranks."""
    alone, good = folder / f"{name}_alone", 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command(name, alone, ranks, "--overwrite"), cwd=ROOT, env=environment(), check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    for number in range(times):
        out, moment = folder / f"{name}_{number}", draw.uniform(0.0, whole)
        shutil.rmtree(out, ignore_errors=True)
        process = started(command(name, out, ranks, "--overwrite"))
        while process.poll() is None and used(process.pid) < moment:
            time.sleep(0.02)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        again = (
            "--resume" if (out / "checkpoint").is_dir() and any((out / "checkpoint").glob("[0-9]*")) else ""
        )
        words = command(name, out, onto or ranks, again or "--overwrite")
        code = subprocess.run(words, cwd=ROOT, env=environment()).returncode
        fine = code == 0 and (same(alone, out, ranks) if onto is None else alike(alone, out))
        good += fine
        found = ("same" if onto is None else "alike") if fine else f"OTHER ({code})"
        print(f"{name}: killed after {moment:.1f} s, {again or 'anew'}, {found}", flush=True)
    return good


def term(name: str, times: int, ranks: int, folder: Path, draw: random.Random) -> int:
    """How many ended in time, with the code of an interruption and a whole checkpoint."""
    from app.output import NoCheckpoint, read_checkpoint

    good = 0
    for number in range(times):
        out = folder / f"{name}_term_{number}"
        shutil.rmtree(out, ignore_errors=True)
        process = started(command(name, out, ranks, "--overwrite"))
        while not (out / "checkpoint").is_dir() and process.poll() is None:
            time.sleep(0.1)
        time.sleep(draw.uniform(0.0, 40.0))
        begun = time.monotonic()
        process.terminate()
        code = process.wait(timeout=120)
        spent = time.monotonic() - begun
        try:
            whole = read_checkpoint(out).number >= 0
        except NoCheckpoint:
            whole = False
        fine = code == 130 and spent <= GRACE and whole
        good += fine
        print(f"{name}: code {code} after {spent:.1f} s, checkpoint {'whole' if whole else 'NOT whole'}")
    return good


def compile(name: str, times: int, ranks: int, folder: Path, draw: random.Random) -> int:
    """How many checks were in order after one that was ended while it compiled."""
    for sent in (signal.SIGINT, signal.SIGHUP):  # a shell or nohup may have them ignored
        signal.signal(sent, signal.SIG_DFL)
    good, cache, signals = 0, folder / "cache", (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
    words = command(name, folder / "unused", ranks, "--check")
    for number in range(times):
        shutil.rmtree(cache, ignore_errors=True)
        given = {"cwd": ROOT, "env": environment() | {"XDG_CACHE_HOME": str(cache)}}
        process = subprocess.Popen(words, start_new_session=True, **given)
        while not list(cache.glob("fenics/compiling-*")) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moment := draw.uniform(0.0, 2.0))
        sent = signals[number % len(signals)]
        os.killpg(process.pid, sent)
        ended = process.wait()
        begun = time.monotonic()
        code = subprocess.run(words, **given).returncode
        good += code == 0
        print(
            f"{name}: {sent.name} after {moment:.2f} s of compilation ({ended}), next: code {code} "
            f"after {time.monotonic() - begun:.1f} s",
            flush=True,
        )
    return good


def repeat(name: str, times: int, ranks: int, folder: Path) -> int:
    """How many runs have the bits of the first."""
    outs = [folder / f"{name}_{ranks}_{number}" for number in range(times + 1)]
    for out in outs:
        subprocess.run(command(name, out, ranks, "--overwrite"), cwd=ROOT, env=environment(), check=True)
    good = 0
    for out in outs[1:]:
        alike = same(outs[0], out, ranks=1)
        good += alike
        print(f"{name}: {'same' if alike else 'OTHER'}", flush=True)
    return good


def many(name: str, times: int) -> int:
    """Memory in MB after each problem of a process; under mpirun of rank 0."""
    from mpi4py import MPI

    from app import build, load_case, solve

    page = os.sysconf("SC_PAGE_SIZE") / 1e6
    for number in range(times):
        with build(load_case(ROOT / "cases" / f"{name}.yaml", SMALL[name])) as problem:
            solve(problem)
        probe = MPI.COMM_WORLD.Dup()  # fails where communicators have run out
        probe.Free()
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * page
        if MPI.COMM_WORLD.rank == 0:
            print(f"{name} {number + 1}: {resident:.0f} MB", flush=True)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("kill", "term", "compile", "many", "repeat"))
    parser.add_argument("--cases", nargs="*", choices=SMALL, default=["quickstart"])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--onto", type=int, help="ranks that killed runs go on with, if others")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("results/interruptions"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    draw, folder = random.Random(given.seed), given.folder.resolve()
    for name in given.cases:
        if given.what == "many":
            good = many(name, given.times)
        elif given.what == "repeat":
            good = repeat(name, given.times, given.ranks, folder)
        else:
            act = {"kill": partial(kill, onto=given.onto), "term": term, "compile": compile}[given.what]
            good = act(name, given.times, given.ranks, folder, draw)
        print(f"{given.what} {name} on {given.ranks} rank(s): {good} of {given.times}", flush=True)


if __name__ == "__main__":
    main()
