"""Laws of variational problems as cases, of the flow that solves them, and what of a case is refused."""

from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI
from states import states_of

from app.case import CaseError, load_case
from app.flow import FlowState
from app.parallel import SolveFailed
from app.problem import Problem, build

COMM = MPI.COMM_WORLD

SEMILINEAR = """\
mesh: {kind: interval, lower: -1, upper: 1, cells: 300}
energy:
  kind: ritz
  functional: semilinear
  source: "pi**2*cos(pi*x) + cos(pi*x)**3"
  boundary:
    ends: {on: all, kind: dirichlet, value: -1}
  truth: "cos(pi*x)"
expansion: {candidates: 60}
"""

ICE = """\
mesh: {kind: rectangle, cells: [8, 8]}
energy:
  kind: ritz
  functional: p_laplacian
  exponent: 1.5
  source: 1
  boundary:
    bed: {on: [left, bottom], kind: dirichlet, value: "x + y"}
expansion: {candidates: 60}
"""

POISSON = """\
mesh: {kind: rectangle, cells: [8, 8]}
energy:
  kind: ritz
  functional: reaction_diffusion
  source: 10
  boundary:
    wall: {on: left, kind: dirichlet, value: y}
    side: {on: right, kind: robin, value: 1, transfer: 2}
expansion: {candidates: 60}
"""

CASES = {"semilinear": SEMILINEAR, "p_laplacian": ICE, "reaction_diffusion": POISSON}

ALONE = COMM.size == 1
"""Several ranks, which are slow where they outnumber the cores, try less."""

TRIED = list(CASES) if ALONE else ["p_laplacian"]

FLOWS = (
    [(name, *way) for name in CASES for way in product(["energy", "l2", "h1"], ["retracted", "plain"])]
    if ALONE
    else [("p_laplacian", "energy", "plain"), ("reaction_diffusion", "l2", "retracted")]
)
"""Case, inner product and step."""


def problem_of(folder: Path, text: str, *overrides: str, comm: MPI.Comm = COMM) -> Problem:
    """From text as from a file, which rank 0 writes."""
    path = folder / "case.yaml"
    if COMM.rank == 0:
        path.write_text(text)
    COMM.barrier()
    case = load_case(path, overrides)
    COMM.barrier()  # or the next file is written before this one is read
    return build(case, comm)


def told(problem: Problem, state: FlowState) -> dict[str, Any]:
    """What the summary says of a state."""
    return problem.report.summary(state, state.stop_reason or "interrupted")


@pytest.mark.serial
@pytest.mark.parametrize(("name", "inner", "step"), FLOWS)
def test_energy_falls_in_every_product_and_step(
    shared_tmp_path: Path, name: str, inner: str, step: str
) -> None:
    flow = (f"flow.inner_product={inner}", f"flow.step={step}", "flow.max_iterations=3")
    last = states_of(problem_of(shared_tmp_path, CASES[name], *flow))[-1]
    energies = [record.misfit for record in last.records]
    assert len(energies) > 1
    assert all(later < earlier for earlier, later in pairwise(energies))


@pytest.mark.serial
@pytest.mark.parametrize("name", TRIED)
def test_run_stops_within_its_tolerance(shared_tmp_path: Path, name: str) -> None:
    """From one neuron; the distance is that to the finite-element solution, by their energies."""
    problem = problem_of(shared_tmp_path, CASES[name], "flow.tolerance=1e-3", "flow.max_iterations=20")
    last = states_of(problem)[-1]
    assert last.stop_reason == "tolerance"
    assert told(problem, last)["distance"] <= 1.1e-3


@pytest.mark.serial
@pytest.mark.parametrize("name", TRIED)
def test_nodal_values_are_newtons(shared_tmp_path: Path, name: str) -> None:
    """The flow of nodal values in the energy's own product finds the finite-element solution."""
    nodal = ("unknowns.m.representation.kind=nodal", "flow.tolerance=1e-6", "flow.max_iterations=20")
    problem = problem_of(shared_tmp_path, CASES[name], *nodal)
    last = states_of(problem)[-1]
    assert last.stop_reason == "tolerance" and len(last.records) < 16
    found = told(problem, last)
    assert found["distance_h1"] < 1e-4 and abs(found["energy_excess"]) < 1e-11


@pytest.mark.serial
def test_least_energy_of_the_semilinear_equation(shared_tmp_path: Path) -> None:
    """−u″ + u³ = f of u = cos πx: E = π²/2 + 3/16 − (π² + 3/4) = −(π²/2 + 9/16), as ∫cos² = 1 and
    ∫cos⁴ = 3/4; that of linear elements is above it by ½‖u − u_h‖², about h²π⁴/24."""
    problem = problem_of(shared_tmp_path, SEMILINEAR, "flow.tolerance=1e-4", "flow.max_iterations=20")
    last = states_of(problem)[-1]
    found, h = told(problem, last), 2 / 300
    assert found["least_energy"] + np.pi**2 / 2 + 9 / 16 == pytest.approx(h**2 * np.pi**4 / 24, rel=0.1)
    assert 0 <= found["energy_excess"] < 1e-6
    assert found["relative_error"] == problem.report.error(last.evaluation) < 1e-4


