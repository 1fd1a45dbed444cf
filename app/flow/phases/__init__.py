"""Coefficients of few values: their interfaces are fitted, and the data choose whether there are any."""

from app.flow.phases.protocols import SMOOTH, PhaseNetwork, PhasesOf, SmoothPhaseNetwork
from app.flow.phases.pursuit import pursued

__all__ = ["SMOOTH", "PhaseNetwork", "PhasesOf", "SmoothPhaseNetwork", "pursued"]
