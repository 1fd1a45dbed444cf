"""The boundary conditions of a case on its mesh, and what of them does not fit together."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from app.case import Case, CaseError, part_names
from app.mesh import MeshError, TaggedMesh
from app.mesh.facets import corners, inside, unfit
from app.pde import BoundaryCondition
from app.problem.given import field_of
from app.types import Untyped


def conditions(
    case: Case, domain: TaggedMesh, components: Sequence[str] = ()
) -> dict[str, BoundaryCondition]:
    """Conditions by name, that of an unknown flux by the unknown's name, for a state of these components;
    collective.

    Raises CaseError on all ranks alike: for parts that the mesh lacks, that have no facets or lie where the
    kind has no meaning, and for conditions that contradict one another.
    """
    section: Untyped = case.equation
    given = {}
    for key, said in section.boundary.items():
        on = ("all",) if said.parts is None else said.parts
        index = _conditioned(case, key, components)
        path = ("equation", "boundary", key)
        _check_parts(case, domain, (*path, "on"), on, said.kind)
        there = corners(domain, domain.boundary(on))
        value, transfer, ambient = (
            field_of(case, domain, (*path, term), getattr(said, term), there)
            for term in ("value", "transfer", "ambient")
        )
        given[key] = BoundaryCondition(on, said.kind, value, transfer, index, ambient)
    _check_pairs(case, domain, given, len(components))
    unknown = {}
    for name in case.unknowns:
        parts = place(case, domain, name)
        if parts is None:
            continue
        for key, condition in given.items():
            if condition.kind == "dirichlet" and _shared(domain, parts, condition.on)[0]:
                found = f"an unknown flux where the dirichlet condition {key} holds"
                raise refused(case, ("unknowns", name, "on"), found, "parts where the state is not given")
        unknown[f"unknown {name}"] = BoundaryCondition(parts, "unknown")
    return {**given, **unknown}


def place(case: Case, domain: TaggedMesh, name: str) -> tuple[str, ...] | None:
    """The parts of the boundary, or of what is inside, where an unknown counts, None for all of the domain;
    collective.

    Raises CaseError on all ranks alike for parts that the mesh lacks or that are not whole.
    """
    on = case.unknowns[name].on
    if on is None:
        return None
    parts = part_names(on) or ("all",)
    _check_parts(case, domain, ("unknowns", name, "on"), parts, "unknown")
    return parts


def refused(case: Case, path: Sequence[str], found: str, expected: str) -> CaseError:
    """The error that names a key of the case."""
    return CaseError([f"{case.where(*path)}: found {found}, expected {expected}"])


def counted(items: Sequence[object], noun: str) -> str:
    """`1 noun` or `2 nouns`."""
    return f"{len(items)} {noun}{'s' if len(items) != 1 else ''}"


def _conditioned(case: Case, key: str, components: Sequence[str]) -> int | None:
    """Index of the component that a condition is about, None for all; raises CaseError where it does not fit
    the equation."""
    equation: Untyped = case.equation
    given, path = equation.boundary[key], ("equation", "boundary", key)
    if given.kind == "absorbing" and equation.kind != "helmholtz":
        found = f"absorbing with the equation {equation.kind}"
        raise refused(case, (*path, "kind"), found, "dirichlet, neumann or robin")
    for said in ("value", "ambient"):
        each = getattr(given, said)
        if isinstance(each, tuple) and len(each) != len(components):
            expected = f"one expression, or {len(components)}: {', '.join(components)}"
            found = f"a list of {counted(each, 'expression')}"
            raise refused(case, (*path, said), found, expected if components else "no list")
    if given.component is None:
        return None
    if given.component not in components:
        expected = f"one of {', '.join(components)}" if components else "none: the state has one component"
        raise refused(case, (*path, "component"), given.component, expected)
    return components.index(given.component)


def _check_parts(case: Case, domain: TaggedMesh, path: Sequence[str], on: Sequence[str], kind: str) -> None:
    """Each part has facets, all of them on the boundary or all inside, where an absorbing condition has no
    meaning; values of the state may be given anywhere."""
    for name in on:
        try:
            count, interior = inside(domain, domain.boundary(name))
        except MeshError as error:
            raise CaseError([f"{case.where(*path)}: {error}"]) from None
        if not count or (kind != "dirichlet" and 0 < interior < count):
            raise CaseError([f"{case.where(*path)}: {unfit(name, count, interior)}"])
        only_outside = kind == "absorbing" or (case.equation.kind == "custom" and kind != "dirichlet")
        if interior and only_outside:
            found = f"the part {name!r} of {count} facets, of which {interior} are inside the domain"
            raise refused(case, path, found, f"a part of the boundary ({kind})")


def _check_pairs(
    case: Case, domain: TaggedMesh, given: Mapping[str, BoundaryCondition], components: int
) -> None:
    """No two conditions say something of one component on the same facets, but for values that agree."""
    for (one, first), (other, second) in combinations(given.items(), 2):
        if not _common(first, second, components):
            continue
        count, facets = _shared(domain, first.on, second.on)
        if not count or _agree(domain, first, second, facets, components):
            continue
        found = f"{second.kind} on {count} facets where {one} ({first.kind}) holds too"
        expected = "one condition on each part of the boundary"
        raise refused(case, ("equation", "boundary", other, "on"), found, expected)


def _common(first: BoundaryCondition, second: BoundaryCondition, components: int) -> list[int]:
    """Components that both conditions are about, 0 of a scalar."""
    chosen = [{i for i, _ in condition.by_component(components)} for condition in (first, second)]
    return sorted(chosen[0] & chosen[1]) if components else [0]


def _shared(domain: TaggedMesh, one: Sequence[str], other: Sequence[str]) -> tuple[int, np.ndarray]:
    """How many facets two lists of parts have in common, and this rank's of them."""
    facets = np.intersect1d(domain.boundary(one), domain.boundary(other))
    return domain.comm.allreduce(len(facets)), facets


def _agree(
    domain: TaggedMesh,
    first: BoundaryCondition,
    second: BoundaryCondition,
    facets: np.ndarray,
    components: int,
) -> bool:
    """Whether two conditions give the same values of the state there."""
    if {first.kind, second.kind} != {"dirichlet"}:
        return False
    points = corners(domain, facets)
    values = []
    for condition in (first, second):
        told = dict(condition.by_component(components) if components else [(0, condition.value)])
        values.append([told[i] for i in _common(first, second, components)])
    same = True
    for a, b in zip(*values, strict=True):
        if "t" in {*getattr(a, "variables", ()), *getattr(b, "variables", ())}:
            same = same and a == b
        else:
            same = same and bool(np.allclose(a.numpy(points), b.numpy(points), rtol=1e-9, atol=0.0))
    return bool(domain.comm.allreduce(int(not same)) == 0)
