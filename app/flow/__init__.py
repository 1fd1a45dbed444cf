"""The flow: Krylov model, flow matrix, retraction, expansion, outer loop; knows neither mesh nor PDE."""

from app.flow.builders import GaussNewtonBuilder, MetricBuilder, ModelBuilder
from app.flow.choice import Choice, Contender, Score
from app.flow.convex import ConvexBuilder
from app.flow.expansion import STRATEGIES, GainExpansion
from app.flow.growth import GrowthRule
from app.flow.loop import run_flow
from app.flow.network_steps import STEPS, PlainStep, RetractedStep
from app.flow.protocols import InnerProduct
from app.flow.records import Expansion, Outcome, Record, StopReason
from app.flow.stages import Contest, run_two_stages
from app.flow.steps import IdealStep, Step
from app.flow.stopping import AtTarget, AtTolerance

__all__ = [
    "STEPS",
    "STRATEGIES",
    "AtTarget",
    "AtTolerance",
    "Choice",
    "Contender",
    "Contest",
    "ConvexBuilder",
    "Expansion",
    "GainExpansion",
    "GaussNewtonBuilder",
    "GrowthRule",
    "IdealStep",
    "InnerProduct",
    "MetricBuilder",
    "ModelBuilder",
    "Outcome",
    "PlainStep",
    "Record",
    "RetractedStep",
    "Score",
    "Step",
    "StopReason",
    "run_flow",
    "run_two_stages",
]
