"""The finite-element space of a coefficient, seen as arrays of owned nodal values."""

from collections.abc import Sequence
from dataclasses import dataclass

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem, la

from app.mesh.facets import surfaces
from app.mesh.fields import ByNodes, Field, in_ufl
from app.mesh.meshes import MeshError, TaggedMesh
from app.parallel import timed
from app.parallel.blocks import PETSc
from app.types import Matrix, Space, Untyped

type Function = fem.Function[np.float64]
"""A finite-element function; type checkers take one for single precision unless they are told."""


@dataclass(frozen=True)
class Known:
    """Where a coefficient is known, by the names of regions of the mesh or of parts of its boundary, and its
    values there."""

    on: tuple[str, ...]
    value: Field


class CoefficientSpace:
    """Lagrange space of a coefficient m, continuous or, of degree 0, constant on each cell.

    Where m is known, its nodes, those on the interface included, keep the known value: they are no part of
    any block or array of nodal values; where several values hold on the boundary the last one counts.
    `coordinates` has shape (owned, dimension), rows ordered as the rank's owned free dofs, which is the order
    of the rows of every block and of every array of nodal values.
    """

    pointwise = False
    """Whether m has values at the points of a quadrature rule alone, see QuadratureSpace."""

    def __init__(
        self, domain: TaggedMesh, degree: int, known: Known | None = None, boundary: Sequence[Known] = ()
    ) -> None:
        """With m known in a region or on parts of the `boundary`.

        Raises MeshError on all ranks for a region or a part that the mesh lacks, and where all of m is known.
        """
        self.domain = domain
        self.comm = domain.comm
        self.degree = degree
        self.known = known
        self.space = fem.functionspace(domain.mesh, self._element(degree))
        index_map = self.space.dofmap.index_map
        self._nodes: int = index_map.size_local
        everywhere = self.space.tabulate_dof_coordinates()[: self._nodes, : domain.dimension]
        self._everywhere = everywhere
        self.free: np.ndarray | None = None
        """Local indices of the rank's owned free nodes; None if all are."""
        self._fixed = np.zeros(self._nodes)
        self.coordinates, self.owned, self.size = everywhere, self._nodes, index_map.size_global
        given = [(self._nodes_on(domain.boundary(part.on)), part.value) for part in boundary]
        if known is not None:
            given.append((self.nodes_of(domain.region(known.on)), known.value))
        if given:
            for nodes, value in given:
                self._fixed[nodes] = self._at(value, nodes)
            self.free = np.flatnonzero(~np.any([nodes for nodes, _ in given], axis=0))
            self.coordinates, self.owned = everywhere[self.free], len(self.free)
            self.size = self.comm.allreduce(self.owned)
            if not self.size:
                raise MeshError("found all of the mesh, expected a part of it")

    @property
    def everywhere_coordinates(self) -> np.ndarray:
        """Coordinates of all owned nodes, those where m is known included, shape (nodes, dimension)."""
        return self._everywhere

    @property
    def parts(self) -> "tuple[CoefficientSpace, ...]":
        """This space, as if it were one of several."""
        return (self,)

    @property
    def known_values(self) -> np.ndarray:
        """Where m is known, its values at the rank's owned nodes."""
        return self._fixed if self.free is None else np.delete(self._fixed, self.free)

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """As of several spaces."""
        return [values]

    def extended(self, block: np.ndarray) -> list[np.ndarray]:
        """A vector or block at all owned nodes, zero where m is known; as of several spaces."""
        if self.free is None:
            return [block]
        whole = np.zeros((self._nodes, *block.shape[1:]), order="F")
        whole[self.free] = block
        return [whole]

    def restricted(self, parts: list[np.ndarray]) -> np.ndarray:
        """Of a vector or block at all owned nodes, the rows of the free ones; as of several spaces."""
        (whole,) = parts
        return whole if self.free is None else np.asfortranarray(whole[self.free])

    def submatrix(self, matrix: Matrix) -> Matrix:
        """Of a PETSc matrix over all nodes, which is destroyed, the one over the free nodes."""
        if self.free is None:
            return matrix
        own = (self.free + self.space.dofmap.index_map.local_range[0]).astype(PETSc.IntType)
        rows = PETSc.IS().createGeneral(own, comm=self.comm)
        part = matrix.createSubMatrix(rows, rows)
        rows.destroy(), matrix.destroy()
        return part

    def function(self, values: np.ndarray, name: str = "m") -> Function:
        """m with these owned nodal values as a finite-element function; ghosts are updated."""
        function: Function = fem.Function(self.space, name=name)
        self.assign(function, values)
        return function

    def assign(self, function: Function, values: np.ndarray) -> None:
        """Make `function` the m with these owned nodal values and update its ghosts."""
        function.x.array[: self._nodes] = self._fixed + self.extended(values)[0]
        function.x.scatter_forward()

    def interpolate(self, field: Field) -> np.ndarray:
        """Owned nodal values of the interpolant; collective."""
        return self._at(field, slice(None) if self.free is None else self.free)

    def interpolant(self, field: Field, name: str) -> Function:
        """The interpolant, also where m is known; collective."""
        return self.everywhere(self._at(field, slice(None)), name)

    def everywhere(self, values: np.ndarray, name: str) -> Function:
        """The function with these values at all owned nodes, also where m is known."""
        function: Function = fem.Function(self.space, name=name)
        function.x.array[: self._nodes] = values
        function.x.scatter_forward()
        return function

    def nodal(self, function: Function) -> np.ndarray:
        """Values of a function of this space at all owned nodes."""
        return function.x.array[: self._nodes].copy()

    def _at(self, field: Field, nodes: slice | np.ndarray) -> np.ndarray:
        """Values at some of the owned nodes; collective."""
        if isinstance(field, ByNodes):
            whole: np.ndarray = field.nodal(self)
            return whole[nodes]
        return field.numpy(self._everywhere[nodes])

    def _element(self, degree: int) -> Untyped:
        return ("Lagrange", degree) if degree else ("Discontinuous Lagrange", 0)

    def _nodes_on(self, facets: np.ndarray) -> np.ndarray:
        """Which of the rank's owned nodes lie on these facets of any rank."""
        found = fem.locate_dofs_topological(self.space, self.domain.dimension - 1, facets)
        marks = np.zeros(self._nodes, dtype=bool)
        marks[found[found < self._nodes]] = True
        return marks

    def nodes_of(self, cells: np.ndarray) -> np.ndarray:
        """Which of the rank's owned nodes belong to these cells of any rank; collective."""
        marks = la.vector(self.space.dofmap.index_map)
        marks.array[self.space.dofmap.list[cells].ravel()] = 1.0
        marks.scatter_reverse(la.InsertMode.add)
        return marks.array[: self._nodes] > 0


