"""From the observations of a case to readings and their noise; what does not fit together is told."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dolfinx import fem as dolfinx_fem
from mpi4py import MPI

from app.case import InputError, load_case
from app.mesh import MESHES
from app.observe import ObservationOperator, ObservedState
from app.observe.averages import AverageObservations
from app.observe.measurements import Measurements, measurements
from app.observe.points import PointObservations
from app.parallel import multiply

CASE = """\
mesh: {{kind: rectangle, cells: [4, 4]}}
equation:
  kind: diffusion
  source: 10
  boundary:
    lid: {{on: top, kind: dirichlet}}
unknowns:
  m: {{role: log_diffusivity}}
observations:
{}
"""

POINTS = "x,y,value\n.2,.3,.4\n.5,.5,-.6\n.7,.1,.002\n"
SIGMA = "x,y,value,sigma\n.2,.3,.4,.01\n.5,.5,.6,.02\n"
PARTS = "on,value\nall,1\n"


@cache
def square() -> ObservedState:
    """The case's mesh and a space of states."""
    domain = MESHES["rectangle"](MPI.COMM_WORLD, [0.0, 0.0], [1.0, 1.0], [4, 4])
    return ObservedState(domain, dolfinx_fem.functionspace(domain.mesh, ("Lagrange", 2)), given=("top",))


def measured(folder: Path, *observations: str, **files: str) -> Measurements:
    """What a case says whose observations are o0, o1, ..., with files by their stems."""
    for stem, text in files.items():
        (folder / f"{stem}.csv").write_text(text)
    lines = [f"  o{i}: {{{text}}}" for i, text in enumerate(observations)]
    (folder / "case.yaml").write_text(CASE.format("\n".join(lines)))
    case = load_case(folder / "case.yaml")
    return measurements(case, case.observations, square())


NOISE = {
    "": ([1, 1, 1], False),
    ", noise: unit": ([1, 1, 1], False),
    ", noise: relative": ([0.4, 0.6, 0.006], False),
    ", noise: {kind: absolute, sigma: 0.2}": ([0.2, 0.2, 0.2], True),
    ", noise: {kind: relative, share: 0.1}": ([0.04, 0.06, 0.0006], True),
    ", noise: {kind: relative, share: 0.1, floor: 0.05}": ([0.05, 0.06, 0.05], True),
    ", noise: {kind: covariance, file: b.csv}": ([0.1, 0.2, 0.3], True),
}
"""Standard deviations of 0.4, -0.6 and 0.002, and whether they are known; relative noise is that of a
hundredth of the largest at least."""


@pytest.mark.parametrize("noise", NOISE)
def test_noise_is_as_the_case_says(tmp_path: Path, noise: str) -> None:
    """Absolute, relative with and without a floor, from a file, and unknown up to a factor."""
    sigma, known = NOISE[noise]
    made = measured(tmp_path, f"kind: points, file: a.csv{noise}", a=POINTS, b="variance\n.01\n.04\n.09\n")
    np.testing.assert_allclose(made.sigma, sigma, rtol=1e-12)
    assert (made.data.sigma is not None) == known


def test_the_column_sigma_is_per_datum_noise(tmp_path: Path) -> None:
    """Said or not."""
    for noise in ("", ", noise: per_datum"):
        made = measured(tmp_path, f"kind: points, file: a.csv{noise}", a=SIGMA)
        np.testing.assert_array_equal(made.data.sigma, [0.01, 0.02])


def test_the_deviation_of_a_logarithm_is_relative(tmp_path: Path) -> None:
    """Divided by the reading where it is given; unless anything is said alike for all readings."""
    made = measured(tmp_path, "kind: points, file: a.csv, scale: log", a=SIGMA)
    np.testing.assert_allclose(made.sigma, [0.01 / 0.4, 0.02 / 0.6])
    assert made.logarithmic.all()
    bare = "x,y,value\n.2,.3,.4\n.5,.5,.6\n"
    made = measured(tmp_path, "kind: points, file: a.csv, scale: log", a=bare)
    np.testing.assert_allclose(made.sigma, 1.0)
    assert made.data.sigma is None


