"""Energies that the flow minimises: misfits, distances to functions, variational problems, families."""

import app.wheel  # noqa: F401

# isort: split
from app.energy.functionals import FUNCTIONALS
from app.energy.inverse import InverseProblem, Misfit
from app.energy.parametric import (
    OrthogonalDecomposition,
    ParametricProduct,
    SampleFailed,
    gauss_legendre,
    snapshots,
)
from app.energy.regression import Regression
from app.energy.ritz import Ritz
from app.energy.variational import H1Distance, VariationalEnergy, lifting_and_cut_off

__all__ = [
    "FUNCTIONALS",
    "H1Distance",
    "InverseProblem",
    "Misfit",
    "OrthogonalDecomposition",
    "ParametricProduct",
    "Regression",
    "Ritz",
    "SampleFailed",
    "VariationalEnergy",
    "gauss_legendre",
    "lifting_and_cut_off",
    "snapshots",
]
