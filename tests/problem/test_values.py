"""Runs with known values of the unknown at points, beside readings of the state and alone."""

from pathlib import Path

import numpy as np
import pytest
from small import CASES, on_square

from app.api import solve
from app.case import CaseError, Expression, InputError, load_case

pytestmark = pytest.mark.usefixtures("undrawn")

BORES = np.random.default_rng(7).uniform(0.1, 0.9, (9, 2))

SIGMA = 0.02

RUNS = {
    "network, levels": ("levels=2",),
    "nodal, levels": ("levels=2", "unknowns.m.representation.kind=nodal"),
    "constant on cells": ("unknowns.m.degree=0", "unknowns.m.representation.kind=nodal"),
    "alone": ("observations.heads=null",),
}


@pytest.fixture
def bores(tmp_path: Path) -> Path:
    """Values of the truth of the quickstart, to a fiftieth."""
    path = tmp_path / "bores.csv"
    rows = [f"{x},{y},{value},{SIGMA}" for (x, y), value in zip(BORES, truth(BORES), strict=True)]
    path.write_text("\n".join(["x,y,value,sigma", *rows]))
    return path


def truth(points: np.ndarray) -> np.ndarray:
    exact: Expression = load_case(CASES / "quickstart.yaml").unknowns["m"].truth  # type: ignore[attr-defined]
    return exact.numpy(points)


@pytest.mark.parametrize("name", RUNS)
def test_the_result_has_the_values(bores: Path, name: str) -> None:
    """To a few standard deviations, and is surer there than the prior."""
    said = f"observations={{bores: {{kind: values, file: {bores}}}}}"
    if name != "alone":
        said = f"observations.bores={{kind: values, file: {bores}, unknown: m}}"
    overrides = [each for each in RUNS[name] if not each.startswith("observations")]
    with on_square("quickstart", said, *overrides, cells=12).built() as problem:
        found = solve(problem)
        values = found.evaluate(BORES)["m"]
        after, before = (found.std(BORES, prior=prior)["m"] for prior in (False, True))
    assert np.abs(values - truth(BORES)).max() < 6 * SIGMA
    assert (after < 0.5 * before).all()


def test_the_unknown_is_named_where_there_are_several(bores: Path) -> None:
    """By one that there is; with equations in time and components, and outside the mesh the kind is
    refused."""
    said = f"observations.bores={{kind: values, file: {bores}"
    with pytest.raises(
        CaseError, match=r"bores: found nothing for the unknown of bores, expected unknown: one"
    ):
        on_square("two_unknowns", "experiments=null", said + "}").built()
    with pytest.raises(CaseError, match=r"found the unknown 'k', expected one of m"):
        on_square("quickstart", said + ", unknown: k}").built()
    with pytest.raises(CaseError, match=r"the kind values with the equation heat, expected one of the kinds"):
        on_square("heat_pinnacle", said + "}").built()
    with pytest.raises(CaseError, match=r"component: found x, expected none: an unknown has no components"):
        on_square("quickstart", said + ", component: x}").built()
    alone = f"observations={{bores: {{kind: values, file: {bores}}}}}"
    with pytest.raises(InputError, match=r"bores\.csv:\d+: point \d+ at \(.*\) lies outside the mesh by"):
        on_square("quickstart", alone, "mesh.upper=[0.5, 1]").built()
