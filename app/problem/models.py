"""Regularisations, what the data choose among, and the model of an iteration."""

from typing import Any

import numpy as np

from app import flow
from app.mesh import CoefficientSpace
from app.parallel import LinearSolver, timed
from app.prior import (
    EDGE_SHARE,
    EDGE_SHARES,
    INNER_PRODUCTS,
    LENGTH_SHARES,
    REGULARISATIONS,
    EdgePreserving,
    StackedInnerProduct,
    StackedRegularisation,
    effective_length,
)
from app.problem.factories import solver_of, stream
from app.problem.inversion import Inversion


def contender_of(
    setup: Inversion, kind: str, prefix: str, share: float | None = None, edge_share: float | None = None
) -> flow.Contender:
    """A regularisation with solvers of its own; without shares with the case's length and edges.

    Of several unknowns, that of each, of one kind and one length, divided by the square of its scale.
    """
    chosen = setup.case.regularisation[setup.name]
    make = REGULARISATIONS[kind]
    given = chosen.length_scale if share is None else None
    length = effective_length(setup.domain.diagonal, given, share or make.share)
    edges = {}
    if make is EdgePreserving:
        edges["edge_share"] = edge_share or chosen.edge_share or EDGE_SHARE
    with timed("assembly"):
        parts = [
            make(space, length, _riesz_solver(setup, prefix, space), **edges)
            for space in setup.spaces.values()
        ]
    scales = _scales(setup)
    if scales == [1.0]:
        return flow.Contender(kind, length, parts[0], **edges)
    return flow.Contender(kind, length, StackedRegularisation(setup.coefficient, parts, scales), **edges)


def _scales(setup: Inversion) -> list[float]:
    return [setup.case.regularisation[name].scale for name in setup.spaces]


def _riesz_solver(setup: Inversion, prefix: str, space: CoefficientSpace) -> LinearSolver:
    solver = solver_of(setup.domain.comm, setup.case, prefix, space.size)
    setup.riesz_solvers.append(solver)
    return solver


def contest_of(setup: Inversion, start: flow.Contender) -> flow.Contest:
    """What the data choose among: everything, or the weight of the case's kind alone."""

    def rng() -> np.random.Generator:
        return stream(setup.case, "choice")

    if setup.case.regularisation[setup.name].kind != "auto":
        fixed = start if start.regularisation.fixed else contender_of(setup, "h1", "start_")
        return flow.Contest(fixed, [start], rng)
    smooth = [
        contender_of(setup, kind, "riesz_", share)
        for kind, shares in LENGTH_SHARES.items()
        for share in shares
    ]
    edges = [contender_of(setup, "edge_preserving", "riesz_", edge_share=e) for e in EDGE_SHARES]
    return flow.Contest(start, [start, *smooth, *edges], rng)


def builder_of(setup: Inversion, regularisation: Any, method: flow.Method) -> flow.ModelBuilder:
    """What builds the models of a given regularisation, by the case's inner product and weight."""
    weight = setup.case.regularisation[setup.name].weight
    given = None if isinstance(weight, str) else float(weight)
    product = setup.case.flow.inner_product
    if product == "gauss_newton":
        return flow.GaussNewtonBuilder(regularisation, given, setup.target, setup.step.creeps, method)
    plain = None
    if product != "prior":
        length = effective_length(setup.domain.diagonal, setup.case.regularisation[setup.name].length_scale)
        with timed("assembly"):
            parts = [
                INNER_PRODUCTS[product](space, length, _riesz_solver(setup, "metric_", space))
                for space in setup.spaces.values()
            ]
        plain = StackedInnerProduct(setup.coefficient, parts, _scales(setup))
    return flow.MetricBuilder(regularisation, plain, given, method)