def test_several_observations_follow_one_another(tmp_path: Path) -> None:
    """Each with its own noise and misfit; readings of parts have no place."""
    made = measured(
        tmp_path,
        "kind: points, file: a.csv, misfit: {kind: huber, threshold: 2}",
        "kind: fluxes, file: b.csv, noise: {kind: absolute, sigma: 3}",
        "kind: averages, file: c.csv, radius: 0.1, noise: {kind: relative, share: 0.5}",
        a=SIGMA,
        b="on,value\ntop,-10\n",
        c="x,y,value\n.5,.5,4\n",
    )
    np.testing.assert_allclose(made.data.values, [0.4, 0.6, -10, 4])
    np.testing.assert_allclose(made.sigma, [0.01, 0.02, 3, 2])
    np.testing.assert_array_equal(made.threshold, [2, 2, np.inf, np.inf])
    np.testing.assert_array_equal(np.isnan(made.data.points[:, 0]), [False, False, True, False])
    assert made.operator.matrix.getSize()[0] == made.operator.weights.getSize()[0] == 4


BAD = {
    ("kind: traces, on: lid", SIGMA): "case.yaml:10: observations.o0.on: the mesh has no boundary part 'lid'",
    ("kind: traces, on: top", SIGMA): "a.csv:2: point 1 at (0.2, 0.3) lies off the part top by 0.7",
    ("kind: averages", "on,value\nsand,1\n"): "a.csv:2: on: the mesh has no region 'sand'",
    ("kind: averages", SIGMA): "expected also radius",
    ("kind: averages, radius: 0.25", SIGMA): "a.csv:2: the ball 1 about (0.2, 0.3) reaches outside the mesh",
    ("kind: averages, radius: 1", PARTS): "found a radius beside the column on",
    ("kind: fluxes", "on,value\nlid,1\n"): "a.csv:2: on: the mesh has no boundary part 'lid'",
    ("kind: fluxes", "on,value\ntop,1\nleft,1\n"): "a.csv:3: found the flux through left, where no dirichlet",
    ("kind: field", SIGMA): "a.csv: found no mesh file",
    ("kind: points, scale: log", POINTS): "a.csv:3: value: found one <= 0, whose logarithm is asked for",
    ("kind: points, noise: {kind: absolute, sigma: 1}", SIGMA): (
        "case.yaml:10: observations.o0.noise: found absolute with a file that tells sigma"
    ),
    ("kind: points, noise: per_datum", POINTS): "noise: found per_datum with a file without sigma",
    ("kind: points, noise: {kind: covariance, file: a.csv}", POINTS): "expected also variance",
    ("kind: points, noise: {kind: relative, floor: 1}", POINTS): "noise.floor: found a floor without a share",
    ("kind: points, noise: {kind: absolute, sgma: 1}", POINTS): "noise.sgma: found unknown key 'sgma'",
    ("kind: points, noise: {kind: relative, share: 1}", "x,y,value\n.1,.1,0\n"): "expected also a floor",
    ("kind: points, misfit: huber", POINTS): "observations.o0.misfit: found huber with noise of unknown size",
    ("kind: points, misfit: {kind: huber, threshold: 0}", POINTS): "misfit.threshold: found 0, expected a fi",
    ("kind: points, misfit: cauchy", POINTS): "observations.o0.misfit: found 'cauchy', expected",
}


@pytest.mark.parametrize(("observation", "text"), BAD)
def test_what_does_not_fit_together_is_told(tmp_path: Path, observation: str, text: str) -> None:
    """In one line with file and line or key."""
    with pytest.raises(InputError) as caught:
        measured(tmp_path, f"{observation}, file: a.csv", a=text)
    (problem,) = caught.value.problems
    assert BAD[observation, text] in problem


def test_components_are_those_of_the_state(tmp_path: Path) -> None:
    """A scalar has none; of several one is named."""
    with pytest.raises(InputError, match="component: found x, expected none"):
        measured(tmp_path, "kind: averages, radius: 0.1, component: x, file: a.csv", a=SIGMA)
    domain = square().domain
    space = dolfinx_fem.functionspace(domain.mesh, ("Lagrange", 1, (2,)))

    def of(component: str) -> Measurements:
        case = load_case(tmp_path / "case.yaml", [f"observations.o0.component={component}"])
        return measurements(case, case.observations, ObservedState(domain, space, ("x", "y")))

    with pytest.raises(InputError, match="component: found nothing, expected one of x, y"):
        of("null")
    state = np.column_stack([np.full(space.dofmap.index_map.size_local, value) for value in (3.0, 5.0)])
    for component, value in (("x", 3.0), ("y", 5.0)):
        np.testing.assert_allclose(multiply(of(component).operator.matrix, state.ravel()), value)


