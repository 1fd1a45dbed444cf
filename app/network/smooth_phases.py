"""A coefficient of few values with interfaces between them, and beside them what varies smoothly."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch

from app.network.cells import Cells, Tangent
from app.network.level_set import STEEP, LevelSet
from app.network.network import Network
from app.network.nodes import Nodes
from app.network.phases import Phases
from app.types import Described, Summary


class SmoothPhases(Phases):
    """m = s + v₀ + Σ_l (v_l − v₀)·½(1 + tanh(u_l/ε)), s a network that departs from zero; see Phases.

    θ has the parameters of the phases, then those of s.
    """

    def __init__(self, phases: Phases, smooth: Network) -> None:
        super().__init__(
            phases.sets, phases._values, phases.cells, unit=phases.unit, sharpness=phases.sharpness
        )
        self.smooth = smooth
        self.beside = slice(self.size, self.size + smooth.size)
        """Where in θ the parameters of s are."""
        self.size = self.beside.stop

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of all level sets, and of s."""
        return (*super().widths, *self.smooth.widths)

    @property
    def shape(self) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
        """Hidden layers of each level set and of s, see Network."""
        return (*super().shape, *self.smooth.shape)

    def shaped(self, shape: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Self:
        """The same with other hidden layers, see `shape`."""
        return type(self)(super().shaped(shape[:-1]), self.smooth.shaped(shape[-1:]))

    @property
    def held(self) -> np.ndarray:
        """See Phases."""
        return np.concatenate([super().held, np.arange(self.beside.start, self.beside.stop)])

    @property
    def scales(self) -> np.ndarray:
        """See Phases; those of s are in proportion to those of a level set."""
        scales = np.full(self.smooth.size, STEEP)
        scales[[*np.concatenate(self.smooth.outgoing), *self.smooth.offsets]] = self.unit
        return np.concatenate([super().scales, scales])

    def values(self, theta: np.ndarray) -> np.ndarray:
        """m at the owned nodes, shape (owned,)."""
        m: np.ndarray = super().values(theta) + self.smooth_values(theta)
        return m

    def smooth_values(self, theta: np.ndarray) -> np.ndarray:
        """s at the owned nodes, shape (owned,)."""
        return self.smooth.values(theta[self.beside])

    def smooth_jacobian(self, theta: np.ndarray) -> np.ndarray:
        """∂s/∂θ by the parameters of s, shape (owned, those of s), column-major."""
        return self.smooth.jacobian(theta[self.beside])

    def linearised(self, theta: np.ndarray, weight: float) -> Tangent:
        """See Phases."""
        tangent = super().linearised(theta, weight)
        tangent.D[:, self.beside] = self.smooth_jacobian(theta)
        return tangent

    def at(self, nodes: Nodes, cells: Cells | None = None) -> Self:
        """See Phases."""
        other = super().at(nodes, cells)
        other.smooth = self.smooth.at(nodes)
        return other

    def nodes_at(self, coordinates: np.ndarray, reference: np.ndarray) -> Nodes:
        """Nodes elsewhere, scaled as the level sets' own are; nothing departs from a reference."""
        return super().nodes_at(coordinates, np.zeros(len(coordinates)))

    def described(self) -> Summary:
        """See Phases."""
        return {**super().described(), "smooth": self.smooth.described()}

    @staticmethod
    def of(told: Described, nodes: Nodes) -> "SmoothPhases":
        """What `described` tells, at nodes whose box is its own."""
        return SmoothPhases(Phases.of(told, nodes), Network.of(told["smooth"], nodes))

    def evaluated(self, theta: torch.Tensor, scaled: torch.Tensor, base: float) -> torch.Tensor:
        """See Phases."""
        return super().evaluated(theta, scaled, base) + self.smooth.evaluated(theta[self.beside], scaled, 0.0)

    def _with(self, sets: Sequence[LevelSet]) -> Self:
        """With other level sets."""
        plain = Phases(sets, self._values, self.cells, unit=self.unit, sharpness=self.sharpness)
        return type(self)(plain, self.smooth)


def phases_of(told: Described, nodes: Nodes) -> Phases:
    """Phases as they are told, with or without something beside them, at nodes whose box is their own."""
    return (SmoothPhases if "smooth" in told else Phases).of(told, nodes)
