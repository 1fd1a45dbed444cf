"""From the equation of a case to that of the finite elements, and what of it does not fit together."""

from collections.abc import Sequence

import numpy as np

from app.case import Case, CaseError, tag_names
from app.mesh import MeshError, PointOutside, TaggedMesh, point_matrix
from app.observe import ObservedState
from app.parallel import agreed
from app.pde import (
    EQUATIONS,
    TRANSIENT,
    BoundaryCondition,
    Custom,
    CustomError,
    Equation,
    ForwardModel,
    TimeSteps,
    components,
    load_functions,
    stands_for,
)
from app.types import Untyped

SOLUTION = {"kind", "degree", "boundary", "solver", "wells", "time", "scheme"}
"""Keys of an equation that its residual does not know by their names; all others are its coefficients."""


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
            raise _problem(case, ("unknowns", name, "role"), unknown.role, accepted)
    if section.kind == "custom":
        return _custom(case, domain)
    given = {key: getattr(section, key) for key in type(section).model_fields if key not in SOLUTION}
    _check_terms(case, given)
    _check_shapes(case, domain, given)
    roles = tuple(unknown.role for unknown in case.unknowns.values())
    boundary = _boundary(case, domain, components(physics, domain.dimension))
    return physics(**given, boundary=boundary, role=roles)


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
        for name in condition.tags or ("all",)
    ]
    time = getattr(section, "time", None)
    return ObservedState(
        forward.coefficient.domain,
        forward.space,
        forward.components,
        tuple(given),
        None if time is None else time.end,
    )


def feed(case: Case, forward: ForwardModel) -> None:
    """Let the case's wells into the model; collective. Raises CaseError on all ranks alike."""
    wells = getattr(case.equation, "wells", {})
    if not wells:
        return
    domain = forward.coefficient.domain
    for name, well in wells.items():
        if len(well.at) != domain.dimension:
            found = _count(well.at, "coordinate")
            raise _problem(case, ("equation", "wells", name, "at"), found, f"{domain.dimension} (the mesh's)")
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
        raise _problem(case, ("equation", "kind"), f"custom, which runs {file}", "--allow-code as well")


def place(case: Case, domain: TaggedMesh, name: str) -> tuple[str, ...] | None:
    """The parts of the boundary where an unknown counts, None for all of the domain; collective.

    Raises CaseError on all ranks alike for parts that the mesh lacks.
    """
    on = case.unknowns[name].on
    if on is None:
        return None
    parts = tag_names(on) or ("all",)
    _facets(case, domain, ("unknowns", name, "on"), parts)
    return parts


def _problem(case: Case, path: Sequence[str], found: str, expected: str) -> CaseError:
    return CaseError([f"{case.where(*path)}: found {found}, expected {expected}"])


def _custom(case: Case, domain: TaggedMesh) -> Custom:
    section: Untyped = case.equation
    try:
        functions = load_functions(domain.comm, case.resolve(section.file))
        boundary, x = _boundary(case, domain), domain.coordinates
        flags = {"linear": section.linear, "symmetric": section.symmetric}
        return Custom(functions, tuple(case.unknowns), boundary, section.data, x, **flags)
    except CustomError as refused:
        raise CaseError([f"{case.where('equation', 'file')}: {refused}"]) from None


def _check_terms(case: Case, given: dict[str, Untyped]) -> None:
    """A term is given or unknown, not both; a source is one of them."""
    sought = {stands_for(unknown.role): name for name, unknown in case.unknowns.items()}
    for term, name in sought.items():
        if given.get(term) is not None:
            found = f"the term {term} beside the unknown {name} of the role {case.unknowns[name].role}"
            raise _problem(case, ("equation", term), found, "none: it is the unknown")
    if "speed" in sought and given.get("velocity") is None:
        raise _problem(case, ("equation", "velocity"), "nothing", "the velocity whose factor is unknown")
    if "source" not in sought and "source" in given and given["source"] is None:
        raise _problem(case, ("equation", "source"), "nothing", "a number or an expression")


