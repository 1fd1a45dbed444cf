"""Finite elements: meshes, equations, the forward map with its adjoint, observations, inner products."""

import app.wheel  # noqa: F401

# isort: split
from app.fem.custom import Custom, CustomError, load_functions
from app.fem.equations import EQUATIONS, PHYSICAL, BoundaryCondition, Diffusion, Equation, stands_for
from app.fem.forward import Counts, ForwardModel
from app.fem.inner_products import (
    EDGE_SHARE,
    EDGE_SHARES,
    INNER_PRODUCTS,
    LENGTH_SHARES,
    REGULARISATIONS,
    EdgePreserving,
    GramMatrix,
    effective_length,
)
from app.fem.meshes import MESHES, MeshError, TaggedMesh
from app.fem.observations import PointOutside, point_matrix
from app.fem.spaces import CoefficientSpace, Field, RelativeError

__all__ = [
    "EDGE_SHARE",
    "EDGE_SHARES",
    "EQUATIONS",
    "INNER_PRODUCTS",
    "LENGTH_SHARES",
    "MESHES",
    "PHYSICAL",
    "REGULARISATIONS",
    "BoundaryCondition",
    "CoefficientSpace",
    "Counts",
    "Custom",
    "CustomError",
    "Diffusion",
    "EdgePreserving",
    "Equation",
    "Field",
    "ForwardModel",
    "GramMatrix",
    "MeshError",
    "PointOutside",
    "RelativeError",
    "TaggedMesh",
    "effective_length",
    "load_functions",
    "point_matrix",
    "stands_for",
]
