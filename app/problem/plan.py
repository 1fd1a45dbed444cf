"""What a run would do: mesh, unknowns, readings, regularisation and memory, before anything is solved."""

from dataclasses import dataclass, field

import numpy as np
from mpi4py import MPI

from app.case import Case, NodalRepresentation, PhasesRepresentation
from app.electrical import ElectricalModel
from app.mesh import TaggedMesh
from app.mesh.points import cell_sizes
from app.parallel.memory import available
from app.problem.inversion import Inversion
from app.problem.memory import Size, estimate, told_bytes
from app.types import Untyped


@dataclass(frozen=True)
class Plan:
    """The plan of an inverse problem; the same on all ranks."""

    lines: tuple[str, ...] = ()
    domain: TaggedMesh | None = None
    """None of energies without observations, of which nothing is drawn."""
    sensors: dict[str, np.ndarray] = field(default_factory=dict)
    """Where the readings of each observation were taken, shape (n, dimension); those of parts have no
    place."""


def plan_of(given: Inversion, notes: list[str]) -> Plan:
    """What there is to say of a problem, notes on it last, and to draw of it; collective."""
    rows = _rows(given)
    lines = [
        f"equation: {given.case.equation.kind}, {_described(given.case)}",
        *_mesh(given.domain),
        *_conditions(given.case),
        f"state: {given.forward.size} unknowns, of degree {given.case.equation.degree}",
        *(_unknown(given, name) for name in given.spaces),
        *(_observation(given, name, own) for name, own in rows.items()),
        *_regularisation(given.case),
        _memory(given),
        *notes,
    ]
    return Plan(tuple(lines), given.domain, sensors_of(given))


def sensors_of(given: Inversion) -> dict[str, np.ndarray]:
    """See Plan."""
    points, rows = given.data.points, _rows(given)
    electrical = isinstance(given.forward, ElectricalModel)
    placed = {name: points if electrical else points[own] for name, own in rows.items()}
    return {name: own[np.isfinite(own).all(axis=1)] for name, own in placed.items()}


def _described(case: Case) -> str:
    """The equation in the words of its section."""
    told = type(case.equation).model_fields["kind"].description or ""
    return " ".join(told.split()).rstrip(".")


def _mesh(domain: TaggedMesh) -> list[str]:
    """Cells, extent and parts."""
    first, *parts = domain.contents()
    lower, upper = domain.bounding_box()
    own = cell_sizes(domain)
    least = domain.comm.allreduce(float(own.min(initial=np.inf)), op=MPI.MIN)
    greatest = domain.comm.allreduce(float(own.max(initial=0.0)), op=MPI.MAX)
    across = f"{least:.3g}" if greatest < 1.01 * least else f"{least:.3g} to {greatest:.3g}"
    return [f"mesh: {line}" for line in (first, f"{_span(lower, upper)}, cells {across} across", *parts)]


def _conditions(case: Case) -> list[str]:
    """What holds where, of the case without what an experiment says otherwise."""
    given: dict[str, Untyped] = getattr(case.equation, "boundary", {})
    return [
        f"condition {name}: {said.kind} on {', '.join(said.parts or ('all',))}"
        for name, said in given.items()
    ]


def _unknown(given: Inversion, name: str) -> str:
    """Its role, its nodes and how it is represented."""
    unknown, space = given.case.unknowns[name], given.spaces[name]
    representation = unknown.representation
    if isinstance(representation, NodalRepresentation):
        how = "its values there are sought"
    elif isinstance(representation, PhasesRepresentation):
        how = f"{representation.number} phases with networks as interfaces"
    else:
        how = f"a network that starts with {'-'.join(map(str, representation.hidden))} neurons and grows"
        how = how.replace(" 1 neurons", " 1 neuron")
    start = "the median of the readings" if unknown.reference is None else unknown.reference.text
    return f"unknown {name}: {unknown.role} at {space.size} nodes, {how}; from {start}"


def _rows(given: Inversion) -> dict[str, np.ndarray]:
    """The readings of each observation, by its name or EXPERIMENT.NAME."""
    names = [
        f"{experiment}.{name}" if experiment else name
        for experiment, part in given.case.parts.items()
        for name in part.observations
    ]
    ends = np.cumsum([count for _, count in given.files])
    return dict(zip(names, np.split(np.arange(ends[-1]), ends[:-1]), strict=True))


def _observation(given: Inversion, name: str, rows: np.ndarray) -> str:
    """How many readings, their range and place, and their noise."""
    if not len(rows):
        return f"observation {name}: no reading that a coefficient changes"
    data, values = given.data, given.data.values[rows]
    file = given.place_of(int(rows[0]))[0].name
    if isinstance(given.forward, ElectricalModel):
        low, high = np.exp([values.min(), values.max()])
        sure = f"sigma {100 * np.median(given.sigma[rows]):.2g} %"
        return (
            f"observation {name}: {len(rows)} readings between {len(data.points)} electrodes ({file}), "
            f"apparent resistivities {low:.4g} to {high:.4g} ohm m; {sure}"
        )
    told = f"observation {name}: {len(rows)} readings ({file}), {values.min():.4g} to {values.max():.4g}"
    points = data.points[rows]
    points = points[np.isfinite(points).all(axis=1)]
    if len(points):
        told += f", at {_span(points.min(axis=0), points.max(axis=0))}"
    if data.times is not None:
        told += f", times {data.times[rows].min():.4g} to {data.times[rows].max():.4g}"
    return f"{told}; {_noise(given, rows)}"


def _noise(given: Inversion, rows: np.ndarray) -> str:
    """The standard deviation and its share of the readings' range."""
    if given.data.sigma is None:
        return "the noise is found from the data"
    values, middle = given.data.values[rows], float(np.median(given.sigma[rows]))
    logarithms = bool(given.energy.logarithmic[rows].any())
    spread = float(np.ptp(np.log(values) if logarithms else values))
    share = f", {100 * middle / spread:.2g} % of their range" if spread > 0 else ""
    return f"sigma {middle:.3g}{' of the logarithms' if logarithms else ''}{share}"


def _regularisation(case: Case) -> list[str]:
    """What is stated of each unknown's regularisation."""
    lines = []
    for name, chosen in case.regularisation.items():
        kind = "chosen from the data" if chosen.open else chosen.kind
        weight: Untyped = chosen.weight
        told = f"weight {weight:g}" if isinstance(weight, float | int) else f"weight by {weight}"
        lines.append(f"regularisation of {name}: {kind}, {told}")
    return lines


def _memory(given: Inversion) -> str:
    """What the run takes at least, of what is left on all ranks."""
    comm = given.domain.comm
    needed = sum(estimate(given.case, Size.of(given.domain), ("mesh",)).values())
    left = available(comm) * comm.size
    of = f" of the {told_bytes(left)} that are left" if np.isfinite(left) else ""
    return f"memory: at least {told_bytes(needed)}{of}, on {comm.size} rank{'s' if comm.size > 1 else ''}"


def _span(lower: np.ndarray, upper: np.ndarray) -> str:
    """From one corner to the other."""
    ends = (", ".join(f"{x:.6g}" for x in corner) for corner in (lower, upper))
    return " to ".join(end if len(lower) == 1 else f"({end})" for end in ends)
