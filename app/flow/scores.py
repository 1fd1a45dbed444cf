"""Regularisations that may be chosen, how well each predicts, and what was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from app.flow.protocols import ClosableProduct, Regularisation
from app.types import Json

type Criterion = Literal["cross_validation", "evidence"]
"""What predicts readings that are left out best, or makes all of them most probable."""


@dataclass(frozen=True)
class Candidate:
    """A regularisation that may be chosen."""

    kind: str
    length: float
    regularisation: Regularisation
    parameters: Mapping[str, Json] = field(default_factory=dict)
    """What else describes it, by the names that the case knows."""

    def __str__(self) -> str:
        told = {name: value for name, value in self.parameters.items() if value is not None}
        others = "".join(f", {name} {_told(value)}" for name, value in told.items())
        return f"{self.kind} (length {self.length:.3g}{others})"


@dataclass(frozen=True)
class Score:
    """How well a candidate predicts readings that were left out, by weight."""

    candidate: Candidate
    weights: np.ndarray
    left_out: np.ndarray
    """Mean square of the leave-one-out residuals; of an R that depends on m it is too low."""
    folds: np.ndarray | None
    """Mean square of the residuals of the folds, where R depends on m."""
    best: int
    """Index of the weight; where the data choose it never the first or the last."""
    evidence: np.ndarray | None = None
    """−2/n times the logarithm of the probability density of the n readings, where that is what counts."""

    @property
    def by_folds(self) -> bool:
        """Whether `best` was judged by the folds."""
        return self.folds is not None

    @property
    def weight(self) -> float:
        return float(self.weights[self.best])

    @property
    def score(self) -> float:
        """What counts at the best weight."""
        return float(self.judged[self.best])

    @property
    def judged(self) -> np.ndarray:
        """What counts, by weight."""
        if self.evidence is not None:
            return self.evidence
        return self.left_out if self.folds is None else self.folds

    @property
    def judge(self) -> str:
        """What it is."""
        return "evidence" if self.evidence is not None else "folds" if self.by_folds else "leave_one_out"


@dataclass(frozen=True, eq=False)
class Folds:
    """What the chosen regularisation predicts of each reading from the others, by folds."""

    residuals: np.ndarray
    """Shape (readings,), in the order of the residual."""
    edges: float
    """By how many standard errors the best R that depends on m, as one does that keeps edges, predicts better
    than the best that does not; −∞ where none was judged."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, why, and among what."""

    score: Score
    R: ClosableProduct
    """Whoever asked for the choice closes it."""
    lagged: np.ndarray | None
    """The coefficient (owned,) from which R was made, where R depends on it."""
    scores: list[Score]
    reason: str
    freedom: float
    """Degrees of freedom that the fit uses."""
    spread: float
    """Standard deviation of the whitened noise as the fit finds it: 1 where the noise is as stated."""
    folds: "Folds | None" = None
    """What was predicted of readings in folds that were left out; None where there were none."""

    @property
    def weight(self) -> float:
        return self.score.weight

    @property
    def candidate(self) -> Candidate:
        return self.score.candidate


def _told(value: Json) -> str:
    """A parameter, a matrix by its rows."""
    if isinstance(value, int | float):
        return f"{value:g}"
    return value if isinstance(value, str) else str([[float(f"{x:.4g}") for x in row] for row in value])
