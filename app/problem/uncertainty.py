"""How sure the result of an inverse problem's run is, and what is told of that."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from ufl import dx

from app.case import Case
from app.energy.restricted import Restricted, on_its_mesh
from app.flow import Candidate, FlowState, Method, Minimisation, StopReason
from app.mesh import CoefficientSpace
from app.output.posterior import DETERMINED
from app.parallel import SolveFailed
from app.posterior import GaussianPosterior, Posterior
from app.prior.forms import integral
from app.problem.base import AT_MINIMUM, UNFINISHED, Uncertainty
from app.problem.chain_meshes import sampling_of
from app.problem.chains import Sampling
from app.problem.factories import stream
from app.problem.interfaces import interface_posterior
from app.problem.inversion import Inversion
from app.problem.linearised import NoPosterior, linearised
from app.types import Json, Summary

COUNTED = ("linear_solves", "riesz_solves")
"""What the meter counts that the posterior may add to."""


@dataclass(frozen=True, eq=False)
class UncertaintyOf:
    """Works it out for a state of a problem on one or several meshes."""

    levels: Sequence[Inversion]
    """The coarsest first."""
    first: Callable[[int], Candidate]
    """The regularisation where the data choose none, at the nodes of the mesh of a number."""
    method: Method

    def __call__(self, problem: Minimisation, state: FlowState, reason: StopReason) -> Uncertainty:
        """Of a complete state with the minimisation that it is one of; collective."""
        given = self.levels[state.base]
        assert isinstance(given.case, Case)
        if given.case.posterior.kind == "none":
            return _without("as the case says")
        if reason in UNFINISHED:
            return _without("the run is not over")
        begun, before = time.perf_counter(), problem.meter.read()
        try:
            found = self._found(given, problem, state)
            covered = self._covered(state, found.posterior)
        except (NoPosterior, SolveFailed) as failure:
            return _without(str(failure))
        now = problem.meter.read()
        seconds = given.domain.comm.allreduce(time.perf_counter() - begun, op=MPI.MAX)
        work = {name: now.get(name, 0) - before.get(name, 0) for name in COUNTED}
        note = "; ".join([*found.notes, *_short(given.case, reason)]) or None
        told = {**found.told, "covered": covered, "mesh": state.base + 1, **work}
        return Uncertainty(found.posterior, {**told, "seconds": seconds, "note": note}, sample=found.sample)

    def _found(self, given: Inversion, problem: Minimisation, state: FlowState) -> "_Found":
        """Of a state with a result; raises NoPosterior on all ranks, and SolveFailed."""
        assert isinstance(given.case, Case)
        rng, chains = partial(stream, given.case, "posterior"), given.case.posterior.kind == "mcmc"
        if state.stage == "phases":
            of_phases, told, notes = interface_posterior(given, problem, self.method, state, rng)
            without = ["no posterior by Markov chains, which phases have not"] if chains else []
            return _Found(of_phases, told, [*notes, *without])
        found = linearised(given, self.first, problem, self.method, state)
        at = state.evaluation
        transfer = at if isinstance(at, Restricted) else None
        posterior = GaussianPosterior(found.posterior, on_its_mesh(at).m, transfer, rng)
        sample = None
        if chains:
            sample = partial(sampling_of, self.levels, self.method, state, posterior, found.candidate)
        notes = [*found.notes, *_estimated(given, posterior)]
        return _Found(posterior, _told(given, posterior), notes, sample)

    def _covered(self, state: FlowState, posterior: Posterior) -> Json:
        """Share of the nodes whose truth lies in the band of 90 %; of several unknowns by name, None where
        no truth is known."""
        given, comm = self.levels[state.level], self.levels[0].domain.comm
        truth = _truth(given)
        inside = (posterior.quantile(0.05) <= truth) & (truth <= posterior.quantile(0.95))
        told = {}
        for name, own in zip(given.spaces, given.coefficient.split(inside), strict=True):
            if name in given.errors and given.case.unknowns[name].on is None:  # a trace has no truth inside
                told[name] = comm.allreduce(int(own.sum())) / given.spaces[name].size
        if len(given.spaces) == 1:
            return told.get(given.name)
        return told or None


@dataclass(frozen=True, eq=False)
class _Found:
    """The posterior, what is told of it, what is to be known of that, and what makes chains about it."""

    posterior: Posterior
    told: Summary
    notes: Sequence[str]
    sample: Callable[..., Sampling] | None = None


def _truth(given: Inversion) -> np.ndarray:
    """Nodal values of all unknowns, nan where no truth is known."""
    parts = []
    for name, space in given.spaces.items():
        truth = given.truths.get(name)
        parts.append(np.full(space.owned, np.nan) if truth is None else space.interpolate(truth))
    return np.concatenate(parts)


def _without(why: str) -> Uncertainty:
    return Uncertainty(None, {"kind": "none", "note": why})


def _told(given: Inversion, posterior: GaussianPosterior) -> Summary:
    """What is said of it in numbers; of several unknowns one for each."""
    at = posterior.linearised
    prior, left = at.prior_variance(), at.variance()
    determined = (at.resolved() >= DETERMINED).astype(float)
    return {
        "kind": posterior.kind,
        "noise_deviation": float(np.sqrt(at.noise)),
        "noise_found": given.data.sigma is None,
        "trace_prior": _integrals(given, prior),
        "trace": _integrals(given, left),
        "determined": _integrals(given, determined, share=True),
        "freedom": at.freedom,
        "information": at.information,
        "directions": len(at.eigenvalues),
    }


def _integrals(given: Inversion, values: np.ndarray, *, share: bool = False) -> Json:
    """Of functions over the domain, or their means; of several unknowns by name."""
    told = {}
    for (name, space), own in zip(given.spaces.items(), given.coefficient.split(values), strict=True):
        told[name] = _integral(space, own)
        if share:
            told[name] /= _integral(space, np.ones(space.owned))
    return told if len(told) > 1 else next(iter(told.values()))


def _integral(space: CoefficientSpace, values: np.ndarray) -> float:
    function = space.everywhere(space.extended(values)[0], "variance")
    return integral(space, fem.form(function * dx))


def _short(case: Case, reason: StopReason) -> list[str]:
    """What is said of a run that has not come to the minimum; with the weight by discrepancy it comes to that
    of its last weight."""
    weight = next(iter(case.regularisation.values())).weight
    if reason in AT_MINIMUM or (reason == "discrepancy" and weight == "discrepancy"):
        return []
    return [f"the run ended ({reason}) before the minimum of its energy, where the posterior is centred"]


def _estimated(given: Inversion, posterior: GaussianPosterior) -> list[str]:
    """What is said where the mesh has too many nodes for exact variances."""
    at, comm = posterior.linearised, given.domain.comm
    error = comm.allreduce(at.variance_error() @ at.variance_error())
    if not error > 0:
        return []
    typical = np.sqrt(error / comm.allreduce(at.variance() @ at.variance()))
    return [f"variances are estimated from draws, with a standard error of {100 * typical:.2g} %"]
