"""Which quadratic model an iteration uses: the Gauss–Newton model of the energy, or an explicit metric.

A builder is immutable; what it remembers from one iteration to the next is a value of its own, part of the
run's state.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from app.flow.hat_matrix import HatMatrix
from app.flow.krylov import build_basis, build_basis_by_discrepancy
from app.flow.models import ExactModel, GaussNewtonModel, MetricModel, Model, exact_factors
from app.flow.protocols import (
    AnyEnergy,
    AnyEvaluation,
    ClosableProduct,
    InnerProduct,
    LeastSquares,
    Memory,
    Regularisation,
)
from app.method import Method
from app.parallel import gram, timed
from app.types import Untyped


@dataclass(frozen=True, eq=False)
class Built:
    """A model with what the history tells of it, and what the builder remembers after it."""

    model: Model
    R: InnerProduct
    memory: Memory
    vectors: int = 0
    owned: ClosableProduct | None = None
    """R, where it was made for this iteration."""
    factors: Untyped = None
    """J in the products that an exact model needs, to be kept while it is true."""
    fresh: bool = False
    """Whether J was taken for this iteration."""

    def close(self) -> None:
        """Release what was made for the iteration."""
        if self.owned is not None:
            self.owned.close()


class ModelBuilder(Protocol):
    """Builds one model an iteration and learns from the ratio of true to predicted decrease.

    Each kind of model needs its kind of energy: LeastSquares, or Convex. `memory` is a frozen dataclass of
    the builder's own.
    """

    def first(self) -> Memory:
        """The memory before the first iteration."""

    def build(self, energy: AnyEnergy, at: AnyEvaluation, departure: np.ndarray, memory: Memory) -> Built:
        """The model at an evaluation, where m − m_ref is `departure`; collective, raises SolveFailed."""

    def learned(self, memory: Memory, ratio: float, model: Model) -> Memory:
        """The memory after a step with this model was accepted."""

    def closely(self, memory: Memory, at: AnyEvaluation) -> Memory | None:
        """The memory that has exact models built from now on; None if they are already, or cannot be."""


@dataclass(frozen=True, kw_only=True)
class KrylovMemory:
    """What the Gauss–Newton model remembers."""

    upper: float = np.inf
    """Bound of the next weight by discrepancy."""
    caution: float = 1.0
    closely: bool = False
    """Whether models are built with all of J."""
    aimed: float
    """The level that a network which is followed closely aims at."""
    before: float = np.inf
    """The misfit an iteration ago, of such a network."""


@dataclass(frozen=True)
class GaussNewtonBuilder:
    """The Krylov model, with the weight given or by discrepancy (`weight` None).

    Without a target the weight by discrepancy aims at a quarter of the misfit, or what is within reach.
    A network that strays far from the ideal direction leaves the few vectors that the basis knows; when asked
    to, the builder takes all of J (a block of right-hand sides, one a reading) in place of a basis.
    """

    regularisation: Regularisation
    weight: float | None
    target: float | None
    creeps: bool
    method: Method = field(default_factory=Method)

    def first(self) -> KrylovMemory:
        """See ModelBuilder."""
        return KrylovMemory(aimed=self.method.discrepancy.aim * (self.target or 0.0))

    def build(
        self, energy: AnyEnergy, at: LeastSquares, departure: np.ndarray, memory: KrylovMemory
    ) -> Built:
        """See ModelBuilder."""
        with _closed_on_failure(self.regularisation.at(at.m)) as R:
            if memory.closely:
                return self._exact(at, R, departure, memory)
            return self._krylov(at, R, departure, memory)

    def _krylov(
        self, at: LeastSquares, R: ClosableProduct, departure: np.ndarray, memory: KrylovMemory
    ) -> Built:
        """The model of a Krylov basis."""
        method, level = self.method.krylov, self._level(at.value)
        with timed("krylov"):
            if self.weight is not None:
                basis = build_basis(at, R, departure, level, self.weight, method)
            else:
                known = self.target is not None
                given = (at, R, departure, level, memory.upper, method)
                basis = build_basis_by_discrepancy(*given, reachable=known)
                # A level out of reach gives the least weight there is, which must not bind later ones.
                if self.regularisation.fixed and basis.linear_misfit <= (1 + 1e-9) * level:
                    memory = replace(memory, upper=basis.weight)
            derivative = at.derivative() + basis.weight * R.apply(departure)
        model = GaussNewtonModel(
            R, basis, derivative, memory.caution, rule=self.method.caution, rank_cut=method.rank_cut
        )
        return Built(model, R, memory, basis.size, R)

    def learned(self, memory: KrylovMemory, ratio: float, model: Model) -> KrylovMemory:
        """A poor ratio makes the complement more cautious, a good one less; an exact model has none."""
        rule = self.method.caution
        if ratio < rule.poor:
            return replace(memory, caution=memory.caution * rule.raised)
        if ratio > rule.good:
            return replace(memory, caution=max(1.0, rule.lowered * memory.caution))
        return memory

    def closely(self, memory: KrylovMemory, at: LeastSquares) -> KrylovMemory | None:
        """See ModelBuilder; not for very many readings."""
        if memory.closely or len(at.residual) > self.method.sketch.most_rows:
            return None
        return replace(memory, closely=True)

    def _exact(
        self, at: LeastSquares, R: ClosableProduct, departure: np.ndarray, memory: KrylovMemory
    ) -> Built:
        """The model with all of J, and its weight by the rule of the basis."""
        readings, method = len(at.residual), self.method
        with timed("krylov"):
            rows = at.vjp(np.eye(readings))
            weight = self.weight
            if weight is None:
                linearised = gram(R.comm, rows, departure) - at.residual
                S = gram(R.comm, rows, R.riesz(rows))
                hat = HatMatrix(S, np.eye(readings), linearised, method.selection)
                level, memory = self._close_level(at.value, memory)
                weight, met = hat.weight_for(level, memory.upper)
                if self.regularisation.fixed and met:
                    memory = replace(memory, upper=weight)
            derivative = at.derivative() + weight * R.apply(departure)
            factors = exact_factors(R, weight, rows, method.exact.cut)
            model = ExactModel(R, weight, factors, derivative, steeper=method.exact.damped)
            return Built(model, R, memory, owned=R)

    def _level(self, misfit: float) -> float:
        """The linearised misfit to aim at: a quarter of the misfit (Hanke), or a little below the target."""
        rule = self.method.discrepancy
        if self.target is None:
            return rule.hanke * misfit
        close = self.creeps and misfit <= rule.close * self.target
        return max(rule.hanke * misfit, (rule.close_aim if close else rule.aim) * self.target)

    def _close_level(self, misfit: float, memory: KrylovMemory) -> tuple[float, KrylovMemory]:
        """The same for a network that is followed closely, which lowers what it aims at where it settles."""
        rule = self.method.discrepancy
        if self.target is None:
            return rule.hanke * misfit, memory
        aimed = memory.aimed
        if misfit > rule.settled * memory.before:
            aimed *= min(1.0, rule.aim * self.target / misfit)
        return max(rule.hanke * misfit, aimed), replace(memory, aimed=aimed, before=misfit)


@dataclass(frozen=True)
class MetricMemory:
    """What an explicit metric remembers."""

    time: float | None = None
    """The time step; None before the first iteration."""


@dataclass(frozen=True)
class MetricBuilder:
    """An explicit gradient flow in a fixed inner product; `plain` None takes the regularisation's own R.

    Without a given weight nothing is added to the misfit: stopping at the target is then the regularisation.
    """

    regularisation: Regularisation
    plain: InnerProduct | None
    weight: float | None
    method: Method = field(default_factory=Method)

    def first(self) -> MetricMemory:
        """See ModelBuilder."""
        return MetricMemory()

    def build(
        self, energy: AnyEnergy, at: LeastSquares, departure: np.ndarray, memory: MetricMemory
    ) -> Built:
        """See ModelBuilder; the first time step lets the linear model halve the misfit at least."""
        weight = self.weight or 0.0
        with _closed_on_failure(self.regularisation.at(at.m)) as R:
            K = self.plain or R
            derivative = at.derivative() + weight * R.apply(departure)
            time = memory.time
            if time is None:
                steepness = float(gram(K.comm, derivative, K.riesz(derivative)))
                time = at.value / steepness if steepness > 0 else 1.0
            return Built(MetricModel(K, derivative, weight, time), R, MetricMemory(time), owned=R)

    def learned(self, memory: MetricMemory, ratio: float, model: Model) -> MetricMemory:
        """A good ratio doubles the time step of the next iteration."""
        assert isinstance(model, MetricModel)
        return MetricMemory(2.0 * model.time if ratio > self.method.time_step.good else model.time)

    def closely(self, memory: MetricMemory, at: LeastSquares) -> None:
        """See ModelBuilder; a metric is what it is."""
        return None


@contextmanager
def _closed_on_failure(R: ClosableProduct) -> Iterator[ClosableProduct]:
    """R, which is closed where the body raises."""
    try:
        yield R
    except BaseException:
        R.close()
        raise
