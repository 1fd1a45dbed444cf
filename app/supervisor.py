"""A process that watches over the one that computes, so that a run ends when it is told to.

While a library computes, Python learns of no signal: a factorisation may take minutes. So the program runs in
a child of its own, and its parent, which does nothing but wait, passes signals on, gives the child time to
write its results, and ends it if it does not let go. No MPI, PETSc or NumPy here.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time

INTERNAL, INTERRUPTED = 1, 130
CODES = (0, 1, 2, 3, INTERRUPTED)
"""Exit codes that mean what the program says they do."""

GRACE = 17.0
"""Seconds from a signal that ends a run at once to the end of a child that has not let go."""

AT_ONCE = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
WATCHED = (signal.SIGINT, *AT_ONCE, signal.SIGCHLD, signal.SIGTSTP, signal.SIGCONT)

PR_SET_PDEATHSIG = 1
"""Linux's prctl: a signal when the parent has died."""


def supervise() -> None:
    """Fork; returns in the child, which computes. The parent ends with the child's exit code.

    Nothing is left behind: the child dies with the parent, and under an MPI launcher the parent with that.
    """
    if not hasattr(os, "fork"):
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    if "PMI_RANK" in os.environ:
        _die_with_parent()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _die_with_parent()
        if os.getppid() != parent:  # it has died already
            os._exit(INTERNAL)
        os.setpgid(0, 0)  # signals of the terminal reach the parent alone, which passes each on once
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    code = _watch(child)
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)


def _watch(child: int) -> int:
    """Wait for the child and pass signals on; the exit code."""
    deadline, interrupts, killed = None, 0, False
    while True:
        left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        got = _next_signal(left)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return _code(status, killed=killed)
        if got is None:
            if not killed:
                _say(
                    "the run did not let go in time and was ended: --resume goes on from its last checkpoint"
                )
            killed, deadline = True, None
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
            deadline = deadline or time.monotonic() + GRACE
            _send(child, got)
        elif got == signal.SIGTSTP:
            _send(child, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
        elif got == signal.SIGCONT:
            _send(child, signal.SIGCONT)


def _next_signal(seconds: float | None) -> signal.Signals | None:
    """The next one that is watched, None after so many seconds."""
    if seconds is None:
        return signal.Signals(signal.sigwait(WATCHED))
    info = signal.sigtimedwait(WATCHED, seconds)
    return None if info is None else signal.Signals(info.si_signo)


def _code(status: int, *, killed: bool) -> int:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if killed or number in (*AT_ONCE, signal.SIGINT):
            return INTERRUPTED
        _say(f"the program was ended by the signal {number} ({signal.Signals(number).name})", everywhere=True)
        return INTERNAL
    code = os.WEXITSTATUS(status)
    return code if code in CODES else INTERNAL


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
