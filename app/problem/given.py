"""Given fields of a case on its mesh: expressions as they are, others with what their files hold."""

from collections.abc import Sequence

import numpy as np
from mpi4py import MPI

from app.case import BaseCase, CaseError, DataError
from app.data import read_samples
from app.mesh import (
    FieldByRegion,
    FlatPoints,
    MeshError,
    Sampled,
    SampledField,
    TaggedMesh,
    WholeFunction,
    interpolant,
)
from app.output import NoResult, read_coefficient
from app.output.coefficient import PHYSICAL
from app.parallel import agreed, on_root
from app.schema.given import FileField, RegionsField, ResultsField
from app.schema.problems import nearest
from app.types import Untyped

type Path = Sequence[str | int]
"""Of a key in the case."""


def field_of(
    case: BaseCase, domain: TaggedMesh, path: Path, said: Untyped, at: np.ndarray | None = None
) -> Untyped:
    """What a key of the case gives, as a field on the mesh, of a list one for each entry; collective.

    `at` are this rank's points where it has to be known, all nodes of the mesh unless given. Raises
    InputError on all ranks alike.
    """
    match said:
        case tuple():
            return tuple(field_of(case, domain, (*path, i), each, at) for i, each in enumerate(said))
        case RegionsField():
            return _by_region(case, domain, path, said)
        case FileField():
            what, sampled = f"values of {said.file.name}", _of_file(case, domain, path, said)
        case ResultsField():
            what, sampled = f"the mesh of {said.results}", _of_results(case, domain, path, said)
        case _:
            return said
    nodes = domain.mesh.geometry.x[:, : domain.dimension]
    _require_covered(case, domain, path, what, sampled, nodes if at is None else at)
    return SampledField(domain, sampled)


def _of_file(case: BaseCase, domain: TaggedMesh, path: Path, said: FileField) -> Sampled:
    file = case.resolve(said.file)
    samples = on_root(domain.comm, lambda: read_samples(file, domain.dimension, said.column))
    with agreed(domain.comm):
        try:
            return interpolant(samples.points, samples.values)
        except FlatPoints as flat:
            expected = f"points that enclose a part of the {domain.dimension} dimensions of the mesh"
            raise DataError([f"{file}: found {flat}, expected {expected}"]) from None


def _of_results(case: BaseCase, domain: TaggedMesh, path: Path, said: ResultsField) -> Sampled:
    """Each rank holds the earlier function whole."""
    where = case.where(*path, "results")
    with agreed(domain.comm):
        try:
            found = read_coefficient(case.resolve(said.results), MPI.COMM_SELF)
        except NoResult as none:
            raise CaseError([f"{where}: {none}"]) from None
        if found.domain.dimension != domain.dimension:
            told = f"results in {found.domain.dimension} dimensions"
            raise CaseError([f"{where}: found {told}, expected {domain.dimension} (the mesh's)"])
        values = {}
        for part in found.parts:
            if part.nodal is not None:
                values[part.name] = part.space, part.nodal
                if part.prefix:
                    values[f"{part.prefix}_{part.name}"] = part.space, PHYSICAL[part.prefix](part.nodal)
        named = said.unknown or (found.parts[0].name if len(found.parts) == 1 else None)
        if named not in values:
            given = "nothing" if named is None else repr(named)
            near = "" if named is None else nearest(named, values)
            expected = f"one of {', '.join(values)}{near}" if values else "results of a coefficient"
            raise CaseError([f"{case.where(*path, 'unknown')}: found {given}, expected {expected}"])
        return WholeFunction(*values[named])


def _by_region(case: BaseCase, domain: TaggedMesh, path: Path, said: RegionsField) -> FieldByRegion:
    for name in said.regions:
        try:
            domain.region(name)
        except MeshError as error:
            raise CaseError([f"{case.where(*path, 'regions', name)}: {error}"]) from None
    made = FieldByRegion(domain, list(said.regions.items()), said.otherwise)
    count = domain.comm.allreduce(len(made.without))
    if count:
        own = {name for name in domain.cells if np.intersect1d(domain.cells[name], made.without).size}
        names = sorted(frozenset().union(*domain.comm.allgather(own)))
        told = f" (regions {', '.join(names)})" if names else ""
        expected = "a value for each region, or else"
        raise CaseError(
            [f"{case.where(*path)}: found {count} cells without a value{told}, expected {expected}"]
        )
    return made


def _require_covered(
    case: BaseCase, domain: TaggedMesh, path: Path, what: str, sampled: Sampled, at: np.ndarray
) -> None:
    """Raise CaseError on all ranks where some of this rank's points lie too far beyond the samples."""
    worst = domain.comm.allreduce(float(sampled.excess(at).max(initial=0.0)), op=MPI.MAX)
    if worst <= 1.0:
        return
    lower, upper = at.min(axis=0, initial=np.inf), at.max(axis=0, initial=-np.inf)
    domain.comm.Allreduce(MPI.IN_PLACE, lower, op=MPI.MIN)
    domain.comm.Allreduce(MPI.IN_PLACE, upper, op=MPI.MAX)
    found = f"{what}, from {_place(sampled.extent[0])} to {_place(sampled.extent[1])}"
    expected = f"from {_place(lower)} to {_place(upper)}, where the mesh needs it"
    raise CaseError([f"{case.where(*path)}: found {found}, expected {expected}"])


def _place(point: np.ndarray) -> str:
    return f"({', '.join(f'{x:.6g}' for x in point)})"
