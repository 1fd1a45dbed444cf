"""Energies that the flow minimises: the misfit of an inverse problem, the distance to a function, and the
energy of a variational problem."""

from app.energies.inverse import InverseProblem
from app.energies.regression import Regression
from app.energies.ritz import Ritz

__all__ = ["InverseProblem", "Regression", "Ritz"]
