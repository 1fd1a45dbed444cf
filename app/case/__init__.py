"""The case room turns a YAML file into a validated `Case` and reads the data files it names."""

from app.case.approximation import Approximant, ConvexCase, RegressionCase
from app.case.base import BaseCase
from app.case.boundary import BoundaryCondition
from app.case.case import Case, check_dimension
from app.case.equation import Diffusion, ElectricalTomography, LinearSolver
from app.case.expression import Expression, ParametricExpression, SpaceTimeExpression
from app.case.grammar import ExpressionError
from app.case.inversion import Expansion, Flow, Regularisation
from app.case.load import effective_yaml, load_case, schema
from app.case.mesh import BoxMesh, ElectrodeMesh, FileMesh, IntervalMesh, RectangleMesh
from app.case.reduction import ReductionCase
from app.case.ritz import RitzCase
from app.case.unknowns import (
    BoundedTransform,
    IdentityTransform,
    NetworkRepresentation,
    NodalRepresentation,
    Unknown,
)
from app.schema.problems import CaseError, DataError, InputError
from app.schema.section import tag_names

__all__ = [
    "Approximant",
    "BaseCase",
    "BoundaryCondition",
    "BoundedTransform",
    "BoxMesh",
    "Case",
    "CaseError",
    "ConvexCase",
    "DataError",
    "Diffusion",
    "ElectricalTomography",
    "ElectrodeMesh",
    "Expansion",
    "Expression",
    "ExpressionError",
    "FileMesh",
    "Flow",
    "IdentityTransform",
    "InputError",
    "IntervalMesh",
    "LinearSolver",
    "NetworkRepresentation",
    "NodalRepresentation",
    "ParametricExpression",
    "RectangleMesh",
    "ReductionCase",
    "RegressionCase",
    "Regularisation",
    "RitzCase",
    "SpaceTimeExpression",
    "Unknown",
    "check_dimension",
    "effective_yaml",
    "load_case",
    "schema",
    "tag_names",
]
