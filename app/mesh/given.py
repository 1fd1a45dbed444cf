"""Given fields of a mesh that are no expressions: values at points of their own, and values by region."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import ufl
from dolfinx import fem

from app.mesh.fields import Field, in_ufl
from app.mesh.meshes import TaggedMesh
from app.mesh.samples import Sampled
from app.mesh.spaces import CoefficientSpace, Function, discontinuous
from app.types import Symbol

CONSTANT = 0
"""Degree of functions that are constant on each cell."""


class SampledField:
    """A sampled function on a mesh: in UFL, its interpolant of degree 1."""

    def __init__(self, domain: TaggedMesh, sampled: Sampled) -> None:
        self._domain, self._sampled = domain, sampled

    def numpy(self, points: np.ndarray) -> np.ndarray:
        """Values (n,) at points (n, dimension); serial."""
        return self._sampled.numpy(points)

    def ufl(self, x: Symbol) -> Symbol:
        """The interpolant on the mesh, whose coordinates `x` are; collective when first asked for."""
        return self._interpolant

    @cached_property
    def _interpolant(self) -> Function:
        dimension = self._domain.dimension
        function: Function = fem.Function(fem.functionspace(self._domain.mesh, ("Lagrange", 1)))
        function.interpolate(lambda x: self.numpy(np.ascontiguousarray(x[:dimension].T)))
        function.x.scatter_forward()
        return function


class FieldByRegion:
    """A field for each of some regions of a mesh, and perhaps one for all other cells.

    Where regions have cells or nodes in common, the first one's field holds.
    """

    def __init__(
        self, domain: TaggedMesh, regions: Sequence[tuple[str, Field]], otherwise: Field | None = None
    ) -> None:
        """Raises MeshError on all ranks for a region that the mesh lacks."""
        mesh = domain.mesh
        index_map = mesh.topology.index_map(domain.dimension)
        every = np.arange(index_map.size_local + index_map.num_ghosts, dtype=np.int32)
        parts = [] if otherwise is None else [(every, otherwise)]
        parts += [(domain.region(name), field) for name, field in reversed(regions)]
        self._domain, self._parts = domain, parts
        self._part = np.full(len(every), -1)
        """Of each local cell, ghosts included, the number of what holds there, -1 where nothing does."""
        for number, (cells, _) in enumerate(parts):
            self._part[cells] = number

    @property
    def without(self) -> np.ndarray:
        """Local indices of the rank's own cells that no field holds in."""
        own = self._domain.mesh.topology.index_map(self._domain.dimension).size_local
        cells: np.ndarray = np.flatnonzero(self._part[:own] < 0)
        return cells

    def nodal(self, space: CoefficientSpace) -> np.ndarray:
        """Values at all owned nodes of a space on the mesh; collective."""
        places = space.everywhere_coordinates
        values = np.full(len(places), np.nan)
        for cells, field in self._parts:
            nodes = space.nodes_of(cells)
            values[nodes] = field.numpy(places[nodes])
        return values

    def ufl(self, x: Symbol) -> Symbol:
        """The field of each cell, on the coordinates `x` of the mesh."""
        value = ufl.as_ufl(0.0)
        for number, (_, field) in enumerate(self._parts):
            value = ufl.conditional(ufl.gt(self._marks(number), 0.5), in_ufl(field, x), value)
        return value

    def _marks(self, number: int) -> Function:
        """1 on the cells of a part."""
        function: Function = fem.Function(discontinuous(self._domain, CONSTANT))
        function.x.array[:] = self._part == number  # one dof a cell, numbered alike
        return function
