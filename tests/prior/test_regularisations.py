"""Laws of all regularisations of the dictionary: what they say of themselves, and who owns what."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from elliptic import COMM, WAVES, Formula, box_space, dot, random_rows
from mpi4py import MPI
from products import LENGTH, SOLVED, regularisation, solver

from app.mesh import MESHES, CoefficientSpace, joint_space
from app.parallel import LinearSolver, SolveFailed, Tally
from app.prior import (
    REGULARISATIONS,
    AnyParameter,
    Option,
    Parameter,
    Tensor,
    Value,
    effective_length,
    parameter_names,
    values_of,
)
from app.prior.gram import GramMatrix, Regularisation
from app.prior.kinds import INFINITE_LENGTH
from app.prior.stacked import Space, StackedRegularisation

each = pytest.mark.parametrize("name", REGULARISATIONS)

OTHER = Formula(lambda x, library: x[0] ** 2 + 0.3 * x[len(x) - 1])
"""A coefficient beside WAVES."""


@pytest.mark.serial
@each
def test_only_a_fixed_regularisation_knows_no_coefficient(space: CoefficientSpace, name: str) -> None:
    """`fixed` says whether R is the same at every coefficient."""
    x = random_rows(space)
    with regularisation(name, space) as made:
        R, other = made.at(space.interpolate(WAVES)), made.at(space.interpolate(OTHER))
        apart = COMM.allreduce(float(np.abs(R.apply(x) - other.apply(x)).max(initial=0.0)))
        assert (apart == 0.0) == made.fixed
        R.close(), other.close()


@contextmanager
def stacked(name: str) -> Iterator[tuple[Space, StackedRegularisation]]:
    """Of two unknowns, of degrees 1 and 0."""
    parts = [box_space(2, 4, degree, upper=2.0) for degree in (1, 0)]
    space = joint_space(parts)
    made = [REGULARISATIONS[name](part, LENGTH, solver) for part in parts]
    together = StackedRegularisation(space, made, [1.0, 20.0])
    yield space, together
    together.close()


@pytest.fixture(params=["one", "two"])
def owner(request: pytest.FixtureRequest, name: str) -> Iterator[tuple[Space, Regularisation]]:
    """The regularisation of one unknown, and that of two."""
    if request.param == "two":
        with stacked(name) as made:
            yield made
        return
    space = box_space(2, 4, 1, upper=2.0)
    with regularisation(name, space) as alone:
        yield space, alone


def coefficient(space: Space, field: Formula) -> np.ndarray:
    return np.concatenate([part.interpolate(field) for part in space.parts])


def rows(space: Space, *columns: int, seed: int = 0) -> np.ndarray:
    return np.concatenate([random_rows(part, *columns, seed=seed) for part in space.parts])


@pytest.mark.serial
@each
def test_an_inner_product_does_not_change_by_later_ones(owner: tuple[Space, Regularisation]) -> None:
    """What R at one coefficient gives is the same to the last bit after R at another was made, used and
    closed."""
    space, made = owner
    x, block = rows(space), rows(space, 3)

    def given() -> list[bytes]:
        images = R.apply(x), R.riesz(x), R.square(block), R.apply(block), R.riesz(block)
        return [image.tobytes() for image in images]

    R = made.at(coefficient(space, WAVES))
    before = given()
    later = made.at(coefficient(space, OTHER))
    later.apply(block), later.riesz(block)
    assert given() == before
    later.close(), later.close()
    assert given() == before
    R.close()


@pytest.mark.serial
@each
def test_what_is_closed_says_so(owner: tuple[Space, Regularisation]) -> None:
    """R is refused before PETSc sees it, which would end all ranks; closing again does nothing."""
    space, made = owner
    R = made.at(coefficient(space, WAVES))
    R.close(), made.close(), made.close(), R.close()
    for operator in (R.apply, R.riesz, R.square):
        with pytest.raises(ValueError, match="closed"):
            operator(rows(space, 2))


@each
def test_closing_releases_matrices_and_solvers(name: str) -> None:
    """Of everything made, so that nothing adds up over iterations: as many solvers are open after twenty
    coefficients as after one, and none when the regularisation is closed."""
    space, solvers = box_space(2, 4, 1, upper=2.0), []

    def counted() -> LinearSolver:
        solvers.append(solver())
        return solvers[-1]

    def still_open() -> int:
        return sum(bool(one._ksp) for one in solvers)

    made = REGULARISATIONS[name](space, LENGTH, counted)
    kept = still_open()
    for i in range(20):
        R = made.at((1 + i) * space.interpolate(WAVES) + random_rows(space, seed=i))
        R.riesz(random_rows(space))
        R.close()
        assert still_open() == kept == (1 if made.fixed else 0)
    made.close()
    assert still_open() == 0


@each
def test_solves_are_counted_whoever_is_closed(name: str) -> None:
    """One tally for all solvers: as many right-hand sides as the inner products say, closed ones too."""
    space, tally = box_space(2, 4, 1, upper=2.0), Tally()

    def counting() -> LinearSolver:
        return LinearSolver(COMM, "direct", "test_gram_", tally=tally)

    made = REGULARISATIONS[name](space, LENGTH, counting)
    first = made.at(space.interpolate(WAVES))
    first.riesz(random_rows(space))
    once = tally.solves
    assert once >= 1
    first.close()
    second = made.at(space.interpolate(OTHER))
    second.riesz(random_rows(space, 4))
    assert tally.solves == 5 * once
    second.close(), made.close()


def test_an_indefinite_matrix_is_refused_and_released() -> None:
    """SolveFailed, and neither the matrix nor the solver is left."""
    space, solvers = box_space(2, 4, 1, upper=2.0), []
    with regularisation("h1", space) as made:
        matrix = made._gram.matrix.copy()
    matrix.scale(-1.0)

    def counted() -> LinearSolver:
        solvers.append(solver())
        return solvers[-1]

    with pytest.raises(SolveFailed):
        GramMatrix(space.comm, matrix, counted)
    assert not matrix and not solvers[0]._ksp


UNIT = 4.0
"""Of a length or of a coefficient, in another."""


@pytest.mark.serial
@each
@pytest.mark.parametrize("degree", [0, 1, 2])
def test_units_do_not_matter(name: str, degree: int) -> None:
    """With lengths in another unit, ℓ among them, R is the same but for one factor; with the coefficient in
    another it is the same."""
    x, found = random_rows(box_space(2, 4, degree, upper=2.0)), {}
    m = box_space(2, 4, degree, upper=2.0).interpolate(WAVES)
    for length, unit in ((1.0, 1.0), (UNIT, 1.0), (1.0, UNIT)):
        space = box_space(2, 4, degree, upper=2.0 * length)
        made = REGULARISATIONS[name](space, LENGTH * length, solver)
        R = made.at(unit * m)
        found[length, unit] = R.apply(x)
        R.close(), made.close()
    plain = found[1.0, 1.0]
    scale = COMM.allreduce(float(np.abs(plain).max(initial=0.0)), op=MPI.MAX)
    np.testing.assert_allclose(found[1.0, UNIT], plain, rtol=0, atol=SOLVED * scale)
    factor = dot(plain, found[UNIT, 1.0]) / dot(plain, plain)
    assert factor > 0
    np.testing.assert_allclose(found[UNIT, 1.0], factor * plain, rtol=0, atol=SOLVED * factor * scale)


@pytest.mark.skipif(COMM.size == 1, reason="compares ranks")
@each
def test_all_ranks_together_find_what_one_finds(name: str) -> None:
    """xᵀRx and xᵀR⁻¹x of functions are those of every rank on its own, to 1e-9."""
    found = []
    for comm in (COMM, MPI.COMM_SELF):
        domain = MESHES["rectangle"](comm, [0.0, 0.0], [2.0, 1.0], [6, 5])
        space = CoefficientSpace(domain, 1)
        made = REGULARISATIONS[name](space, LENGTH, partial(LinearSolver, comm, "direct", "test_one_"))
        R, x = made.at(space.interpolate(WAVES)), space.interpolate(OTHER)
        found.append([comm.allreduce(float(x @ image)) for image in (R.apply(x), R.riesz(x))])
        R.close(), made.close()
    assert found[0] == pytest.approx(found[1], rel=SOLVED)


def values(one: AnyParameter) -> list[Value]:
    """Some that a parameter may have: of a number its default, if that is in its range, and half of the way
    from there to the range's lower end."""
    if isinstance(one, Option):
        return list(one.values)
    if isinstance(one, Tensor):
        return [None, ((2.0, 0.5), (0.5, 1.0))]
    return [one.default, 0.5 * (one.above + one.default)] if one.above < one.default < one.below else []


