"""From a case to its mesh, data, operators and start."""

from dataclasses import dataclass, field

import numpy as np
from mpi4py import MPI

from app import fem, flow, physics, tomography, unknowns
from app.build.pieces import nodal_values, solver_of, stream
from app.case import (
    Case,
    CaseError,
    DataError,
    ElectricalTomography,
    ElectrodeReadings,
    ExpressionError,
    PointData,
    Unknown,
    check_dimension,
)
from app.energies import InverseProblem
from app.measurements import Measurements, measurements
from app.parallel import LinearSolver, SolveFailed, agreed, on_root


@dataclass(frozen=True)
class Setup:
    """A case with its mesh, data, operators and start: all that `--check` makes sure of."""

    case: Case
    name: str
    """Name of the unknown."""
    domain: fem.TaggedMesh
    coefficient: fem.CoefficientSpace
    forward: fem.ForwardModel | fem.ElectricalModel
    data: PointData
    sigma: np.ndarray
    """Standard deviations of the readings, or what stands in for them until a factor is found."""
    energy: InverseProblem
    target: float | None
    """½τ² times the mean of ‖e‖² under noise; None while the noise is unknown, and where the data choose the
    regularisation in spite of outliers."""
    reference: np.ndarray
    """m_ref, owned nodal values."""
    step: flow.Step
    start: np.ndarray
    """Residual at the step's start."""
    error: fem.RelativeError | None
    """Against the truth, if there is one."""
    riesz_solvers: list[LinearSolver] = field(default_factory=list)
    """Of all inner products that the run makes."""

    @property
    def unknown(self) -> Unknown:
        return self.case.unknowns[self.name]


def prepare(comm: MPI.Comm, case: Case, *, allow_code: bool = False) -> Setup:
    """Read mesh and data, compile, locate and solve for the first time, before anything is written.

    A case with code of its own is refused unless that is allowed. Raises InputError on all ranks alike.
    """
    if not allow_code:
        physics.refuse_code(case)
    electrical = isinstance(case.equation, ElectricalTomography)
    electrodes = on_root(comm, lambda: tomography.read(case)) if electrical else None
    domain = _mesh(comm, case, electrodes)
    on_root(comm, lambda: check_dimension(case, domain.dimension))
    name, unknown = next(iter(case.unknowns.items()))
    coefficient = fem.CoefficientSpace(domain, unknown.degree)
    forward: fem.ForwardModel | fem.ElectricalModel
    compared: dict[str, np.ndarray] = {}
    if electrodes is not None:
        forward, data, sigma = _electrical(case, coefficient, electrodes)
    else:
        forward, measured = _observed(case, coefficient)
        data, sigma = measured.data, measured.sigma
        compared = {"logarithmic": measured.logarithmic, "threshold": measured.threshold}
    known = data.sigma is not None
    if not known and case.regularisation[name].weight == "discrepancy":
        raise CaseError([
            f"{case.where('regularisation', name, 'weight')}: found discrepancy with data that have "
            "no column sigma, expected cross_validation, a number or data with sigma"
        ])  # fmt: skip
    if unknown.reference is None:
        reference = np.full(coefficient.owned, np.median(data.values))
    else:
        reference = nodal_values(case, coefficient, name, "reference")
    error = None
    if unknown.truth is not None:
        nodal_values(case, coefficient, name, "truth")
        try:
            error = fem.RelativeError(coefficient, unknown.truth, physics.place(case, domain, name))
        except ExpressionError as refused:
            raise CaseError([f"{case.where('unknowns', name, 'truth')}: {refused}"]) from None
        if not 0 < error.norm < np.inf:
            where = case.where("unknowns", name, "truth")
            raise CaseError([f"{where}: found a truth of norm {error.norm:g}, expected a finite one above 0"])
    step = _step(case, coefficient, name, reference)
    energy = InverseProblem(forward, data.values, sigma, **compared)
    # What outliers, if there are any, add to the misfit is not known: only who asks for a target gets one.
    open_end = energy.robust and case.regularisation[name].weight == "cross_validation"
    target = 0.5 * case.flow.discrepancy**2 * energy.expectation if known and not open_end else None
    try:
        start = energy.residual(step.values())
    except SolveFailed as failure:
        where = case.where("equation")
        raise CaseError([f"{where}: found no solution at the reference coefficient: {failure}"]) from None
    with np.errstate(over="ignore"):
        misfit = 0.5 * float(start @ start)
    if not np.isfinite(misfit):
        files = ", ".join(str(case.resolve(o.file)) for o in case.observations.values())
        found = "readings so large against their sigma that the misfit overflows"
        if np.isinf(start).any() and energy.logarithmic.any():
            found = "logarithms to compare with a state that is not positive at the start"
        raise DataError([f"{files}: found {found}"])
    return Setup(
        case, name, domain, coefficient, forward, data, sigma, energy, target, reference, step, start, error
    )


