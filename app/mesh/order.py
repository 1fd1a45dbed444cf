"""An order of nodes that does not depend on the partition: by their coordinates."""

from collections.abc import Sequence

import numpy as np
from mpi4py import MPI

from app.mesh.meshes import ROUNDINGS

CLOSE = 1e-9
"""Coordinates that are closer than this share of the domain's extent count as one: rounding tells them apart
otherwise, differently on different ranks."""


class NodeOrder:
    """Gathers owned nodal values into one array in the order of the nodes' coordinates, and spreads it
    again."""

    def __init__(self, comm: MPI.Comm, coordinates: np.ndarray) -> None:
        """`coordinates` of the rank's owned nodes, shape (owned, dimension), no two alike; collective."""
        self._comm = comm
        self._counts = comm.allgather(len(coordinates))
        self.size: int = sum(self._counts)
        """Nodes of all ranks."""
        parts = comm.gather(coordinates, root=0)
        self._order = np.empty(0, dtype=np.int64) if parts is None else _sorted(np.vstack(parts))

    def numbers(self) -> np.ndarray:
        """The place of each of the rank's nodes in the order, from 0; collective."""
        return self.spread(np.arange(self.size) if self._comm.rank == 0 else None)

    def gathered(self, values: np.ndarray) -> np.ndarray | None:
        """All values in order, on rank 0; None on the others. Collective."""
        parts = self._comm.gather(values, root=0)
        return None if parts is None else np.concatenate(parts)[self._order]

    def spread(self, values: np.ndarray | None) -> np.ndarray:
        """This rank's part of what `gathered` gave, which rank 0 passes in; collective."""
        parts = None
        if self._comm.rank == 0:
            assert values is not None
            whole = np.empty_like(values)
            whole[self._order] = values
            parts = np.split(whole, np.cumsum(self._counts)[:-1])
        own: np.ndarray = self._comm.scatter(parts, root=0)
        return own


class JointOrder:
    """The same of several blocks of nodes, one after the other on each rank."""

    def __init__(self, parts: Sequence[NodeOrder], owned: Sequence[int]) -> None:
        """`owned` are the rank's nodes of each block."""
        self._parts, self._ends = list(parts), np.cumsum(owned)[:-1]

    def gathered(self, values: np.ndarray) -> np.ndarray | None:
        """See NodeOrder."""
        own = zip(self._parts, np.split(values, self._ends), strict=True)
        whole = [part.gathered(rows) for part, rows in own]
        return None if whole[0] is None else np.concatenate([each for each in whole if each is not None])

    def spread(self, values: np.ndarray | None) -> np.ndarray:
        """See NodeOrder."""
        sizes = [part.size for part in self._parts]
        blocks = [None] * len(sizes) if values is None else np.split(values, np.cumsum(sizes)[:-1])
        return np.concatenate([part.spread(block) for part, block in zip(self._parts, blocks, strict=True)])


def _sorted(coordinates: np.ndarray) -> np.ndarray:
    """The permutation that sorts nodes by their first coordinate, then by the second, and so on."""
    keys = [_numbers(column) for column in coordinates.T]
    return np.lexsort(keys[::-1])


def _numbers(column: np.ndarray) -> np.ndarray:
    """The number of each coordinate among those that are apart, rising."""
    order = np.argsort(column, kind="stable")
    numbers = np.zeros(len(column), dtype=np.int64)
    if len(column):
        rounding = ROUNDINGS * np.spacing(np.abs(column).max())
        apart = np.diff(column[order]) > max(CLOSE * np.ptp(column), rounding)
        numbers[order[1:]] = np.cumsum(apart)
    return numbers
