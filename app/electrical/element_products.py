"""Derivatives of readings by the coefficient from products of potentials, cell by cell, without a solve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import ufl
from basix import CellType, make_quadrature
from dolfinx import fem, la

from app.electrical.wave_numbers import WaveNumbers
from app.mesh.spaces import CoefficientSpace, Function
from app.parallel import timed
from app.types import Space, Symbol, Untyped

MOST_AT_ONCE = 4_000_000
"""Products of two potentials at a quadrature point that are held at once."""


@dataclass(frozen=True)
class FourPoles:
    """Which electrodes each reading uses, counted from 0: current from a to b, voltage of m against n."""

    electrodes: int
    """How many there are."""
    abmn: np.ndarray
    """Shape (readings, 4)."""

    def of(self, poles: np.ndarray) -> np.ndarray:
        """Readings from what each pair (source, receiver) gives, shape (..., electrodes, electrodes)."""
        a, b, m, n = self.abmn.T
        readings: np.ndarray = poles[..., a, m] - poles[..., a, n] - poles[..., b, m] + poles[..., b, n]
        return readings


class ElementProducts:
    """∂R/∂mᵢ = Σⱼ wⱼ ∫ e⁻ᵐ φᵢ (∇ûₐᵦ·∇ûₘₙ + kⱼ² ûₐᵦ ûₘₙ) of all readings R by every coefficient dof i.

    The derivative of the readings with the conductivity e⁻ᵐ, the operator being symmetric (Geselowitz 1971):
    ûₐᵦ is the potential of the current's dipole, ûₘₙ that of a unit current through the other two
    electrodes. Exact for the discrete problem: by the quadrature the operator is assembled with.
    """

    def __init__(self, coefficient: CoefficientSpace, m: Function, state: Space, degree: int) -> None:
        mesh = coefficient.domain.mesh
        cell = getattr(CellType, mesh.topology.cell_name())
        rule: tuple[Untyped, Untyped] = make_quadrature(cell, degree)
        points, weights = rule
        tabulated: Untyped = state.element.basix_element.tabulate(0, points)
        self._mesh, self._m, self._coefficient, self._state = mesh, m, coefficient, state
        self._shapes: np.ndarray = tabulated[0, :, :, 0]
        self._hats: np.ndarray = np.eye(len(points))
        if not coefficient.pointwise:
            hats: Untyped = coefficient.space.element.basix_element.tabulate(0, points)
            self._hats = hats[0, :, :, 0]
        self._weights: np.ndarray = weights
        determinant: Symbol = ufl.JacobianDeterminant(mesh)
        with timed("compile"):
            self._density = fem.Expression(ufl.exp(-m) * abs(determinant), points)
            self._gradients = fem.Expression(ufl.grad(ufl.TrialFunction(state)), points)

    def rows(self, potentials: Sequence[np.ndarray], waves: WaveNumbers, poles: FourPoles) -> np.ndarray:
        """(∂R/∂m)ᵀ, a block of (owned coefficient dofs, readings); collective.

        `potentials` has, for each wave number, the owned dofs of every electrode's potential, shape (owned
        state dofs, electrodes). They may be off by a constant that all electrodes of a wave number share.
        """
        whole = [_with_ghosts(self._state.dofmap.index_map, block) for block in potentials]
        index_map = self._coefficient.space.dofmap.index_map
        readings = len(poles.abmn)
        local = np.zeros((index_map.size_local + index_map.num_ghosts, readings))
        cells = self._mesh.topology.index_map(self._mesh.topology.dim).size_local
        chunk = max(1, MOST_AT_ONCE // (len(self._weights) * poles.electrodes**2))
        for first in range(0, cells, chunk):
            part = np.arange(first, min(first + chunk, cells), dtype=np.int32)
            pairs = self._pairs(part, whole, waves)
            each = poles.of(pairs).reshape(-1, readings)
            dofs = self._coefficient.space.dofmap.list[part].ravel()
            onto = scipy.sparse.csr_matrix(
                (np.ones(len(dofs)), (dofs, np.arange(len(dofs)))), (len(local), len(dofs))
            )
            local += onto @ each
        total = la.vector(index_map, bs=readings)
        total.array[:] = local.ravel()
        total.scatter_reverse(la.InsertMode.add)
        owned = index_map.size_local
        return np.asfortranarray(total.array.reshape(-1, readings)[:owned])

    def _pairs(self, cells: np.ndarray, potentials: Sequence[np.ndarray], waves: WaveNumbers) -> np.ndarray:
        """The integral over each cell for each of its hat functions and each pair of electrodes, shape
        (cells, hats, electrodes, electrodes)."""
        points, dimension = len(self._weights), self._mesh.geometry.dim
        slopes = self._gradients.eval(self._mesh, cells).reshape(len(cells), points * dimension, -1)
        dofs = self._state.dofmap.list[cells]
        factors = []
        for u, k, weight in zip(potentials, waves.k, waves.weights, strict=True):
            nodal = np.sqrt(weight) * u[dofs]
            gradient = (slopes @ nodal).reshape(len(cells), points, dimension, -1)
            factors.append(gradient)
            if k > 0:
                factors.append(k * (self._shapes @ nodal)[:, :, None, :])
        factor = np.concatenate(factors, axis=2)
        products = factor.transpose(0, 1, 3, 2) @ factor
        density = self._density.eval(self._mesh, cells).reshape(len(cells), points) * self._weights
        electrodes = products.shape[-1]
        hats = self._hats.T[None] * density[:, None, :]
        integrals: np.ndarray = hats @ products.reshape(len(cells), points, -1)
        return integrals.reshape(len(cells), -1, electrodes, electrodes)


def _with_ghosts(index_map: Untyped, block: np.ndarray) -> np.ndarray:
    """A block of owned rows with the ghosts' rows below; collective."""
    vector = la.vector(index_map, bs=block.shape[1])
    vector.array[: block.size] = np.ascontiguousarray(block).ravel()
    vector.scatter_forward()
    return vector.array.reshape(-1, block.shape[1]).copy()
