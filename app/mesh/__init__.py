"""Meshes with named parts, function spaces on them, and where points are in them."""

import app.wheel  # noqa: F401

# isort: split
from collections.abc import Callable

from app.mesh import compilation
from app.mesh.assembly import assemble, assembled
from app.mesh.electrode_meshes import electrodes
from app.mesh.fields import Field, in_ufl
from app.mesh.files import ReadMesh, file, read_mesh
from app.mesh.given import FieldByRegion, SampledField
from app.mesh.meshes import MeshError, TaggedMesh, box, interval, rectangle
from app.mesh.order import JointOrder, NodeOrder
from app.mesh.outline import centroid, closed_outline, enclosed_area
from app.mesh.points import PlaceError, PointOutside, point_matrix
from app.mesh.samples import FlatPoints, Sampled, WholeFunction, interpolant
from app.mesh.spaces import (
    CoefficientSpace,
    CoefficientSpaces,
    Known,
    QuadratureSpace,
    RelativeError,
    SharpSpaces,
    discontinuous,
    interpolated,
    joint_space,
)
from app.mesh.stored import StoredMesh, restored, stored

compilation.install()

MESHES: dict[str, Callable[..., TaggedMesh]] = {
    "interval": interval,
    "rectangle": rectangle,
    "box": box,
    "file": file,
    "electrodes": electrodes,
}
"""By their kind in a case."""

__all__ = [
    "MESHES",
    "CoefficientSpace",
    "CoefficientSpaces",
    "Field",
    "FieldByRegion",
    "FlatPoints",
    "JointOrder",
    "Known",
    "MeshError",
    "NodeOrder",
    "PlaceError",
    "PointOutside",
    "QuadratureSpace",
    "ReadMesh",
    "RelativeError",
    "Sampled",
    "SampledField",
    "SharpSpaces",
    "StoredMesh",
    "TaggedMesh",
    "WholeFunction",
    "assemble",
    "assembled",
    "centroid",
    "closed_outline",
    "discontinuous",
    "enclosed_area",
    "in_ufl",
    "interpolant",
    "interpolated",
    "joint_space",
    "point_matrix",
    "read_mesh",
    "restored",
    "stored",
]
