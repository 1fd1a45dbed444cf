"""From the equation of a case to that of the finite elements, and what of it does not fit together."""

import numpy as np

from app.case import Case, CaseError
from app.mesh import PointOutside, TaggedMesh, point_matrix
from app.observe import ObservedState
from app.parallel import agreed
from app.pde import (
    EQUATIONS,
    TRANSIENT,
    Custom,
    CustomError,
    Equation,
    ForwardModel,
    TimeSteps,
    components,
    load_functions,
    stands_for,
)
from app.problem.conditions import conditions, counted, refused
from app.problem.given import field_of
from app.types import Untyped

SOLUTION = {"kind", "degree", "boundary", "solver", "wells", "time", "scheme"}
"""Keys of an equation that its residual does not know by their names; all others are its coefficients."""

DRIVING = {"source", "imaginary_source", "body_force", "initial", "boundary_flux"}
"""Terms that make a state other than zero by themselves."""


def equation(case: Case, domain: TaggedMesh) -> Equation:
    """The equation with the case's unknowns in their places; collective.

    Raises CaseError on all ranks alike: for a role that the equation does not know, a term that is both given
    and unknown or neither, parts that the mesh lacks or that contradict one another, and vectors and matrices
    of another dimension than the mesh.
    """
    section = case.equation
    physics: Untyped = Custom if section.kind == "custom" else (EQUATIONS | TRANSIENT)[section.kind]
    for name, unknown in case.unknowns.items():
        if unknown.role not in physics.roles:
            accepted = f"one of {', '.join(physics.roles)} with the equation {section.kind}"
            raise refused(case, ("unknowns", name, "role"), unknown.role, accepted)
    if section.kind == "custom":
        return _custom(case, domain)
    said = {key: getattr(section, key) for key in type(section).model_fields if key not in SOLUTION}
    _check_terms(case, said)
    given = {key: field_of(case, domain, ("equation", key), each) for key, each in said.items()}
    _check_shapes(case, domain, given)
    roles = tuple(unknown.role for unknown in case.unknowns.values())
    boundary = conditions(case, domain, components(physics, domain.dimension))
    made: Equation = physics(**given, boundary=boundary, role=roles)
    return made


def time_steps(case: Case) -> TimeSteps | None:
    """The steps of an equation in time, None of a stationary one."""
    section: Untyped = case.equation
    if section.kind not in TRANSIENT:
        return None
    return TimeSteps(**dict(section.time), scheme=section.scheme)


def observed_state(case: Case, forward: ForwardModel) -> ObservedState:
    """The model's state as observations see it."""
    section: Untyped = case.equation
    given = [
        name
        for condition in section.boundary.values()
        if condition.kind == "dirichlet"
        for name in condition.parts or ("all",)
    ]
    time = getattr(section, "time", None)
    return ObservedState(
        forward.coefficient.domain,
        forward.space,
        forward.components,
        tuple(given),
        None if time is None else time.end,
        forward.held_readings,
        dict(zip(case.unknowns, forward.coefficient.parts, strict=False)),  # sharp ones have more
    )


def feed(case: Case, forward: ForwardModel) -> None:
    """Let the case's wells into the model; collective. Raises CaseError on all ranks alike."""
    wells = getattr(case.equation, "wells", {})
    if not wells:
        return
    domain = forward.coefficient.domain
    for name, well in wells.items():
        if len(well.at) != domain.dimension:
            found = counted(well.at, "coordinate")
            raise refused(case, ("equation", "wells", name, "at"), found, f"{domain.dimension} (the mesh's)")
    try:
        places = point_matrix(domain, forward.space, np.array([well.at for well in wells.values()]))
    except PointOutside as outside:
        where = case.where("equation", "wells", list(wells)[outside.index], "at")
        raise CaseError([f"{where}: {outside}"]) from None
    forward.feed_with(places, np.array([well.rate for well in wells.values()]))
    places.destroy()


