"""How sure a result is: the posterior of the problem linearised at it."""

from app.posterior.linearised import LinearisedPosterior
from app.posterior.posterior import Drawn, Posterior
from app.posterior.predictions import Predictions

__all__ = ["Drawn", "LinearisedPosterior", "Posterior", "Predictions"]