def test_values_on_the_boundary_are_exact(shared_tmp_path: Path) -> None:
    """Whatever the parameters: the nodes there are not the network's."""
    problem = problem_of(shared_tmp_path, ICE)
    own = problem.minimisation.start
    theta = np.random.default_rng(5).standard_normal(own.size)
    values = replace(own, theta=theta).values()
    size = told(problem, problem.start())["coefficient_dofs"]
    assert size == 64 == COMM.allreduce(len(values))
    assert COMM.allreduce(float(np.abs(values - own.values()).max(initial=0.0)), op=MPI.MAX) > 0.1


@pytest.mark.parametrize("name", TRIED)
def test_flow_is_that_of_one_rank(shared_tmp_path: Path, name: str) -> None:
    """Energies, growth and what the solution is, with the nodes spread over the ranks and on one alone."""
    records, least = [], []
    for comm in (COMM, MPI.COMM_SELF):
        problem = problem_of(shared_tmp_path, CASES[name], "flow.max_iterations=2", comm=comm)
        last = states_of(problem)[-1]
        records.append(last.records)
        least.append(told(problem, last)["least_energy"])
    assert [record.widths for record in records[0]] == [record.widths for record in records[1]]
    energies = np.array([[record.misfit for record in found] for found in records])
    np.testing.assert_allclose(energies[0], energies[1], rtol=1e-6)
    assert least[0] == pytest.approx(least[1], rel=1e-11)


def test_overflow_is_a_failed_evaluation(shared_tmp_path: Path) -> None:
    """So that a trial there counts as rejected, on all ranks."""
    minimisation = problem_of(shared_tmp_path, SEMILINEAR).minimisation
    far = minimisation.start.values().copy()
    if COMM.rank == 0:
        far[0] = 1e200
    with pytest.raises(SolveFailed):
        minimisation.energy.at(far)
    assert np.isfinite(minimisation.energy.at(minimisation.start.values()).value)


BAD = {
    "functional": ("functional: semilinear", "functional: semilinar", "energy.functional: found 'semilinar'"),
    "no functional": ("  functional: semilinear\n", "", "energy.functional: found nothing"),
    "nothing given": ("kind: dirichlet", "kind: neumann", "only neumann conditions and no reaction"),
    "robin": ("kind: dirichlet", "kind: robin", "robin without a transfer"),
    "no transfer": (
        "kind: dirichlet",
        "kind: robin, transfer: 0*x",
        "energy.boundary: found no part of the mesh's boundary with a given value, no transfer",
    ),
    "transfer": (
        "kind: dirichlet",
        "kind: robin, transfer: x",
        "found -1 on the mesh, expected a transfer >= 0",
    ),
    "part": ("on: all", "on: rim", "energy.boundary.ends.on: the mesh has no boundary part 'rim'"),
    "values": ("value: -1", "value: log(x)", "energy.boundary: found values that are not finite"),
    "source": ('source: "pi', 'source: "log(x)*pi', "energy.source: found values that are not finite"),
    "diffusivity": ("functional:", "diffusivity: x\n  functional:", "expected a diffusivity > 0"),
    "cubic": ("functional:", "cubic: -1\n  functional:", "energy.cubic: found -1 on the mesh"),
    "dimension": ("value: -1", "value: y", "y in 'y'"),
    "truth": ('truth: "cos(pi*x)"', "truth: 0*x", "energy.truth: found a truth of norm 0"),
    "exponent": ("semilinear\n", "p_laplacian\n  exponent: 1\n", "energy.exponent: found 1, expected"),
    "transform": (
        "expansion:",
        "unknowns: {m: {representation: {transform: {kind: bounded, low: 0, high: 1}}}}\nexpansion:",
        "unknowns.m: found the transform bounded",
    ),
    "no nodes": ("cells: 300", "cells: 1", "energy.boundary: found values at all nodes of the mesh"),
}


@pytest.mark.parametrize("name", BAD if ALONE else ["part", "values", "diffusivity", "no nodes"])
def test_bad_input_is_refused(shared_tmp_path: Path, name: str) -> None:
    """With one sentence, alike on all ranks."""
    old, new, said = BAD[name]
    assert old in SEMILINEAR
    with pytest.raises(CaseError) as caught:
        problem_of(shared_tmp_path, SEMILINEAR.replace(old, new))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
