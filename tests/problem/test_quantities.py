"""What pictures call the unknowns of a case."""

from pathlib import Path

import pytest

from app.case import Unknown, load_case
from app.equations import ROLES
from app.problem.quantities import look_of, quantity_of

CASES = Path(__file__).parents[2] / "cases"


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_label_in_words(role: str) -> None:
    """Those that say nothing of the unknown have its name; logarithms are named as such, or drawn as what
    they are the logarithms of."""
    more = {"on": "all"} if role == "boundary_flux" else {}
    quantity = quantity_of("m", Unknown(role=role, **more))
    assert "_" not in quantity.label
    assert quantity.logarithmic or role.startswith("log_") == quantity.label.startswith("log-")
    assert (quantity.label == "m") == (role in ("value", "coefficient"))


@pytest.mark.parametrize(
    ("said", "axis", "logarithmic"),
    [
        ({}, "log-diffusivity", False),
        ({"label": "log-transmissivity"}, "log-transmissivity", False),
        ({"unit": "m²/s"}, "diffusivity (m²/s)", True),
        ({"label": "transmissivity", "unit": "m²/s"}, "transmissivity (m²/s)", True),
    ],
)
def test_a_case_says_label_and_unit(said: dict[str, str], axis: str, logarithmic: bool) -> None:
    """A unit is that of exp(m), which is then drawn."""
    quantity = quantity_of("m", Unknown(role="log_diffusivity", **said))
    assert (quantity.axis, quantity.logarithmic) == (axis, logarithmic)


def test_electrical_tomography_has_its_units() -> None:
    """Metres and ohm metres; other cases have those that they say."""
    trunk = load_case(CASES / "trunk.yaml")
    assert look_of(trunk).length_unit == "m"
    assert quantity_of("m", trunk.unknowns["m"]).axis == "resistivity (Ωm)"
    said = ["output.length_unit=km", "output.time_unit=d", "output.figures=[svg]"]
    look = look_of(load_case(CASES / "quickstart.yaml", said))
    assert (look.length_unit, look.time_unit, look.formats) == ("km", "d", ("svg",))
    assert look_of(load_case(CASES / "quickstart.yaml")).length_unit == ""
