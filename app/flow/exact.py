"""The model of the minimisation: K = wR + JᵀJ with the J of a sketch, kept while it is true."""

from dataclasses import dataclass, field, replace

import numpy as np

from app.flow.builders import Built
from app.flow.models import ExactModel, LowRankFactors, Model, exact_factors
from app.flow.protocols import InnerProduct, LeastSquares
from app.flow.sketch import Sketch, retaken
from app.flow.state import Representation
from app.flow.stopping import Stopping
from app.flow.unseen import unseen_directions
from app.method import Method
from app.parallel import gram, timed


@dataclass(frozen=True, eq=False)
class Taken:
    """Where and how J was taken: from this it is taken again, alike to the last bit."""

    anchor: Representation
    """Where."""
    directions: np.ndarray | None
    """Q, shape (readings, k), the same on all ranks; None is the identity."""
    blocks: tuple[int, ...]
    """How many of its columns were taken at once."""
    rotated: bool
    """Whether the directions that are kept are those of the factors."""
    completed: bool = False
    """Whether what the directions left out was completed for a step from there."""
    level: int = 0
    """Number of the mesh on which."""


@dataclass(frozen=True, eq=False)
class ExactMemory:
    """What the exact model remembers."""

    taken: Taken
    complete: bool
    """Whether what the sketch left out of J is faint."""
    old: bool = False
    """Whether J is of an earlier iteration."""
    stale: bool = False
    """Whether it is known to be true no longer."""
    damping: float = 0.0


@dataclass(frozen=True, eq=False)
class Factors:
    """J as it was taken, in the products that the model needs; large, and made again where it is missing."""

    low_rank: LowRankFactors
    directions: np.ndarray
    """Q of the rows, shape (readings, k)."""


