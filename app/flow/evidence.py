"""Regularisation and weight by greatest evidence: what makes the readings of the linearised problem most
probable (MacKay 1992, Bayesian interpolation)."""

from collections.abc import Sequence

import numpy as np

from app.flow.hat_matrix import interior_minimum
from app.flow.scores import Candidate, Score
from app.flow.study import Study


def by_evidence(study: Study, candidates: Sequence[Candidate], variance: float | None) -> list[Score]:
    """The score of each fixed candidate, at its best weight; `variance` is that of the whitened noise, where
    it is known. Collective."""
    scores = []
    for candidate in candidates:
        hat = study.fit(candidate).hat
        judged = hat.evidence(hat.weights, variance)
        scores.append(_score(study, candidate, hat.weights, judged, interior_minimum(judged)))
    return scores


def at_weight(
    study: Study, candidates: Sequence[Candidate], weight: float, variance: float | None
) -> list[Score]:
    """The score of each candidate at one weight, among others; of a single one by leave-one-out.
    Collective."""
    scores = []
    for candidate in candidates:
        hat = study.fit(candidate).hat
        weights = np.sort(np.append(hat.weights, weight))[::-1]
        judged = hat.evidence(weights, variance) if len(candidates) > 1 else None
        scores.append(_score(study, candidate, weights, judged, int(np.flatnonzero(weights == weight)[0])))
    return scores


def _score(
    study: Study, candidate: Candidate, weights: np.ndarray, judged: np.ndarray | None, best: int
) -> Score:
    left_out = np.mean(study.fit(candidate).hat.left_out(weights) ** 2, axis=0)
    return Score(candidate, weights, left_out, None, best, evidence=judged)
