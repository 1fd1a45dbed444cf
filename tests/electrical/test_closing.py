"""Who makes PETSc's objects destroys them, also where an electrical model cannot be made."""

from typing import Any

import numpy as np
import pytest
from elliptic import COMM, box_space, raised_on_all_ranks

from app.electrical import IN_THE_MESH, BlindReading, Contacts, ElectricalModel, NoContact, WaveNumbers
from app.parallel import LinearSolver
from app.parallel.blocks import PETSc

SIDES = np.array([[0.5, 0.0], [1.0, 0.5], [0.5, 1.0], [0.0, 0.5]])
"""Middles of a square's sides."""

CORNERS = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])

AROUND, ACROSS = np.array([[0, 1, 2, 3], [0, 3, 1, 2]]), np.array([[0, 2, 3, 1], [0, 1, 2, 3]])

WAVES = WaveNumbers(np.array([1.0, 5.0]), np.array([0.5, 0.5]))


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every matrix that the electrical room makes from here on."""
    from app.electrical import contacts, model
    from app.mesh import points, rows

    made: list[Any] = []

    def remembering(function: Any) -> Any:
        def remembered(*arguments: Any, **given: Any) -> Any:
            made.append(function(*arguments, **given))
            return made[-1]

        return remembered

    for module, name in ((points, "sparse_rows"), (contacts, "sparse_rows"), (contacts, "sparse_matrix")):
        monkeypatch.setattr(module, name, remembering(getattr(module, name)))
    petsc = rows.fem_petsc
    for name in ("create_matrix", "assemble_matrix"):
        monkeypatch.setattr(petsc, name, remembering(getattr(petsc, name)))
    assert model.fem_petsc is petsc
    return made


def model(contacts: Contacts | None = None, waves: WaveNumbers = IN_THE_MESH) -> ElectricalModel:
    solver = LinearSolver(COMM, "direct", "test_electrical_")
    return ElectricalModel(box_space(2, 8, 1), SIDES, AROUND, waves, 1, solver, contacts)


def destroyed(made: list[Any]) -> bool:
    """Whether nothing is left of these, of which there are some."""
    matrices = [matrix for matrix in made if isinstance(matrix, PETSc.Mat)]
    return bool(matrices) and all(matrix.handle == 0 for matrix in matrices)


@pytest.mark.parametrize(
    ("contacts", "waves"), [(None, IN_THE_MESH), (None, WAVES), (Contacts(0.26, 0.3), IN_THE_MESH)]
)
def test_a_closed_model_leaves_nothing(contacts: Contacts | None, waves: WaveNumbers, alive: list) -> None:
    """All its matrices are destroyed, once; what was found before keeps its readings."""
    made = model(contacts, waves)
    found = made.at(np.zeros(made.coefficient.owned))
    assert not destroyed(alive)
    for _ in range(2):
        made.close()
        assert destroyed(alive)
    assert np.isfinite(found.readings).all()


def test_a_model_that_cannot_be_made_leaves_nothing(alive: list) -> None:
    """Where a reading is blind, with contacts and without, and where an electrode has no facet."""
    space = box_space(2, 6, 1)
    for contacts in (None, Contacts(0.4, 0.3)):
        solver = LinearSolver(COMM, "direct", "test_electrical_")
        with raised_on_all_ranks(BlindReading):
            ElectricalModel(space, CORNERS, ACROSS, IN_THE_MESH, 2, solver, contacts)
        assert destroyed(alive)
    alive.clear()
    with raised_on_all_ranks(NoContact):
        model(Contacts(1e-3, 1.0))
    assert not alive


def test_contacts_with_wave_numbers_are_refused() -> None:
    """Before anything is made."""
    with pytest.raises(ValueError, match="found contacts with the wave numbers 1, 5, expected none"):
        model(Contacts(0.26, 0.3), WAVES)


def test_neighbours_that_share_a_node_add_up_there(alive: list) -> None:
    """S takes a constant to zero also where two electrodes meet, and is symmetric."""
    space = box_space(2, 8, 1)
    positions = np.array([[0.375, 0.0], [0.625, 0.0]])  # of a width that makes them meet in the middle
    means, shunt = Contacts(0.26, 0.5).assemble(space.domain, space.space, positions)
    ones = shunt.createVecRight()
    ones.set(1.0)
    image = shunt.createVecLeft()
    shunt.mult(ones, image)
    assert image.norm(PETSc.NormType.NORM_INFINITY) <= 1e-12 * shunt.norm(PETSc.NormType.NORM_INFINITY)
    assert shunt.isSymmetric(1e-12)
    means.mult(ones, readings := means.createVecLeft())
    np.testing.assert_allclose(readings.array, 1.0, rtol=1e-12)
    for each in (ones, image, readings, means, shunt):
        each.destroy()
    assert destroyed(alive)
