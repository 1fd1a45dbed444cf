"""Polishing: candidate neurons are improved by gradient ascent of their gain before they compete.

The gain of one neuron with tangent columns Ψ is ½sᵀH⁺s (see app.flow.expansion). With c = H⁺s and
r⊥ = dual − KDG⁺Dᵀdual its derivative by Ψ is (r⊥ − KΨ⊥c)cᵀ: what the best tangent step with it leaves.
"""

from dataclasses import dataclass

import numpy as np

from app.flow.matrix import FlowMatrix
from app.flow.pool import inverses, six_digits
from app.flow.protocols import Candidates
from app.method import GrowthMethod
from app.parallel import gram

DEFAULT = GrowthMethod()


@dataclass(frozen=True)
class _Climb:
    """Candidates with the gain of each and its derivative by the incoming rows, alike on all ranks."""

    candidates: Candidates
    gains: np.ndarray
    slopes: np.ndarray


def polished(
    G: FlowMatrix,
    candidates: Candidates,
    dual: np.ndarray,
    steps: int,
    method: GrowthMethod = DEFAULT,
) -> Candidates:
    """The candidates after so many steps uphill, each with a step length of its own; no gain falls.

    Gains are compared by six digits, so that all rank counts decide alike.
    """
    remaining = dual - G.inner.apply(G.jacobian @ G.pseudo_solve(G.pull_back(dual)))
    best = _climb(G, candidates, remaining, method.dependent)
    length = np.full(len(best.gains), method.polish_first)
    for _ in range(steps):
        rows = best.candidates.incoming
        norms = np.linalg.norm(best.slopes, axis=1)
        share = np.where(
            norms > 0, length * np.linalg.norm(rows, axis=1) / np.where(norms > 0, norms, 1.0), 0.0
        )
        trial = _climb(G, candidates.moved(rows + share[:, None] * best.slopes), remaining, method.dependent)
        better = six_digits(trial.gains) > six_digits(best.gains)
        length *= np.where(better, method.polish_longer, method.polish_shorter)
        best = _Climb(
            candidates.moved(np.where(better[:, None], trial.candidates.incoming, rows)),
            np.where(better, trial.gains, best.gains),
            np.where(better[:, None], trial.slopes, best.slopes),
        )
    return best.candidates


def _climb(G: FlowMatrix, candidates: Candidates, remaining: np.ndarray, dependent: float) -> _Climb:
    tangent, (count, outgoing) = candidates.tangent, (len(candidates.incoming), candidates.outgoing)
    image = G.inner.apply(tangent)
    inside = G.pseudo_solve(gram(G.comm, G.jacobian, image))
    outside = tangent - G.jacobian @ inside
    outside_image = G.inner.apply(outside)

    def blocks(block: np.ndarray) -> np.ndarray:
        return block.reshape(len(block), count, outgoing)

    local = np.concatenate(
        [
            np.einsum("nci,ncj->cij", blocks(outside), blocks(outside_image)).ravel(),
            np.einsum("nc,nc->c", tangent, image),
            outside.T @ remaining,
        ]
    )
    total = np.empty_like(local)
    G.comm.Allreduce(local, total)
    H, norms, s = np.split(total, [count * outgoing**2, count * outgoing**2 + count * outgoing])
    inverse = inverses(H.reshape(count, outgoing, outgoing), norms.reshape(count, outgoing), dependent)
    s = s.reshape(count, outgoing)
    c = np.einsum("cij,cj->ci", inverse, s)
    left = remaining[:, None] - np.einsum("nci,ci->nc", blocks(outside_image), c)
    dual = (left[:, :, None] * c[None]).reshape(len(left), count * outgoing)
    local = candidates.pull_back(dual)
    slopes = np.empty_like(local)
    G.comm.Allreduce(local, slopes)
    return _Climb(candidates, 0.5 * np.sum(s * c, axis=1), slopes)
