"""Numbers that stand for missing readings."""

import numpy as np
import pytest

from app.data.missing import stand_ins


@pytest.mark.parametrize("number", [-9999.0, -999.0, -999.25, 9999.0, 1e30, -1e20])
def test_stand_ins_are_found_among_readings(number: float) -> None:
    """Once or several times, whatever the unit of the others."""
    for unit in (1e-6, 1.0, 3.0):
        values = unit * np.array([0.3, 1.2, 0.0, 2.1, -1.0, 0.4])
        values[[2, 4]] = number
        assert stand_ins(values).tolist() == [2, 4]


def test_readings_are_no_stand_ins() -> None:
    """The same numbers among others of their size, a number that is only far, and one among too few."""
    assert not len(stand_ins(np.array([980.0, 999.0, 1010.0])))
    assert not len(stand_ins(np.array([0.1, 0.2, -9998.0])))
    assert not len(stand_ins(np.array([-9999.0])))
    assert not len(stand_ins(np.array([1.0, -999.0])))
    assert not len(stand_ins(np.array([1.0, 1.1, 1.2, 99.0])))
