"""Finite elements: meshes, equations, the forward map with its adjoint, observations, inner products."""

import app.wheel  # noqa: F401

# isort: split
from app.fem.equations import EQUATIONS, PHYSICAL, BoundaryCondition, Diffusion, Equation
from app.fem.forward import Counts, ForwardModel
from app.fem.inner_products import (
    INNER_PRODUCTS,
    REGULARISATIONS,
    GramMatrix,
    mass_coefficient,
)
from app.fem.meshes import MESHES, MeshError, TaggedMesh
from app.fem.observations import PointOutside, point_matrix
from app.fem.spaces import CoefficientSpace, Field, RelativeError

__all__ = [
    "EQUATIONS",
    "INNER_PRODUCTS",
    "MESHES",
    "PHYSICAL",
    "REGULARISATIONS",
    "BoundaryCondition",
    "CoefficientSpace",
    "Counts",
    "Diffusion",
    "Equation",
    "Field",
    "ForwardModel",
    "GramMatrix",
    "MeshError",
    "PointOutside",
    "RelativeError",
    "TaggedMesh",
    "mass_coefficient",
    "point_matrix",
]
