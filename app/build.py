"""From a case to a run: the only file that knows every room."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from app import fem, flow, output, physics, tomography, unknowns
from app.case import (
    Case,
    CaseError,
    DataError,
    ElectricalTomography,
    ElectrodeReadings,
    ExpressionError,
    PointData,
    PointObservations,
    Unknown,
    check_dimension,
    effective_yaml,
    read_points,
)
from app.energies import InverseProblem
from app.parallel import Interrupt, LinearSolver, SolveFailed, agreed, on_root, timed

STREAMS = {"network": 0, "candidates": 1, "choice": 2}
"""Random streams that derive from the case's seed, by purpose."""

LEAST = 0.01
"""Readings of relative noise count as at least this share of the largest."""


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
    if electrodes is not None:
        forward, data, sigma = _electrical(case, coefficient, electrodes)
    else:
        forward, data, sigma = _at_points(case, coefficient)
    known = data.sigma is not None
    if not known and case.regularisation[name].weight == "discrepancy":
        raise CaseError([
            f"{case.where('regularisation', name, 'weight')}: found discrepancy with data that have "
            "no column sigma, expected cross_validation, a number or data with sigma"
        ])  # fmt: skip
    if unknown.reference is None:
        reference = np.full(coefficient.owned, np.median(data.values))
    else:
        reference = _values(case, coefficient, name, "reference")
    error = None
    if unknown.truth is not None:
        _values(case, coefficient, name, "truth")
        try:
            error = fem.RelativeError(coefficient, unknown.truth, physics.place(case, domain, name))
        except ExpressionError as refused:
            raise CaseError([f"{case.where('unknowns', name, 'truth')}: {refused}"]) from None
        if not 0 < error.norm < np.inf:
            where = case.where("unknowns", name, "truth")
            raise CaseError([f"{where}: found a truth of norm {error.norm:g}, expected a finite one above 0"])
    step = _step(case, coefficient, name, reference)
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
        case, name, domain, coefficient, forward, data, sigma, energy, target, reference, step, start, error
    )


