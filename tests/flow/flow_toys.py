"""NumPy toys for all that the flow knows only as a Protocol: no mesh, no PDE, one rank."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from mpi4py import MPI

from app.flow.choice import Choice
from app.flow.krylov import Point
from app.flow.records import Record
from app.network import Identity, Network, Nodes
from app.parallel import symmetric_gram


class Dense:
    """An inner product given by a dense symmetric positive definite matrix."""

    comm = MPI.COMM_SELF

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix

    def apply(self, block: np.ndarray) -> np.ndarray:
        return self.matrix @ block

    def riesz(self, block: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self.matrix, block)

    def square(self, block: np.ndarray) -> np.ndarray:
        return symmetric_gram(self.comm, block, self.apply(block))


class FixedR:
    """A regularisation whose R is the same in all iterations."""

    fixed = True

    def __init__(self, inner: Dense) -> None:
        self.inner = inner

    def at(self, coefficient: np.ndarray) -> Dense:
        return self.inner


class LaggedR:
    """A regularisation whose R depends on the coefficient that an iteration starts from."""

    fixed = False

    def __init__(self, inner: Dense) -> None:
        self.inner = inner

    def at(self, coefficient: np.ndarray) -> Dense:
        slopes = np.abs(np.gradient(coefficient))
        return Dense(self.inner.matrix + np.diag(1.0 / (1.0 + slopes)))


@dataclass
class Readings:
    """e(m) = (B(m + ½ bend m² + bend m³) − d)/σ, with tangent and adjoint at the last evaluated m.

    `spoil`, told the number of the evaluation (from 0) and e, may change e or raise.
    """

    B: np.ndarray
    data: np.ndarray
    sigma: float = 1.0
    bend: float = 0.2
    spoil: Callable[[int, np.ndarray], np.ndarray] = field(default=lambda evaluation, e: e)
    evaluations: int = 0
    tangents: int = 0
    adjoints: int = 0

    def misfit(self, residual: np.ndarray) -> float:
        return 0.5 * float(residual @ residual)

    def residual(self, coefficient: np.ndarray) -> np.ndarray:
        m = self._last = coefficient
        self.evaluations += 1
        e = (self.B @ (m + 0.5 * self.bend * m**2 + self.bend * m**3) - self.data) / self.sigma
        return self.spoil(self.evaluations - 1, e)

    def derivative(self, residual: np.ndarray) -> np.ndarray:
        return self.jacobian().T @ residual

    def tangent(self, block: np.ndarray) -> np.ndarray:
        self.tangents += 1
        return self.jacobian() @ block

    def adjoint(self, data: np.ndarray) -> np.ndarray:
        self.adjoints += 1
        return self.jacobian().T @ data

    def jacobian(self) -> np.ndarray:
        """J at the last evaluated m."""
        m = self._last
        return self.B * (1.0 + self.bend * m + 3.0 * self.bend * m**2) / self.sigma


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


class Silent:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.notes: list[str] = []
        self.choices: list[Choice] = []

    def iteration(self, record: Record) -> None:
        self.records.append(record)

    def note(self, message: str) -> None:
        self.notes.append(message)

    def chosen(self, choice: Choice) -> None:
        self.choices.append(choice)


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


@dataclass
class Toy:
    """A one-dimensional problem: smoothed readings of an unknown on [0, 1] with noise of known level."""

    energy: Readings
    R: Dense
    target: float
    reference: np.ndarray


def toy(seed: int = 0, readings: int = 15, nodes: int = 40, sigma: float = 0.03, bend: float = 0.2) -> Toy:
    """Local averages of two bumps, noise of standard deviation `sigma`, target ½ n."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0.0, 1.0, nodes)
    centres = np.linspace(0.04, 0.96, readings)
    B = np.exp(-0.5 * ((x[None, :] - centres[:, None]) / 0.05) ** 2)
    B /= B.sum(axis=1, keepdims=True)
    truth = np.sin(2 * np.pi * x) + np.exp(-((x - 0.3) ** 2) / 0.01)
    clean = Readings(B, np.zeros(readings), 1.0, bend).residual(truth)
    energy = Readings(B, clean + sigma * rng.standard_normal(readings), sigma, bend)
    return Toy(energy, Dense(h1_on_interval(nodes)), 0.5 * readings, np.zeros(nodes))


def point_at(energy: Readings, coefficient: np.ndarray, reference: np.ndarray) -> Point:
    """What an iteration that starts from a coefficient knows."""
    e = energy.residual(coefficient)
    return Point(0.5 * float(e @ e), e, energy.derivative(e), coefficient - reference)