PARAMETERS = [(name, one.name) for name, kind in REGULARISATIONS.items() for one in kind.parameters]


@pytest.mark.serial
@pytest.mark.parametrize("name, parameter", PARAMETERS)
def test_a_parameter_has_its_default_and_matters(name: str, parameter: str) -> None:
    """The default is one of its values and is what the constructor takes unless given; with another one R is
    another."""
    (one,) = [one for one in REGULARISATIONS[name].parameters if one.name == parameter]
    assert one.default in values(one)
    space = box_space(2, 4, 1, upper=2.0)
    x, m = random_rows(space), space.interpolate(WAVES)

    def image(**given: Value) -> np.ndarray:
        with regularisation(name, space, **given) as made:
            R = made.at(m)
            found = R.apply(x)
            R.close()
        return found

    plain = image()
    np.testing.assert_array_equal(image(**{parameter: one.default}), plain)
    (another, *_) = [value for value in values(one) if value != one.default]
    other = image(**{parameter: another})
    assert COMM.allreduce(float(np.abs(other - plain).max(initial=0.0))) > 1e-3 * np.abs(plain).max(initial=0)


def test_parameters_have_names_of_their_own() -> None:
    """A name is one parameter, whatever kinds have it, and no other key of the section; its sentence has no
    full stop, since the schema goes on."""
    found = {}
    for kind in REGULARISATIONS.values():
        for one in kind.parameters:
            assert found.setdefault(one.name, one) == one
            assert one.name.isidentifier() and one.name not in ("kind", "weight", "length_scale", "scale")
            assert one.sentence and not one.sentence.endswith(".")
    assert list(found) == parameter_names()


