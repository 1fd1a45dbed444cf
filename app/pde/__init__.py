"""Partial differential equations and their forward maps, with tangent and adjoint."""

import app.wheel  # noqa: F401

# isort: split
from app.equations import EQUATIONS, TRANSIENT, TransientEquation
from app.equations.custom import Custom, CustomError, load_functions
from app.equations.diffusion import Diffusion
from app.equations.terms import BoundaryCondition, Equation, components, stands_for
from app.pde.experiments import Experiments
from app.pde.forward import ForwardModel
from app.pde.linearisation import Counts
from app.pde.time_steps import TimeSteps, TooLittleMemory
from app.pde.transient import TransientModel
from app.pde.uniqueness import NotUnique

__all__ = [
    "EQUATIONS",
    "TRANSIENT",
    "BoundaryCondition",
    "Counts",
    "Custom",
    "CustomError",
    "Diffusion",
    "Equation",
    "Experiments",
    "ForwardModel",
    "NotUnique",
    "TimeSteps",
    "TooLittleMemory",
    "TransientEquation",
    "TransientModel",
    "components",
    "load_functions",
    "stands_for",
]
