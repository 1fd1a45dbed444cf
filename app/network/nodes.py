"""The points at which a network is evaluated."""

from dataclasses import dataclass, replace

import numpy as np

from app.network.transforms import Identity, Transform


@dataclass(frozen=True)
class Nodes:
    """What a network is evaluated at: the rank's owned nodes.

    `scaled`, shape (owned, dimension), lies in [−1, 1]; `base`, shape (owned,), is the transform's inverse
    of the `reference` coefficient, which is kept since T(T⁻¹(m_ref)) is m_ref up to rounding only. With a
    `factor` φ, shape (owned,), and without a transform m is m_ref + φ MLP.
    """

    scaled: np.ndarray
    base: np.ndarray
    reference: np.ndarray
    factor: np.ndarray | None = None
    box: tuple[np.ndarray, np.ndarray] | None = None
    """Lower and upper corner of what is scaled to [−1, 1]."""

    def rescaled(self, box: tuple[np.ndarray, np.ndarray]) -> "Nodes":
        """The same points for a network whose own box is another."""
        assert self.box is not None
        (lower, upper), (own, end) = self.box, box
        points = lower + 0.5 * (self.scaled + 1.0) * (upper - lower)
        scaled = 2.0 * (points - own) / (end - own) - 1.0
        return replace(self, scaled=np.ascontiguousarray(scaled), box=box)

    @staticmethod
    def of(
        coordinates: np.ndarray,
        box: tuple[np.ndarray, np.ndarray],
        reference: np.ndarray,
        transform: Transform,
        factor: np.ndarray | None = None,
    ) -> "Nodes":
        """Scale coordinates by the bounding box (lower, upper); raises ValueError from the transform, and
        for one beside a factor."""
        lower, upper = box
        scaled = 2.0 * (coordinates - lower) / (upper - lower) - 1.0
        if factor is not None and not isinstance(transform, Identity):
            raise ValueError("found a transform beside a factor, expected none")
        base = transform.inverse(reference) if factor is None else np.zeros_like(reference)
        return Nodes(np.ascontiguousarray(scaled), base, reference, factor, box)
