"""How sure a result is: the posterior of the problem linearised at it, or of the places of interfaces."""

from app.posterior.interfaces import InterfacePosterior
from app.posterior.linearised import LinearisedPosterior
from app.posterior.posterior import Drawn, GaussianPosterior, Posterior
from app.posterior.predictions import Predictions

__all__ = [
    "Drawn",
    "GaussianPosterior",
    "InterfacePosterior",
    "LinearisedPosterior",
    "Posterior",
    "Predictions",
]
