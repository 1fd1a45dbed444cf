"""Kinds of observation: what reads a state."""

import app.wheel  # noqa: F401

# isort: split
from app.observe.averages import BallOutside
from app.observe.fluxes import StateNotGiven
from app.observe.readouts import OBSERVATIONS, Observation, joined
from app.observe.traces import PointOffPart

__all__ = ["OBSERVATIONS", "BallOutside", "Observation", "PointOffPart", "StateNotGiven", "joined"]
