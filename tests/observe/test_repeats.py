"""Readings of one place, time and component are found, of every kind, in any unit, on any number of ranks."""

import numpy as np
import pytest
from dolfinx import fem
from elliptic import COMM
from observation_table import PLACES, with_half

from app.mesh import MESHES, point_matrix
from app.observe import ObservationOperator, ObservedState, joined
from app.observe.repeats import groups_of, signatures

PLACE = np.array([[0.2, 0.3], [0.7, 0.6], [0.2, 0.3], [0.2, 0.6], [0.7, 0.6], [0.3, 0.2]])
GROUPS = [0, 1, 0, 2, 1, 3]


def state(unit: float = 1.0, origin: float = 0.0, components: tuple[str, ...] = ()) -> ObservedState:
    """On a square of one unit of length, with a time from 0 to 10."""
    corners = [origin, origin], [origin + unit, origin + unit]
    domain = with_half(MESHES["rectangle"](COMM, *corners, [4, 4]))
    shape = (len(components),) if components else ()
    space = fem.functionspace(domain.mesh, ("Lagrange", 1, shape))
    return ObservedState(domain, space, components, ("left", "bottom"), 10.0)


def groups(
    observed: ObservedState,
    operator: ObservationOperator,
    times: np.ndarray | None = None,
    logarithmic: np.ndarray | None = None,
) -> list[int]:
    count = operator.matrix.getSize()[0]
    logarithmic = np.zeros(count, dtype=bool) if logarithmic is None else logarithmic
    found = groups_of(signatures(observed, operator, times, logarithmic)).tolist()
    operator.close()
    return found


def at(observed: ObservedState, points: np.ndarray, component: np.ndarray | int = 0) -> ObservationOperator:
    return ObservationOperator(point_matrix(observed.domain, observed.space, points, component))


@pytest.mark.distributed
@pytest.mark.parametrize("unit, origin", [(1.0, 0.0), (1e-9, 0.0), (1e6, 4e6)])
def test_points_of_one_place_are_one_group(unit: float, origin: float) -> None:
    """In any unit and origin, places that differ in the seventh digit too, and none that differ more."""
    observed = state(unit, origin)
    jitter = np.zeros_like(PLACE)
    jitter[2, 0] = 1e-7
    assert groups(observed, at(observed, origin + unit * (PLACE + jitter))) == GROUPS
    jitter[2, 0] = 1e-4
    assert groups(observed, at(observed, origin + unit * (PLACE + jitter))) == [0, 1, 2, 3, 1, 4]


@pytest.mark.distributed
def test_time_component_and_logarithm_tell_readings_apart() -> None:
    """Readings of one place at two times, of two components, or with and without a logarithm are two."""
    observed = state(components=("x", "y"))
    place, four = np.tile([[0.2, 0.3]], (4, 1)), np.array([0, 1, 0, 1])
    assert groups(observed, at(observed, place, four)) == [0, 1, 0, 1]
    assert groups(observed, at(observed, place), times=np.array([1.0, 2.0, 2.0, 1.0])) == [0, 1, 1, 0]
    assert groups(observed, at(observed, place), logarithmic=four == 1) == [0, 1, 0, 1]
    close = 3.0 + 1e-3 * np.arange(4)  # a logger that reads every 1e-4 of the time
    assert groups(observed, at(observed, place), times=close) == [0, 1, 2, 3]


@pytest.mark.distributed
@pytest.mark.parametrize("kind", PLACES)
def test_every_kind_is_told_apart(kind: str) -> None:
    """Readings that stand twice are in one group; those of one name in one group."""
    observed = state()
    once, again = (PLACES[kind].operator(kind.split(" ")[0], observed) for _ in range(2))
    both, count = joined([once, again]), once.matrix.getSize()[0]
    alone = groups(observed, once)
    again.close()
    assert groups(observed, both) == alone + alone
    names = PLACES[kind].names
    expected = count if names is None else len(set(names))
    assert len(set(alone)) == expected
