"""Regularisations that may be chosen, how well each predicts, and what was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from app.flow.protocols import ClosableProduct, Regularisation


@dataclass(frozen=True)
class Candidate:
    """A regularisation that may be chosen."""

    kind: str
    length: float
    regularisation: Regularisation
    parameters: Mapping[str, float] = field(default_factory=dict)
    """What else describes it, by the names that the case knows."""

    def __str__(self) -> str:
        others = "".join(f", {name} {value:g}" for name, value in self.parameters.items())
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
    """Index of the weight, never the first or the last."""

    @property
    def by_folds(self) -> bool:
        """Whether `best` was judged by the folds."""
        return self.folds is not None

    @property
    def weight(self) -> float:
        return float(self.weights[self.best])

    @property
    def score(self) -> float:
        """The mean square at the best weight."""
        return float(self.judged[self.best])

    @property
    def judged(self) -> np.ndarray:
        """The mean squares that count, by weight."""
        return self.left_out if self.folds is None else self.folds


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

    @property
    def weight(self) -> float:
        return self.score.weight

    @property
    def candidate(self) -> Candidate:
        return self.score.candidate
