"""The flow: Krylov model, flow matrix, retraction, expansion, outer loop; knows neither mesh nor PDE."""

from app.flow.builders import GaussNewtonBuilder, MetricBuilder, ModelBuilder
from app.flow.expansion import STRATEGIES, GainExpansion
from app.flow.loop import run_flow
from app.flow.records import Outcome, Record, StopReason
from app.flow.steps import STEPS, GrowthRule, IdealStep, PlainStep, RetractedStep, Step

__all__ = [
    "STEPS",
    "STRATEGIES",
    "GainExpansion",
    "GaussNewtonBuilder",
    "GrowthRule",
    "IdealStep",
    "MetricBuilder",
    "ModelBuilder",
    "Outcome",
    "PlainStep",
    "Record",
    "RetractedStep",
    "Step",
    "StopReason",
    "run_flow",
]
