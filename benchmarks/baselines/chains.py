"""A Markov chain of a case's posterior, told of the logarithm of its last reading: what its draws are worth.

Its kernel is the case's, about the linearised posterior or, as without one, about the prior.
"""

import time
from dataclasses import replace
from typing import Literal

from benchmarks.baselines.problem import Sampled, effective_samples, without_readings
from benchmarks.baselines.trace import Result


def chains(problem: Sampled, about: Literal["posterior", "prior"]) -> Result:
    """Run one from the result on, with its burn-in."""
    began, sampler = time.perf_counter(), problem.sampling.sampler
    result = sampler.target.mean
    if about == "prior":
        sampler = replace(sampler, target=without_readings(sampler.target))
    start = sampler.kernel.started(sampler.target, result)
    chain = sampler.advance(replace(sampler.begun(0), point=start), problem.sampling.steps)
    values, kept = chain.draws[None, :, 0], chain.kept
    found = {"step": chain.size, "acceptance": kept.moved / kept.steps}
    found |= {"mean": float(values.mean()), "std": float(values.std())}
    found |= {name: effective_samples(values, ranked=name == "bulk") for name in ("effective", "bulk")}
    counts = {"state_solves": kept.solves, "coarse_solves": kept.screened}
    return {"status": "converged", **found, **counts, "wall_seconds": time.perf_counter() - began}, []
