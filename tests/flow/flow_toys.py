"""NumPy toys for all that the flow knows only as a Protocol: no mesh, no PDE, one rank."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from mpi4py import MPI

from app.flow import (
    STRATEGIES,
    GrowthRule,
    Method,
    Representation,
)
from app.flow.models import MetricModel, Model
from app.flow.protocols import Solutions
from app.network import Identity, Network, Nodes
from app.parallel import SolveFailed, symmetric_gram, symmetric_gram_of

METHOD = Method()


class Dense:
    """An inner product given by a dense symmetric positive definite matrix."""

    comm = MPI.COMM_SELF

    def __init__(self, matrix: np.ndarray) -> None:
        self._matrix: np.ndarray | None = matrix

    @property
    def matrix(self) -> np.ndarray:
        assert self._matrix is not None
        return self._matrix

    def close(self) -> None:
        """Nobody owns it."""

    def apply(self, block: np.ndarray) -> np.ndarray:
        return self.matrix @ block

    def riesz(self, block: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self.matrix, block)

    def square(self, block: np.ndarray) -> np.ndarray:
        return symmetric_gram(self.comm, block, self.apply)

    def dual_square(self, block: np.ndarray, solutions: Solutions) -> np.ndarray:
        return symmetric_gram_of(self.comm, block, self.riesz(block))


class Made(Dense):
    """One that is made anew whenever it is asked for, and cannot be used any more once it is closed."""

    open = 0
    """How many are."""

    def __init__(self, matrix: np.ndarray) -> None:
        self._matrix: np.ndarray | None = matrix
        Made.open += 1

    @property
    def matrix(self) -> np.ndarray:
        if self._matrix is None:
            raise ValueError("found an inner product that is closed, expected an open one")
        return self._matrix

    def close(self) -> None:
        if self._matrix is not None:
            Made.open -= 1
        self._matrix = None


class FixedR:
    """A regularisation whose R is the same in all iterations."""

    fixed = True

    def __init__(self, inner: Dense) -> None:
        self.inner = inner

    def at(self, coefficient: np.ndarray) -> Made:
        return Made(self.inner.matrix)


class LaggedR:
    """A regularisation whose R depends on the coefficient that an iteration starts from."""

    fixed = False

    def __init__(self, inner: Dense) -> None:
        self.inner = inner

    def at(self, coefficient: np.ndarray) -> Made:
        slopes = np.abs(np.gradient(coefficient))
        return Made(self.inner.matrix + np.diag(1.0 / (1.0 + slopes)))


@dataclass
class Readings:
    """½‖e(m)‖² with e(m) = (B(m + ½ bend m² + bend m³) − d)/σ; counts what is asked of it.

    `spoil`, told the number of the evaluation (from 0) and e, may change e or raise; a product with Jᵀ of
    data that are `refused` fails.
    """

    B: np.ndarray
    data: np.ndarray
    sigma: float = 1.0
    bend: float = 0.2
    spoil: Callable[[int, np.ndarray], np.ndarray] = field(default=lambda evaluation, e: e)
    refused: Callable[[np.ndarray], bool] = field(default=lambda data: False)
    evaluations: int = 0
    tangents: int = 0
    adjoints: int = 0
    derivatives: int = 0

    def at(self, m: np.ndarray, near: "Misfit | None" = None) -> "Misfit":
        """Of these readings nothing is sought by iteration, so that `near` plays no part."""
        self.evaluations += 1
        e = (self.B @ (m + 0.5 * self.bend * m**2 + self.bend * m**3) - self.data) / self.sigma
        return Misfit(self, m, self.spoil(self.evaluations - 1, e))

    def residual(self, m: np.ndarray) -> np.ndarray:
        """e(m), neither counted nor spoilt."""
        return replace(self, spoil=lambda evaluation, e: e).at(m).residual

    def jacobian(self, m: np.ndarray) -> np.ndarray:
        """J at m, dense; not counted."""
        return self.B * (1.0 + self.bend * m + 3.0 * self.bend * m**2) / self.sigma

    def read(self) -> dict[str, float]:
        """See app.flow.Meter."""
        names = ("evaluations", "tangents", "adjoints", "derivatives")
        return {name: getattr(self, name) for name in names}

    def forget(self) -> None:
        """Count from zero again."""
        self.evaluations = self.tangents = self.adjoints = self.derivatives = 0


@dataclass(frozen=True, eq=False)
class Misfit:
    """What is known of Readings at one m."""

    energy: Readings
    m: np.ndarray
    residual: np.ndarray

    @property
    def value(self) -> float:
        return 0.5 * float(self.residual @ self.residual)

    @cached_property
    def _derivative(self) -> np.ndarray:
        self.energy.derivatives += 1
        return self.jacobian().T @ self.residual

    def derivative(self) -> np.ndarray:
        return self._derivative

    def jvp(self, block: np.ndarray) -> np.ndarray:
        self.energy.tangents += 1
        return self.jacobian() @ block

    def vjp(self, data: np.ndarray) -> np.ndarray:
        self.energy.adjoints += 1
        if self.energy.refused(data):
            raise SolveFailed("no convergence")
        return self.jacobian().T @ data

    def jacobian(self) -> np.ndarray:
        """J, dense."""
        return self.energy.jacobian(self.m)


@dataclass(frozen=True)
class Columns:
    """Candidates of a LinearNetwork, one column and two parameters each."""

    room: int
    pool: np.ndarray
    incoming: np.ndarray
    place = "A"
    outgoing = 1
    parameters = 2

    @property
    def tangent(self) -> np.ndarray:
        return self.pool[:, self.incoming[:, 0]]

    def moved(self, incoming: np.ndarray) -> "Columns":
        return replace(self, incoming=incoming)

    def pull_back(self, dual: np.ndarray) -> np.ndarray:
        raise NotImplementedError("columns do not move")


@dataclass(frozen=True)
class LinearNetwork:
    """m(θ) = base + Aθ; the columns of `pool` may join A, `incoming` is a column's number."""

    A: np.ndarray
    pool: np.ndarray
    base: np.ndarray
    max_width: int = 100

    @property
    def size(self) -> int:
        return self.A.shape[1]

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.size,)

    @property
    def room(self) -> int:
        return max(0, self.max_width - self.size)

    def values(self, theta: np.ndarray) -> np.ndarray:
        return self.base + self.A @ theta

    def jacobian(self, theta: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        return self.A

    def places(self, *, deep: bool) -> list[str]:
        return ["A"] if self.room else []

    def candidates(
        self, theta: np.ndarray, count: int, scales: object, rng: object, place: object = None
    ) -> "Columns":
        return Columns(self.room, self.pool, np.arange(self.pool.shape[1])[:, None])

    def grown(
        self, theta: np.ndarray, incoming: np.ndarray, place: object = None
    ) -> tuple["LinearNetwork", np.ndarray]:
        added = self.pool[:, incoming[:, 0]]
        return replace(self, A=np.hstack([self.A, added])), np.append(theta, np.zeros(len(incoming)))

    @property
    def outgoing(self) -> list[np.ndarray]:
        return [np.arange(self.size)]

    @property
    def offsets(self) -> np.ndarray:
        return np.empty(0, dtype=int)

    def without(self, theta: np.ndarray, neurons: np.ndarray) -> tuple["LinearNetwork", np.ndarray]:
        return replace(self, A=np.delete(self.A, neurons, axis=1)), np.delete(theta, neurons)


def spd(rng: np.random.Generator, size: int, condition: float = 30.0) -> np.ndarray:
    """A symmetric positive definite matrix with eigenvalues from 1 to `condition`."""
    basis, _ = np.linalg.qr(rng.standard_normal((size, size)))
    matrix = (basis * np.geomspace(1.0, condition, size)) @ basis.T
    return 0.5 * (matrix + matrix.T)


def rank_deficient(rng: np.random.Generator, rows: int, columns: int, rank: int) -> np.ndarray:
    """A matrix of a rank, with singular values from 1 to 3."""
    left, _ = np.linalg.qr(rng.standard_normal((rows, rank)))
    right, _ = np.linalg.qr(rng.standard_normal((columns, rank)))
    return (left * np.geomspace(1.0, 3.0, rank)) @ right.T


def h1_on_interval(nodes: int) -> np.ndarray:
    """Stiffness plus mass/4 of linear elements on [0, 1]: R with a length scale of twice the diameter."""
    h = 1.0 / (nodes - 1)
    K, M = np.zeros((nodes, nodes)), np.zeros((nodes, nodes))
    for i in range(nodes - 1):
        K[i : i + 2, i : i + 2] += np.array([[1.0, -1.0], [-1.0, 1.0]]) / h
        M[i : i + 2, i : i + 2] += np.array([[2.0, 1.0], [1.0, 2.0]]) * h / 6.0
    return K + 0.25 * M


def network_on_interval(nodes: int = 40, hidden: tuple[int, ...] = (4,), max_width: int = 40) -> Network:
    """A real network at equidistant nodes of [0, 1], reference 0."""
    x = np.linspace(0.0, 1.0, nodes)[:, None]
    placed = Nodes.of(x, (np.zeros(1), np.ones(1)), np.zeros(nodes), Identity())
    return Network(hidden, placed, max_width=max_width)


def smooth_model(seed: int, nodes: int = 40) -> MetricModel:
    """A derivative as five readings on [0, 1] leave it, with the H1 inner product."""
    rng = np.random.default_rng(seed)
    x, centres = np.linspace(0, 1, nodes), rng.uniform(0, 1, 5)
    r = np.exp(-0.5 * ((x[:, None] - centres) / 0.1) ** 2) @ rng.standard_normal(5)
    return MetricModel(Dense(h1_on_interval(nodes)), r, 0.0, 1.0)


def ideal_decrease(model: Model) -> float:
    """½rᵀK⁻¹r, the decrease of q by −K⁻¹r."""
    return 0.5 * float(model.derivative @ model.inner.riesz(model.derivative))


def nodal(values: np.ndarray) -> Representation:
    """The values themselves."""
    return Representation(None, values.copy(), len(values))


def growing(
    count: int = 100,
    scales: tuple[float, float] = (1.0, 60.0),
    *,
    strategy: dict[str, Any] | None = None,
    **rule: Any,
) -> GrowthRule:
    """Growth by gain from so many candidates; `strategy` has further arguments of the strategy."""
    return GrowthRule(STRATEGIES["gain"](candidates=count, scales=scales, **(strategy or {})), **rule)
