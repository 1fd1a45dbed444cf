"""Energies that the flow minimises: at present the misfit of an inverse problem."""

from app.energies.inverse import InverseProblem

__all__ = ["InverseProblem"]
