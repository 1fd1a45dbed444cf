"""Energies that the flow minimises: the misfit of an inverse problem, and the distance to a function."""

from app.energies.inverse import InverseProblem
from app.energies.regression import Regression

__all__ = ["InverseProblem", "Regression"]
