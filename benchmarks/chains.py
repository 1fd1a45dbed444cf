"""`python -m benchmarks.chains`: how many independent draws the kernels of Markov chains are worth.

The setting of `poisson` of UM-Bridge (Kim et al. 2021): −∇·(eᵐ∇u) = 0 on the unit square, u = y at top and
bottom, 32 × 32 cells, P2 and P1, 300 points with 0.5 % noise, the prior of hIPPYlib's subsurface tutorial,
from which the truth is drawn. The quantity is the logarithm of the flux through the bottom. Truth and noise
are draws of this program's own.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from app.api import Solution, build, load_case, solve
from app.posterior import LinearisedPosterior
from app.posterior.chains import (
    CrankNicolson,
    DelayedAcceptance,
    DelayedRejection,
    Langevin,
    Sampler,
    Target,
    effective_samples,
)
from app.problem.chains import Sampling
from app.problem.inversion import Inversion
from app.problem.models import candidate_of
from app.types import Untyped

POINTS, NOISE, SEED = 300, 0.005, 1

COARSE_STEPS = 5

HEADING = (
    "chain", "step", "acceptance", "mean", "std", "effective", "bulk", "states", "coarse states", "s",
)  # fmt: skip

PRIOR = {"kind": "matern", "gamma": 0.1, "delta": 0.5, "anisotropy": {"ratio": 2, "angle": 45}, "mean": 0}

CASE = {
    "name": "umbridge",
    "mesh": {"kind": "rectangle", "lower": [0, 0], "upper": [1, 1], "cells": [32, 32]},
    "equation": {
        "kind": "diffusion",
        "source": 0,
        "degree": 2,
        "boundary": {"ends": {"on": ["bottom", "top"], "kind": "dirichlet", "value": "y"}},
    },
    "unknowns": {"m": {"role": "log_diffusivity", "representation": {"kind": "nodal"}}},
    "regularisation": {"m": PRIOR},
    "observations": {
        "heads": {"kind": "points", "file": "heads.csv"},
        "flux": {"kind": "fluxes", "file": "flux.csv"},
    },
    "levels": 1,
    "posterior": {"kind": "mcmc"},
}
"""The flux is among the readings with an error so large that it says nothing."""


@dataclass(frozen=True)
class LogFlux:
    """Of the flux through the bottom, upwards."""

    given: Inversion
    names = ("log_flux",)

    def of(self, found: Untyped) -> np.ndarray:
        """See app.problem.likelihood.Quantities."""
        return np.log(np.abs(found.forward.readings[-1:]))


@dataclass(frozen=True)
class Row:
    """What came of a kernel."""

    name: str
    step: float
    acceptance: float
    mean: float
    std: float
    effective: float
    bulk: float
    fine: int
    coarse: int
    seconds: float

    def __str__(self) -> str:
        found = f"{self.step:.3g} | {self.acceptance:.3f} | {self.mean:.3f} | {self.std:.3f}"
        worth = f"{self.effective:.1f} | {self.bulk:.1f} | {self.fine} | {self.coarse} | {self.seconds:.0f}"
        return f"| {self.name} | {found} | {worth} |"


def solution(folder: Path) -> Solution:
    """The result for data made from a draw of the prior."""
    rng = np.random.default_rng(SEED)
    points = rng.uniform(0.05, 0.95, (POINTS, 2))
    _write(folder, points, np.zeros(POINTS), 1.0)
    with build(load_case(folder / "case.yaml")) as problem:
        given: Inversion = problem.report.given  # type: ignore[attr-defined]
        R = candidate_of(given, "matern", "riesz").regularisation.at(given.reference)
        truth = given.reference + R.sample(rng, 1)[:, 0]
        heads = given.forward.at(truth).readings[:POINTS]
        R.close()
    sigma = NOISE * float(np.abs(heads).max())
    _write(folder, points, heads + sigma * rng.standard_normal(POINTS), sigma)
    return solve(build(load_case(folder / "case.yaml")))


def _write(folder: Path, points: np.ndarray, values: np.ndarray, sigma: float) -> None:
    rows = np.column_stack([points, values, np.full(len(points), sigma)])
    np.savetxt(folder / "heads.csv", rows, delimiter=",", header="x,y,value,sigma", comments="")
    (folder / "flux.csv").write_text("on,value,sigma\nbottom,0,1e9\n")
    (folder / "case.yaml").write_text(json.dumps(CASE))


def kernels(sampling: Sampling) -> dict[str, Callable[[], Sampler]]:
    """Samplers by their names in the table, with their burn-in to be set."""
    whole, screened = sampling.sampler.target, sampling.sampler.kernel
    assert isinstance(screened, DelayedAcceptance)
    at = whole.reference
    none = np.empty((len(at.mean), 0), order="F")
    prior = LinearisedPosterior.of(at.reference, at.reference, at.R, at.weight, at.noise, none)
    plain = Target(prior, whole.likelihood)

    def of(target: Target, kernel: Untyped) -> Callable[[], Sampler]:
        return lambda: Sampler(target, kernel, 0, (SEED,))

    found = {"pCN": of(plain, CrankNicolson()), "MALA": of(plain, Langevin())}
    for name, kernel in (("pCN", CrankNicolson()), ("MALA", Langevin()), ("DR", DelayedRejection())):
        found[f"h-{name}"] = of(whole, kernel)
        found[f"h-{name}, screened"] = of(whole, DelayedAcceptance(kernel, screened.screen, COARSE_STEPS))
    return found


def row(name: str, sampler: Sampler, proposals: int, at_result: np.ndarray) -> Row:
    """One chain from near the result, as the reference has it."""
    begun, each = time.perf_counter(), sampler.kernel.proposals
    sampler = replace(sampler, burn_in=proposals // 10 // each)
    chain = sampler.begun(0)
    start = sampler.kernel.started(sampler.target, at_result)
    assert start is not None
    chain = sampler.advance(replace(chain, point=start), sampler.burn_in + proposals // each)
    values = chain.draws[None, :, 0]
    return Row(
        name,
        chain.size,
        chain.kept.moved / chain.kept.steps,
        float(values.mean()),
        float(values.std()),
        effective_samples(values, ranked=False),
        effective_samples(values),
        chain.kept.solves,
        chain.kept.screened,
        time.perf_counter() - begun,
    )


def main(arguments: list[str] | None = None) -> None:
    """Print a row a kernel."""
    command = argparse.ArgumentParser("python -m benchmarks.chains", description=__doc__.split("\n")[0])
    command.add_argument("--proposals", type=int, default=20_000, help="of each kernel, after a tenth more")
    command.add_argument("--kernels", nargs="+", default=(), metavar="NAME", help="all by default")
    options = command.parse_args(arguments)
    with TemporaryDirectory() as folder:
        found = solution(Path(folder))
        sample = found.uncertainty.sample
        assert sample is not None
        sampling = sample(quantities=LogFlux)
        summary = found.summary
        print(f"{summary['stop_reason']}, misfit {summary['misfit']:.2f}, posterior {summary['posterior']}")
        print(f"| {' | '.join(HEADING)} |\n|{'---|' * len(HEADING)}")
        for name, sampler in kernels(sampling).items():
            if not options.kernels or name in options.kernels:
                print(row(name, sampler(), options.proposals, sampling.sampler.target.mean), flush=True)
        sampling.close()


if __name__ == "__main__":
    main()
