"""An inverse problem: from a case to its mesh, data, operators and start."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from app import flow
from app.activity import doing
from app.case import Case, CaseError, DataError, Expression, ExpressionError, check_dimension
from app.data import PointData
from app.electrical import ElectricalModel, Survey
from app.energy import InverseProblem, Misfit
from app.mesh import (
    CoefficientSpace,
    CoefficientSpaces,
    Field,
    Known,
    MeshError,
    RelativeError,
    TaggedMesh,
    joint_space,
)
from app.network import Nodes
from app.observe.left_out import LeftOut
from app.parallel import SolveFailed, agreed
from app.pde import Experiments, ForwardModel, NotUnique
from app.problem import physics
from app.problem.conditions import place
from app.problem.factories import (
    Start,
    mesh_of,
    network_of,
    network_start,
    nodal_start,
    nodal_values,
    transform_of,
)
from app.problem.forward_models import observed_of, survey_of
from app.problem.given import field_of
from app.problem.logarithms import check_logarithm
from app.problem.memory import Size, require_memory, require_rows
from app.problem.priors import require_prior
from app.problem.solvers import CONFIRMING_SOLVES, STATE_SOLVES, Solvers
from app.schema.given import FileField, RegionsField, ResultsField
from app.schema.problems import first_few


@dataclass(frozen=True, eq=False)
class Inversion:
    """An inverse problem with its mesh, data, operators and start."""

    case: Case
    domain: TaggedMesh
    spaces: dict[str, CoefficientSpace]
    """Of each unknown."""
    forward: ForwardModel | Experiments | ElectricalModel
    data: PointData
    sigma: np.ndarray
    """Standard deviations of the readings, or what stands in for them until a factor is found."""
    files: tuple[tuple[Path, int], ...]
    """Those of the readings, and how many each has."""
    energy: InverseProblem[Any]
    solvers: Solvers
    target: float | None
    """½τ² times the mean of ‖e‖² under noise; None while the noise is unknown, and where the data choose the
    regularisation in spite of outliers."""
    reference: np.ndarray
    """m_ref of all unknowns, owned nodal values."""
    nodes: dict[str, Nodes]
    """Of each unknown, what its network is evaluated at; empty where the unknowns are nodal values."""
    references: dict[str, Field]
    """The field of m_ref of each unknown for which the case says one."""
    truths: dict[str, Field]
    """The true coefficient of each unknown for which the case says it."""
    errors: dict[str, RelativeError]
    """Of the same unknowns."""
    left_out: tuple[LeftOut, ...] = ()
    """Readings that were left out because no coefficient changes them."""
    guess: bool = False
    """Whether some of the standard deviations are a guess."""
    owned: ExitStack = field(default_factory=ExitStack)
    """Closes what was made."""

    @property
    def coefficient(self) -> CoefficientSpace | CoefficientSpaces:
        """The space of all unknowns: of one, its own."""
        return joint_space(list(self.spaces.values()))

    def ending_of(self, name: str) -> str:
        """What a field of an unknown that is not its own is called by, behind its name: of several
        unknowns."""
        return f"_{name}" if len(self.spaces) > 1 else ""

    def place_of(self, reading: int) -> tuple[Path, int]:
        """The file of a reading, and its line there."""
        ends = np.cumsum([count for _, count in self.files])
        return self.files[int(np.searchsorted(ends, reading, side="right"))][0], int(self.data.lines[reading])

    def places_of(self, readings: Sequence[int] | np.ndarray) -> str:
        """The file and line of each of the first few."""
        return first_few(["{}:{}".format(*self.place_of(int(each))) for each in readings])

    def reference_of(self, name: str) -> Expression | FileField | ResultsField | RegionsField:
        """m_ref of an unknown, as a case says it."""
        given = self.case.unknowns[name].reference
        return Expression(float(np.median(self.data.values))) if given is None else given

    def stored_reference(self, name: str) -> Expression | np.ndarray:
        """m_ref of an unknown, where it is no expression by its values at all owned nodes; collective."""
        said = self.reference_of(name)
        if isinstance(said, Expression):
            return said
        space = self.spaces[name]
        return space.nodal(space.interpolant(self.references[name], name))

    @property
    def name(self) -> str:
        """Of the first unknown; what is said of all alike is found there."""
        return next(iter(self.spaces))


def read_inversion(
    comm: MPI.Comm, case: Case, method: flow.Method, *, allow_code: bool = False, confirms: bool = False
) -> Inversion:
    """Read mesh and data, compile and locate, before anything is written.

    A case with code of its own is refused unless that is allowed. A mesh that `confirms` what a coarser one
    has found takes few solves. Raises InputError on all ranks alike.
    """
    if not allow_code:
        physics.refuse_code(case)
    survey = survey_of(comm, case)
    domain = domain_of(comm, case, survey)
    for part in case.parts.values():
        with agreed(comm):
            check_dimension(part, domain.dimension)
    spaces = {name: space_of(case, domain, name) for name in case.unknowns}
    coefficient = joint_space(list(spaces.values()))
    owned, solvers = ExitStack(), Solvers(comm, CONFIRMING_SOLVES if confirms else STATE_SOLVES)
    observed = observed_of(case, coefficient, survey, solvers, owned)
    data, sigma = observed.data, observed.sigma
    if not confirms:
        require_rows(comm, case, len(data.values), coefficient.size, method)
    known = data.sigma is not None
    name = next(iter(spaces))
    chosen = case.regularisation[name]
    if not known and chosen.weight == "discrepancy" and not chosen.open:
        raise CaseError([
            f"{case.where('regularisation', name, 'weight')}: found discrepancy with data that have "
            "no column sigma, expected cross_validation, a number or data with sigma"
        ])  # fmt: skip
    for unknown, space in spaces.items():
        require_prior(case, unknown, space, known=known)
    given = _fields(case, domain, "reference")
    references = {name: _reference(case, space, name, given, data) for name, space in spaces.items()}
    for unknown, values in references.items():
        check_logarithm(case, comm, unknown, values)
    reference = np.concatenate(list(references.values()))
    truths = _fields(case, domain, "truth")
    errors = {name: _error(case, spaces[name], name, truth) for name, truth in truths.items()}
    energy: InverseProblem[Any] = InverseProblem(observed.forward, data.values, sigma, **observed.compared)
    # What outliers, if there are any, add to the misfit is not known: only who asks for a target gets one.
    open_end = energy.robust and case.regularisation[name].selected
    target = 0.5 * case.flow.discrepancy**2 * energy.expectation if known and not open_end else None
    nodes = _nodes(case, spaces, references)
    return Inversion(
        case,
        domain,
        spaces,
        observed.forward,
        data,
        sigma,
        observed.files,
        energy,
        solvers,
        target,
        reference,
        nodes,
        given,
        truths,
        errors,
        observed.left_out,
        observed.guess,
        owned=owned,
    )


def evaluated_at_start(given: Inversion) -> Misfit[Any]:
    """The misfit at the reference, where every run starts; raises InputError on all ranks alike where there
    is none."""
    case = given.case
    try:
        at_start = given.energy.at(given.reference)
    except NotUnique as failure:
        raise CaseError([f"{case.where('equation', 'boundary')}: {failure}"]) from None
    except SolveFailed as failure:
        where = case.where("equation")
        raise CaseError([f"{where}: found no solution at the reference coefficient: {failure}"]) from None
    if not np.isfinite(at_start.value):
        residual = at_start.unpooled
        found = "readings so large against their sigma that the misfit overflows, expected a larger sigma"
        farthest = np.argsort(-np.abs(residual), kind="stable")[:1]
        without = np.flatnonzero(given.energy.logarithmic & np.isinf(residual))
        if len(without):
            found = "logarithms to compare with a state that is not positive at the start"
            found += ", expected a positive one, or the scale linear"
        raise DataError([f"{given.places_of(without if len(without) else farthest)}: found {found}"])
    return at_start


def space_of(case: Case, domain: TaggedMesh, name: str) -> CoefficientSpace:
    """The space of an unknown; raises CaseError on all ranks."""
    unknown, known = case.unknowns[name], None
    if unknown.known is not None:
        on = unknown.known.on
        names = (on,) if isinstance(on, str) else on
        known = Known(names, _known_value(case, domain, name, names))
    try:
        space = CoefficientSpace(domain, unknown.degree, known)
    except MeshError as error:
        raise CaseError([f"{case.where('unknowns', name, 'known', 'on')}: {error}"]) from None
    with agreed(domain.comm):
        if not np.isfinite(space.known_values).all():
            where = case.where("unknowns", name, "known", "value")
            raise CaseError([f"{where}: found values that are not finite on the mesh"])
    return space


def _known_value(case: Case, domain: TaggedMesh, name: str, on: Sequence[str]) -> Field:
    """The field that an unknown is on regions; raises InputError on all ranks."""
    path, said = ("unknowns", name, "known"), case.unknowns[name].known
    assert said is not None
    try:
        nodes = np.unique(domain.mesh.geometry.dofmaps[0][domain.region(on)])
    except MeshError as error:
        raise CaseError([f"{case.where(*path, 'on')}: {error}"]) from None
    places = domain.mesh.geometry.x[nodes, : domain.dimension]
    known: Field = field_of(case, domain, (*path, "value"), said.value, places)
    return known


def _fields(case: Case, domain: TaggedMesh, key: str) -> dict[str, Field]:
    """The references or truths that the case says, by the unknown's name; collective, raises InputError."""
    said = {name: getattr(unknown, key) for name, unknown in case.unknowns.items()}
    return {
        name: field_of(case, domain, ("unknowns", name, key), each)
        for name, each in said.items()
        if each is not None
    }


