"""Meshes with named parts, function spaces on them, and where points are in them."""

import app.wheel  # noqa: F401

# isort: split
from app.mesh.meshes import MESHES, MeshError, TaggedMesh
from app.mesh.outline import centroid, closed_outline, enclosed_area
from app.mesh.points import PlaceError, PointOutside, point_matrix
from app.mesh.spaces import (
    CoefficientSpace,
    CoefficientSpaces,
    Field,
    Known,
    RelativeError,
    discontinuous,
    interpolated,
    joint_space,
)

__all__ = [
    "MESHES",
    "CoefficientSpace",
    "CoefficientSpaces",
    "Field",
    "Known",
    "MeshError",
    "PlaceError",
    "PointOutside",
    "RelativeError",
    "TaggedMesh",
    "centroid",
    "closed_outline",
    "discontinuous",
    "enclosed_area",
    "interpolated",
    "joint_space",
    "point_matrix",
]
