"""A process that watches over the one that computes, so that a run ends when it is told to.

While a library computes, Python learns of no signal: a factorisation may take minutes. So the program runs in
a child of its own, and its parent, which does nothing but wait, passes signals on, gives the child time to
write its results, and ends it if it does not let go. Under an MPI launcher, which may kill the parent, a
third process watches over that. What takes long before the first iteration is told by the parent too, which
is free to. No MPI, PETSc or NumPy here.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

from app import activity
from app.types import Done

INTERNAL, INTERRUPTED = 1, 130
CODES = (0, 1, 2, 3, INTERRUPTED)
"""Exit codes that mean what the program says they do."""

GRACE = 17.0
"""Seconds from a signal that ends a run at once to the end of a child that has not let go."""

LEFT_GRACE = 5.0
"""The same from the end of the launcher, after which nobody waits for the run."""

READ = 1.0
"""Seconds for the launcher to pass on what a rank has said: it drops what it has not read when it ends."""

PATIENCE = 60.0
"""Seconds of silence before the first iteration, after each of which it is told what is being done."""

AT_ONCE = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
WATCHED = (signal.SIGINT, *AT_ONCE, signal.SIGCHLD, signal.SIGTSTP, signal.SIGCONT)

HYDRA = "HYDI_CONTROL_FD"
"""A variable that Hydra sets."""

PR_SET_PDEATHSIG = 1
"""Linux's prctl: a signal when the parent has died."""


def supervise() -> Done:
    """Fork; returns in the child, which computes. The parent ends with the child's exit code.

    Nothing is left behind: the child dies with the parent, and under an MPI launcher the parent with that.
    A library that ends the process before it has said that it is done is noticed.
    """
    if not hasattr(os, "fork"):
        return alone
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _watched())
    launched = "PMI_RANK" in os.environ
    if launched:
        _die_with_parent()
    parent, (told, telling) = os.getpid(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        if not launched:
            _die_with_parent()
        if os.getppid() != parent:  # it has died already
            os._exit(INTERNAL)
        os.setpgid(0, 0)  # signals of the terminal reach the parent alone, which passes each on once
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

        def done(code: int, *, everywhere: bool = False) -> int:
            if not everywhere:
                os.write(telling, b"1")
            elif HYDRA in os.environ:
                os.write(telling, b"!")
                sys.stdout.flush(), sys.stderr.flush()
                os._exit(code)
            return code

        return done
    os.close(telling)
    if launched:
        _guard(child)
    code, everywhere = _watch(child, told)
    sys.stdout.flush(), sys.stderr.flush()
    if everywhere:
        _end_all(code)
    os._exit(code)


def alone(code: int, *, everywhere: bool = False) -> int:
    """What a process that nobody watches over says when it is done: nothing."""
    return code


def _end_all(code: int) -> None:
    """Have Hydra, MPICH's launcher, end all ranks with a code, by the message `abort` of its protocol PMI-1.

    Of a rank that just ends it tells by which signal it has killed the others instead.
    """
    if HYDRA in os.environ:
        time.sleep(READ)
        with contextlib.suppress(KeyError, ValueError, OSError):
            os.write(int(os.environ["PMI_FD"]), f"cmd=abort exitcode={code}\n".encode())
            time.sleep(LEFT_GRACE)


def _guard(child: int) -> None:
    """Fork a process that ends the child after this one, which a launcher kills when a rank has failed and
    when the launcher itself has ended; then the ranks are well and given time to write their results."""
    alive, living = os.pipe()
    launcher = _parent_of(os.getppid())
    if os.fork():
        os.close(alive)
        return
    os.setsid()  # also where a whole group is killed
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)  # whoever reads what the ranks print does not wait for this process
    with contextlib.suppress(OSError):
        computes = os.pidfd_open(child)
        launches = None if launcher is None else os.pidfd_open(launcher)
        os.close(living)
        os.read(alive, 1)  # nothing, when the parent has ended
        if launches is not None and _ended_within(launches, 0.0):
            signal.pidfd_send_signal(computes, signal.SIGTERM)
            _ended_within(computes, LEFT_GRACE)
        signal.pidfd_send_signal(computes, signal.SIGKILL)
    os._exit(0)