@dataclass(frozen=True, eq=False)
class ExactBuilder:
    """K = wR + JᵀJ for a chosen R and w; two right-hand sides an iteration.

    Where true and predicted decrease disagree, or the model promises more than there is, J is taken anew,
    along the directions of the data that matter. Where the sketch left something out, the models are
    completed to what `stopping` calls negligible.
    """

    R: InnerProduct
    weight: float
    stopping: Stopping
    method: Method = field(default_factory=Method)
    level: int = 0
    """Number of the mesh that it builds models on."""

    def from_sketch(self, sketch: Sketch, anchor: Representation) -> tuple[ExactMemory, Factors]:
        """The memory before the first iteration, and J of the sketch, which was taken at `anchor`."""
        with timed("krylov"):
            low_rank = exact_factors(self.R, self.weight, sketch.rows, self.method.exact.cut)
        readings, columns = sketch.directions.shape
        whole = readings == columns and np.array_equal(sketch.directions, np.eye(readings))
        directions = None if whole else sketch.directions
        taken = Taken(anchor, directions, sketch.blocks, rotated=True, level=self.level)
        factors = Factors(low_rank, sketch.directions @ low_rank.combinations)
        return ExactMemory(taken, sketch.complete), factors

    def again(self, at: LeastSquares, departure: np.ndarray, memory: ExactMemory) -> Factors:
        """J as the memory says it was taken, from the evaluation at its anchor; collective."""
        taken = memory.taken
        readings = len(at.residual)
        Q = np.eye(readings) if taken.directions is None else taken.directions
        with timed("krylov"):
            rows = retaken(at, Q, taken.blocks)
            low_rank = exact_factors(self.R, self.weight, rows, self.method.exact.cut)
            factors = Factors(low_rank, Q @ low_rank.combinations if taken.rotated else Q)
            if taken.completed:
                pull = self.weight * self.R.apply(departure)
                factors = self._completed(
                    factors, at, at.derivative() + pull, self._before(at, departure, pull)
                )
        return factors

    def build(
        self,
        at: LeastSquares,
        departure: np.ndarray,
        representation: Representation,
        memory: ExactMemory,
        factors: Factors,
    ) -> Built:
        """The model at an evaluation of the representation, with J, which may have been taken anew there."""
        with timed("krylov"):
            pull = self.weight * self.R.apply(departure)
            derivative = at.derivative() + pull
            before, stale = self._before(at, departure, pull), memory.stale
            model = self._model(factors, derivative, memory)
            if memory.old and not stale:
                promised = 0.5 * float(gram(self.R.comm, derivative, model.inner.riesz(derivative)))
                stale = promised > self.method.exact.excess * before
            if stale:
                return self._anew(at, derivative, before, memory, factors, representation)
            fresh = not memory.old
            if fresh and not memory.complete:
                factors = self._completed(factors, at, derivative, before)
                memory = replace(memory, taken=replace(memory.taken, completed=True))
            model = self._model(factors, derivative, memory)
        return Built(model, self.R, replace(memory, old=True), factors=factors, fresh=fresh)

    def renewed(
        self,
        built: Built,
        model: Model,
        at: LeastSquares,
        departure: np.ndarray,
        representation: Representation,
    ) -> Built | None:
        """What was built at an evaluation with J taken anew there, if rejections have damped the model so far
        that an older J is out of date."""
        memory = built.memory
        assert isinstance(model, ExactModel) and isinstance(memory, ExactMemory)
        if built.fresh or not self._steep(model, memory):
            return None
        with timed("krylov"):
            pull = self.weight * self.R.apply(departure)
            before = self._before(at, departure, pull)
            return self._anew(at, model.derivative, before, memory, built.factors, representation)

    def _anew(
        self,
        at: LeastSquares,
        derivative: np.ndarray,
        before: float,
        memory: ExactMemory,
        factors: Factors,
        representation: Representation,
    ) -> Built:
        """The model with J taken there along the directions that mattered."""
        Q = factors.directions
        low_rank = exact_factors(self.R, self.weight, at.vjp(Q), self.method.exact.cut)
        factors = Factors(low_rank, Q if memory.complete else Q @ low_rank.combinations)
        taken = self._taken_at(representation, Q, memory)
        if not memory.complete:
            factors = self._completed(factors, at, derivative, before)
            taken = replace(taken, completed=True)
        memory = replace(memory, taken=taken, old=True, stale=False)
        model = self._model(factors, derivative, memory)
        return Built(model, self.R, memory, factors=factors, fresh=True)

    def _model(self, factors: Factors, derivative: np.ndarray, memory: ExactMemory) -> ExactModel:
        damped = self.method.exact.damped
        return ExactModel(self.R, self.weight, factors.low_rank, derivative, memory.damping, damped)

    def _steep(self, model: ExactModel, memory: ExactMemory) -> bool:
        """Whether rejections have raised the damping by much."""
        return model.damping >= self.method.exact.steep * max(memory.damping, self.weight)

    def on_finer_nodes(
        self, at: LeastSquares, representation: Representation, memory: ExactMemory, factors: Factors
    ) -> tuple[ExactMemory, Factors]:
        """The memory and J of another mesh's nodes, along the directions that mattered on the one before."""
        Q = factors.directions
        taken = self._taken_at(representation, Q, memory)
        memory = replace(memory, taken=taken, old=False, stale=False)
        with timed("krylov"):
            low_rank = exact_factors(self.R, self.weight, at.vjp(Q), self.method.exact.cut)
        return memory, Factors(low_rank, Q if memory.complete else Q @ low_rank.combinations)

    def _taken_at(self, representation: Representation, Q: np.ndarray, memory: ExactMemory) -> Taken:
        """That J was taken there along Q at once."""
        return Taken(representation, Q, (Q.shape[1],), rotated=not memory.complete, level=self.level)

    def learned(self, memory: ExactMemory, ratio: float, model: Model) -> ExactMemory:
        """A good ratio lessens the damping; a poor one, or a steep rise of it, says that J is out of date."""
        assert isinstance(model, ExactModel)
        exact, steep = self.method.exact, self._steep(model, memory)
        lessened = model.damping * (exact.lessened if ratio > exact.good else 1.0)
        return replace(
            memory,
            stale=memory.stale or ratio < exact.stale or steep,
            damping=lessened if lessened >= exact.slight * self.weight else 0.0,
        )

    def _before(self, at: LeastSquares, departure: np.ndarray, pull: np.ndarray) -> float:
        """The energy there."""
        return at.value + 0.5 * float(gram(self.R.comm, departure, pull))

    def _completed(
        self, factors: Factors, at: LeastSquares, derivative: np.ndarray, before: float
    ) -> Factors:
        """As much more of J as a step from this derivative needs."""
        R, weight, sketch, cut = self.R, self.weight, self.method.sketch, self.method.exact.cut
        seen, directions = factors.low_rank.C, factors.directions
        negligible = self.stopping.least_gain * self.stopping.scale(before, at)
        K = ExactModel(R, weight, factors.low_rank, derivative).inner
        new, rows = unseen_directions(at, R, weight, K, seen, directions, derivative, negligible, sketch)
        if not new.shape[1]:
            return factors
        low_rank = exact_factors(R, weight, np.asfortranarray(np.hstack([seen, rows])), cut)
        return Factors(low_rank, np.hstack([directions, new]) @ low_rank.combinations)
