"""Factories that several energies need: meshes, networks, random streams, starts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from mpi4py import MPI

from app import flow
from app.activity import doing
from app.case import BaseCase, Case, CaseError, ConvexCase, ElectrodeMesh, FileMesh
from app.mesh import MESHES, CoefficientSpace, Field, MeshError, TaggedMesh, read_mesh
from app.network import TRANSFORMS, Nodes, Transform, one_thread
from app.parallel import agreed
from app.problem.memory import Size, require_memory
from app.types import Untyped

if TYPE_CHECKING:
    from app.network import Network, Networks

STREAMS = {
    "network": 0,
    "candidates": 1,
    "choice": 2,
    "unseen": 3,
    "posterior": 4,
    "prior": 5,
    "chains": 7,
    "phases": 8,
}
"""Random streams that derive from the case's seed, by purpose."""


def mesh_of(comm: MPI.Comm, case: BaseCase) -> TaggedMesh:
    """The mesh of a case, generated or read; raises CaseError, also where it does not fit into memory."""
    mesh = case.mesh
    if isinstance(mesh, ElectrodeMesh):
        found = "found a mesh through electrodes without readings of electrodes"
        raise CaseError([f"{case.where('mesh', 'kind')}: {found}, expected another kind"])
    if isinstance(mesh, FileMesh):
        with doing("reading the mesh"):
            return _from_file(comm, case, mesh)
    require_memory(comm, case, Size.generated(mesh))
    options = dict(mesh)
    with doing("making the mesh"):
        domain: TaggedMesh = MESHES[options.pop("kind")](comm, **options)
    return domain


def _from_file(comm: MPI.Comm, case: BaseCase, mesh: FileMesh) -> TaggedMesh:
    """Read, and refined where that fits into memory."""
    key = ("mesh", "file")
    try:
        given = read_mesh(comm, case.resolve(mesh.file))
        if mesh.refine:
            key = ("mesh", "refine")
        require_memory(comm, case, Size.refined(given, mesh.refine), key)
        return given.refined(mesh.refine)
    except MeshError as error:
        raise CaseError([f"{case.where(*key)}: {error}"]) from None


def nodal_values(case: Case, space: CoefficientSpace, field: Field, *path: str) -> np.ndarray:
    """Nodal values of a field that a key of the case gives; raises CaseError where they are not finite."""
    values = space.interpolate(field)
    with agreed(space.comm):
        if not np.isfinite(values).all():
            where = case.where(*path)
            raise CaseError([f"{where}: found values that are not finite on the mesh"])
    return values


def stream(case: BaseCase, purpose: str) -> np.random.Generator:
    """The random stream for a purpose, the same on all ranks."""
    return np.random.default_rng([case.seed, STREAMS[purpose]])


def transform_of(representation: Untyped) -> Transform:
    """The transform of a network's output."""
    options = dict(representation.transform)
    return TRANSFORMS[options.pop("kind")](**options)


def network_of(representation: Untyped, nodes: Nodes) -> "Network":
    """The network that a case describes, at these nodes."""
    from app.network import Network

    one_thread()
    chosen, transform = representation, transform_of(representation)
    return Network(chosen.hidden, nodes, chosen.activation, transform, chosen.max_width, chosen.features)


def growth_of(case: Case | ConvexCase, method: flow.Method) -> flow.GrowthRule | None:
    """How the case's networks grow."""
    rule = case.expansion
    if rule.strategy == "none":
        return None
    strategy = flow.STRATEGIES[rule.strategy](
        candidates=rule.candidates,
        scales=rule.scales,
        most=rule.neurons,
        deep=rule.depth,
        polish=rule.polish,
        method=method.growth,
    )
    return flow.GrowthRule(strategy, rule.capture, rule.missing, rule.rounds, rule.progress, rule.prune)


@dataclass(frozen=True, eq=False)
class Start:
    """Where a run starts, and the step by which it goes on."""

    own: flow.Representation
    step: flow.Step
    state: flow.StepState


def network_start(case: Case | ConvexCase, network: "Network | Networks", method: flow.Method) -> Start:
    """A network at its reference, with random hidden layers; it grows as the case says."""
    own = flow.Representation.of(network, network.start(stream(case, "network")))
    step = flow.STEPS[case.flow.step](growth_of(case, method), own, method)
    return Start(own, step, flow.seeded(stream(case, "candidates")))


def nodal_start(reference: np.ndarray, size: int, method: flow.Method) -> Start:
    """The nodal values of the reference, `size` of them over all ranks."""
    own = flow.Representation(None, reference.copy(), size)
    return Start(own, flow.IdealStep(method.trials.max_rejections), flow.StepState())
