"""What a mesh is like about the nodes of a coefficient: how much of it is theirs, how wide its cells are."""

from dataclasses import dataclass

import app.wheel  # noqa: F401

# isort: split
import numpy as np
import ufl
from dolfinx import fem
from ufl.core.expr import Expr

from app.mesh.assembly import assembled
from app.mesh.spaces import CoefficientSpace, QuadratureSpace

SIMPLICES = {"triangle": 2, "tetrahedron": 6}
"""In a square or cube of their width."""


@dataclass(frozen=True)
class NodeSizes:
    """Of the owned free nodes, shapes (owned,), in the mesh's unit."""

    measure: np.ndarray
    """Share of the mesh's measure that is about a node; all nodes together have all of it.

    In proportion to ∫ψ² of the basis functions, which is positive for every degree (Hinton, Rock and
    Zienkiewicz 1976, A note on mass lumping and related processes)."""
    width: np.ndarray
    """Distance of neighbouring nodes: the edge of a square or cube that a cell there fills, by the degree."""
    whole: float
    """Measure of the mesh."""


def node_sizes(space: CoefficientSpace) -> NodeSizes:
    """Measures and widths about the nodes of a space; collective."""
    mesh = space.domain.mesh
    volume = ufl.CellVolume(mesh)
    cell = SIMPLICES.get(mesh.topology.cell_name(), 1)
    edge = (cell * volume) ** (1.0 / space.domain.dimension)
    share = _squares(space, ufl.as_ufl(1.0))
    width = _squares(space, edge) / share / max(space.degree, 1)
    whole = space.comm.allreduce(fem.assemble_scalar(fem.form(fem.Constant(mesh, 1.0) * ufl.dx(domain=mesh))))
    share *= whole / space.comm.allreduce(share.sum())
    own = slice(None) if space.free is None else space.free
    return NodeSizes(share[own], width[own], whole)


def point_widths(space: QuadratureSpace, degree: int) -> np.ndarray:
    """Distance of neighbouring nodes of this degree about each owned free point, shape (owned,)."""
    mesh = space.domain.mesh
    cell = SIMPLICES.get(mesh.topology.cell_name(), 1)
    v = ufl.TestFunction(fem.functionspace(mesh, ("Discontinuous Lagrange", 0)))
    volumes = fem.assemble_vector(fem.form(v * ufl.dx(domain=mesh))).array
    own = mesh.topology.index_map(mesh.topology.dim).size_local
    widths = (cell * volumes[:own]) ** (1.0 / space.domain.dimension) / degree
    points = space.space.dofmap.list[:own]
    found = np.empty(points.size)
    found[points.ravel()] = np.repeat(widths, points.shape[1])
    return found if space.free is None else found[space.free]


def _squares(space: CoefficientSpace, weight: Expr) -> np.ndarray:
    """∫ weight ψ² of the basis functions of all owned nodes."""
    u, v = ufl.TrialFunction(space.space), ufl.TestFunction(space.space)
    matrix = assembled(fem.form(weight * u * v * ufl.dx(domain=space.domain.mesh)))
    diagonal = matrix.getDiagonal()
    found: np.ndarray = diagonal.array.copy()
    diagonal.destroy(), matrix.destroy()
    return found
