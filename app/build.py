"""From a case to a run: the only file that knows every room."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from app import fem, flow, output, unknowns
from app.case import (
    Case,
    CaseError,
    DataError,
    ExpressionError,
    PointData,
    Unknown,
    check_dimension,
    effective_yaml,
    read_points,
)
from app.energies import InverseProblem
from app.parallel import Interrupt, LinearSolver, SolveFailed, agreed, on_root, timed

STREAMS = {"network": 0, "candidates": 1}
"""Random streams that derive from the case's seed, by purpose."""


@dataclass(frozen=True)
class Setup:
    """A case with its mesh, data, operators and start: all that `--check` makes sure of."""

    case: Case
    name: str
    """Name of the unknown."""
    domain: fem.TaggedMesh
    coefficient: fem.CoefficientSpace
    forward: fem.ForwardModel
    data: PointData
    energy: InverseProblem
    target: float | None
    """½τ²n, None while the noise is unknown."""
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


def prepare(comm: MPI.Comm, case: Case) -> Setup:
    """Read mesh and data, compile, locate and solve for the first time, before anything is written.

    Raises InputError on all ranks alike.
    """
    domain = _mesh(comm, case)
    on_root(comm, lambda: check_dimension(case, domain.dimension))
    data = on_root(comm, lambda: _readings(case, domain.dimension))
    name, unknown = next(iter(case.unknowns.items()))
    known = data.sigma is not None
    if not known and case.regularisation[name].weight == "discrepancy":
        raise CaseError([
            f"{case.where('regularisation', name, 'weight')}: found discrepancy with data that have "
            "no column sigma, expected a number or data with sigma"
        ])  # fmt: skip
    coefficient = fem.CoefficientSpace(domain, unknown.degree)
    reference = _values(case, coefficient, name, "reference")
    error = None
    if unknown.truth is not None:
        _values(case, coefficient, name, "truth")
        try:
            error = fem.RelativeError(coefficient, unknown.truth)
        except ExpressionError as refused:
            raise CaseError([f"{case.where('unknowns', name, 'truth')}: {refused}"]) from None
        if not 0 < error.norm < np.inf:
            where = case.where("unknowns", name, "truth")
            raise CaseError([f"{where}: found a truth of norm {error.norm:g}, expected a finite one above 0"])
    step = _step(case, coefficient, name, reference)
    try:
        forward = _forward(case, domain, coefficient)
    except ExpressionError as refused:
        raise CaseError([f"{case.where('equation')}: {refused}"]) from None
    with timed("assembly"):
        try:
            forward.observe_with(fem.point_matrix(domain, forward.space, data.points))
        except fem.PointOutside as outside:
            raise DataError([_outside(case, domain.dimension, outside)]) from None
    sigma = np.ones(len(data.values)) if data.sigma is None else data.sigma
    energy = InverseProblem(forward, data.values, sigma)
    target = 0.5 * case.flow.discrepancy**2 * len(data.values) if known else None
    try:
        start = energy.residual(step.values())
    except SolveFailed as failure:
        where = case.where("equation")
        raise CaseError([f"{where}: found no solution at the reference coefficient: {failure}"]) from None
    with np.errstate(over="ignore"):
        misfit = 0.5 * float(start @ start)
    if not np.isfinite(misfit):
        files = ", ".join(str(case.resolve(o.file)) for o in case.observations.values())
        raise DataError([f"{files}: found readings so large against their sigma that the misfit overflows"])
    return Setup(
        case, name, domain, coefficient, forward, data, energy, target, reference, step, start, error
    )


