"""Wave numbers and weights that bring the potential of a point source back from the cosine transform."""

from dataclasses import dataclass

import numpy as np

LEGENDRE_PER_DECADE = 6
"""Nodes of the Gauss–Legendre part, per decade of the electrodes' distances."""

LEGENDRE_LEAST, LAGUERRE = 6, 6
"""Fewest nodes of the Gauss–Legendre part, and nodes of the Gauss–Laguerre part: readings on a cylinder with
24 electrodes around it are then exact to 5e-4 (with the customary four, to 2e-3)."""


@dataclass(frozen=True)
class WaveNumbers:
    """u = Σⱼ weights[j] û(k[j]) where −∇·(σ∇û) + k²σû is the transform of a point source of unit strength."""

    k: np.ndarray
    """In 1/m, shape (n,)."""
    weights: np.ndarray
    """In 1/m, shape (n,)."""


IN_THE_MESH = WaveNumbers(np.zeros(1), np.ones(1))
"""Of sources in the mesh's own dimension: the one problem without k²."""


def across_the_section(shortest: float, longest: float) -> WaveNumbers:
    """For point sources in a plane across which the resistivity is constant (2.5 dimensions).

    u(z = 0) = (1/π) ∫₀^∞ û dk. On [0, k₀], k₀ = 1/(2 `shortest`), Gauss–Legendre in √(k/k₀), which takes the
    logarithm that û of an open section has at k = 0; on [k₀, ∞) Gauss–Laguerre in (k − k₀)/k₀, û decaying as
    exp(−k · distance): LaBrecque et al. 1996, Kemna 2000. The number of nodes follows the ratio of the
    electrodes' longest and shortest distance (m).
    """
    edge = 0.5 / shortest
    count = max(LEGENDRE_LEAST, int(np.ceil(LEGENDRE_PER_DECADE * np.log10(longest / shortest))))
    x, w = np.polynomial.legendre.leggauss(count)
    x, w = 0.5 * (x + 1.0), 0.5 * w  # on [0, 1]
    tail, tail_w = np.polynomial.laguerre.laggauss(LAGUERRE)
    k = np.concatenate([edge * x**2, edge * (1.0 + tail)])
    weights = np.concatenate([2.0 * edge * x * w, edge * tail_w * np.exp(tail)])
    return WaveNumbers(k, weights / np.pi)
