"""The case room turns a YAML file into a validated `Case` and reads the data files it names."""

from app.case.approximation import Approximant, ConvexCase, RegressionCase
from app.case.base import BaseCase
from app.case.case import Case, check_dimension
from app.case.digest import canonical_case, canonical_predictions, case_digest, differing_keys
from app.case.inversion import ExpansionSpec, Flow
from app.case.load import effective_yaml, load_case, schema
from app.case.mesh import BoxMesh, ElectrodeMesh, FileMesh, IntervalMesh, RectangleMesh
from app.case.reduction import ReductionCase
from app.case.regularisation import RegularisationSpec
from app.case.ritz import RitzCase
from app.case.told import in_a_line
from app.case.unknowns import (
    BoundedTransform,
    GrowingNetwork,
    IdentityTransform,
    NetworkRepresentation,
    NodalRepresentation,
    PhasesRepresentation,
    Unknown,
)
from app.equations.diffusion import DiffusionSpec
from app.equations.electrical import ElectricalTomography
from app.schema.boundary import BoundaryConditionSpec
from app.schema.expression import Expression, ParametricExpression, SpaceTimeExpression
from app.schema.grammar import ExpressionError
from app.schema.problems import CaseError, DataError, InputError
from app.schema.section import part_names
from app.schema.solver import LinearSolverSpec

__all__ = [
    "Approximant",
    "BaseCase",
    "BoundaryConditionSpec",
    "BoundedTransform",
    "BoxMesh",
    "Case",
    "CaseError",
    "ConvexCase",
    "DataError",
    "DiffusionSpec",
    "ElectricalTomography",
    "ElectrodeMesh",
    "ExpansionSpec",
    "Expression",
    "ExpressionError",
    "FileMesh",
    "Flow",
    "GrowingNetwork",
    "IdentityTransform",
    "InputError",
    "IntervalMesh",
    "LinearSolverSpec",
    "NetworkRepresentation",
    "NodalRepresentation",
    "ParametricExpression",
    "PhasesRepresentation",
    "RectangleMesh",
    "ReductionCase",
    "RegressionCase",
    "RegularisationSpec",
    "RitzCase",
    "SpaceTimeExpression",
    "Unknown",
    "canonical_case",
    "canonical_predictions",
    "case_digest",
    "check_dimension",
    "differing_keys",
    "effective_yaml",
    "in_a_line",
    "load_case",
    "part_names",
    "schema",
]