def refuse_code(case: Case) -> None:
    """Raise CaseError for a case that brings code of its own."""
    section: Untyped = case.equation
    if section.kind == "custom":
        file = case.resolve(section.file)
        raise refused(case, ("equation", "kind"), f"custom, which runs {file}", "--allow-code as well")


def _custom(case: Case, domain: TaggedMesh) -> Custom:
    section: Untyped = case.equation
    try:
        functions = load_functions(domain.comm, case.resolve(section.file))
        boundary, x = conditions(case, domain), domain.coordinates
        flags = {"linear": section.linear, "symmetric": section.symmetric}
        data = {
            name: field_of(case, domain, ("equation", "data", name), said)
            for name, said in section.data.items()
        }
        return Custom(functions, tuple(case.unknowns), boundary, data, x, **flags)
    except CustomError as failure:
        raise CaseError([f"{case.where('equation', 'file')}: {failure}"]) from None


def check_driven(case: Case) -> None:
    """Raise CaseError where nothing acts on the state: it is zero, whatever the unknown is."""
    section: Untyped = case.equation
    sought = {stands_for(unknown.role) for unknown in case.unknowns.values()}
    if section.kind in ("identity", "custom") or sought & DRIVING or getattr(section, "wells", None):
        return
    conditions = section.boundary.values()
    values = [condition.value if condition.ambient is None else condition.ambient for condition in conditions]
    values += [given for key in sorted(DRIVING) if (given := getattr(section, key, None)) is not None]
    if all(
        part.constant == 0 for value in values for part in (value if isinstance(value, tuple) else (value,))
    ):
        found = "nothing that acts on the state (source, wells and values on the boundary are 0)"
        expected = "something: else the state is 0 whatever the unknown is, and no reading depends on it"
        raise refused(case, ("equation",), found, expected)


def _check_terms(case: Case, given: dict[str, Untyped]) -> None:
    """A term is given or unknown, not both; a source is one of them."""
    sought = {stands_for(unknown.role): name for name, unknown in case.unknowns.items()}
    for term, name in sought.items():
        if given.get(term) is not None:
            found = f"the term {term} beside the unknown {name} of the role {case.unknowns[name].role}"
            raise refused(case, ("equation", term), found, "none: it is the unknown")
    if "speed" in sought and given.get("velocity") is None:
        raise refused(case, ("equation", "velocity"), "nothing", "the velocity whose factor is unknown")
    if "source" not in sought and "source" in given and given["source"] is None:
        raise refused(case, ("equation", "source"), "nothing", "a number or an expression")


def _check_shapes(case: Case, domain: TaggedMesh, given: dict[str, Untyped]) -> None:
    dimension = domain.dimension
    if case.equation.kind == "elasticity" and dimension == 1:
        raise refused(case, ("equation", "kind"), "elasticity with a mesh of dimension 1", "2 or 3")
    for key in ("velocity", "body_force"):
        vector = given.get(key)
        if vector is not None and len(vector) != dimension:
            found, expected = counted(vector, "expression"), f"{dimension}, one a coordinate of the mesh"
            raise refused(case, ("equation", key), found, expected)
    tensor = given.get("anisotropy")
    if tensor is None:
        return
    path = ("equation", "anisotropy")
    if {len(tensor), *map(len, tensor)} != {dimension}:
        found = f"rows of {', '.join(str(len(row)) for row in tensor)}"
        raise refused(case, path, found, f"{dimension} rows of {dimension}, the mesh's dimension")
    points = domain.mesh.geometry.x[:, :dimension]
    values = np.array([[entry.numpy(points) for entry in row] for row in tensor]).transpose(2, 0, 1)
    with agreed(domain.comm):
        if not np.isfinite(values).all():
            raise refused(case, path, "values that are not finite on the mesh", "finite ones")
        if not np.allclose(values, values.transpose(0, 2, 1), rtol=1e-12, atol=0):
            raise refused(case, path, "a matrix that is not symmetric", "a symmetric one")
        least = np.linalg.eigvalsh(values).min(initial=np.inf)
        if least <= 0:
            raise refused(case, path, f"the eigenvalue {least:.3g}", "a positive definite matrix")