class QuadratureSpace(CoefficientSpace):
    """A coefficient m by its values at the points of a quadrature rule in each cell.

    `degree` is that of the polynomials that the rule integrates. Integrals over cells in which m stands are
    taken by this rule, so that an edge of m may be anywhere in a cell. m has no values on facets and no
    gradient. Its "nodes" are the points; where it is known is said of regions.
    """

    pointwise = True

    def __init__(self, domain: TaggedMesh, degree: int, known: Known | None = None) -> None:
        super().__init__(domain, degree, known)

    def _element(self, degree: int) -> Untyped:
        return basix.ufl.quadrature_element(self.domain.mesh.basix_cell(), degree=degree)


class CoefficientSpaces:
    """The spaces of several unknowns. A vector or block has, on each rank, one unknown's owned rows after the
    other's."""

    def __init__(self, parts: Sequence[CoefficientSpace]) -> None:
        self.parts = tuple(parts)
        self.domain, self.comm = parts[0].domain, parts[0].comm
        ends = np.cumsum([part.owned for part in parts]).tolist()
        self._rows = [slice(end - part.owned, end) for end, part in zip(ends, parts, strict=True)]
        self.owned: int = ends[-1]
        self.size: int = sum(part.size for part in parts)

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Each unknown's rows of a vector or block, without a copy."""
        return [values[rows] for rows in self._rows]

    def extended(self, block: np.ndarray) -> list[np.ndarray]:
        """Each unknown's rows at all its owned nodes, zero where it is known."""
        own = zip(self.parts, self.split(block), strict=True)
        return [whole for part, rows in own for whole in part.extended(rows)]

    def restricted(self, parts: list[np.ndarray]) -> np.ndarray:
        """The vector or block whose parts at all nodes are these."""
        own = zip(self.parts, parts, strict=True)
        return np.asfortranarray(np.concatenate([part.restricted([whole]) for part, whole in own]))