def _reference(
    case: Case, space: CoefficientSpace, name: str, given: Mapping[str, Field], data: PointData
) -> np.ndarray:
    if name not in given:
        return np.full(space.owned, np.median(data.values))
    return nodal_values(case, space, given[name], "unknowns", name, "reference")


def _error(case: Case, space: CoefficientSpace, name: str, truth: Field) -> RelativeError:
    nodal_values(case, space, truth, "unknowns", name, "truth")
    try:
        error = RelativeError(space, truth, place(case, space.domain, name))
    except ExpressionError as refused:
        raise CaseError([f"{case.where('unknowns', name, 'truth')}: {refused}"]) from None
    if not 0 < error.norm < np.inf:
        where = case.where("unknowns", name, "truth")
        raise CaseError([f"{where}: found a truth of norm {error.norm:g}, expected a finite one above 0"])
    return error


def domain_of(comm: MPI.Comm, case: Case, survey: Survey | None) -> TaggedMesh:
    """The mesh of a case, through the electrodes of its survey where it asks for that; raises CaseError."""
    if survey is not None and case.mesh.kind == "electrodes":
        size = Size.through(survey.readings.electrodes, case.mesh)
        require_memory(comm, case, size, ("mesh", "size"))
        with doing("making the mesh"):
            domain = survey.mesh(comm, case.mesh.model_dump(exclude={"kind"}))
        require_memory(comm, case, Size.of(domain), ("mesh", "size"))
        return domain
    return mesh_of(comm, case)


def start_of(given: Inversion, method: flow.Method) -> Start:
    """A network for each unknown, or nodal values of all."""
    case = given.case
    if not given.nodes:
        return nodal_start(given.reference, given.coefficient.size, method)
    from app.network import joint_network

    parts = [network_of(case.unknowns[name].representation, nodes) for name, nodes in given.nodes.items()]
    return network_start(case, joint_network(parts), method)


def _nodes(
    case: Case, spaces: dict[str, CoefficientSpace], references: dict[str, np.ndarray]
) -> dict[str, Nodes]:
    """What the networks are evaluated at; raises CaseError where their transform does not reach the
    reference."""
    if all(unknown.representation.kind == "nodal" for unknown in case.unknowns.values()):
        return {}
    found = {}
    for name, space in spaces.items():
        transform, box = transform_of(case.unknowns[name].representation), space.domain.bounding_box()
        with agreed(space.comm):
            try:
                found[name] = Nodes.of(space.coordinates, box, references[name], transform)
            except ValueError as error:
                raise CaseError([f"{case.where('unknowns', name, 'reference')}: {error}"]) from None
    return found
