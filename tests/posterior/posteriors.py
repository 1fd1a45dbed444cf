"""Regularisations with a few rows of J, as the laws of this folder take them."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from elliptic import COMM, WAVES, box_space, gathered, random_rows, variants

from app.mesh import joint_space
from app.parallel import LinearSolver
from app.posterior import LinearisedPosterior
from app.prior import REGULARISATIONS
from app.prior.stacked import StackedRegularisation
from app.prior.variance import Gaussian

LENGTH, WEIGHT, NOISE, READINGS = 0.3, 0.7, 1.3, 6

solver = partial(LinearSolver, COMM, "direct", "test_posterior_")


@dataclass(frozen=True)
class Setting:
    """A regularisation with the rows of J of some readings."""

    R: Gaussian
    rows: np.ndarray
    mean: np.ndarray
    reference: np.ndarray

    def posterior(self, readings: int = READINGS) -> LinearisedPosterior:
        """Of the first readings."""
        return LinearisedPosterior.of(
            self.mean, self.reference, self.R, WEIGHT, NOISE, self.rows[:, :readings]
        )

    def whole(self, block: np.ndarray) -> np.ndarray:
        """All rows of a vector or block, on every rank."""
        return gathered(block)

    def dense(self, apply: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """A matrix from its products, whole on every rank."""
        sizes = np.cumsum([0, *COMM.allgather(len(self.mean))])
        own = np.eye(sizes[-1])[sizes[COMM.rank] : sizes[COMM.rank + 1]]
        return gathered(apply(np.asfortranarray(own)))


NAMES = variants([*REGULARISATIONS, "two bilaplacian"], in_parallel=["edge_preserving", "two bilaplacian"])
"""Of one unknown each, and one of two; the rows that ranks own of each are tried in tests/prior."""


@contextmanager
def setting_of(name: str, unit: float = 1.0) -> Iterator[Setting]:
    """A regularisation where the coefficient varies, with m in a unit of 1/`unit`."""
    words = name.split()
    spaces = [box_space(2, 4, 1), box_space(2, 3, 2)][: len(words)]
    parts = [REGULARISATIONS[words[-1]](space, LENGTH, solver) for space in spaces]
    scales = [unit * scale for scale in (1.0, 4.0)[: len(words)]]
    m = np.concatenate([each.interpolate(WAVES) for each in spaces])
    rows = np.concatenate([random_rows(each, READINGS, seed=i) for i, each in enumerate(spaces)])
    made = StackedRegularisation(joint_space(spaces), parts, scales)
    with closing(made), closing(made.at(m)) as R:
        yield Setting(R, np.asfortranarray(rows / unit), unit * m, np.full(len(m), 0.2 * unit))
