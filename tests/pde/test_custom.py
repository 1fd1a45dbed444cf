"""An equation from a file is the same as one that the program knows, and says what is wrong with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ufl
from elliptic import COMM, TEN, WAVES, box_space, constant, forward_model, inner_points, random_rows, variants

from app.mesh import point_matrix
from app.parallel import LinearSolver
from app.pde import BoundaryCondition, Custom, CustomError, ForwardModel, load_functions

GOOD = """\
import ufl

def residual(u, v, coefficients, data):
    flux = ufl.exp(coefficients["m"]) * ufl.grad(u)
    return ufl.inner(flux, ufl.grad(v)) * ufl.dx - data["supply"] * v * ufl.dx

def dirichlet(x, data):
    return {"inflow": 0.3 + x[0] + 0 * data["supply"]}
"""

BOUNDARY = {
    "inflow": BoundaryCondition(("left",), "dirichlet", constant(7.0)),
    "outflow": BoundaryCondition(("right",), "neumann", constant(-0.7)),
}


def custom(path: Path, text: str, **flags: bool) -> ForwardModel:
    """A model of the equation in a file with this text."""
    if COMM.rank == 0:
        path.write_text(text)
    COMM.barrier()
    space = box_space(2, 6, 1)
    x = ufl.SpatialCoordinate(space.domain.mesh)
    given: dict[str, Any] = {"linear": False, "symmetric": False} | flags
    data: Mapping[str, Any] = {"supply": TEN}
    equation = Custom(load_functions(COMM, path), "m", BOUNDARY, data, x, **given)
    solver = LinearSolver(COMM, "direct", "test_custom_", symmetric=equation.symmetric)
    model = ForwardModel(equation, space, 2, solver)
    model.observe_with(point_matrix(space.domain, model.space, inner_points(2, 12)))
    return model


FLAGS: list[dict[str, bool]] = [{}, {"linear": True}, {"linear": True, "symmetric": True}]


@pytest.mark.distributed
@pytest.mark.parametrize("flags", variants(FLAGS, in_parallel=FLAGS[:1]), ids=str)
def test_diffusion_from_a_file_is_diffusion(shared_tmp_path: Path, flags: dict[str, bool]) -> None:
    """Bu, J and Jᵀ are those of the built-in equation, however much the case says of it; boundary values in
    UFL stand in for the case's, fluxes are the case's."""
    model = custom(shared_tmp_path / "mine.py", GOOD, **flags)
    inflow = BoundaryCondition(("left",), "dirichlet", constant(0.3))  # x is 0 there
    built_in = forward_model(box_space(2, 6, 1), 2, BOUNDARY | {"inflow": inflow})
    m, y = model.coefficient.interpolate(WAVES), np.ones(12)
    direction = random_rows(model.coefficient)
    here, there = model.at(m), built_in.at(m)
    for found, expected in zip(
        (here.readings, here.tangent(direction), here.adjoint(y)),
        (there.readings, there.tangent(direction), there.adjoint(y)),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


BAD = {
    "no residual": ("x = 1", "found no residual, expected a function residual(u, v, coefficients, data)"),
    "no Python": ("def residual(u, v:", "mine.py:1: SyntaxError: "),
    "fails when it is read": ("import ufl\n1 / 0\n", "mine.py:2: ZeroDivisionError: division by zero"),
    "ends the program": ("import sys\nsys.exit(0)\n", "mine.py:2: SystemExit: 0"),
    "ends the program when it is called": (
        "def residual(u, v, coefficients, data):\n    raise SystemExit",
        "mine.py:2: SystemExit: ",
    ),
    "fails when it is called": (
        "def residual(u, v, coefficients, data):\n    return data['suply']",
        "mine.py:2: KeyError: 'suply'",
    ),
    "other arguments": ("def residual(u, v):\n    return 0", "mine.py: TypeError: residual() takes 2"),
    "no form": (
        GOOD.replace("return ufl.inner", "return 3 #"),
        "residual returned a int, expected a UFL",
    ),
    "no test function": (GOOD.replace("* v *", "* u *").replace("ufl.grad(v)", "flux"), "a form without v"),
    "no coefficient": (GOOD.replace('coefficients["m"]', "1.0"), "a form without m"),
    "no state": (GOOD.replace("ufl.grad(u)", "ufl.grad(v)"), "a form without u"),
    "not linear in v": (GOOD.replace('["supply"] * v', '["supply"]'), "mine.py"),
    "unknown condition": (GOOD.replace('{"inflow"', '{"inlet"'), "dirichlet returned inlet, expected"),
    "a condition on the flux": (GOOD.replace('{"inflow"', '{"outflow"'), "dirichlet returned outflow"),
}
"""Texts of files, and what is said of them."""


@pytest.mark.parametrize("title", BAD)
def test_a_bad_file_is_told_in_one_line(shared_tmp_path: Path, title: str) -> None:
    """CustomError with the file, its line where there is one, what was found and what is expected."""
    text, says = BAD[title]
    with pytest.raises(CustomError) as caught:
        custom(shared_tmp_path / "mine.py", text)
    assert says in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_residual_that_is_not_linear_is_not_taken_for_one(shared_tmp_path: Path) -> None:
    """One step of Newton's method would not solve it."""
    cubic = GOOD.replace('- data["supply"] * v', "+ u**3 * v")
    with pytest.raises(CustomError, match="not linear in u, expected linear: false"):
        custom(shared_tmp_path / "mine.py", cubic, linear=True)
