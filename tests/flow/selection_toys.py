"""Readings of a function on [0, 1] whose regularisation the data choose."""

import numpy as np
from choice_toys import edges, fixed, steps_or_waves
from flow_toys import METHOD, Dense, Readings, growing, network_on_interval
from run_toys import Way, ideal, minimisation, network_way

from app.flow import Candidate, Choice, GaussNewtonBuilder, Method, Minimisation, NearTarget, Selection

SIZE = 40


class Setting:
    """Readings of a function on [0, 1], its start at the reference, and candidates."""

    def __init__(self, *, sharp: bool = False, bend: float = 0.0, seed: int = 0) -> None:
        problem = steps_or_waves(seed, sharp, size=SIZE)
        self.energy = Readings(problem.J, problem.y, bend=bend)
        self.reference = problem.reference
        self.target = 0.5 * len(problem.y)
        self.candidates = [*fixed(problem), edges(problem)]

    def selection(self, candidates: list[Candidate] | None = None, seed: int = 5) -> Selection:
        chosen_from = candidates or self.candidates
        return Selection(self.candidates[0], chosen_from, lambda: np.random.default_rng(seed))

    def problem(
        self,
        way: Way | None = None,
        *,
        known: bool = True,
        selection: Selection | None = None,
        most: int = 40,
    ) -> Minimisation:
        way = way or ideal(self)
        target = self.target if known else None
        builder = GaussNewtonBuilder(self.candidates[0].regularisation, None, target, way.step.creeps)
        return minimisation(self, way, builder, NearTarget(target, most), most, selection or self.selection())

    def value(self, choice: Choice, m: np.ndarray) -> float:
        """½‖e‖² + ½w‖m − m_ref‖²_R with the chosen R and w."""
        e, shift = self.energy.residual(m), m - self.reference
        return 0.5 * float(e @ e + choice.weight * shift @ choice.R.apply(shift))


def dense(R: object) -> np.ndarray:
    assert isinstance(R, Dense)
    return R.matrix


def network(max_width: int = 60, method: Method = METHOD) -> Way:
    """A step of a network that starts with four neurons."""
    own = network_on_interval(SIZE, (4,), max_width)
    return network_way("retracted", own, own.start(np.random.default_rng(0)), growing(), method=method)
