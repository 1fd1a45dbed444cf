"""A new run that starts with what an earlier one has found: its network, and what it chose."""

from dataclasses import dataclass, replace

import numpy as np

from app.case import Case
from app.flow import Representation, Selection
from app.output import Coefficient
from app.prior import REGULARISATIONS, parameter_names
from app.problem.base import Problem
from app.problem.inversion_report import InversionReport
from app.problem.levels_report import LevelsReport
from app.problem.models import candidate_with
from app.types import Described, Summary, Untyped


class NotContinued(ValueError):
    """Results that a run cannot start with; says why."""


@dataclass(frozen=True, eq=False)
class Earlier:
    """What a run takes over, in plain data beside one array, so that a checkpoint can hold it."""

    networks: tuple[Described, ...]
    """What each network is, see app.network.Network; none of nodal values."""
    theta: np.ndarray
    """Parameters of the networks, or the owned nodal values."""
    regularisation: Described | None
    """Kind, length, parameters and weight, where the case leaves the choice to the data."""


def earlier(problem: Problem, found: Coefficient, summary: Described) -> Earlier:
    """What the problem takes over of results; collective. Raises NotContinued on all ranks."""
    start, named = problem.minimisation.start, {part.name: part for part in found.parts}
    names = list(problem.points)
    if missing := [name for name in names if name not in named]:
        raise NotContinued(f"found no unknown {missing[0]} in the results, expected {', '.join(names)}")
    parts = [named[name] for name in names]
    chosen = _chosen(problem, summary)
    if start.network is None:
        values = [found.evaluate(points)[name] for name, points in problem.points.items()]
        return Earlier((), np.concatenate(values), chosen)
    if bare := [part.name for part in parts if part.network is None]:
        raise NotContinued(f"found nodal values of {bare[0]} in the results, expected a network")
    networks = [part.network.described() for part in parts if part.network is not None]
    if any(one.get("kind") == "phases" for one in networks):
        cure = "a network, as an earlier run with representation.phases: false has one"
        raise NotContinued(f"found phases of {names[0]} in the results, expected {cure}")
    for name, told, own in zip(names, networks, start.network.parts, strict=True):
        if len(told["box"][0]) != own.nodes.scaled.shape[1]:  # type: ignore[attr-defined]
            raise NotContinued(f"found a network of {name} in another dimension, expected that of the mesh")
    return Earlier(tuple(networks), np.concatenate([part.theta for part in parts]), chosen)


def continued(problem: Problem, given: Earlier) -> Problem:
    """The problem with what it takes over as its start; collective."""
    minimisation = problem.minimisation
    start = minimisation.start
    if start.network is None:
        own = replace(start, theta=given.theta)
    else:
        own = Representation.of(_network(start.network, given.networks), given.theta)
    step: Untyped = minimisation.step
    if hasattr(step, "start"):
        step = replace(step, start=own)
    selection = minimisation.selection
    if selection is not None and given.regularisation is not None:
        selection = _selection(problem, selection, given.regularisation)
    return replace(
        problem,
        minimisation=replace(minimisation, start=own, step=step, selection=selection),
        at_start=None,
        earlier=given,
    )


def _network(start: Untyped, described: tuple[Described, ...]) -> Untyped:
    """The networks at the problem's own nodes, with their own boxes."""
    from app.network import Network, joint_network

    parts = []
    for own, told in zip(start.parts, described, strict=True):
        lower, upper = (np.array(corner) for corner in told["box"])
        parts.append(Network.of(told, own.nodes.rescaled((lower, upper)), own.max_width))
    return joint_network(parts)


def _chosen(problem: Problem, summary: Described) -> Summary | None:
    """What the earlier run chose, where the case leaves it to the data and there was a choice."""
    case = problem.case
    if not isinstance(case, Case) or not summary.get("candidates"):
        return None
    own = next(iter(case.regularisation.values()))
    if not own.open or summary.get("regularisation_kind") not in REGULARISATIONS:
        return None
    parameters = {name: summary[name] for name in parameter_names() if summary.get(name) is not None}
    return {
        "kind": summary["regularisation_kind"],
        "length": summary["length_scale"],
        "parameters": parameters,
        "weight": summary["regularisation_weight"],
    }


def _selection(problem: Problem, selection: Selection, chosen: Described) -> Selection:
    report = problem.report
    report = report.levels[0] if isinstance(report, LevelsReport) else report
    assert isinstance(report, InversionReport)
    candidate = candidate_with(report.given, chosen["kind"], chosen["length"], chosen["parameters"])
    return replace(
        selection, candidates=[candidate], weight=chosen["weight"], reason="that of the run that is continued"
    )
