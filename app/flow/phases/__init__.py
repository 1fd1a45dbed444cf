"""Coefficients of few values: their interfaces are fitted, and the data choose whether there are any."""

from app.flow.phases.protocols import PhaseNetwork, PhasesOf
from app.flow.phases.pursuit import pursued

__all__ = ["PhaseNetwork", "PhasesOf", "pursued"]