def run(setup: Setup, folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Run the flow, write everything into the (prepared) folder and return the summary; collective."""
    comm, case = setup.domain.comm, setup.case
    on_root(comm, lambda: (folder / "case.yaml").write_text(effective_yaml(case)))
    regularisation = _regularisation(setup)
    builder = _builder(setup, regularisation)
    terminal = output.Terminal(setup.target, quiet=quiet or comm.rank > 0)
    with terminal, Interrupt(comm) as interrupt:
        for line in _opening(setup):
            terminal.note(line)
        history = output.History(
            comm, folder / "history.csv", lambda: setup.forward.counts, setup.error, terminal
        )
        outcome = flow.run_flow(
            setup.energy,
            setup.start,
            setup.reference,
            builder,
            setup.step,
            setup.target,
            case.flow.max_iterations,
            history,
            interrupt.wished,
        )
        # Counted before the output's own solves.
        summary = _summary(setup, outcome, history.rows, regularisation)
        with timed("output"):
            failure = _write(setup, outcome, regularisation, folder)
        if failure is not None:
            terminal.note(failure)
        summary |= output.resources(comm)
        on_root(comm, lambda: output.write_json(folder / "summary.json", summary))
        for line in output.closing_lines(summary, folder):
            terminal.note(line)
    return summary


def _mesh(comm: MPI.Comm, case: Case) -> fem.TaggedMesh:
    options = dict(case.mesh)
    kind = options.pop("kind")
    if kind == "file":
        options["file"] = case.resolve(options["file"])
    try:
        return fem.MESHES[kind](comm, **options)
    except fem.MeshError as error:
        raise CaseError([f"{case.where('mesh', 'file')}: {error}"]) from None


def _readings(case: Case, dimension: int) -> PointData:
    """All readings, one observation after the other."""
    parts = [read_points(case.resolve(o.file), dimension) for o in case.observations.values()]
    sigmas = [part.sigma for part in parts if part.sigma is not None]
    if sigmas and len(sigmas) < len(parts):
        where = case.where("observations")
        raise CaseError([f"{where}: found files with and without sigma, expected all or none"])
    return PointData(
        points=np.vstack([part.points for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        sigma=np.concatenate(sigmas) if sigmas else None,
        lines=np.concatenate([part.lines for part in parts]),
    )


def _outside(case: Case, dimension: int, error: fem.PointOutside) -> str:
    """The message of a point outside the mesh, with its file and line."""
    index = error.index
    for observation in case.observations.values():
        path = case.resolve(observation.file)
        lines = read_points(path, dimension).lines
        if index < len(lines):
            return f"{path}:{lines[index]}: {error}"
        index -= len(lines)
    return str(error)


def _solver(comm: MPI.Comm, case: Case, prefix: str, size: int) -> LinearSolver:
    options = case.equation.solver
    kind = options.kind
    if kind == "auto":
        kind = "direct" if size < options.direct_below else "iterative"
    return LinearSolver(comm, kind, prefix, options.tolerance)


def _forward(case: Case, domain: fem.TaggedMesh, coefficient: fem.CoefficientSpace) -> fem.ForwardModel:
    equation = case.equation
    conditions = {}
    for name, given in equation.boundary.items():
        on = ("all",) if given.tags is None else given.tags
        conditions[name] = fem.BoundaryCondition(on, given.kind, given.value)
        try:
            domain.boundary(on)
        except fem.MeshError as error:
            raise CaseError([f"{case.where('equation', 'boundary', name, 'on')}: {error}"]) from None
    physics = fem.EQUATIONS[equation.kind](source=equation.source, boundary=conditions)
    nodes = domain.mesh.topology.index_map(0).size_global * equation.degree**domain.dimension
    solver = _solver(domain.comm, case, "state_", nodes)
    return fem.ForwardModel(physics, coefficient, equation.degree, solver)


def _values(case: Case, space: fem.CoefficientSpace, name: str, key: str) -> np.ndarray:
    """Nodal values of an expression of the unknown; raises CaseError where they are not finite."""
    values = space.interpolate(getattr(case.unknowns[name], key))
    with agreed(space.comm):
        if not np.isfinite(values).all():
            where = case.where("unknowns", name, key)
            raise CaseError([f"{where}: found values that are not finite on the mesh"])
    return values


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
    network = unknowns.Network(chosen.hidden, nodes, chosen.activation, transform, chosen.max_width)
    growth = None
    rule = case.expansion
    if rule.strategy != "none":
        rng = _stream(case, "candidates")
        strategy = flow.STRATEGIES[rule.strategy](rng, rule.candidates, rule.scales)
        growth = flow.GrowthRule(strategy, rule.capture, rule.missing, rule.rounds, rule.progress)
    start = network.start(_stream(case, "network"))
    return flow.STEPS[case.flow.step](network, start, growth)


def _stream(case: Case, purpose: str) -> np.random.Generator:
    return np.random.default_rng([case.seed, STREAMS[purpose]])


def _regularisation(setup: Setup) -> Any:
    chosen = setup.case.regularisation[setup.name]
    return _made(setup, fem.REGULARISATIONS[chosen.kind], "riesz_")


def _made(setup: Setup, make: Callable[..., Any], prefix: str) -> Any:
    """A regularisation or inner product with the case's length scale and a solver of its own."""
    mass = fem.mass_coefficient(setup.domain.diagonal, setup.case.regularisation[setup.name].length_scale)
    solver = _solver(setup.domain.comm, setup.case, prefix, setup.coefficient.size)
    setup.riesz_solvers.append(solver)
    with timed("assembly"):
        return make(setup.coefficient, mass, solver)


def _builder(setup: Setup, regularisation: Any) -> flow.ModelBuilder:
    weight = setup.case.regularisation[setup.name].weight
    given = None if weight == "discrepancy" else float(weight)
    product = setup.case.flow.inner_product
    if product == "gauss_newton":
        return flow.GaussNewtonBuilder(regularisation, given, setup.target, setup.step.creeps)
    plain = None if product == "prior" else _made(setup, fem.INNER_PRODUCTS[product], "metric_")
    return flow.MetricBuilder(regularisation, plain, given)


def _opening(setup: Setup) -> list[str]:
    case, readings = setup.case, len(setup.data.values)
    lines = [
        f"{case.name}: {setup.forward.size} state and {setup.coefficient.size} coefficient dofs, "
        f"{readings} readings, {setup.domain.comm.size} rank(s)"
    ]
    chosen = case.regularisation[setup.name]
    if chosen.length_scale is not None and np.isinf(chosen.length_scale):
        lines.append("length_scale inf: a mass term of 1e-6 keeps R positive definite")
    if case.flow.inner_product != "gauss_newton" and chosen.weight == "discrepancy":
        lines.append(
            f"inner product {case.flow.inner_product} with weight discrepancy: nothing is added to the "
            "misfit, stopping at the target is the regularisation"
        )
    return lines


def _summary(
    setup: Setup, outcome: flow.Outcome, rows: list[output.Row], regularisation: Any
) -> dict[str, Any]:
    case, counts = setup.case, setup.forward.counts
    chosen = case.regularisation[setup.name]
    mass = fem.mass_coefficient(setup.domain.diagonal, chosen.length_scale)
    summary = {
        "name": case.name,
        "status": output.status(outcome.stop_reason, target_known=setup.target is not None),
        "stop_reason": outcome.stop_reason,
        **output.records_summary(rows),
        "misfit_target": setup.target,
        "regularisation_kind": chosen.kind,
        "length_scale": mass**-0.5,
        "cross_validation": None,
        "candidates": [],
        "noise_level": None if setup.data.sigma is None else float(np.sqrt(np.mean(setup.data.sigma**2))),
        "chi2": None if setup.data.sigma is None else 2.0 * rows[-1].record.misfit / len(setup.data.values),
        **asdict(counts),
        "linear_solves": counts.linear_solves,
        "riesz_solves": sum(solver.solves for solver in setup.riesz_solvers),
        "coefficient_dofs": setup.coefficient.size,
        "state_dofs": setup.forward.size,
        "seed": case.seed,
    }  # fmt: skip
    return summary


def _write(setup: Setup, outcome: flow.Outcome, regularisation: Any, folder: Path) -> str | None:
    """Fields and picture of the final coefficient; returns why there is no picture, if so."""
    space, forward, m = setup.coefficient, setup.forward, outcome.coefficient
    residual = setup.energy.residual(m)
    R, weight = regularisation.at(m), outcome.records[-1].weight or 0.0
    gradient = R.riesz(setup.energy.derivative(residual)) + weight * (m - setup.reference)
    prefix, physical = fem.PHYSICAL[setup.unknown.role]
    function = space.function(m, setup.name)
    fields: dict[str, Any] = {
        setup.name: function,
        f"{prefix}_{setup.name}": physical(function),
        "state": forward.state,
        "gradient": space.function(gradient, "gradient"),
    }
    panels = {setup.name: m}
    if setup.unknown.truth is not None:
        truth = _values(setup.case, space, setup.name, "truth")
        panels |= {"truth": truth, "error": m - truth}
        fields |= {name: space.function(panels[name], name) for name in ("truth", "error")}
    finest = max(space.space, forward.space, key=lambda s: s.element.basix_element.degree)
    output.write_fields(folder / "fields.pvd", finest, fields)
    return output.draw_fields(folder / "coefficient.png", space.space, panels, setup.data.points)
