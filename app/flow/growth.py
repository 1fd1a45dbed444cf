"""When a network grows, and what is told of each round of growth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.flow.expansion import Growth, Strategy
from app.flow.models import Model
from app.flow.records import Expansion, GrowthEnd
from app.flow.retraction import Fit
from app.method import Measure


@dataclass(frozen=True)
class GrowthRule:
    """While capture is below `capture` and more than the share `missing` of the scale is missing, grow.

    At most `rounds` times an iteration; a round that gains less than the share `progress` of the missing
    decrease is the iteration's last, since what these candidates cannot bring further ones will not either.
    """

    strategy: Strategy
    capture: float = 0.8
    missing: float = 0.01
    rounds: int = 8
    progress: float = 0.3
    prune: float = 0.0
    """Neurons of a step to an exact model are removed while m changes by less than this share of its distance
    from the start, in the norm of K; 0 for never."""


@dataclass(frozen=True)
class Task:
    """What a proposal has to follow."""

    model: Model
    ideal: float
    """½rᵀK⁻¹r, the model's ideal decrease."""
    scale: float
    """What decreases are measured by."""
    rule: GrowthRule | None = None
    """When the network grows for it."""

    def missing(self, fit: Fit) -> float:
        """The decrease that a fit leaves."""
        return self.ideal + fit.q


@dataclass(frozen=True)
class Round:
    """A round of growth on its way."""

    measure: Measure
    """What fell below its threshold."""
    number: int
    """Counted from 1 in the iteration."""
    candidates: int
    """How many were considered."""
    chosen: Growth

    def told(self, task: Task, before: Fit, after: Fit) -> Expansion:
        """The record of the round, which led from one fit to the next."""
        rule = task.rule
        assert rule is not None
        return Expansion(
            round=self.number,
            measure=self.measure,
            before=-before.q / task.ideal,
            threshold=rule.capture,
            missing=task.missing(before) / task.scale if task.scale > 0 else None,
            missing_threshold=rule.missing,
            candidates=self.candidates,
            widths=before.network.widths,
            grown=after.network.widths,
            predicted=float(np.sum(self.chosen.gains)),
            gained=before.q - after.q,
        )


def considered(proposals: Sequence[Growth]) -> int:
    """Candidates of a round: where there are several places, those of all of them made a proposal."""
    return max(growth.considered for growth in proposals)


def ended(told: Sequence[Expansion], reason: GrowthEnd) -> tuple[Expansion, ...]:
    """The rounds, the last of which says why it was the last."""
    return (*told[:-1], *(replace(last, ended=reason) for last in told[-1:]))
