"""Markov chains that draw from the posterior itself, guided by that of the linearised problem."""

from app.posterior.chains.chain import Chain, Sampler, Tally
from app.posterior.chains.diagnostics import effective_samples, split_rhat
from app.posterior.chains.kernels import KERNELS, CrankNicolson, DelayedAcceptance, DelayedRejection, Langevin
from app.posterior.chains.moments import Moments, together
from app.posterior.chains.target import Evaluated, Likelihood, Point, Target

__all__ = [
    "KERNELS",
    "Chain",
    "CrankNicolson",
    "DelayedAcceptance",
    "DelayedRejection",
    "Evaluated",
    "Langevin",
    "Likelihood",
    "Moments",
    "Point",
    "Sampler",
    "Tally",
    "Target",
    "effective_samples",
    "split_rhat",
    "together",
]
