"""Several experiments that share the unknowns, seen as one forward map."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from app.parallel import SolveFailed
from app.pde.forward import ForwardModel
from app.pde.linearisation import Counts, Linearisation


@dataclass(frozen=True, eq=False)
class Linearisations:
    """The forward maps of all experiments at one coefficient; their readings one after the other."""

    parts: Mapping[str, Linearisation]

    @property
    def values(self) -> np.ndarray:
        """m, owned nodal values."""
        return next(iter(self.parts.values())).values

    @property
    def readings(self) -> np.ndarray:
        """Shape (readings,), whole on every rank."""
        return np.concatenate([part.readings for part in self.parts.values()])

    @property
    def rows(self) -> dict[str, slice]:
        """Where each experiment's readings are."""
        lengths = [len(part.readings) for part in self.parts.values()]
        ends = np.cumsum(lengths).tolist()
        rows = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
        return dict(zip(self.parts, rows, strict=True))

    def tangent(self, block: np.ndarray) -> np.ndarray:
        """J block."""
        return np.concatenate([part.tangent(block) for part in self.parts.values()])

    def adjoint(self, data: np.ndarray, *, incremental: bool = True) -> np.ndarray:
        """Jᵀ data.

        A column costs a right-hand side in those experiments only in which it has an entry, so that all rows
        of J take one a reading. Every rank holds all readings, and so decides alike.
        """
        columns = data.reshape(len(data), -1)
        total = np.zeros((len(self.values), columns.shape[1]), order="F")
        for part, rows in zip(self.parts.values(), self.rows.values(), strict=True):
            seen = np.flatnonzero(columns[rows].any(axis=0))
            if len(seen):
                own = np.asfortranarray(columns[rows][:, seen])
                gradients = part.adjoint(own if len(seen) > 1 else own[:, 0], incremental=incremental)
                total[:, seen] += gradients.reshape(len(total), -1)
        return total if data.ndim > 1 else total[:, 0]


class Experiments:
    """The readings of all experiments; each has a forward model of its own.

    One evaluation is a state solve of each. Experiments whose linear operators are the same, which sources,
    wells and given values of the state do not change, share one factorisation.
    """

    def __init__(self, models: Mapping[str, ForwardModel]) -> None:
        self.models = dict(models)
        solvers = [model.solver for model in self.models.values()]
        for i, model in enumerate(self.models.values()):
            model.share(solvers[:i])

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

    def at(self, values: np.ndarray, near: Linearisations | None = None) -> Linearisations:
        """All readings for nodal values of m; raises SolveFailed on all ranks where one experiment has no
        state."""
        found: dict[str, Linearisation] = {}
        for name, model in self.models.items():
            try:
                found[name] = model.at(values, None if near is None else near.parts[name])
            except SolveFailed as failure:
                raise type(failure)(f"experiment {name}: {failure}") from None
        return Linearisations(found)

    def close(self) -> None:
        """Close all models."""
        for model in self.models.values():
            model.close()
