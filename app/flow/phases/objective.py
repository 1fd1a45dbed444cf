"""The energy of phases: the misfit, the perimeter of the interfaces, and what holds the level sets' scale."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from mpi4py import MPI

from app.flow.phases.protocols import PhaseNetwork, SmoothPhaseNetwork, Tangent
from app.flow.phases.smooth import SmoothPrior
from app.flow.protocols import AnyEvaluation
from app.flow.state import Representation
from app.method import PhasesMethod
from app.parallel import gram, timed, total
from app.types import Untyped

type EnergyAt = Callable[[Representation, AnyEvaluation], AnyEvaluation]
"""What is known of the misfit at phases, sought from a neighbouring evaluation on; raises SolveFailed."""


@dataclass(frozen=True, eq=False)
class Point:
    """Phases with their energy."""

    own: Representation
    at: AnyEvaluation
    misfit: float
    """½‖e‖² of the readings that count."""
    penalty: float
    """weight · Σ|step| · perimeter, and the prior of the level sets' parameters."""

    @property
    def energy(self) -> float:
        """What is minimised."""
        return self.misfit + self.penalty

    @property
    def network(self) -> PhaseNetwork:
        """Of the phases."""
        network: Untyped = self.own.network
        found: PhaseNetwork = network
        return found


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """J at an evaluation: its rows, a block (owned, readings), if there are not many more of them than
    parameters, or nothing."""

    rows: np.ndarray | None = None

    def images(self, at: AnyEvaluation, tangent: Tangent, comm: MPI.Comm) -> np.ndarray:
        """J D, shape (readings, parameters): of these rows, or by a solve for each parameter."""
        D, geometry = tangent.D, tangent.geometry
        if self.rows is None:
            whole: np.ndarray = at.jvp(np.asfortranarray(D))
            return whole
        own, near = np.empty((self.rows.shape[1], D.shape[1])), tangent.near
        own[:, geometry] = self.rows[near].T @ D[near, geometry]
        own[:, geometry.stop :] = self.rows.T @ D[:, geometry.stop :]
        return total(comm, own)

    def along(self, at: AnyEvaluation, block: np.ndarray, comm: MPI.Comm) -> np.ndarray:
        """J @ block."""
        if self.rows is None:
            whole: np.ndarray = at.jvp(np.asfortranarray(block))
            return whole
        return gram(comm, self.rows, block)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The Gauss–Newton model of the energy in parameters of unit size, t = θ/scale: ½tᵀHt + gᵀt."""

    gradient: np.ndarray
    images: np.ndarray
    """J D of the readings that count, shape (readings, parameters)."""
    penalty: np.ndarray
    """What the perimeter and the prior have of H."""
    tangent: Tangent

    @property
    def H(self) -> np.ndarray:
        """Shape (parameters, parameters)."""
        found: np.ndarray = self.images.T @ self.images + self.penalty
        return found


@dataclass(frozen=True, eq=False)
class Objective:
    """½‖e‖² + weight · Σ_l |v_l − v₀| · perimeter_l + ½κ²‖θ/scale‖² of the networks' parameters, and ½w‖s‖²_R
    of what varies smoothly beside the phases."""

    energy_at: EnergyAt
    comm: MPI.Comm
    method: PhasesMethod
    weight: float
    counted: np.ndarray | None = None
    """Which readings count, of a fold; None is all."""
    J: Sensitivity | None = None
    """Of a linear problem, the same everywhere."""
    seen: "Callable[[PhaseNetwork], PhaseNetwork] | None" = None
    """Phases where the energy sees them, if that is at other places than at the nodes too."""
    smooth: SmoothPrior | None = None
    """Of what varies smoothly beside the phases, where there is that."""

    def weighing(self, weight: float) -> "Objective":
        """With another weight of the perimeter."""
        return replace(self, weight=weight)

    def softened(self, factor: float) -> "Objective":
        """With so many times the weight of what varies smoothly."""
        assert self.smooth is not None
        return replace(self, smooth=self.smooth.weighing(factor * self.smooth.weight))

    def like(self, other: "Objective") -> "Objective":
        """With the weights of another one, and what varies smoothly in it."""
        return replace(self, weight=other.weight, smooth=other.smooth)

    def point(self, own: Representation, near: AnyEvaluation = None) -> Point:
        """The energy at phases; collective, raises SolveFailed."""
        return self.weighed(own, self.energy_at(own, near))

    def weighed(self, own: Representation, at: AnyEvaluation) -> Point:
        """The same where the misfit is known."""
        residual = at.residual if self.counted is None else at.residual[self.counted]
        with np.errstate(over="ignore"):
            misfit = 0.5 * float(residual @ residual)
        return Point(own, at, misfit, self._penalty(own))

    def sensitivity(self, point: Point) -> Sensitivity:
        """J there: a block of solves, or nothing where a solve for each parameter is less; collective."""
        if self.J is not None:
            return self.J
        readings = len(point.at.residual)
        if self.seen is not None or readings > self.method.most_rows * point.network.size:
            return Sensitivity()
        with timed("krylov"):
            return Sensitivity(point.at.vjp(np.asfortranarray(np.eye(readings))))

    def quadratic(self, point: Point, J: Sensitivity) -> Quadratic:
        """The model there, with the gradient as it is and a J that may be of another point; collective."""
        network, theta = point.network, point.own.theta
        with timed("jacobian"):
            tangent = network.linearised(theta, self.weight)
            seen = tangent if self.seen is None else self.seen(network).linearised(theta, 0.0)
        with timed("krylov"):
            images = J.images(point.at, seen, self.comm)
            dual = self._derivative(point.at)
        counted = slice(None) if self.counted is None else self.counted
        scales, held = network.scales, self._held(network)
        with timed("flow_matrix"):
            inner, slope = self._perimeter(tangent)
            if self.smooth is not None:
                assert isinstance(network, SmoothPhaseNetwork)
                self.smooth.add(tangent.D, network.smooth_values(theta), network.beside, inner, slope)
            gradient = gram(self.comm, seen.D, dual) + slope
        penalty = np.diag(held) + scales[:, None] * inner * scales
        gradient = scales * gradient + held * theta / scales
        return Quadratic(gradient, images[counted] * scales, penalty, tangent)

    def _perimeter(self, tangent: Tangent) -> tuple[np.ndarray, np.ndarray]:
        """(∂r/∂θ)ᵀ ∂r/∂θ and (∂r/∂θ)ᵀ r, the same on all ranks."""
        size = tangent.D.shape[1]
        both = np.zeros((size, size + 1))
        for rows in tangent.rows:
            both[np.ix_(rows.columns, rows.columns)] += rows.derivative.T @ rows.derivative
            both[rows.columns, size] += rows.derivative.T @ rows.values
        both = total(self.comm, both)
        return both[:, :size], both[:, size]

    def _derivative(self, at: AnyEvaluation) -> np.ndarray:
        """Jᵀe of the readings that count."""
        if self.counted is None:
            whole: np.ndarray = at.derivative()
            return whole
        residual = np.zeros(len(at.residual))
        residual[self.counted] = at.residual[self.counted]
        part: np.ndarray = at.vjp(residual)
        return part

    def _penalty(self, own: Representation) -> float:
        network: Untyped = own.network
        share = own.theta / network.scales
        found = 0.5 * float(share @ (self._held(network) * share))
        if self.weight:
            r = network.perimeter_rows(own.theta, self.weight)
            found += 0.5 * float(gram(self.comm, r, r))
        if self.smooth is not None:
            found += self.smooth.penalty(network.smooth_values(own.theta))
        return found

    def _held(self, network: PhaseNetwork) -> np.ndarray:
        """Precision of each parameter before the data, in units of its scale: of those whose size no reading
        tells."""
        held = np.zeros(network.size)
        held[network.held] = self.method.held**2
        return held