def _parent_of(process: int) -> int | None:
    """None where there is none that could end."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        return parent if parent > 1 else None
    return None


def _ended_within(process: int, seconds: float) -> bool:
    """Whether a process, by its file descriptor, has ended or does so in time."""
    return bool(select.select([process], [], [], seconds)[0])


def _watched() -> tuple[signal.Signals, ...]:
    """Without SIGHUP where whoever started the program wants it ignored, as `nohup` does."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return tuple(number for number in WATCHED if number != signal.SIGHUP)
    return WATCHED


def _watch(child: int, told: int) -> tuple[int, bool]:
    """Wait for the child and pass signals on; the exit code, and whether all ranks are to end with it."""
    deadline, interrupts, killed, watched, begun = float("inf"), 0, False, _watched(), time.monotonic()
    telling = begun + PATIENCE
    while True:
        got = _next_signal(watched, min(deadline, telling) - time.monotonic())
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            said = _told(told)
            return _code(status, killed=killed, done=bool(said)), said != b"1"
        if got is None and time.monotonic() < deadline:
            _tell_activity(telling - begun)
            telling += PATIENCE
        elif got is None:
            if not killed:
                _say(
                    "the run did not let go in time and was ended: --resume goes on from its last checkpoint"
                )
            killed, deadline = True, float("inf")
            _send(child, signal.SIGKILL)
        elif got == signal.SIGINT:
            interrupts += 1
            if interrupts == 1:
                _say("interrupted: the run ends after this iteration (once more: at once)")
                _send(child, signal.SIGINT)
            else:
                _say("ended at once: --resume goes on from the last checkpoint")
                killed = True
                _send(child, signal.SIGKILL)
        elif got in AT_ONCE:
            deadline = min(deadline, time.monotonic() + GRACE)
            _send(child, got)
        elif got == signal.SIGTSTP:
            _send(child, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
        elif got == signal.SIGCONT:
            _send(child, signal.SIGCONT)


def _told(pipe: int) -> bytes:
    """What the child has written into a pipe."""
    os.set_blocking(pipe, False)  # what the child has started may hold the other end
    with contextlib.suppress(BlockingIOError):
        return os.read(pipe, 1)
    return b""


def _next_signal(watched: tuple[signal.Signals, ...], seconds: float) -> signal.Signals | None:
    """The next one that is watched, None after so many seconds."""
    info = signal.sigtimedwait(watched, max(seconds, 0.0))
    return None if info is None else signal.Signals(info.si_signo)


def _code(status: int, *, killed: bool, done: bool) -> int:
    """The exit code of the contract for a child that has ended, `done` or before it had passed one on."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if killed or number in (*AT_ONCE, signal.SIGINT):
            return INTERRUPTED
        _say(f"the program was ended by the signal {number} ({signal.Signals(number).name})", everywhere=True)
        return INTERNAL
    code = os.WEXITSTATUS(status)
    if done and code in CODES:
        return code
    found = f"the program was ended from within, by a library or the case's code (exit code {code})"
    _say(found, everywhere=True)
    return INTERNAL


def _tell_activity(seconds: float) -> None:
    """What the child does, if that is to be told; it is no error, and goes where iterations are told."""
    if what := activity.told():
        print(f"{seconds:.0f} s, before the first iteration: {what}", flush=True)


def _say(message: str, *, everywhere: bool = False) -> None:
    """On rank 0 by itself, unless what is said is the rank's own."""
    if everywhere or os.environ.get("PMI_RANK", "0") == "0":
        print(message, file=sys.stderr, flush=True)


def _send(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _die_with_parent() -> None:
    """On Linux; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
