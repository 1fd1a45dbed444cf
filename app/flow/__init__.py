"""The flow: a run's state, and what one outer iteration makes of it; knows neither mesh nor PDE."""

from app.flow.advance import advance, begun, grown, iterate, start
from app.flow.builders import GaussNewtonBuilder, MetricBuilder, ModelBuilder
from app.flow.convex import ConvexBuilder
from app.flow.expansion import STRATEGIES, GainExpansion
from app.flow.growth import GrowthRule
from app.flow.levels import ONWARD, refine
from app.flow.minimiser import complete
from app.flow.network_steps import STEPS, PlainStep, RetractedStep
from app.flow.phases import SMOOTH, PhaseNetwork, PhasesOf, SmoothPhaseNetwork
from app.flow.phases.stage import smooth_curvature
from app.flow.problem import Meter, Minimisation, Selection, Truth
from app.flow.protocols import Energy, Evaluation, InnerProduct, Regularisation
from app.flow.records import Expansion, Record, StopReason
from app.flow.saving import Damaged, as_data, from_data
from app.flow.scores import Candidate, Choice, Score
from app.flow.selection import chosen_again
from app.flow.state import FlowState, PhaseChoice, Refinement, Representation, Selected, StepState, seeded
from app.flow.steps import IdealStep, Step
from app.flow.stopping import AtTarget, AtTolerance, NearTarget, Stopping
from app.method import Method

__all__ = [
    "ONWARD",
    "SMOOTH",
    "STEPS",
    "STRATEGIES",
    "AtTarget",
    "AtTolerance",
    "Candidate",
    "Choice",
    "ConvexBuilder",
    "Damaged",
    "Energy",
    "Evaluation",
    "Expansion",
    "FlowState",
    "GainExpansion",
    "GaussNewtonBuilder",
    "GrowthRule",
    "IdealStep",
    "InnerProduct",
    "Meter",
    "Method",
    "MetricBuilder",
    "Minimisation",
    "ModelBuilder",
    "NearTarget",
    "PhaseChoice",
    "PhaseNetwork",
    "PhasesOf",
    "PlainStep",
    "Record",
    "Refinement",
    "Regularisation",
    "Representation",
    "RetractedStep",
    "Score",
    "Selected",
    "Selection",
    "SmoothPhaseNetwork",
    "Step",
    "StepState",
    "StopReason",
    "Stopping",
    "Truth",
    "advance",
    "as_data",
    "begun",
    "chosen_again",
    "complete",
    "from_data",
    "grown",
    "iterate",
    "refine",
    "seeded",
    "smooth_curvature",
    "start",
]
