"""From a case to its mesh, data, operators and start."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mpi4py import MPI

from app import flow
from app.build import physics, tomography
from app.build.measurements import Measurements, measurements, together
from app.build.pieces import (
    growth_of,
    mesh_of,
    network_of,
    nodal_values,
    solver_of,
    stream,
    transform_of,
)
from app.case import (
    Case,
    CaseError,
    DataError,
    ElectricalTomography,
    ExpressionError,
    Unknown,
    check_dimension,
)
from app.data import ElectrodeReadings, PointData
from app.electrical import ElectricalModel
from app.energy import InverseProblem
from app.mesh import (
    CoefficientSpace,
    CoefficientSpaces,
    Known,
    MeshError,
    RelativeError,
    TaggedMesh,
    joint_space,
)
from app.network import Network, Nodal, Nodes, joint_network
from app.parallel import SolveFailed, Tally, agreed, on_root
from app.pde import CustomError, Experiments, ForwardModel, TooLittleMemory, TransientModel, components


@dataclass(frozen=True)
class Setup:
    """A case with its mesh, data, operators and start: all that `--check` makes sure of."""

    case: Case
    domain: TaggedMesh
    spaces: dict[str, CoefficientSpace]
    """Of each unknown."""
    forward: ForwardModel | Experiments | ElectricalModel
    data: PointData
    sigma: np.ndarray
    """Standard deviations of the readings, or what stands in for them until a factor is found."""
    energy: InverseProblem
    target: float | None
    """½τ² times the mean of ‖e‖² under noise; None while the noise is unknown, and where the data choose the
    regularisation in spite of outliers."""
    reference: np.ndarray
    """m_ref of all unknowns, owned nodal values."""
    step: flow.Step
    start: np.ndarray
    """Residual at the step's start."""
    errors: dict[str, RelativeError]
    """Of each unknown whose truth there is."""
    riesz: Tally = field(default_factory=Tally)
    """Of all inner products that the run makes."""

    @property
    def coefficient(self) -> Any:
        """The space of all unknowns: of one, its own."""
        return joint_space(list(self.spaces.values()))

    @property
    def name(self) -> str:
        """Of the first unknown; what is said of all alike is found there."""
        return next(iter(self.spaces))

    @property
    def unknown(self) -> Unknown:
        """The first one."""
        return self.case.unknowns[self.name]

    @property
    def error(self) -> Any:
        """What gives the error of a coefficient: a number, of several unknowns one for each name whose truth
        there is; None without any."""
        if not self.errors or len(self.spaces) == 1:
            return next(iter(self.errors.values()), None)
        return self._each_error

    def _each_error(self, values: np.ndarray) -> dict[str, float]:
        own = dict(zip(self.spaces, self.coefficient.split(values), strict=True))
        return {name: error(own[name]) for name, error in self.errors.items()}


def prepare(comm: MPI.Comm, case: Case, *, allow_code: bool = False) -> Setup:
    """Read mesh and data, compile, locate and solve for the first time, before anything is written.

    A case with code of its own is refused unless that is allowed. Raises InputError on all ranks alike.
    """
    if not allow_code:
        physics.refuse_code(case)
    electrical = isinstance(case.equation, ElectricalTomography)
    electrodes = on_root(comm, lambda: tomography.read(case)) if electrical else None
    domain = _mesh(comm, case, electrodes)
    for part in case.parts.values():
        with agreed(comm):
            check_dimension(part, domain.dimension)
    spaces = {name: _space(case, domain, name) for name in case.unknowns}
    coefficient = joint_space(list(spaces.values()))
    forward: ForwardModel | Experiments | ElectricalModel
    compared: dict[str, np.ndarray] = {}
    if electrodes is not None:
        (only,) = spaces.values()
        forward, data, sigma = _electrical(case, only, electrodes)
    else:
        forward, measured = _experiments(case, coefficient)
        data, sigma = measured.data, measured.sigma
        compared = {"logarithmic": measured.logarithmic, "threshold": measured.threshold}
    known = data.sigma is not None
    name = next(iter(spaces))
    if not known and case.regularisation[name].weight == "discrepancy":
        raise CaseError([
            f"{case.where('regularisation', name, 'weight')}: found discrepancy with data that have "
            "no column sigma, expected cross_validation, a number or data with sigma"
        ])  # fmt: skip
    references = {name: _reference(case, space, name, data) for name, space in spaces.items()}
    reference = np.concatenate(list(references.values()))
    errors = {name: _error(case, space, name) for name, space in spaces.items() if case.unknowns[name].truth}
    step = _step(case, spaces, references)
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
        observed = [o for part in case.parts.values() for o in part.observations.values()]
        files = ", ".join(str(case.resolve(o.file)) for o in observed)
        found = "readings so large against their sigma that the misfit overflows"
        if np.isinf(start).any() and energy.logarithmic.any():
            found = "logarithms to compare with a state that is not positive at the start"
        raise DataError([f"{files}: found {found}"])
    return Setup(case, domain, spaces, forward, data, sigma, energy, target, reference, step, start, errors)


def _space(case: Case, domain: TaggedMesh, name: str) -> CoefficientSpace:
    unknown, known = case.unknowns[name], None
    if unknown.known is not None:
        on = unknown.known.on
        known = Known((on,) if isinstance(on, str) else on, unknown.known.value)
    try:
        space = CoefficientSpace(domain, unknown.degree, known)
    except MeshError as error:
        raise CaseError([f"{case.where('unknowns', name, 'known', 'on')}: {error}"]) from None
    with agreed(domain.comm):
        if not np.isfinite(space.known_values).all():
            where = case.where("unknowns", name, "known", "value")
            raise CaseError([f"{where}: found values that are not finite on the mesh"])
    return space


