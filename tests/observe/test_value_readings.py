"""Laws of readings of an unknown itself, alone and beside readings of the state."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from elliptic import gathered
from equation_table import make_equation
from mpi4py import MPI

from app.case import Expression
from app.data import PointData
from app.energy import InverseProblem
from app.mesh import MESHES, CoefficientSpace, Known, SharpSpaces, TaggedMesh, joint_space
from app.mesh.points import PointOutside
from app.observe import ObservationOperator, ObservedState, PointObservations, ValueObservations, joined
from app.observe.left_out import kept_rows
from app.observe.repeats import groups_of, signatures
from app.parallel import LinearSolver, multiply
from app.pde import BoundaryCondition, ForwardModel

COMM = MPI.COMM_WORLD

HALVINGS = 0.01 * 0.5 ** np.arange(5)

PLACES = np.random.default_rng(5).uniform(0.05, 0.95, (6, 2))

BOUNDARY = {"wall": BoundaryCondition(("left", "bottom"), "dirichlet", Expression("1 + 0.2*y + x**2"))}

UNKNOWNS = ("kappa", "r")

TEXTS = "1 + 2*x - 3*y", "0.5 - x"
"""Of each unknown; linear elements hold them."""


@cache
def model(alone: bool = False, sharp: bool = False) -> ForwardModel:
    """Of two unknowns, the second known to the right; sharp, of one that the equation sees at points."""
    comm = MPI.COMM_SELF if alone else COMM
    mesh = MESHES["rectangle"](comm, [0.0, 0.0], [1.0, 1.0], [6, 5])
    middles = mesh.mesh.geometry.x[mesh.mesh.geometry.dofmaps[0]].mean(axis=1)
    domain = TaggedMesh(mesh.mesh, mesh.facets, {"right": np.flatnonzero(middles[:, 0] > 0.6)})
    roles = ("log_diffusivity",) if sharp else ("log_diffusivity", "log_reaction")
    kind = "diffusion" if sharp else "reaction_diffusion"
    physics = make_equation(kind, BOUNDARY, 2, role=roles, plain=False)
    known = Known(("right",), Expression("0.25"))
    spaces = [CoefficientSpace(domain, 1), *([] if sharp else [CoefficientSpace(domain, 1, known)])]
    space: Any = SharpSpaces(spaces, 4) if sharp else joint_space(spaces)
    return ForwardModel(physics, space, 2, LinearSolver(comm, "direct", "test_state_"))


def observed(forward: ForwardModel) -> ObservedState:
    space = forward.coefficient
    nodes = space.nodal if isinstance(space, SharpSpaces) else space
    parts = dict(zip(UNKNOWNS, nodes.parts, strict=False))
    return ObservedState(forward.coefficient.domain, forward.space, unknowns=parts)


def values(
    forward: ForwardModel, unknown: str | None = None, places: np.ndarray = PLACES
) -> ObservationOperator:
    section = ValueObservations(kind="values", file="bores.csv", unknown=unknown)
    return section.operator(observed(forward), data_at(places))


def heads(forward: ForwardModel, places: np.ndarray = PLACES) -> ObservationOperator:
    section = PointObservations(kind="points", file="heads.csv")
    return section.operator(observed(forward), data_at(places))


def data_at(places: np.ndarray) -> PointData:
    count = len(places)
    return PointData(points=places.copy(), values=np.zeros(count), sigma=None, lines=np.arange(count) + 2)


def nodal(forward: ForwardModel, *texts: str) -> np.ndarray:
    parts, fields = forward.coefficient.parts, [Expression(text) for text in texts]
    return np.concatenate([p.interpolate(f) for p, f in zip(parts, fields, strict=False)])


def test_an_unknown_is_read_as_it_is() -> None:
    """Exactly, also where it is known; and nothing of the state."""
    forward = model()
    for index, name in enumerate(UNKNOWNS):
        made = values(forward, name)
        assert list(made.direct) == [index] and made.matrix.norm() == 0.0
        forward.observe_with(made.matrix, direct=made.direct)
        readings = forward.at(nodal(forward, *TEXTS)).readings
        free = PLACES[:, 0] < 0.33 if index else np.ones(len(PLACES), dtype=bool)
        np.testing.assert_allclose(readings[free], Expression(TEXTS[index]).numpy(PLACES[free]), atol=1e-12)
        right = PLACES[:, 0] > 0.7
        assert right.any() and (index == 0 or np.allclose(readings[right], 0.25))


def together(forward: ForwardModel) -> ObservationOperator:
    """Readings of the state between those of both unknowns."""
    names = UNKNOWNS[: len(observed(forward).unknowns)]
    parts = [values(forward, names[0]), heads(forward), values(forward, names[-1], PLACES[:3])]
    whole = joined(parts)
    for part in parts:
        part.close()
    return whole


@pytest.mark.parametrize("sharp", [False, True])
def test_the_energy_knows_them(sharp: bool) -> None:
    """Its remainder is quadratic, J's transpose is the adjoint, and a block is its columns; also where the
    equation sees the unknown at points."""
    forward = model(sharp=sharp)
    made = together(forward)
    forward.observe_with(made.matrix, made.weights, made.direct)
    texts = (TEXTS[0], TEXTS[0]) if sharp else TEXTS
    data = forward.at(0.8 * nodal(forward, *texts)).readings
    energy = InverseProblem(forward, data, np.linspace(0.1, 0.3, len(data)))
    m = nodal(forward, *(("0.3*sin(3*x)",) * 2 if sharp else ("0.3*sin(3*x)", "0.2*cos(y)")))
    d = nodal(forward, *(("cos(7*x + y)",) * 2 if sharp else ("cos(7*x + y)", "sin(5*y)")))
    at = energy.at(m)
    slope = COMM.allreduce(float(at.derivative() @ d))
    left = [abs(energy.at(m + t * d).value - at.value - t * slope) for t in HALVINGS]
    assert np.polyfit(np.log(HALVINGS), np.log(left), 1)[0] == pytest.approx(2.0, abs=0.05)
    y = np.cos(np.arange(len(data)))
    image = at.jvp(d)
    assert COMM.allreduce(float(at.vjp(y) @ d)) == pytest.approx(float(y @ image), rel=1e-9)
    np.testing.assert_allclose(
        at.jvp(np.column_stack([d, 2 * d])), np.column_stack([image, 2 * image]), rtol=1e-9
    )


def test_readings_do_not_depend_on_the_ranks() -> None:
    """Each rank alone with the whole mesh has the same, of joined operators too."""
    readings = []
    for forward in (model(), model(alone=True)):
        made = together(forward)
        forward.observe_with(made.matrix, made.weights, made.direct)
        readings.append(forward.at(nodal(forward, *TEXTS)).readings)
    np.testing.assert_allclose(*readings, rtol=1e-9)


def test_only_readings_of_one_thing_at_one_place_are_repeated() -> None:
    """Values of one unknown; not those of another, nor of the state there."""
    forward = model()
    twice = PLACES[[0, 1, 0]]
    parts = [values(forward, "kappa", twice), values(forward, "r", twice), heads(forward, twice)]
    whole = joined(parts)
    signs = signatures(observed(forward), whole, None, np.zeros(9, dtype=bool))
    assert groups_of(signs).tolist() == [0, 1, 0, 2, 3, 2, 4, 5, 4]


def test_some_of_the_readings_are_kept() -> None:
    """By new matrices, of the unknowns too."""
    forward = model()
    whole, kept = together(forward), np.arange(15) % 3 == 0
    some = kept_rows(whole, kept)
    for index, matrix in whole.direct.items():
        m = forward.coefficient.parts[index].everywhere_coordinates[:, 0].copy()
        rows = gathered(multiply(matrix, m))
        np.testing.assert_allclose(gathered(multiply(some.direct[index], m)), rows[kept], atol=1e-13)
    matrices = [whole.matrix, *whole.direct.values()]
    whole.close(), whole.close(), some.close()
    assert all(matrix.handle == 0 for matrix in matrices)


def test_a_place_outside_is_told() -> None:
    with pytest.raises(PointOutside, match=r"point 2 at \(1.5, 0.5\)"):
        values(model(), places=np.array([[0.5, 0.5], [1.5, 0.5]]))
