"""Several experiments that share the unknowns, seen as one forward map."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from app.parallel import SolveFailed
from app.pde.forward import Counts, ForwardModel


class Experiments:
    """The readings of all experiments, one after the other; each has a forward model of its own.

    One evaluation is a state solve of each. A column of an adjoint's data costs a right-hand side in those
    experiments only in which it has an entry, so that all rows of J take one a reading. Every rank holds all
    readings, and so decides alike. Experiments whose linear operators are the same, which sources, wells and
    given values of the state do not change, share one factorisation.
    """

    def __init__(self, models: Mapping[str, ForwardModel]) -> None:
        self.models = dict(models)
        self._owned = next(iter(models.values())).coefficient.owned
        solvers = [model.solver for model in self.models.values()]
        for i, model in enumerate(self.models.values()):
            model.share(solvers[:i])
        self._rows: list[slice] = []
        self._values: np.ndarray | None = None

    @property
    def counts(self) -> Counts:
        """Of all experiments together."""
        counts = [model.counts for model in self.models.values()]
        names = [field.name for field in fields(Counts)]
        return Counts(**{name: sum(getattr(each, name) for each in counts) for name in names})

    @property
    def size(self) -> int:
        """Number of state dofs of all experiments, over all ranks."""
        return sum(model.size for model in self.models.values())

    @property
    def rows(self) -> dict[str, slice]:
        """Where each experiment's readings are, once there was a state."""
        return dict(zip(self.models, self._rows, strict=True))

    def solve(self, values: np.ndarray) -> np.ndarray:
        """All readings for nodal values of m, whole on every rank.

        Raises SolveFailed on all ranks where one experiment has no state; tangents and adjoints then refer to
        the coefficient before, for which those that had moved on are solved again.
        """
        readings: list[np.ndarray] = []
        for name, model in self.models.items():
            try:
                readings.append(model.solve(values))
            except SolveFailed as failure:
                self._return(len(readings))
                raise SolveFailed(f"experiment {name}: {failure}") from None
        self._values = np.array(values, dtype=float)
        ends = np.cumsum([len(part) for part in readings]).tolist()
        self._rows = [slice(end - len(part), end) for end, part in zip(ends, readings, strict=True)]
        return np.concatenate(readings)

    def tangent(self, block: np.ndarray) -> np.ndarray:
        """J block."""
        return np.concatenate([model.tangent(block) for model in self.models.values()])

    def adjoint(self, data: np.ndarray, *, incremental: bool = True) -> np.ndarray:
        """Jᵀ data."""
        columns = data.reshape(len(data), -1)
        total = np.zeros((self._owned, columns.shape[1]), order="F")
        for model, rows in zip(self.models.values(), self._rows, strict=True):
            seen = np.flatnonzero(columns[rows].any(axis=0))
            if len(seen):
                part = np.asfortranarray(columns[rows][:, seen])
                gradients = model.adjoint(part if len(seen) > 1 else part[:, 0], incremental=incremental)
                total[:, seen] += gradients.reshape(self._owned, -1)
        return total if data.ndim > 1 else total[:, 0]

    def _return(self, count: int) -> None:
        """The first `count` models to the coefficient before."""
        if self._values is not None:
            for model in list(self.models.values())[:count]:
                model.solve(self._values)
