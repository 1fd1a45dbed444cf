"""Bodies with electrodes and known potentials, the same on all ranks."""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from elliptic import COMM
from mpi4py import MPI

from app.electrical import IN_THE_MESH, ElectricalModel, WaveNumbers, across_the_section
from app.mesh import MESHES, CoefficientSpace, TaggedMesh
from app.parallel import LinearSolver

RADIUS, ELECTRODES = 0.2, 16


def ring(count: int = ELECTRODES, radius: float = RADIUS) -> np.ndarray:
    """Electrodes at equal distances on a circle around the origin, shape (count, 2)."""
    angle = 2 * np.pi * np.arange(count) / count
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


def dipoles(count: int = ELECTRODES) -> np.ndarray:
    """Neighbours against neighbours, and some across; shape (readings, 4)."""
    four = [
        (i, (i + 1) % count, (i + s) % count, (i + s + 1) % count)
        for i in range(2)
        for s in range(2, count - 2)
    ]
    return np.array([*four, (0, 8, 3, 11), (0, 12, 5, 7), (1, 13, 2, 15)])


def combined(potential: Any, abmn: np.ndarray) -> np.ndarray:
    """Readings from the potential of a unit current, a function of two electrodes' numbers."""
    a, b, m, n = abmn.T
    return potential(a, m) - potential(a, n) - potential(b, m) + potential(b, n)


@cache
def disc(size: float | None = None, alone: bool = False) -> TaggedMesh:
    """The disc within the ring, over all ranks or on each of them alone."""
    return MESHES["electrodes"](MPI.COMM_SELF if alone else COMM, positions=ring(), size=size)


FEW = WaveNumbers(np.array([0.5, 6.0, 30.0]), np.array([1.0, 3.0, 10.0]))
"""For laws that hold with any wave numbers."""

ALL = across_the_section(2 * RADIUS * np.sin(np.pi / ELECTRODES), 2 * RADIUS)
"""For the potential itself."""


def ring_model(waves: WaveNumbers, size: float | None = None, alone: bool = False) -> ElectricalModel:
    """Electrical model of the disc, or with wave numbers of the cylinder."""
    domain = disc(size, alone)
    solver = LinearSolver(domain.comm, "direct", "test_electrical_")
    return ElectricalModel(CoefficientSpace(domain, 1), ring(), dipoles(), waves, 2, solver)


def on_disc(i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """−(1/π) ln|x − y|, the potential on the boundary of a disc of a unit current there, up to a constant."""
    return -np.log(np.abs(np.sin(np.pi * (i - j) / ELECTRODES))) / np.pi


def on_cylinder(i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """The potential in z = 0 on an infinite cylinder of a unit current there, up to a constant.

    (1/π) ∫₀^∞ û dk with û = (1/2π) Σₙ εₙ Iₙ(x) / (x Iₙ′(x)) cos nθ, x = kr (separation of variables), the
    series less its logarithm, the integral by Gauss–Legendre on pieces until û is e⁻²⁵ of what it was.
    """
    cuts = np.array([0.0, 1, 5, 20, 60, 150, 320])
    x, w = np.polynomial.legendre.leggauss(20)
    k = np.concatenate([low + (high - low) * (x + 1) / 2 for low, high in pairwise(cuts)])
    weights = np.concatenate([(high - low) / 2 * w for low, high in pairwise(cuts)])
    orders, z = 8000, k * RADIUS
    ratio = z / (2 * (orders + 1))  # Iₙ₊₁/Iₙ by the recurrence downwards
    theta = 2 * np.pi * np.arange(1, ELECTRODES) / ELECTRODES
    total = np.outer(-2 * np.log(2 * np.sin(theta / 2)), np.ones_like(k))
    for n in range(orders, 0, -1):
        ratio = 1 / (2 * n / z + ratio) if n < orders else ratio
        # Here ratio is Iₙ/Iₙ₋₁; Iₙ₊₁/Iₙ is the one before.
        above = 1 / ratio - 2 * n / z
        total += np.outer(np.cos(n * theta), 2 / (n + z * above) - 2 / n)
    table = np.concatenate([[0.0], (total @ weights) / (2 * np.pi**2)])
    return table[np.abs(i - j) % ELECTRODES]


ROW = np.array([[-1.5, 0, 0], [-0.5, 0, 0], [0.5, 0, 0], [1.5, 0, 0]])
ROW_READINGS = np.array([[0, 3, 1, 2], [0, 1, 2, 3], [0, 2, 1, 3]])


def half_space_model(
    gmsh: Any, radius: float = 20.0, smallest: float = 0.05, growth: float = 0.4
) -> ElectricalModel:
    """Electrodes in a row 1 m apart on the flat side of half a ball, in cells that grow away from them."""
    from dolfinx.io import gmsh as dolfinx_gmsh

    if COMM.rank == 0:
        gmsh.initialize(interruptible=False)
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("Mesh.MeshSizeExtendFromBoundary", 0)
        ball = gmsh.model.occ.addSphere(0, 0, 0, radius, angle1=-np.pi / 2, angle2=0)
        points = [(0, gmsh.model.occ.addPoint(*point)) for point in ROW]
        gmsh.model.occ.fragment([(3, ball)], points)
        gmsh.model.occ.synchronize()
        gmsh.model.addPhysicalGroup(3, [tag for _, tag in gmsh.model.getEntities(3)], name="earth")
        gmsh.model.mesh.setSizeCallback(
            lambda dim, tag, x, y, z, size: (
                smallest + growth * float(np.linalg.norm(ROW - [x, y, z], axis=1).min())
            )
        )
        gmsh.model.mesh.generate(3)
    data = dolfinx_gmsh.model_to_mesh(gmsh.model, COMM, 0, gdim=3)
    if COMM.rank == 0:
        gmsh.finalize()
    space = CoefficientSpace(TaggedMesh(data.mesh, {}), 1)
    solver = LinearSolver(COMM, "direct", "test_electrical_")
    return ElectricalModel(space, ROW, ROW_READINGS, IN_THE_MESH, 2, solver)


def on_half_space(i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """1/(2πr), the potential on an insulated plane of a unit current there."""
    return 1 / (2 * np.pi * np.linalg.norm(ROW[i] - ROW[j], axis=1))