def _reference(case: Case, space: CoefficientSpace, name: str, data: PointData) -> np.ndarray:
    if case.unknowns[name].reference is None:
        return np.full(space.owned, np.median(data.values))
    return nodal_values(case, space, name, "reference")


def _error(case: Case, space: CoefficientSpace, name: str) -> RelativeError:
    truth = case.unknowns[name].truth
    assert truth is not None
    nodal_values(case, space, name, "truth")
    try:
        error = RelativeError(space, truth, physics.place(case, space.domain, name))
    except ExpressionError as refused:
        raise CaseError([f"{case.where('unknowns', name, 'truth')}: {refused}"]) from None
    if not 0 < error.norm < np.inf:
        where = case.where("unknowns", name, "truth")
        raise CaseError([f"{where}: found a truth of norm {error.norm:g}, expected a finite one above 0"])
    return error


def _electrical(
    case: Case, coefficient: CoefficientSpace, electrodes: ElectrodeReadings
) -> tuple[ElectricalModel, PointData, np.ndarray]:
    """Forward model, data and standard deviations of four-electrode readings."""
    nodes = coefficient.domain.mesh.topology.index_map(0).size_global
    size = nodes * case.equation.degree**coefficient.domain.dimension
    solver = solver_of(coefficient.comm, case, "state_", size)
    forward = tomography.forward_model(case, coefficient, electrodes, solver)
    data = on_root(coefficient.comm, lambda: tomography.data(case, forward, electrodes))
    assert data.sigma is not None
    return forward, data, data.sigma


def _experiments(
    case: Case, coefficient: CoefficientSpace | CoefficientSpaces
) -> tuple[ForwardModel | Experiments, Measurements]:
    """Forward model and measurements of the only experiment or of all together."""
    parts = {name: _observed(part, coefficient) for name, part in case.parts.items()}
    if not case.experiments:
        return parts[""]
    forward = Experiments({name: model for name, (model, _) in parts.items()})
    return forward, together([measured for _, measured in parts.values()], case.where("experiments"))


def _observed(
    case: Case, coefficient: CoefficientSpace | CoefficientSpaces
) -> tuple[ForwardModel, Measurements]:
    """Forward model and what is measured of its state."""
    try:
        forward = forward_of(case, coefficient.domain, coefficient)
        physics.feed(case, forward)
    except ExpressionError as refused:
        raise CaseError([f"{case.where('equation')}: {refused}"]) from None
    except CustomError as refused:
        raise CaseError([f"{case.where('equation', 'file')}: {refused}"]) from None
    domain, space, path = coefficient.domain, forward.space, ("observations",)
    measured = measurements(case, case.observations, path, domain, space, forward.components)
    assert measured.operator is not None
    if isinstance(forward, TransientModel):
        assert measured.data.times is not None
        forward.observe_at(measured.operator.matrix, measured.data.times)
    else:
        forward.observe_with(measured.operator.matrix, measured.operator.weights)
    return forward, measured


def _mesh(comm: MPI.Comm, case: Case, electrodes: ElectrodeReadings | None) -> TaggedMesh:
    if electrodes is not None and case.mesh.kind == "electrodes":
        return tomography.mesh(comm, case, electrodes)
    return mesh_of(comm, case)


def forward_of(
    case: Case, domain: TaggedMesh, coefficient: CoefficientSpace | CoefficientSpaces
) -> ForwardModel:
    """The model of a case's equation; raises CaseError on all ranks alike."""
    equation: Any = physics.equation(case, domain)
    degree = case.equation.degree
    nodes = domain.mesh.topology.index_map(0).size_global * degree**domain.dimension
    size = nodes * max(1, len(components(equation, domain.dimension)))
    solver = solver_of(domain.comm, case, "state_", size, symmetric=equation.symmetric)
    times = physics.time_steps(case)
    if times is None:
        return ForwardModel(equation, coefficient, degree, solver)
    try:
        return TransientModel(equation, coefficient, degree, solver, times)
    except TooLittleMemory as refused:
        raise CaseError([f"{case.where('equation', 'time', 'memory_limit')}: {refused}"]) from None


def _step(case: Case, spaces: dict[str, CoefficientSpace], references: dict[str, np.ndarray]) -> flow.Step:
    """A network for each unknown, or nodal values of all."""
    if all(unknown.representation.kind == "nodal" for unknown in case.unknowns.values()):
        reference = np.concatenate(list(references.values()))
        nodal = Nodal(reference, sum(space.size for space in spaces.values()))
        return flow.IdealStep(nodal.start(), nodal.size)
    parts = [_network(case, space, name, references[name]) for name, space in spaces.items()]
    network = joint_network(parts)
    start = network.start(stream(case, "network"))
    return flow.STEPS[case.flow.step](network, start, growth_of(case))


def _network(case: Case, space: CoefficientSpace, name: str, reference: np.ndarray) -> Network:
    chosen: Any = case.unknowns[name].representation
    transform, box = transform_of(chosen), space.domain.bounding_box()
    with agreed(space.comm):
        try:
            nodes = Nodes.of(space.coordinates, box, reference, transform)
        except ValueError as error:
            raise CaseError([f"{case.where('unknowns', name, 'reference')}: {error}"]) from None
    return network_of(chosen, nodes)
