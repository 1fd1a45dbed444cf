"""What the readings say of coefficients near a result: the likelihood that chains draw by."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from dolfinx import fem
from ufl import dx

from app.energy import Misfit
from app.parallel import gram
from app.posterior.posterior import Transfer
from app.prior.forms import integral
from app.problem.inversion import Inversion
from app.problem.predictions import predicted
from app.types import Untyped

MOST_ROWS = 1000
"""Readings up to which the Jacobians of two meshes are compared: a block of solves each."""


@dataclass(frozen=True, eq=False)
class NearResult:
    """The misfit on one mesh as a function of departures from the result; all that it does is collective.

    A state that is not linear is sought from that of the result on, so that it depends on m alone.
    """

    given: Inversion
    result: np.ndarray
    """m at the nodes of this mesh, (owned,)."""
    transfer: Transfer | None
    """From where departures are given to the nodes of this mesh; None where that is the same."""

    @cached_property
    def at_result(self) -> Misfit[Untyped]:
        """The misfit at the result; raises SolveFailed on all ranks."""
        return self.given.energy.at(self.result)

    def at(self, departure: np.ndarray) -> Misfit[Untyped]:
        """The misfit there; raises SolveFailed on all ranks."""
        moved = departure if self.transfer is None else self.transfer.prolonged(departure)
        return self.given.energy.at(self.result + moved, self.at_result)

    def vjp(self, found: Misfit[Untyped], data: np.ndarray) -> np.ndarray:
        """Jᵀ @ data of departures."""
        return self._restricted(found.vjp(data))

    def derivative(self, found: Misfit[Untyped]) -> np.ndarray:
        """Jᵀe of departures."""
        return self._restricted(found.derivative())

    def _restricted(self, dual: np.ndarray) -> np.ndarray:
        return dual if self.transfer is None else self.transfer.restricted(dual)


class Quantities(Protocol):
    """What is told of each draw."""

    @property
    def names(self) -> list[str]: ...

    def of(self, found: Misfit[Untyped]) -> np.ndarray:
        """Shape (quantities,), the same on all ranks; collective."""


class Means:
    """The mean of each unknown over the domain."""

    def __init__(self, given: Inversion) -> None:
        self._given = given
        self._forms = {}
        for name, space in given.spaces.items():
            function = space.function(np.zeros(space.owned), "m")
            self._forms[name] = (function, fem.form(function * dx))
        ones = [np.ones(space.owned) for space in given.spaces.values()]
        self._sizes = np.ones(len(ones))
        self._sizes = self._integrals(ones)

    @property
    def names(self) -> list[str]:
        """See Quantities."""
        return [f"mean_{name}" for name in self._forms]

    def of(self, found: Misfit[Untyped]) -> np.ndarray:
        """See Quantities."""
        return self._integrals(self._given.coefficient.split(found.m)) / self._sizes

    def _integrals(self, parts: list[np.ndarray]) -> np.ndarray:
        found = []
        for (name, space), values in zip(self._given.spaces.items(), parts, strict=True):
            function, form = self._forms[name]
            space.assign(function, values)
            found.append(integral(space, form))
        return np.array(found)


class Told:
    """The mean of each unknown, and what the case predicts."""

    def __init__(self, given: Inversion) -> None:
        """Raises InputError on all ranks for predictions that the mesh has no place for."""
        self._means, self._predicted = Means(given), predicted(given)

    @property
    def names(self) -> list[str]:
        """See Quantities."""
        labels = () if self._predicted is None else self._predicted.labels
        places = (f"{label.name} {label.place}".replace("/", "_") for label in labels)
        return [*self._means.names, *places]

    def of(self, found: Misfit[Untyped]) -> np.ndarray:
        """See Quantities; predictions of a state take it once more."""
        means = self._means.of(found)
        if self._predicted is None:
            return means
        values = self._predicted.functionals.values(found.m, near=found.forward)
        return np.concatenate([means, values])


@dataclass(frozen=True, eq=False)
class ReadingsLikelihood:
    """Φ = ½‖e‖²/s², see app.posterior.chains.Likelihood."""

    near: NearResult
    mean: np.ndarray
    """The result where departures are given, (owned,)."""
    noise: float
    """s²."""
    quantities: Quantities

    def at(self, m: np.ndarray) -> "Readings":
        """See Likelihood."""
        return Readings(self, self.near.at(m - self.mean))


@dataclass(frozen=True, eq=False)
class Readings:
    """See app.posterior.chains.Evaluated."""

    of: ReadingsLikelihood
    found: Misfit[Untyped]

    @property
    def value(self) -> float:
        """Φ."""
        return self.found.value / self.of.noise

    def derivative(self) -> np.ndarray:
        """Φ′."""
        return self.of.near.derivative(self.found) / self.of.noise

    def quantities(self) -> np.ndarray:
        """See Evaluated."""
        return self.of.quantities.of(self.found)


@dataclass(frozen=True, eq=False)
class Screen:
    """The same by a coarser mesh, whose residual is corrected so that it agrees with that of the finer one at
    the result m_res, in its derivative too (Alexandrov and Lewis 2001):
    e*(m) = e_c(m) + (e − e_c)(m_res) + (J − J_c)(m − m_res)."""

    near: NearResult
    mean: np.ndarray
    """m_res where departures are given, (owned,)."""
    noise: float
    """s²."""
    shift: np.ndarray
    """(e − e_c)(m_res), shape (readings,)."""
    rows: np.ndarray | None
    """(J − J_c)ᵀ, a block of a column each reading; None of too many."""

    @staticmethod
    def of(fine: ReadingsLikelihood, near: NearResult) -> "Screen":
        """On a coarser mesh with the same readings; two blocks of adjoint solves. Raises SolveFailed on all
        ranks."""
        one, other = fine.near.at_result, near.at_result
        shift, rows = one.residual - other.residual, None
        if len(shift) <= MOST_ROWS:
            each = np.asfortranarray(np.eye(len(shift)))
            rows = np.asfortranarray(fine.near.vjp(one, each) - near.vjp(other, each))
        return Screen(near, fine.mean, fine.noise, shift, rows)

    def at(self, m: np.ndarray) -> "Screened":
        """See Likelihood."""
        departure = m - self.mean
        found = self.near.at(departure)
        residual = found.residual + self.shift
        if self.rows is not None:
            residual = residual + gram(self.near.given.domain.comm, self.rows, departure)
        return Screened(self, found, residual)


@dataclass(frozen=True, eq=False)
class Screened:
    """See app.posterior.chains.Evaluated."""

    of: Screen
    found: Misfit[Untyped]
    residual: np.ndarray

    @property
    def value(self) -> float:
        """Φ."""
        with np.errstate(over="ignore"):
            return 0.5 * float(self.residual @ self.residual) / self.of.noise

    def derivative(self) -> np.ndarray:
        """Φ′."""
        derivative = self.of.near.vjp(self.found, self.residual)
        if self.of.rows is not None:
            derivative = derivative + self.of.rows @ self.residual
        return derivative / self.of.noise

    def quantities(self) -> np.ndarray:
        """None: they are those of the finer mesh."""
        return np.empty(0)
