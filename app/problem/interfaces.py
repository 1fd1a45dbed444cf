"""The posterior of the interfaces of phases that a run has found."""

from collections.abc import Callable

import numpy as np

from app.flow import FlowState, Method, Minimisation, smooth_curvature
from app.flow.protocols import AnyEvaluation
from app.parallel import gram
from app.posterior import InterfacePosterior
from app.posterior.interfaces import DRAWS
from app.problem.inversion import Inversion
from app.problem.levels_report import ENOUGH, discretisation
from app.problem.linearised import NoPosterior, noise_of
from app.types import Summary, Untyped

BOUNDS = {"5": 0.05, "95": 0.95}
"""Probabilities of the bounds that are told, by the ending of their names."""


def interface_posterior(
    given: Inversion,
    problem: Minimisation,
    method: Method,
    state: FlowState,
    stream: Callable[[], np.random.Generator],
) -> tuple[InterfacePosterior, Summary, list[str]]:
    """Of a complete state in the stage of phases, what is told of it, and what is to be known of that;
    collective, with one block of solves.

    Raises NoPosterior on all ranks, and SolveFailed.
    """
    from app.network import Interfaces

    choice, at, phases = state.phase_choice, state.evaluation, problem.phases
    assert choice is not None and at is not None and phases is not None
    if state.base < state.level:
        raise NoPosterior("the phases are at the nodes of a coarser mesh than the result")
    network: Untyped = state.representation.network
    theta = state.representation.theta
    interfaces = Interfaces(network, theta)
    noise, notes = noise_of(given, at, choice.freedom)
    images = _images(given, at, phases.seen(network).linearised(theta, 0.0).D)
    setting = (choice.weight, method.phases.held, noise)
    try:
        penalty = smooth_curvature(problem, method, choice, state.representation)
        found = InterfacePosterior.of(given.domain.comm, at.m, interfaces, images, *setting, stream, penalty)
    except np.linalg.LinAlgError as failure:
        raise NoPosterior(str(failure)) from None
    if given.energy.robust:
        notes.append("readings that lie far off count as little as in the last iteration (Huber's loss)")
    if state.refinements and discretisation(given, state)["moved"] > ENOUGH:
        notes.append("the mesh is coarse for these data: sizes and values may be farther off than is said")
    return found, _told(given, network, found, choice.freedom), notes


def _images(given: Inversion, at: AnyEvaluation, D: np.ndarray) -> np.ndarray:
    """J D, shape (readings, parameters): by a solve for each of those that are fewer."""
    readings = len(at.residual)
    if readings > D.shape[1]:
        whole: np.ndarray = at.jvp(np.asfortranarray(D))
        return whole
    return gram(given.domain.comm, at.vjp(np.asfortranarray(np.eye(readings))), D)


def _told(given: Inversion, network: Untyped, found: InterfacePosterior, freedom: float) -> Summary:
    """What is said of it in numbers."""
    comm, unit = given.domain.comm, network.length**given.domain.dimension
    interfaces, sizes = found.interfaces, unit * found.sizes
    of_result = interfaces.moved(np.zeros((interfaces.size, 1)), np.zeros((interfaces.number, 1)))
    told: Summary = {
        "kind": found.kind,
        "noise_deviation": float(np.sqrt(found.noise)),
        "noise_found": given.data.sigma is None,
        "draws": DRAWS,
        "freedom": freedom,
        "measure": unit * comm.allreduce(float(network.cells.measure.sum())),
        "sizes": (unit * comm.allreduce(of_result.sizes[:, 0])).tolist(),
    }
    for ending, probability in BOUNDS.items():
        told[f"sizes_{ending}"] = np.quantile(sizes, probability, axis=1).tolist()
    return told | {"values": interfaces.values.tolist(), "values_std": found.values.std(axis=1).tolist()}
