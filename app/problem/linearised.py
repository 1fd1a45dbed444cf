"""The posterior of the problem linearised at a run's result: with the R, the weight and the J of its end."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from app.flow import Candidate, FlowState, Method, Minimisation
from app.flow.exact import ExactMemory
from app.flow.protocols import AnyEvaluation
from app.flow.sketch import take_sketch
from app.parallel import SolveFailed, gram
from app.parallel.memory import available
from app.posterior import LinearisedPosterior
from app.problem.factories import stream
from app.problem.inversion import Inversion
from app.problem.memory import NUMBER, ROWS
from app.types import Untyped

OUTLYING = 3.0
"""Standard errors by which the noise that is found has to differ from the stated one to be spoken of."""


class NoPosterior(Exception):
    """There is none; says why."""


@dataclass(frozen=True, eq=False)
class Linearised:
    """The posterior where R and J are, and what is to be known of it."""

    posterior: LinearisedPosterior
    candidate: Candidate
    """Whose R it has."""
    notes: tuple[str, ...]


def linearised(
    given: Inversion,
    first: Callable[[int], Candidate],
    problem: Minimisation,
    method: Method,
    state: FlowState,
) -> Linearised:
    """Of a complete state with the minimisation that it is one of; collective.

    `given` is the problem on the mesh whose nodes R and J are at, `first` gives the regularisation where the
    data have chosen none. Raises NoPosterior on all ranks, and SolveFailed.
    """
    at: AnyEvaluation = state.evaluation
    choice, weight = state.choice, state.records[-1].weight
    if not weight:
        raise NoPosterior("nothing is added to the misfit, so that there is no prior")
    if choice is None:
        candidate = first(state.base)
        R: Untyped = candidate.regularisation.at(at.m)
        problem.owned.callback(R.close)
    else:
        candidate, R = choice.candidate, choice.R
    notes = [] if candidate.regularisation.fixed else [_lagged(candidate.kind)]
    if given.energy.robust:
        notes.append("readings that lie far off count as little as in the last iteration (Huber's loss)")
    C, X, complete = _factors(given, problem, method, state, R, weight)
    if not complete:
        notes.append("J is known along some combinations of the readings only: deviations are too large")
    found = LinearisedPosterior.of(at.m, problem.reference, R, weight, 1.0, C, X)
    noise, told = noise_of(given, at, found.freedom)
    return Linearised(found.with_noise(noise), candidate, (*notes, *told))


def _lagged(kind: str) -> str:
    return f"the regularisation {kind} depends on m and is held as it is at the result"


def noise_of(given: Inversion, at: AnyEvaluation, freedom: float) -> tuple[float, list[str]]:
    """s², 1 where the noise is stated, and what is said where the residuals contradict that.

    Raises NoPosterior where the noise is not stated and there are no residuals.
    """
    left = given.energy.expectation - freedom
    found = 2.0 * at.value / left if left >= 1.0 else 1.0
    if given.data.sigma is None:
        if not found:
            raise NoPosterior("every reading is met to the last digit, so that none tells the noise")
        return found, []
    if given.energy.robust or abs(found - 1.0) <= OUTLYING * np.sqrt(2.0 / max(left, 1.0)):
        return 1.0, []
    told = f"residuals are {np.sqrt(found):.2g} times as large as the stated sigma, which is believed"
    return 1.0, [told]


def _factors(
    given: Inversion, problem: Minimisation, method: Method, state: FlowState, R: Untyped, weight: float
) -> tuple[np.ndarray, np.ndarray | None, bool]:
    """C with JᵀJ ≈ CCᵀ, R⁻¹C where that is known, and whether what C leaves out is faint."""
    at: AnyEvaluation = state.evaluation
    memory = state.model
    if state.exact is None or not isinstance(memory, ExactMemory):
        return _taken(given, problem, method, state, R)
    factors = state.exact.factors
    if _holds(R, weight, factors.low_rank, memory.taken.anchor.values() - at.m):
        return factors.low_rank.C, factors.low_rank.RinvC, memory.complete
    return _where_r_is(problem, state).vjp(factors.directions), None, memory.complete


def _where_r_is(problem: Minimisation, state: FlowState) -> AnyEvaluation:
    """The evaluation from which J is taken: that of the result or, where a network is seen at the nodes of a
    coarser mesh, that of its readings there, on which a block of right-hand sides costs little. A state that
    is not found there leaves that of the result."""
    if state.base < state.level:
        with suppress(SolveFailed):
            return problem.on(state.base).at(state.representation)
    return state.evaluation


def _holds(R: Untyped, weight: float, low_rank: Untyped, moved: np.ndarray) -> bool:
    """Whether J, taken where m was this far from the result, is true there: the readings, as J has them, have
    moved by no more than by what the posterior leaves open, over which it is taken to be constant anyway.

    ‖Jδ‖² against its mean E‖J(x − m)‖² = Σ λ/(λ + w), both in standard deviations of the noise.
    """
    seen = gram(R.comm, low_rank.C, moved)
    values = np.diag(low_rank.overlap)
    return float(seen @ seen) <= float(np.sum(values / (values + weight)))


def _taken(
    given: Inversion, problem: Minimisation, method: Method, state: FlowState, R: Untyped
) -> tuple[np.ndarray, None, bool]:
    """J by one block of adjoint right-hand sides, of many readings what matters of it; collective."""
    at, comm = _where_r_is(problem, state), R.comm
    readings = len(at.residual)
    rows = min(readings, method.sketch.most_columns if readings > method.sketch.most_rows else readings)
    if ROWS * NUMBER * float(rows) * given.coefficient.size > available(comm) * comm.size:
        raise NoPosterior(f"{rows} rows of J do not fit into the memory that is left")
    rng = stream(given.case, "posterior")
    sketch = take_sketch(at, R, at.m - problem.reference, rng, method.sketch, method.selection)
    return sketch.rows, None, sketch.complete