def run(setup: Setup, folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Run the flow, write everything into the (prepared) folder and return the summary; collective."""
    comm, case = setup.domain.comm, setup.case
    on_root(comm, lambda: (folder / "case.yaml").write_text(effective_yaml(case)))
    terminal = output.Terminal(setup.target, quiet=quiet or comm.rank > 0)
    with terminal, Interrupt(comm) as interrupt:
        for line in _opening(setup):
            terminal.note(line)
        history = output.History(
            comm, folder / "history.csv", lambda: setup.forward.counts, setup.error, terminal
        )
        outcome, final = _flow(setup, history, interrupt.wished)
        # Counted before the output's own solves.
        summary = _summary(setup, outcome, final, history.rows)
        with timed("output"):
            failure = _write(setup, outcome, final, folder)
        if failure is not None:
            terminal.note(failure)
        summary |= output.resources(comm)
        on_root(comm, lambda: output.write_json(folder / "summary.json", summary))
        for line in output.closing_lines(summary, folder):
            terminal.note(line)
    return summary


@dataclass(frozen=True)
class Final:
    """The regularisation with which the run ended."""

    contender: flow.Contender
    R: flow.InnerProduct
    choice: flow.Choice | None
    """Set where the data chose."""


def _flow(
    setup: Setup, history: output.History, interrupted: Callable[[], bool]
) -> tuple[flow.Outcome, Final]:
    """Run the one or two stages that the case asks for."""
    case, most = setup.case, setup.case.flow.max_iterations
    chosen = case.regularisation[setup.name]
    start = _contender(setup, "h1" if chosen.kind == "auto" else chosen.kind, "riesz_")
    builder = _builder(setup, start.regularisation)
    given = (setup.energy, setup.start, setup.reference, builder, setup.step)
    choice = None
    if chosen.weight == "cross_validation":
        contest = _contest(setup, start)
        outcome, choice = flow.run_two_stages(*given, contest, setup.target, most, history, interrupted)
    else:
        outcome = flow.run_flow(*given, flow.AtTarget(setup.target, most), history, interrupted)
    if choice is not None:
        return outcome, Final(choice.contender, choice.R, choice)
    return outcome, Final(start, start.regularisation.at(outcome.coefficient), None)


def _electrical(
    case: Case, coefficient: fem.CoefficientSpace, electrodes: ElectrodeReadings
) -> tuple[fem.ElectricalModel, PointData, np.ndarray]:
    """Forward model, data and standard deviations of four-electrode readings."""
    nodes = coefficient.domain.mesh.topology.index_map(0).size_global
    size = nodes * case.equation.degree**coefficient.domain.dimension
    solver = _solver(coefficient.comm, case, "state_", size)
    forward = tomography.forward_model(case, coefficient, electrodes, solver)
    data = on_root(coefficient.comm, lambda: tomography.data(case, forward, electrodes))
    assert data.sigma is not None
    return forward, data, data.sigma


def _at_points(
    case: Case, coefficient: fem.CoefficientSpace
) -> tuple[fem.ForwardModel, PointData, np.ndarray]:
    """Forward model, data and standard deviations (or what stands in for them) of readings at points."""
    comm, domain = coefficient.comm, coefficient.domain
    data = on_root(comm, lambda: _readings(case, domain.dimension))
    try:
        forward = _forward(case, domain, coefficient)
    except ExpressionError as refused:
        raise CaseError([f"{case.where('equation')}: {refused}"]) from None
    except fem.CustomError as refused:
        raise CaseError([f"{case.where('equation', 'file')}: {refused}"]) from None
    with timed("assembly"):
        try:
            forward.observe_with(fem.point_matrix(domain, forward.space, data.points))
        except fem.PointOutside as outside:
            raise DataError([_outside(case, domain.dimension, outside)]) from None
    sigma = on_root(comm, lambda: _assumed_sigma(case, data)) if data.sigma is None else data.sigma
    return forward, data, sigma


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


def _assumed_sigma(case: Case, data: PointData) -> np.ndarray:
    """What stands in for the standard deviations where no file tells them, up to a factor that is found
    later.

    Relative noise is that of a reading's size, and of LEAST of the largest at least.
    """
    parts = []
    begun = 0
    for observation in case.observations.values():
        count = len(read_points(case.resolve(observation.file), data.points.shape[1]).values)
        size = np.abs(data.values[begun : begun + count])
        begun += count
        assert isinstance(observation, PointObservations)
        relative = observation.noise == "relative" and size.max() > 0
        parts.append(np.maximum(size, LEAST * size.max()) if relative else np.ones(count))
    return np.concatenate(parts)


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


def _solver(comm: MPI.Comm, case: Case, prefix: str, size: int, *, symmetric: bool = True) -> LinearSolver:
    options = case.equation.solver
    kind = options.kind
    if kind == "auto":
        kind = "direct" if size < options.direct_below else "iterative"
    return LinearSolver(comm, kind, prefix, options.tolerance, symmetric=symmetric)


def _forward(case: Case, domain: fem.TaggedMesh, coefficient: fem.CoefficientSpace) -> fem.ForwardModel:
    equation = physics.equation(case, domain)
    degree = case.equation.degree
    nodes = domain.mesh.topology.index_map(0).size_global * degree**domain.dimension
    solver = _solver(domain.comm, case, "state_", nodes, symmetric=equation.symmetric)
    return fem.ForwardModel(equation, coefficient, degree, solver)


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
    network = unknowns.Network(
        chosen.hidden, nodes, chosen.activation, transform, chosen.max_width, chosen.features
    )
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


def _contender(
    setup: Setup, kind: str, prefix: str, share: float | None = None, edge_share: float | None = None
) -> flow.Contender:
    """A regularisation with a solver of its own; without shares with the case's length and edges."""
    chosen = setup.case.regularisation[setup.name]
    make, solver = fem.REGULARISATIONS[kind], _riesz_solver(setup, prefix)
    given = chosen.length_scale if share is None else None
    length = fem.effective_length(setup.domain.diagonal, given, share or make.share)
    with timed("assembly"):
        if make is fem.EdgePreserving:
            edges = edge_share or chosen.edge_share or fem.EDGE_SHARE
            return flow.Contender(
                kind, length, make(setup.coefficient, length, solver, edges), edge_share=edges
            )
        return flow.Contender(kind, length, make(setup.coefficient, length, solver))


def _riesz_solver(setup: Setup, prefix: str) -> LinearSolver:
    solver = _solver(setup.domain.comm, setup.case, prefix, setup.coefficient.size)
    setup.riesz_solvers.append(solver)
    return solver


def _contest(setup: Setup, start: flow.Contender) -> flow.Contest:
    """What the data choose among: everything, or the weight of the case's kind alone."""
    rng = _stream(setup.case, "choice")
    if setup.case.regularisation[setup.name].kind != "auto":
        fixed = start if start.regularisation.fixed else _contender(setup, "h1", "start_")
        return flow.Contest(fixed, [start], rng)
    smooth = [
        _contender(setup, kind, "riesz_", share)
        for kind, shares in fem.LENGTH_SHARES.items()
        for share in shares
    ]
    edges = [_contender(setup, "edge_preserving", "riesz_", edge_share=e) for e in fem.EDGE_SHARES]
    return flow.Contest(start, [start, *smooth, *edges], rng)


def _builder(setup: Setup, regularisation: Any) -> flow.ModelBuilder:
    weight = setup.case.regularisation[setup.name].weight
    given = None if isinstance(weight, str) else float(weight)
    product = setup.case.flow.inner_product
    if product == "gauss_newton":
        return flow.GaussNewtonBuilder(regularisation, given, setup.target, setup.step.creeps)
    plain = None
    if product != "prior":
        length = fem.effective_length(
            setup.domain.diagonal, setup.case.regularisation[setup.name].length_scale
        )
        with timed("assembly"):
            plain = fem.INNER_PRODUCTS[product](setup.coefficient, length, _riesz_solver(setup, "metric_"))
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


def _summary(setup: Setup, outcome: flow.Outcome, final: Final, rows: list[output.Row]) -> dict[str, Any]:
    case, counts = setup.case, setup.forward.counts
    choice = final.choice
    return {
        "name": case.name,
        "status": output.status(outcome.stop_reason, target_known=setup.target is not None),
        "stop_reason": outcome.stop_reason,
        **output.records_summary(rows),
        "misfit_target": setup.target,
        "regularisation_kind": final.contender.kind,
        "length_scale": final.contender.length,
        "edge_share": final.contender.edge_share,
        **output.choice_summary(choice),
        **_noise(setup, choice, rows[-1].record.misfit),
        **asdict(counts),
        "linear_solves": counts.linear_solves,
        "riesz_solves": sum(solver.solves for solver in setup.riesz_solvers),
        "coefficient_dofs": setup.coefficient.size,
        "state_dofs": setup.forward.size,
        "seed": case.seed,
    }


def _noise(setup: Setup, choice: flow.Choice | None, misfit: float) -> dict[str, float | None]:
    """The root mean square of the noise, as given or as the choice found it, as the choice found it whatever
    was given, and 2φ/n against the first."""
    sigma, factor = setup.data.sigma, 1.0
    if sigma is None:
        if choice is None:
            return {"noise_level": None, "noise_level_found": None, "chi2": None}
        sigma, factor = setup.sigma, choice.spread
    level = factor * float(np.sqrt(np.mean(sigma**2)))
    chi2 = 2.0 * misfit / len(sigma) / factor**2 if factor > 0 else None
    found = None if choice is None else choice.spread * float(np.sqrt(np.mean(setup.sigma**2)))
    return {"noise_level": level, "noise_level_found": found, "chi2": chi2}


def _write(setup: Setup, outcome: flow.Outcome, final: Final, folder: Path) -> str | None:
    """Fields and pictures of the final coefficient; returns why there is no picture, if so."""
    space, forward, m = setup.coefficient, setup.forward, outcome.coefficient
    residual = setup.energy.residual(m)
    weight = outcome.records[-1].weight or 0.0
    gradient = final.R.riesz(setup.energy.derivative(residual)) + weight * (m - setup.reference)
    prefix, physical = fem.PHYSICAL[setup.unknown.role]
    function = space.function(m, setup.name)
    fields: dict[str, Any] = {
        setup.name: function,
        "state": forward.state,
        "gradient": space.function(gradient, "gradient"),
    }
    if prefix:
        fields[f"{prefix}_{setup.name}"] = physical(function)
    panels = {setup.name: m}
    if setup.unknown.truth is not None and setup.unknown.on is None:  # a trace has no truth inside
        truth = _values(setup.case, space, setup.name, "truth")
        panels |= {"truth": truth, "error": m - truth}
        fields |= {name: space.function(panels[name], name) for name in ("truth", "error")}
    finest = max(space.space, forward.space, key=lambda s: s.element.basix_element.degree)
    output.write_fields(folder / "fields.pvd", finest, fields)
    failure = None
    if final.choice is not None:
        failure = output.draw_choice(space.comm, folder / "choice.png", final.choice)
    picture, points = folder / "coefficient.png", setup.data.points
    if not isinstance(forward, fem.ElectricalModel):
        return output.draw_fields(picture, space.space, panels, points) or failure
    data, sigma, abmn = setup.data.values, setup.sigma, forward.abmn
    on_root(
        space.comm,
        lambda: output.write_fit(folder / "fit.csv", abmn, forward.geometric_factors, data, sigma, residual),
    )
    physical_panels = tomography.panels(setup.name, panels)
    drawn = output.draw_fields(picture, space.space, physical_panels, points, logarithmic=True, numbered=True)
    return drawn or failure
