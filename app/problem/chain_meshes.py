"""The meshes and ranks that chains of a result are on."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass

import numpy as np
from mpi4py import MPI

from app.case import Case, InputError, canonical_predictions
from app.case.levels import coarser
from app.energy.restricted import Restricted, on_its_mesh
from app.flow import Candidate, FlowState, Method
from app.mesh.transfer import Transfer
from app.parallel import SolveFailed, agreed, on_root
from app.posterior import GaussianPosterior, LinearisedPosterior
from app.posterior.chains import KERNELS, DelayedAcceptance, Sampler, Target
from app.posterior.chains.kernels import Kernel
from app.problem.chains import Sampling
from app.problem.factories import STREAMS
from app.problem.inversion import Inversion, read_inversion
from app.problem.levels import alike
from app.problem.likelihood import NearResult, Quantities, ReadingsLikelihood, Screen, Told
from app.problem.minimisation import order_of
from app.problem.models import candidate_with
from app.types import Summary, Untyped

SMALL = 60_000
"""State dofs up to which each rank has a copy of the problem: a state takes about a second."""


@dataclass(frozen=True, eq=False)
class ChainProblem:
    """The problem of a result on the ranks that work on a chain together."""

    fine: Inversion
    """On the mesh of the result."""
    base: Inversion
    """On the mesh whose nodes R is at and chains move on."""
    result: np.ndarray
    """m at the fine nodes, (owned,)."""
    transfer: Untyped
    """From the nodes of the base to the fine ones; None where they are the same."""
    measure: LinearisedPosterior
    owned: ExitStack


def sampling_of(
    levels: Sequence[Inversion],
    method: Method,
    state: FlowState,
    posterior: GaussianPosterior,
    candidate: Candidate,
    quantities: Callable[[Inversion], Quantities] = Told,
) -> Sampling:
    """The chains of a complete state on the mesh of the case, with its linearised posterior and its R;
    collective. Raises SolveFailed on all ranks."""
    fine, base = levels[state.level], levels[state.base]
    case, comm = fine.case, fine.domain.comm
    assert isinstance(case, Case)
    spec, shared = case.posterior, comm.size > 1 and fine.forward.size <= SMALL
    own = _copied(fine, base, posterior, candidate, method) if shared else _own(fine, base, state, posterior)
    try:
        with agreed(comm) if shared else nullcontext():
            told = quantities(own.fine)
            target, screen = _targets(own, spec.coarse_steps > 0, told, method)
    except SolveFailed:
        own.owned.close()
        raise
    kernel: Kernel = KERNELS[spec.kernel]()
    if screen is not None:
        kernel = DelayedAcceptance(kernel, screen, spec.coarse_steps)
    per_chain, names = -(-spec.burn_in // spec.chains), list(told.names)
    burn_in = -(-per_chain // kernel.proposals)
    return Sampling(
        comm=comm,
        shared=shared,
        spec=spec,
        identity=_identity(comm, case, kernel, names),
        sampler=Sampler(target, kernel, burn_in, (case.seed, STREAMS["chains"])),
        quantities=names,
        order=order_of(own.base),
        posterior=posterior,
        base_order=order_of(base),
        owned=own.owned,
    )


def _identity(comm: MPI.Comm, case: Case, kernel: Kernel, quantities: list[str]) -> Summary:
    """What chains of one result have to have in common to go on from one checkpoint; collective."""
    settings = {
        name: getattr(case.posterior, name) for name in ("kernel", "chains", "burn_in", "coarse_steps")
    }
    predictions = on_root(comm, lambda: canonical_predictions(case)) if case.predictions else {}
    told = {"quantities": quantities, "predictions": predictions}
    return {**settings, "seed": case.seed, "in_a_step": kernel.proposals, **told}


def _own(fine: Inversion, base: Inversion, state: FlowState, posterior: GaussianPosterior) -> ChainProblem:
    """Where the run is, on all its ranks."""
    at = state.evaluation
    transfer = at if isinstance(at, Restricted) else None
    return ChainProblem(fine, base, on_its_mesh(at).m, transfer, posterior.linearised, ExitStack())


def _copied(
    fine: Inversion, base: Inversion, posterior: GaussianPosterior, candidate: Candidate, method: Method
) -> ChainProblem:
    """A copy of the problem on each rank; collective."""
    owned, same = ExitStack(), base is fine
    copy = _read(fine.case, method, owned)
    below = copy if same else _read(base.case, method, owned)
    transfer = None if same else Transfer(below.coefficient, copy.coefficient)
    if transfer is not None:
        owned.callback(transfer.close)
    at, comm = posterior.linearised, fine.domain.comm

    def moved(values: np.ndarray, whence: Inversion, whither: Inversion) -> np.ndarray:
        whole = comm.bcast(order_of(whence).gathered(values), root=0)
        return np.asfortranarray(order_of(whither).spread(whole))

    mean, reference, W, RW = (moved(each, base, below) for each in (at.mean, at.reference, at.W, at.RW))
    again = candidate_with(below, candidate.kind, candidate.length, candidate.parameters)
    R: Untyped = again.regularisation.at(mean)
    owned.callback(R.close)
    measure = LinearisedPosterior(mean, reference, R, at.weight, at.noise, at.eigenvalues, W, RW)
    return ChainProblem(copy, below, moved(posterior.mean, fine, copy), transfer, measure, owned)


def _read(case: Case, method: Method, owned: ExitStack) -> Inversion:
    """On this rank alone; what is run already may be read again."""
    found = read_inversion(MPI.COMM_SELF, case, method, allow_code=True)
    owned.callback(found.owned.close)
    return found


def _targets(
    own: ChainProblem, screened: bool, quantities: Quantities, method: Method
) -> tuple[Target, Target | None]:
    """What chains draw from, and the same as a coarser mesh sees it, if there is one."""
    at = own.measure
    near = NearResult(own.fine, own.result, own.transfer)
    likelihood = ReadingsLikelihood(near, at.mean, at.noise, quantities)
    target = Target(at, likelihood).centred()
    coarse = _coarse(own, method) if screened else None
    return target, None if coarse is None else Target(target.reference, Screen.of(likelihood, coarse))


def _coarse(own: ChainProblem, method: Method) -> NearResult | None:
    """The mesh where chains move, or else one of twice its cells' size; None where there is none that has
    the same readings."""
    if own.base is not own.fine:
        return NearResult(own.base, own.measure.mean, None)
    case = coarser(own.fine.case, asked=True)
    if case is None:
        return None
    try:
        found = read_inversion(own.fine.domain.comm, case, method, allow_code=True)
    except InputError:
        return None
    own.owned.callback(found.owned.close)
    if not alike(found, own.fine):
        return None
    transfer = Transfer(own.fine.coefficient, found.coefficient)
    own.owned.callback(transfer.close)
    near = NearResult(found, transfer.prolonged(own.result), transfer)
    try:
        _ = near.at_result
    except SolveFailed:
        return None
    return near