def _electrical(
    case: Case, coefficient: fem.CoefficientSpace, electrodes: ElectrodeReadings
) -> tuple[fem.ElectricalModel, PointData, np.ndarray]:
    """Forward model, data and standard deviations of four-electrode readings."""
    nodes = coefficient.domain.mesh.topology.index_map(0).size_global
    size = nodes * case.equation.degree**coefficient.domain.dimension
    solver = solver_of(coefficient.comm, case, "state_", size)
    forward = tomography.forward_model(case, coefficient, electrodes, solver)
    data = on_root(coefficient.comm, lambda: tomography.data(case, forward, electrodes))
    assert data.sigma is not None
    return forward, data, data.sigma


def _observed(case: Case, coefficient: fem.CoefficientSpace) -> tuple[fem.ForwardModel, Measurements]:
    """Forward model and what is measured of its state."""
    try:
        forward = _forward(case, coefficient.domain, coefficient)
    except ExpressionError as refused:
        raise CaseError([f"{case.where('equation')}: {refused}"]) from None
    except fem.CustomError as refused:
        raise CaseError([f"{case.where('equation', 'file')}: {refused}"]) from None
    domain, space, path = coefficient.domain, forward.space, ("observations",)
    measured = measurements(case, case.observations, path, domain, space, forward.components)
    forward.observe_with(measured.operator.matrix, measured.operator.weights)
    return forward, measured


def _mesh(comm: MPI.Comm, case: Case, electrodes: ElectrodeReadings | None) -> fem.TaggedMesh:
    if electrodes is not None and case.mesh.kind == "electrodes":
        return tomography.mesh(comm, case, electrodes)
    options = dict(case.mesh)
    kind = options.pop("kind")
    if kind == "file":
        options["file"] = case.resolve(options["file"])
    try:
        return fem.MESHES[kind](comm, **options)
    except fem.MeshError as error:
        raise CaseError([f"{case.where('mesh', 'file')}: {error}"]) from None


def _forward(case: Case, domain: fem.TaggedMesh, coefficient: fem.CoefficientSpace) -> fem.ForwardModel:
    equation = physics.equation(case, domain)
    degree = case.equation.degree
    nodes = domain.mesh.topology.index_map(0).size_global * degree**domain.dimension
    size = nodes * max(1, len(fem.components(equation, domain.dimension)))
    solver = solver_of(domain.comm, case, "state_", size, symmetric=equation.symmetric)
    return fem.ForwardModel(equation, coefficient, degree, solver)


def _step(case: Case, space: fem.CoefficientSpace, name: str, reference: np.ndarray) -> flow.Step:
    chosen = case.unknowns[name].representation
    if chosen.kind == "nodal":
        nodal = unknowns.Nodal(reference, space.size)
        return flow.IdealStep(nodal.start(), nodal.size)
    options = dict(chosen.transform)
    transform = unknowns.TRANSFORMS[options.pop("kind")](**options)
    box = space.domain.bounding_box()
    with agreed(space.comm):
        try:
            nodes = unknowns.Nodes.of(space.coordinates, box, reference, transform)
        except ValueError as error:
            raise CaseError([f"{case.where('unknowns', name, 'reference')}: {error}"]) from None
    network = unknowns.Network(
        chosen.hidden, nodes, chosen.activation, transform, chosen.max_width, chosen.features
    )
    growth = None
    rule = case.expansion
    if rule.strategy != "none":
        rng = stream(case, "candidates")
        strategy = flow.STRATEGIES[rule.strategy](rng, rule.candidates, rule.scales)
        growth = flow.GrowthRule(strategy, rule.capture, rule.missing, rule.rounds, rule.progress)
    start = network.start(stream(case, "network"))
    return flow.STEPS[case.flow.step](network, start, growth)
