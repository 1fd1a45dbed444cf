"""Readings that are made up for a starter case: of its truth, by its own equation and mesh, with noise."""

import csv
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mpi4py import MPI

from app import flow
from app.case import Case, CaseError, load_case
from app.case.starter import Body
from app.mesh import CoefficientSpace, MeshError, TaggedMesh, read_mesh
from app.problem.inversion import read_inversion

COUNT = {1: 40, 2: 150, 3: 200}
"""Readings by the dimension of the mesh."""

NOISE, NOISE_OF_RESISTIVITIES = 0.01, 0.03
"""Standard deviation as a share of the largest reading, and of each apparent resistivity."""

ELECTRODES, RADIUS = 16, 0.2
"""How many electrodes there are, and how far from the middle in m where they are around a section."""

DIGITS = 8
"""Of what is written."""


@dataclass(frozen=True)
class Places:
    """Where readings are taken: points of shape (n, dimension) at times of shape (n,), if there are some."""

    points: np.ndarray
    times: np.ndarray | None = None

    def write(self, path: Path, values: np.ndarray, sigma: np.ndarray | None) -> None:
        """As a table that a case reads."""
        columns = dict(zip("xyz", self.points.T, strict=False))
        columns |= {} if self.times is None else {"t": self.times}
        columns |= {"value": values} | ({} if sigma is None else {"sigma": sigma})
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([f"{x:.{DIGITS}g}" for x in row] for row in np.column_stack([*columns.values()]))


def body_of_file(path: Path) -> tuple[Body, np.ndarray]:
    """The body that a mesh file holds, and the midpoints of its cells; serial. Raises CaseError."""
    try:
        domain: TaggedMesh = read_mesh(MPI.COMM_SELF, path).refined(0)
    except MeshError as error:
        raise CaseError([str(error)]) from None
    lower, upper = (tuple(map(float, corner)) for corner in domain.bounding_box())
    parts = ("all", *sorted(domain.facets))
    return Body(f"{{kind: file, file: {path}}}", lower, upper, parts), CoefficientSpace(domain, 0).coordinates


def scattered(body: Body, midpoints: np.ndarray | None, end: float | None) -> Places:
    """Random places within a body, at random times up to the end if there is one; the same each time."""
    rng, count = np.random.default_rng(0), COUNT[body.dimension]
    if midpoints is None:
        lower, upper = np.array(body.lower), np.array(body.upper)
        points = lower + (upper - lower) * rng.uniform(0.05, 0.95, (count, body.dimension))
    else:
        points = rng.permutation(midpoints)[:count]
    return Places(points, None if end is None else rng.uniform(0.1 * end, end, len(points)))


def around() -> np.ndarray:
    """Electrodes around a section, shape (electrodes, 2)."""
    angles = 2 * np.pi * np.arange(ELECTRODES) / ELECTRODES
    return RADIUS * np.column_stack([np.cos(angles), np.sin(angles)])


def on_top(body: Body) -> np.ndarray:
    """Electrodes in a row on the upper side of a body, shape (electrodes, dimension)."""
    middle = 0.5 * (np.array(body.lower) + np.array(body.upper))
    electrodes = np.tile(middle, (ELECTRODES, 1))
    electrodes[:, 0] = np.linspace(body.lower[0], body.upper[0], ELECTRODES + 2)[1:-1]
    electrodes[:, -1] = body.upper[-1]
    return electrodes


def write_survey(path: Path, electrodes: np.ndarray, apparent: np.ndarray | None = None) -> None:
    """Electrodes with the readings of neighbouring pairs of them against one another, by their apparent
    resistivities in ohm m."""
    pairs = _pairs(len(electrodes))
    values = np.full(len(pairs), 100.0) if apparent is None else apparent
    axes = " ".join("xyz"[: electrodes.shape[1]])
    lines = [f"{len(electrodes)}# Number of sensors", f"#{axes}"]
    lines += [" ".join(f"{x:.{DIGITS}g}" for x in place) for place in electrodes]
    lines += [f"{len(pairs)}# Number of data", "#a b m n rhoa/Ohmm"]
    lines += [
        f"{' '.join(str(pole + 1) for pole in pair)} {value:.{DIGITS}g}"
        for pair, value in zip(pairs, values, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")


def _pairs(count: int) -> list[tuple[int, int, int, int]]:
    """Two pairs of neighbours without a common electrode each, from 0."""
    return [(i, i + 1, j, j + 1) for i in range(count - 3) for j in range(i + 2, min(i + 7, count - 1))]


def made_up_of(path: Path) -> list[np.ndarray]:
    """What a case's observations read of its truth, with noise, file by file; serial. Raises InputError."""
    case = load_case(path)
    assert isinstance(case, Case)
    given = read_inversion(MPI.COMM_SELF, case, flow.Method(), allow_code=True)
    with closing(given.owned):
        truths = [space.interpolate(given.truths[name]) for name, space in given.spaces.items()]
        readings = given.forward.at(np.concatenate(truths)).readings
    rng = np.random.default_rng(1)
    parts = np.split(readings, np.cumsum([count for _, count in given.files])[:-1])
    if case.equation.kind == "electrical_tomography":
        return [np.exp(own + NOISE_OF_RESISTIVITIES * rng.standard_normal(len(own))) for own in parts]
    return [own + sigma_of(own) * rng.standard_normal(len(own)) for own in parts]


def sigma_of(readings: np.ndarray) -> float:
    """The standard deviation that made-up readings are given."""
    return NOISE * float(np.abs(readings).max())
