"""The finite-element space of a coefficient, seen as arrays of owned nodal values."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.mesh import meshtags

from app.fem.meshes import TaggedMesh
from app.parallel import timed


class Field(Protocol):
    """A function of position, as the case writes it."""

    def ufl(self, x: Any) -> Any:
        """UFL expression at ufl.SpatialCoordinate x."""

    def numpy(self, points: np.ndarray) -> np.ndarray:
        """Values (n,) at points (n, dimension)."""


class CoefficientSpace:
    """Continuous Lagrange space of a coefficient m.

    `coordinates` has shape (owned, dimension), rows ordered as the rank's owned dofs, which is the order of
    the rows of every block and of every array of nodal values.
    """

    def __init__(self, domain: TaggedMesh, degree: int) -> None:
        self.domain = domain
        self.comm = domain.comm
        self.space = fem.functionspace(domain.mesh, ("Lagrange", degree))
        self.owned: int = self.space.dofmap.index_map.size_local
        self.size: int = self.space.dofmap.index_map.size_global
        self.coordinates = self.space.tabulate_dof_coordinates()[: self.owned, : domain.dimension]

    def function(self, values: np.ndarray, name: str = "m") -> fem.Function:
        """A finite-element function with these owned nodal values; ghosts are updated."""
        function = fem.Function(self.space, name=name)
        self.assign(function, values)
        return function

    def assign(self, function: fem.Function, values: np.ndarray) -> None:
        """Set the owned nodal values of `function` and update its ghosts."""
        function.x.array[: self.owned] = values
        function.x.scatter_forward()

    def interpolate(self, field: Field) -> np.ndarray:
        """Owned nodal values of the interpolant."""
        return field.numpy(self.coordinates)


class RelativeError:
    """‖m − truth‖ / ‖truth‖ in L2 of the finite-element m and the exact truth, by quadrature of degree 10.

    Over the domain, or over named parts of its boundary.
    """

    def __init__(self, space: CoefficientSpace, truth: Field, on: Sequence[str] | None = None) -> None:
        mesh = space.domain.mesh
        x = ufl.SpatialCoordinate(mesh)
        degree = {"quadrature_degree": 10}
        dx = ufl.dx(mesh, metadata=degree)  # a truth that is constant knows no mesh
        if on is not None:
            facets = space.domain.boundary(on)
            tags = meshtags(mesh, mesh.topology.dim - 1, facets, np.ones(len(facets), dtype=np.int32))
            dx = ufl.Measure("ds", domain=mesh, subdomain_data=tags, metadata=degree)(1)
        self._space = space
        self._m = fem.Function(space.space)
        exact = truth.ufl(x)
        with timed("compile"):
            self._error = fem.form((self._m - exact) ** 2 * dx)
        norm = self._integral(fem.form(exact**2 * dx))
        self.norm = float(np.sqrt(norm))
        """‖truth‖."""

    def __call__(self, values: np.ndarray) -> float:
        """The error of the coefficient with these owned nodal values, the same on all ranks."""
        self._space.assign(self._m, values)
        return float(np.sqrt(self._integral(self._error)) / self.norm)

    def _integral(self, form: fem.Form) -> float:
        return self._space.comm.allreduce(fem.assemble_scalar(form))
