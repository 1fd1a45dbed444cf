"""Finite elements: meshes, equations, the forward map with its adjoint, observations, inner products."""

import app.wheel  # noqa: F401

# isort: split
from app.fem.averages import BallOutside
from app.fem.contacts import Contacts, NoContact
from app.fem.custom import Custom, CustomError, load_functions
from app.fem.electrical import BlindReading, ElectricalModel
from app.fem.equations import (
    EQUATIONS,
    PHYSICAL,
    TRANSIENT,
    BoundaryCondition,
    Diffusion,
    Equation,
    components,
    stands_for,
)
from app.fem.experiments import Experiments
from app.fem.fluxes import StateNotGiven
from app.fem.forward import Counts, ForwardModel
from app.fem.functionals import FUNCTIONALS
from app.fem.inner_products import (
    EDGE_SHARE,
    EDGE_SHARES,
    INNER_PRODUCTS,
    LENGTH_SHARES,
    REGULARISATIONS,
    EdgePreserving,
    GramMatrix,
    effective_length,
    weighted_product,
)
from app.fem.meshes import MESHES, MeshError, TaggedMesh
from app.fem.observations import PointOutside, point_matrix
from app.fem.outline import centroid, closed_outline, enclosed_area
from app.fem.parametric import (
    OrthogonalDecomposition,
    ParametricProduct,
    SampleFailed,
    gauss_legendre,
    snapshots,
)
from app.fem.readouts import OBSERVATIONS, Observation, joined
from app.fem.spaces import (
    CoefficientSpace,
    CoefficientSpaces,
    Field,
    Known,
    RelativeError,
    discontinuous,
    interpolated,
    together,
)
from app.fem.stacked import StackedInnerProduct, StackedRegularisation
from app.fem.time_steps import TimeSteps, TooLittleMemory, TransientEquation
from app.fem.traces import PointOffPart
from app.fem.transient import TransientModel
from app.fem.variational import H1Distance, VariationalEnergy, lifting_and_cut_off
from app.fem.wave_numbers import IN_THE_MESH, WaveNumbers, across_the_section

__all__ = [
    "EDGE_SHARE",
    "EDGE_SHARES",
    "EQUATIONS",
    "FUNCTIONALS",
    "INNER_PRODUCTS",
    "IN_THE_MESH",
    "LENGTH_SHARES",
    "MESHES",
    "OBSERVATIONS",
    "PHYSICAL",
    "REGULARISATIONS",
    "TRANSIENT",
    "BallOutside",
    "BlindReading",
    "BoundaryCondition",
    "CoefficientSpace",
    "CoefficientSpaces",
    "Contacts",
    "Counts",
    "Custom",
    "CustomError",
    "Diffusion",
    "EdgePreserving",
    "ElectricalModel",
    "Equation",
    "Experiments",
    "Field",
    "ForwardModel",
    "GramMatrix",
    "H1Distance",
    "Known",
    "MeshError",
    "NoContact",
    "Observation",
    "OrthogonalDecomposition",
    "ParametricProduct",
    "PointOffPart",
    "PointOutside",
    "RelativeError",
    "SampleFailed",
    "StackedInnerProduct",
    "StackedRegularisation",
    "StateNotGiven",
    "TaggedMesh",
    "TimeSteps",
    "TooLittleMemory",
    "TransientEquation",
    "TransientModel",
    "VariationalEnergy",
    "WaveNumbers",
    "across_the_section",
    "centroid",
    "closed_outline",
    "components",
    "discontinuous",
    "effective_length",
    "enclosed_area",
    "gauss_legendre",
    "interpolated",
    "joined",
    "lifting_and_cut_off",
    "load_functions",
    "point_matrix",
    "snapshots",
    "stands_for",
    "together",
    "weighted_product",
]