@pytest.mark.serial
@each
def test_candidates_are_regularisations(name: str) -> None:
    """What a choice from the data tries has a positive length and parameters that exist, in their range."""
    kind = REGULARISATIONS[name]
    for candidate in kind.considered:
        assert candidate.share > 0
        found = values_of(kind, candidate.parameters)
        assert candidate.parameters.items() <= found.items()
        numbers = [one for one in kind.parameters if isinstance(one, Parameter)]
        assert all(one.above < found[one.name] < one.below for one in numbers)


def test_lengths_are_given_or_shares_of_the_diagonal() -> None:
    """ℓ is as given, or the kind's share of the diagonal; an infinite ℓ has ℓ⁻² = 1e-6, which keeps R
    positive definite."""
    for kind in REGULARISATIONS.values():
        assert effective_length(3.0, None, kind.share) == pytest.approx(3.0 * kind.share)
    for share in (0.2, 2.0):
        assert effective_length(3.0, 0.5, share) == 0.5
        assert effective_length(3.0, float("inf"), share) == INFINITE_LENGTH
    assert pytest.approx(1e-6) == 1 / INFINITE_LENGTH**2


@pytest.mark.skipif(COMM.size > 1, reason="starts a program of its own")
def test_the_schema_knows_regularisations_without_meshes() -> None:
    """`app.prior` alone imports neither MPI nor what needs it."""
    heavy = {"mpi4py", "petsc4py", "dolfinx", "ufl", "dolfinx_solver"}
    code = f"import sys, app.prior; print(sorted({heavy} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
