"""Memory that a process may still take, by the limits of the process, its control group and the machine."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from mpi4py import MPI

CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED = 2**60
"""What control groups say where there is no limit is beyond it."""


def available(comm: MPI.Comm) -> float:
    """Bytes that each rank may still take, the least over the ranks; inf where nothing is known. Collective.

    What is left of a machine and of a control group is shared by the ranks of that machine.
    """
    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    ranks = node.size
    node.Free()
    left = min([*_of_process(), *(room / ranks for room in _of_machine())], default=float("inf"))
    least: float = comm.allreduce(left, op=MPI.MIN)
    return least


def _of_process() -> Iterator[float]:
    """What is left below the limits of the address space and of data (ulimit -v, -d)."""
    try:
        pages = [int(size) for size in Path("/proc/self/statm").read_text().split()]
    except (OSError, ValueError):
        return
    page = os.sysconf("SC_PAGE_SIZE")
    for limit, used in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
        most, _ = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY:
            yield max(0.0, most - used * page)


def _of_machine() -> Iterator[float]:
    """What is left of the machine's memory and of that of the control groups around the process."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        yield from (int(line.split()[1]) * 1024.0 for line in lines if line.startswith("MemAvailable:"))
        groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except (OSError, ValueError):
        return
    for _, controllers, path in groups:
        if controllers == "memory":
            root, names = CGROUPS / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        elif not controllers:
            root, names = CGROUPS, ("memory.max", "memory.current")
        else:
            continue
        own = root / path.lstrip("/")
        for folder in (own, *own.parents):
            if folder == root.parent:
                break
            yield from _of_group(folder, *names)


def _of_group(folder: Path, limit: str, usage: str) -> Iterator[float]:
    """What is left of one control group, files that it may drop from its cache included."""
    try:
        most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # none, or "max"
        return
    cached = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
    if most < UNLIMITED:
        yield max(0.0, most - used + cached)