def _check_shapes(case: Case, domain: TaggedMesh, given: dict[str, Untyped]) -> None:
    dimension = domain.dimension
    if case.equation.kind == "elasticity" and dimension == 1:
        raise _problem(case, ("equation", "kind"), "elasticity with a mesh of dimension 1", "2 or 3")
    for key in ("velocity", "body_force"):
        vector = given.get(key)
        if vector is not None and len(vector) != dimension:
            found, expected = _count(vector, "expression"), f"{dimension}, one a coordinate of the mesh"
            raise _problem(case, ("equation", key), found, expected)
    tensor = given.get("anisotropy")
    if tensor is None:
        return
    path = ("equation", "anisotropy")
    if {len(tensor), *map(len, tensor)} != {dimension}:
        found = f"rows of {', '.join(str(len(row)) for row in tensor)}"
        raise _problem(case, path, found, f"{dimension} rows of {dimension}, the mesh's dimension")
    points = domain.mesh.geometry.x[:, :dimension]
    values = np.array([[entry.numpy(points) for entry in row] for row in tensor]).transpose(2, 0, 1)
    with agreed(domain.comm):
        if not np.isfinite(values).all():
            raise _problem(case, path, "values that are not finite on the mesh", "finite ones")
        if not np.allclose(values, values.transpose(0, 2, 1), rtol=1e-12, atol=0):
            raise _problem(case, path, "a matrix that is not symmetric", "a symmetric one")
        least = np.linalg.eigvalsh(values).min(initial=np.inf)
        if least <= 0:
            raise _problem(case, path, f"the eigenvalue {least:.3g}", "a positive definite matrix")


def _count(items: Sequence[object], noun: str) -> str:
    return f"{len(items)} {noun}{'s' if len(items) != 1 else ''}"


def _boundary(case: Case, domain: TaggedMesh, components: Sequence[str] = ()) -> dict[str, BoundaryCondition]:
    """Conditions by name, that of an unknown flux by the unknown's name, for a state of these components."""
    section: Untyped = case.equation
    conditions = {}
    for key, given in section.boundary.items():
        on = ("all",) if given.tags is None else given.tags
        index = _conditioned(case, key, components)
        conditions[key] = BoundaryCondition(on, given.kind, given.value, given.transfer, index)
        _facets(case, domain, ("equation", "boundary", key, "on"), on)
    unknown = {}
    for name in case.unknowns:
        parts = place(case, domain, name)
        if parts is None:
            continue
        for key, condition in conditions.items():
            shared = np.intersect1d(domain.boundary(parts), domain.boundary(condition.on))
            if condition.kind == "dirichlet" and domain.comm.allreduce(len(shared)):
                found = f"an unknown flux where the dirichlet condition {key} holds"
                raise _problem(case, ("unknowns", name, "on"), found, "parts where the state is not given")
        unknown[f"unknown {name}"] = BoundaryCondition(parts, "unknown")
    return {**conditions, **unknown}


def _conditioned(case: Case, key: str, components: Sequence[str]) -> int | None:
    """Index of the component that a condition is about, None for all; raises CaseError where it does not fit
    the equation."""
    equation: Untyped = case.equation
    given, path = equation.boundary[key], ("equation", "boundary", key)
    if given.kind == "absorbing" and equation.kind != "helmholtz":
        found = f"absorbing with the equation {equation.kind}"
        raise _problem(case, (*path, "kind"), found, "dirichlet, neumann or robin")
    if isinstance(given.value, tuple) and len(given.value) != len(components):
        expected = f"one expression, or {len(components)}: {', '.join(components)}"
        found = _count(given.value, "expression")
        raise _problem(case, (*path, "value"), f"a list of {found}", expected if components else "no list")
    if given.component is None:
        return None
    if given.component not in components:
        expected = f"one of {', '.join(components)}" if components else "none: the state has one component"
        raise _problem(case, (*path, "component"), given.component, expected)
    return components.index(given.component)


def _facets(case: Case, domain: TaggedMesh, path: Sequence[str], on: tuple[str, ...]) -> np.ndarray:
    try:
        return domain.boundary(on)
    except MeshError as error:
        raise CaseError([f"{case.where(*path)}: {error}"]) from None
