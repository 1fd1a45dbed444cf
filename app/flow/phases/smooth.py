"""What varies smoothly beside phases: its penalty, and where it starts."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from app.flow.protocols import InnerProduct
from app.parallel import gram


@dataclass(frozen=True, eq=False)
class SmoothPrior:
    """½w‖s‖²_R of a function s that departs from zero."""

    R: InnerProduct
    length: float
    """Of R, in the mesh's unit, by which it can be made again."""
    weight: float

    def weighing(self, weight: float) -> Self:
        """With another weight."""
        return replace(self, weight=weight)

    def penalty(self, s: np.ndarray) -> float:
        """Of owned nodal values; collective."""
        return 0.5 * self.weight * float(gram(self.R.comm, s, self.R.apply(s)))

    def add(self, D: np.ndarray, s: np.ndarray, columns: slice, inner: np.ndarray, slope: np.ndarray) -> None:
        """Add the penalty's part of the Gauss–Newton matrix and of the gradient, where `columns` of D are the
        derivative of s; collective."""
        tangent = np.asfortranarray(D[:, columns])
        inner[columns, columns] += self.weight * self.R.square(tangent)
        slope[columns] += self.weight * gram(self.R.comm, tangent, self.R.apply(s))

    def solution(self, rows: np.ndarray, data: np.ndarray) -> np.ndarray:
        """The s of least ½‖Js − d‖² + ½w‖s‖²_R, of J's rows (owned, readings), by a solve with R for each;
        collective."""
        X = self.R.riesz(np.asfortranarray(rows))
        S = gram(self.R.comm, rows, X)
        s: np.ndarray = X @ np.linalg.solve(S + self.weight * np.eye(len(data)), data)
        return s
