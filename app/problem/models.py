"""Regularisations, what the data choose among, and the model of an iteration."""

from collections.abc import Mapping

import numpy as np

from app import flow
from app.flow.protocols import Regularisation
from app.mesh import CoefficientSpace
from app.parallel import timed
from app.prior import REGULARISATIONS, CandidateSpec, Value, effective_length, values_of
from app.prior.gram import SolverFactory
from app.prior.inner_products import INNER_PRODUCTS
from app.prior.stacked import StackedInnerProduct, StackedRegularisation
from app.problem.factories import stream
from app.problem.inversion import Inversion


def candidate_of(
    setup: Inversion, kind: str, purpose: str, spec: CandidateSpec | None = None
) -> flow.Candidate:
    """A regularisation with solvers of its own, of these length and parameters or of the case's.

    Of several unknowns, that of each, of one kind and one length, divided by the square of its scale.
    """
    chosen, make = setup.case.regularisation[setup.name], REGULARISATIONS[kind]
    if spec is None:
        stated, _ = chosen.stated(setup.domain.dimension) if kind == chosen.kind else (None, None)
        length = effective_length(setup.domain.diagonal, stated or chosen.length_scale, make.share)
    else:
        length = effective_length(setup.domain.diagonal, None, spec.share)
    parameters = values_of(make, chosen.parameters if spec is None else spec.parameters)
    return candidate_with(setup, kind, length, parameters, purpose)


def candidate_with(
    setup: Inversion, kind: str, length: float, parameters: Mapping[str, Value], purpose: str = "riesz"
) -> flow.Candidate:
    """A regularisation of this length and with these parameters, see candidate_of."""
    make = REGULARISATIONS[kind]
    with timed("assembly"):
        parts = [
            make(space, length, _riesz_solvers(setup, purpose, space), **parameters)
            for space in setup.spaces.values()
        ]
    for part in parts:
        setup.owned.callback(part.close)
    scales = _scales(setup)
    if scales == [1.0]:
        return flow.Candidate(kind, length, parts[0], parameters)
    stacked = StackedRegularisation(setup.coefficient, parts, scales)
    return flow.Candidate(kind, length, stacked, parameters)


def _scales(setup: Inversion) -> list[float]:
    """By how much each unknown varies: as stated of its prior, or in proportion."""
    own = [setup.case.regularisation[name] for name in setup.spaces]
    return [part.stated(setup.domain.dimension)[1] or part.scale for part in own]


def _riesz_solvers(setup: Inversion, purpose: str, space: CoefficientSpace) -> SolverFactory:
    """Of the regularisations that the data choose among all are held at the same time."""
    considered = len(considered_of(setup))
    return setup.solvers.factory(setup.case.equation.solver, purpose, space, held=1 + considered)


def considered_of(setup: Inversion) -> list[tuple[str, CandidateSpec]]:
    """Kinds with lengths and parameters that the data choose among, fixed ones first: all kinds, or, of the
    case's own without a length, several lengths; none where the case says what R is."""
    chosen = setup.case.regularisation[setup.name]
    if chosen.open:
        kinds = sorted(REGULARISATIONS.items(), key=lambda item: not item[1].fixed)
        return [(kind, spec) for kind, made in kinds for spec in made.considered]
    if chosen.stated(setup.domain.dimension)[0] is not None:
        return []
    given = chosen.parameters
    return [(chosen.kind, CandidateSpec(share, given)) for share in REGULARISATIONS[chosen.kind].lengths]


def selection_of(setup: Inversion, start: flow.Candidate, method: flow.Method) -> flow.Selection:
    """What the data choose among: everything, lengths and weight of the case's kind, or its weight alone."""

    def rng() -> np.random.Generator:
        return stream(setup.case, "choice")

    chosen = setup.case.regularisation[setup.name]
    candidates = [candidate_of(setup, kind, "riesz", spec) for kind, spec in considered_of(setup)]
    first = start if start.regularisation.fixed else candidate_of(setup, "h1", "start")
    if chosen.open or chosen.kind == start.kind:
        candidates = [start, *candidates]
    stated = chosen.weight == "prior"
    return flow.Selection(
        first,
        candidates,
        rng,
        criterion="evidence" if chosen.weight == "evidence" else "cross_validation",
        weight=1.0 if stated else None,
        reason="the std of the prior and the sigma of the readings are as stated" if stated else "",
        variance=_variance(setup, method.selection.repeats),
        groups=setup.energy.repeats,
    )


def _variance(setup: Inversion, fewest: int) -> float | None:
    """Of the whitened noise: 1 where it is stated, that of repeated readings where there are enough of them;
    None where outliers, if there are any, are not counted."""
    if setup.energy.robust:
        return None
    if setup.data.sigma is not None:
        return 1.0
    square, freedom = setup.energy.scatter
    return square / freedom if freedom >= fewest and square > 0 else None


def builder_of(
    setup: Inversion, regularisation: Regularisation, method: flow.Method, *, creeps: bool
) -> flow.ModelBuilder:
    """What builds the models of a given regularisation, by the case's inner product and weight; `creeps` is
    the step's."""
    given = setup.case.regularisation[setup.name].stated_weight
    product = setup.case.flow.inner_product
    if product == "gauss_newton":
        return flow.GaussNewtonBuilder(regularisation, given, setup.target, creeps, method)
    plain = None
    if product != "prior":
        chosen = setup.case.regularisation[setup.name]
        length = effective_length(setup.domain.diagonal, chosen.length_scale, REGULARISATIONS["h1"].share)
        with timed("assembly"):
            parts = [
                INNER_PRODUCTS[product](space, length, _riesz_solvers(setup, "metric", space))
                for space in setup.spaces.values()
            ]
        plain = StackedInnerProduct(setup.coefficient, parts, _scales(setup))
        setup.owned.callback(plain.close)
    return flow.MetricBuilder(regularisation, plain, given, method)