class SharpSpaces(CoefficientSpaces):
    """The spaces of unknowns, of one too, that integrals over cells see at the points of a quadrature rule.

    Each unknown has values at its nodes, which facets, gradients, initial states and all output see, and at
    the points of a rule of this degree. A vector or block has, on each rank, the nodes of one unknown after
    those of another, so that it begins with a vector or block of the space `nodal`, then their points alike.
    """

    def __init__(self, nodal: Sequence[CoefficientSpace], degree: int) -> None:
        self.points = tuple(QuadratureSpace(part.domain, degree, part.known) for part in nodal)
        super().__init__([*nodal, *self.points])
        self.nodal = joint_space(nodal)

    def coordinates_of(self, index: int) -> np.ndarray:
        """Where the unknown of this index has values: at its owned nodes, then at its points."""
        own = self.parts[index], self.points[index]
        return np.concatenate([part.coordinates for part in own])

    def joined(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """The vector or block from each unknown's rows at its coordinates."""
        nodes = [own[: part.owned] for part, own in zip(self.parts, values, strict=False)]
        points = [own[part.owned :] for part, own in zip(self.parts, values, strict=False)]
        return np.concatenate([*nodes, *points])

    def interpolate(self, fields: Sequence[Field]) -> np.ndarray:
        """The vector of these fields, one an unknown, at nodes and points."""
        return np.concatenate([
            part.interpolate(field) for part, field in zip(self.parts, (*fields, *fields), strict=True)
        ])  # fmt: skip


def joint_space(parts: Sequence[CoefficientSpace]) -> CoefficientSpace | CoefficientSpaces:
    """The space of all unknowns: of one, its own."""
    return parts[0] if len(parts) == 1 else CoefficientSpaces(parts)


def discontinuous(domain: TaggedMesh, degree: int) -> Space:
    """The space of functions that are polynomials of this degree on each cell."""
    return fem.functionspace(domain.mesh, ("Discontinuous Lagrange", degree))


def interpolated(function: Function, space: Space) -> Function:
    """A function in another space of the same mesh; itself if it is there already."""
    if function.function_space is space:
        return function
    other: Function = fem.Function(space, name=function.name)
    other.interpolate(function)
    other.x.scatter_forward()
    return other


class RelativeError:
    """‖m − truth‖ / ‖truth‖ in L2 of the finite-element m and the exact truth, by quadrature of degree 10.

    Over the domain, or over named parts of its boundary or inside it.
    """

    def __init__(self, space: CoefficientSpace, truth: Field, on: Sequence[str] | None = None) -> None:
        mesh = space.domain.mesh
        x = ufl.SpatialCoordinate(mesh)
        dx = ufl.dx(mesh, metadata={"quadrature_degree": 10})  # a truth that is constant knows no mesh
        if on is not None:
            (dx,) = surfaces(space.domain, [space.domain.boundary(on)], quadrature_degree=10)
        self._space = space
        self._m: Function = fem.Function(space.space)
        exact = in_ufl(truth, x)
        with timed("compile"):
            self._error = fem.form((self._m - exact) ** 2 * dx)
        self.norm = float(np.sqrt(self._integral(self._error)))  # m is zero still
        """‖truth‖."""

    def __call__(self, values: np.ndarray) -> float:
        """The error of the coefficient with these owned nodal values, the same on all ranks."""
        self._space.assign(self._m, values)
        return float(np.sqrt(self._integral(self._error)) / self.norm)

    def _integral(self, form: fem.Form[np.float64]) -> float:
        integral: float = self._space.comm.allreduce(fem.assemble_scalar(form))
        return integral