def test_known_and_unknown_noise_do_not_go_together(tmp_path: Path) -> None:
    """A factor that is found would hold for all readings."""
    with pytest.raises(InputError, match="with and without sigma"):
        measured(tmp_path, "kind: points, file: a.csv", "kind: points, file: b.csv", a=POINTS, b=SIGMA)


IN_TIME = "equation={kind: heat, source: 1, time: {end: 2, steps: 4}}"


def in_time(folder: Path, observation: str, text: str) -> Measurements:
    """What an observation of a state in time says."""
    (folder / "a.csv").write_text(text)
    (folder / "case.yaml").write_text(CASE.format(f"  o0: {{{observation}, file: a.csv}}"))
    case = load_case(folder / "case.yaml", [IN_TIME])
    return measurements(case, case.observations, replace(square(), end=2.0))


TIMES = {
    "kind: points": "t,x,y,value\n2,.2,.3,1\n0,.5,.5,2\n",
    "kind: traces, on: top": "x,y,t,value\n.2,1,2,1\n.5,1,0,2\n",
    "kind: averages": "on,t,value\nall,2,1\nall,0,2\n",
    "kind: averages, radius: 0.1": "x,y,t,value\n.2,.3,2.0000000001,1\n.5,.5,0,2\n",
}


@pytest.mark.parametrize("observation", TIMES)
def test_readings_of_a_state_in_time_have_times(tmp_path: Path, observation: str) -> None:
    """From the column t, wherever it stands, from 0 to the end but for rounding."""
    made = in_time(tmp_path, observation, TIMES[observation])
    assert made.data.times == pytest.approx([2, 0])
    np.testing.assert_array_equal(made.data.values, [1, 2])


BAD_TIMES = {
    ("kind: points", POINTS): "a.csv:1: found the columns x, y, value, expected also t",
    ("kind: points", "x,y,t,value\n.2,.3,-.1,1\n"): (
        "a.csv:2: t: found -0.1, expected a time from 0 to 2, the end of the equation's time"
    ),
    ("kind: points", "x,y,t,value\n.2,.3,nan,1\n"): "a.csv:2: t: found nan, expected a finite number",
    ("kind: fluxes", PARTS): (
        "observations.o0: found the kind fluxes with the equation heat, expected one of the kinds points"
    ),
}


@pytest.mark.parametrize(("observation", "text"), BAD_TIMES)
def test_bad_times_are_told(tmp_path: Path, observation: str, text: str) -> None:
    """By file and line; kinds that are no readings at a time by their key."""
    with pytest.raises(InputError) as caught:
        in_time(tmp_path, observation, text)
    (problem,) = caught.value.problems
    assert BAD_TIMES[observation, text] in problem


def test_of_many_bad_times_the_first_are_told(tmp_path: Path) -> None:
    """And how many more there are."""
    with pytest.raises(InputError) as caught:
        in_time(tmp_path, "kind: points", "x,y,t,value\n" + ".2,.3,3,1\n" * 12)
    assert len(caught.value.problems) == 11 and caught.value.problems[-1] == "... and 2 more"


def test_a_stationary_state_has_no_times(tmp_path: Path) -> None:
    """A column t is one of those that nobody asks for."""
    assert measured(tmp_path, "kind: points, file: a.csv", a=TIMES["kind: points"]).data.times is None


def test_what_cannot_be_measured_leaves_no_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators of observations before one that is refused, and of parts of what is joined, are destroyed."""
    made: list[ObservationOperator] = []
    kinds = (PointObservations, AverageObservations)
    for kind, original in [(kind, kind.operator) for kind in kinds]:

        def remembered(self: Any, *arguments: Any, original: Any = original) -> ObservationOperator:
            made.append(original(self, *arguments))
            return made[-1]

        monkeypatch.setattr(kind, "operator", remembered)
    points, discs = "kind: points, file: a.csv", "kind: averages, radius: 0.1, file: b.csv"
    with pytest.raises(InputError, match="reaches outside"):
        measured(tmp_path, points, discs, a=SIGMA, b="x,y,value,sigma\n.99,.5,1,1\n")
    with pytest.raises(InputError, match="with and without sigma"):
        measured(tmp_path, points, discs, a=SIGMA, b="x,y,value\n.5,.5,1\n")
    whole = measured(tmp_path, points, discs, a=SIGMA, b="x,y,value,sigma\n.5,.5,1,1\n")
    assert len(made) == 5 and all(operator.matrix.handle == 0 for operator in made)
    assert whole.operator is not None and whole.operator.matrix.handle != 0
    whole.close()
