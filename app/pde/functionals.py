"""What else is to be known at a coefficient than the readings: functionals of it, and their derivatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import ufl
from dolfinx import fem, la
from mpi4py import MPI

from app.equations.terms import physical
from app.mesh.spaces import CoefficientSpace, CoefficientSpaces
from app.parallel import timed
from app.pde.experiments import Linearisations
from app.pde.forward import ForwardModel
from app.pde.linearisation import Linearisation
from app.types import CompiledForm, Matrix, Measure

ROUNDING = 1e-12
"""Readings below this share of the largest value of the state are rounding, and have no logarithm."""

type Near = Linearisation | Linearisations | None
"""The forward map at a coefficient that is not far, if there is one."""


class Functionals(Protocol):
    """Some numbers q(m); whole on every rank."""

    def values(self, m: np.ndarray, near: Near = None) -> np.ndarray:
        """q at owned nodal values of m, shape (functionals,); collective. Raises SolveFailed on all ranks.

        States that are not linear are sought from that of `near` on.
        """

    def linearised(self, m: np.ndarray, near: Near = None) -> tuple[np.ndarray, np.ndarray]:
        """q, and its derivative as a block with a column each, shape (owned, functionals); collective.
        Raises SolveFailed on all ranks."""


@dataclass(frozen=True, eq=False)
class StateFunctionals:
    """B u + W A(u, m), or their logarithms, of a state: one solve for it, one block of adjoint solves."""

    model: ForwardModel
    matrix: Matrix
    """B, shape (functionals, state dofs); the matrices are the caller's."""
    weights: Matrix | None
    """W, None where it is zero."""
    times: np.ndarray | None
    """Of a state in time, shape (functionals,)."""
    logarithmic: np.ndarray
    """Of which of them the logarithm is taken, shape (functionals,)."""
    experiment: str = ""
    """Whose model it is, of several."""

    def values(self, m: np.ndarray, near: Near = None) -> np.ndarray:
        """See Functionals; nan is the logarithm of what is not positive, or is rounding, as where the state
        is given as 0."""
        with self.model.reading(self.matrix, self.weights, self.times):
            return self._compared(self._at(m, near))[0]

    def linearised(self, m: np.ndarray, near: Near = None) -> tuple[np.ndarray, np.ndarray]:
        """See Functionals; what is nan has the derivative 0."""
        with self.model.reading(self.matrix, self.weights, self.times):
            found = self._at(m, near)
            rows = found.adjoint(np.asfortranarray(np.eye(len(found.readings))))
        values, slopes = self._compared(found)
        return values, rows.reshape(len(m), -1) * slopes

    def _at(self, m: np.ndarray, near: Near) -> Linearisation:
        return self.model.at(m, near.parts[self.experiment] if isinstance(near, Linearisations) else near)

    def _compared(self, found: Linearisation) -> tuple[np.ndarray, np.ndarray]:
        """Readings or their logarithms, and the derivatives of these by the readings."""
        readings, own = found.readings, float(np.abs(found.state).max(initial=0.0))
        largest = max(self.model.comm.allreduce(own, op=MPI.MAX), float(np.abs(readings).max(initial=0.0)))
        known = readings > ROUNDING * largest
        values, slopes = np.where(self.logarithmic, np.nan, readings), 1.0 - self.logarithmic
        np.log(readings, out=values, where=self.logarithmic & known)
        np.divide(1.0, readings, out=slopes, where=self.logarithmic & known)
        return values, slopes


class CoefficientIntegral:
    """∫ m, or of the term that m stands for, over a part of the domain or a surface: one functional."""

    def __init__(
        self,
        coefficient: CoefficientSpace | CoefficientSpaces,
        index: int,
        role: str,
        measure: Measure,
        *,
        mean: bool = False,
    ) -> None:
        """Of the unknown of this index among those of the `coefficient`; `role` is what m stands for, empty
        for m itself. Collective."""
        self._coefficient, self._index = coefficient, index
        space = coefficient.parts[index]
        self._m = space.everywhere(np.zeros(len(space.everywhere_coordinates)), "m")
        one, v = fem.Constant(space.domain.mesh, 1.0), ufl.TestFunction(space.space)
        form = physical(role, self._m) * measure
        with timed("compile"):
            self._form = fem.form(form)
            self._slope = fem.form(ufl.derivative(form, self._m, v))
            size = fem.form(one * measure)
        self._scale = 1.0 / self._summed(size) if mean else 1.0

    def values(self, m: np.ndarray, near: Near = None) -> np.ndarray:
        """See Functionals."""
        self._assign(m)
        return np.array([self._scale * self._summed(self._form)])

    def linearised(self, m: np.ndarray, near: Near = None) -> tuple[np.ndarray, np.ndarray]:
        """See Functionals."""
        value = self.values(m, near)
        vector = fem.assemble_vector(self._slope)
        vector.scatter_reverse(la.InsertMode.add)
        parts = [np.zeros((len(part.everywhere_coordinates), 1)) for part in self._coefficient.parts]
        own = parts[self._index]
        own[:, 0] = self._scale * vector.array[: len(own)]
        return value, self._coefficient.restricted(parts)

    def _assign(self, m: np.ndarray) -> None:
        own = self._coefficient.split(m)[self._index]
        self._coefficient.parts[self._index].assign(self._m, own)

    def _summed(self, form: CompiledForm) -> float:
        return float(self._coefficient.comm.allreduce(fem.assemble_scalar(form)))


@dataclass(frozen=True, eq=False)
class JointFunctionals:
    """The functionals of several, in an order of their own."""

    parts: Sequence[Functionals]
    order: np.ndarray
    """Which of all, one part's after the other's, stands at each place, shape (functionals,)."""

    def values(self, m: np.ndarray, near: Near = None) -> np.ndarray:
        """See Functionals."""
        found: np.ndarray = np.concatenate([part.values(m, near) for part in self.parts])[self.order]
        return found

    def linearised(self, m: np.ndarray, near: Near = None) -> tuple[np.ndarray, np.ndarray]:
        """See Functionals."""
        values, rows = zip(*(part.linearised(m, near) for part in self.parts), strict=True)
        return np.concatenate(values)[self.order], np.asfortranarray(np.hstack(rows)[:, self.order])
