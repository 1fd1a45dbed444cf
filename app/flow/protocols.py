"""All that the flow knows of energies, inner products and unknowns. A *block* has the rank's owned rows.

Coefficients are arrays (owned,) and blocks (owned, columns), spread over the ranks of `comm`; data and
parameters are whole on every rank and the same everywhere.
"""

from collections.abc import Hashable, Sequence
from typing import Any, Protocol

import numpy as np
from mpi4py import MPI


class InnerProduct(Protocol):
    """A symmetric positive definite K on coefficients."""

    @property
    def comm(self) -> MPI.Comm:
        """Ranks over which coefficients are spread."""

    def apply(self, block: np.ndarray) -> np.ndarray:
        """K @ block, for a vector or a block."""

    def riesz(self, block: np.ndarray) -> np.ndarray:
        """K⁻¹ @ block."""

    def square(self, block: np.ndarray) -> np.ndarray:
        """blockᵀ K block, the same on all ranks."""


type Solutions = dict[Hashable, np.ndarray]
"""What inner products leave to each other of one block."""


class ClosableProduct(InnerProduct, Protocol):
    """One that somebody owns."""

    def dual_square(self, block: np.ndarray, solutions: Solutions) -> np.ndarray:
        """blockᵀ K⁻¹ block, the same on all ranks, with what `solutions` of the same block holds already."""

    def close(self) -> None:
        """Release it, on all ranks alike; a second time does nothing."""


class Regularisation(Protocol):
    """½w‖m − m_ref‖²_R, where R may depend on the coefficient at the start of an iteration."""

    fixed: bool
    """Whether R is the same in all iterations."""

    def at(self, coefficient: np.ndarray) -> ClosableProduct:
        """R of an iteration that starts from this coefficient, which the caller closes."""


class Evaluation(Protocol):
    """What is known of an energy φ at one m; true for as long as it is held, whatever is evaluated
    meanwhile."""

    @property
    def m(self) -> np.ndarray:
        """Shape (owned,)."""

    @property
    def value(self) -> float:
        """φ(m), alike on all ranks."""

    @property
    def residual(self) -> np.ndarray:
        """e(m) of least squares, whole on every rank; m − f of a regression; the equation's own residual of a
        variational problem."""

    def derivative(self) -> np.ndarray:
        """φ′(m), a dual vector, shape (owned,); collective."""


class LeastSquares(Evaluation, Protocol):
    """φ(m) = ½‖e(m)‖² with the Jacobian J = ∂e/∂m there; e has shape (readings,), the derivative is Jᵀe."""

    def jvp(self, block: np.ndarray) -> np.ndarray:
        """J @ block; collective."""

    def vjp(self, data: np.ndarray) -> np.ndarray:
        """Jᵀ @ data; collective."""


class Convex(Evaluation, Protocol):
    """An energy that brings an inner product of its own."""

    def hessian(self) -> InnerProduct:
        """K at m; raises app.parallel.SolveFailed on all ranks."""


class Energy[E: Evaluation](Protocol):
    """What the flow minimises, φ(m)."""

    def at(self, m: np.ndarray, near: E | None = None) -> E:
        """What is known at m; changes nothing that can be seen. What is sought by iteration is sought from
        that of `near` on. Collective; raises app.parallel.SolveFailed on all ranks alike."""


type AnyEnergy = Energy[Any]
"""One whose evaluations its user knows: LeastSquares or Convex, by the kind of model."""

type AnyEvaluation = Any
"""What an AnyEnergy has at one m: LeastSquares or Convex."""

type Memory = Any
"""What a builder of models remembers between iterations: a frozen dataclass of its own."""

type Place = Any
"""Where neurons may join; the network's own."""


class Candidates(Protocol):
    """Neurons that might join at one place with outgoing weights zero."""

    @property
    def place(self) -> Place:
        """Where."""

    @property
    def room(self) -> int:
        """How many may join."""

    @property
    def tangent(self) -> np.ndarray:
        """∂m/∂(outgoing weights), a block: one neuron's columns after the other's, equally many each."""

    @property
    def incoming(self) -> np.ndarray:
        """What each is made of, one row a candidate, the same on all ranks."""

    @property
    def outgoing(self) -> int:
        """Outgoing weights of each."""

    @property
    def parameters(self) -> int:
        """All that each would add."""

    def moved(self, incoming: np.ndarray) -> "Candidates":
        """Others of the same place."""

    def pull_back(self, dual: np.ndarray) -> np.ndarray:
        """From a derivative by `tangent` to this rank's share of the one by `incoming`."""


class Network(Protocol):
    """m(θ), immutable; θ is passed in, shape (size,), the same on all ranks."""

    @property
    def size(self) -> int:
        """Number of parameters."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each hidden layer."""

    @property
    def parts(self) -> Sequence["Network"]:
        """The networks of several unknowns, of one itself."""

    def split(self, theta: np.ndarray) -> list[np.ndarray]:
        """The parameters of each."""

    @property
    def shape(self) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
        """The hidden layers of each network: their widths, and the numbers of those that are residual
        blocks."""

    def shaped(self, shape: Sequence[tuple[Sequence[int], Sequence[int]]]) -> "Network":
        """The same at the same nodes with other hidden layers."""

    @property
    def room(self) -> int:
        """How many neurons may still join."""

    def values(self, theta: np.ndarray) -> np.ndarray:
        """m(θ)."""

    def jacobian(self, theta: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """D = ∂m/∂θ, a block of `size` columns, in `out` if that fits."""

    def places(self, *, deep: bool) -> Sequence[Place]:
        """Where neurons may join; `deep`: in every layer, and in new ones."""

    def candidates(
        self,
        theta: np.ndarray,
        count: int,
        scales: tuple[float, float],
        rng: np.random.Generator,
        place: Place,
    ) -> Candidates:
        """Random neurons for a place with about `count` outgoing weights together, drawn alike on all
        ranks."""

    def grown(self, theta: np.ndarray, incoming: np.ndarray, place: Place) -> tuple["Network", np.ndarray]:
        """Network and θ with these neurons added and m unchanged; neurons of several places join in the
        order of `places`."""

    @property
    def outgoing(self) -> list[np.ndarray]:
        """Where in θ the last hidden layer's outgoing weights are, of each network one array."""

    @property
    def offsets(self) -> np.ndarray:
        """Where in θ the biases of the output are."""

    def without(self, theta: np.ndarray, neurons: np.ndarray) -> tuple["Network", np.ndarray]:
        """Network and θ without these neurons, numbered as in `outgoing`; m is unchanged if their outgoing
        weights are zero."""
