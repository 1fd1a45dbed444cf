"""Laws of variational problems as cases, of the flow that solves them, and what of a case is refused."""

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from app.case import CaseError, RitzCase, load_case
from app.flow import AtTolerance, ConvexBuilder, Outcome, run_flow
from app.parallel import SolveFailed
from app.problem.convex import ConvexSetup
from app.problem.ritz import prepare_ritz

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


class Silent:
    """An observer that says nothing."""

    def iteration(self, record: object) -> None: ...
    def note(self, message: str) -> None: ...
    def chosen(self, choice: object) -> None: ...


def setup_of(folder: Path, text: str, *overrides: str, comm: MPI.Comm = COMM) -> ConvexSetup:
    """From text as from a file, which rank 0 writes."""
    path = folder / "case.yaml"
    if COMM.rank == 0:
        path.write_text(text)
    COMM.barrier()
    case = load_case(path, overrides)
    COMM.barrier()  # or the next file is written before this one is read
    assert isinstance(case, RitzCase)
    return prepare_ritz(comm, case)


def run(setup: ConvexSetup, tolerance: float = 1e-3, most: int = 20) -> Outcome:
    start = setup.step.values()
    assert setup.half_square is not None
    stopping = AtTolerance(tolerance, setup.half_square, most)
    given = (setup.energy, setup.energy.residual(start), np.zeros_like(start))
    return run_flow(*given, ConvexBuilder(setup.plain), setup.step, stopping, Silent())


@pytest.mark.parametrize(("name", "inner", "step"), FLOWS)
def test_energy_falls_in_every_product_and_step(
    shared_tmp_path: Path, name: str, inner: str, step: str
) -> None:
    setup = setup_of(shared_tmp_path, CASES[name], f"flow.inner_product={inner}", f"flow.step={step}")
    energies = [record.misfit for record in run(setup, most=3).records]
    assert len(energies) > 1
    assert all(later < earlier for earlier, later in pairwise(energies))


@pytest.mark.parametrize("name", TRIED)
def test_run_stops_within_its_tolerance(shared_tmp_path: Path, name: str) -> None:
    """From one neuron; the distance is that to the finite-element solution, by their energies."""
    setup = setup_of(shared_tmp_path, CASES[name])
    outcome = run(setup)
    assert outcome.stop_reason == "tolerance"
    assert setup.tell(outcome.coefficient)["distance"] <= 1.1e-3


@pytest.mark.parametrize("name", TRIED)
def test_nodal_values_are_newtons(shared_tmp_path: Path, name: str) -> None:
    """The flow of nodal values in the energy's own product finds the finite-element solution."""
    setup = setup_of(shared_tmp_path, CASES[name], "unknowns.m.representation.kind=nodal")
    outcome = run(setup, tolerance=1e-6)
    assert outcome.stop_reason == "tolerance" and len(outcome.records) < 16
    told = setup.tell(outcome.coefficient)
    assert told["distance_h1"] < 1e-4 and abs(told["energy_excess"]) < 1e-11


def test_least_energy_of_the_semilinear_equation(shared_tmp_path: Path) -> None:
    """−u″ + u³ = f of u = cos πx: E = π²/2 + 3/16 − (π² + 3/4) = −(π²/2 + 9/16), as ∫cos² = 1 and
    ∫cos⁴ = 3/4; that of linear elements is above it by ½‖u − u_h‖², about h²π⁴/24."""
    setup = setup_of(shared_tmp_path, SEMILINEAR)
    outcome = run(setup, tolerance=1e-4)
    told = setup.tell(outcome.coefficient)
    h = 2 / 300
    assert told["least_energy"] + np.pi**2 / 2 + 9 / 16 == pytest.approx(h**2 * np.pi**4 / 24, rel=0.1)
    assert 0 <= told["energy_excess"] < 1e-6
    assert setup.error is not None and setup.error(outcome.coefficient) < 1e-4


def test_values_on_the_boundary_are_exact(shared_tmp_path: Path) -> None:
    """Whatever the parameters: the nodes there are not the network's."""
    setup = setup_of(shared_tmp_path, ICE)
    step = setup.step
    theta = np.random.default_rng(5).standard_normal(step.size)
    values = step.network.values(theta)  # type: ignore[attr-defined]
    assert setup.size == 64 == COMM.allreduce(len(values))
    start = step.values()
    assert COMM.allreduce(float(np.abs(values - start).max(initial=0.0)), op=MPI.MAX) > 0.1


@pytest.mark.parametrize("name", TRIED)
def test_flow_is_that_of_one_rank(shared_tmp_path: Path, name: str) -> None:
    """Energies, growth and what the solution is, with the nodes spread over the ranks and on one alone."""
    records, told = [], []
    for comm in (COMM, MPI.COMM_SELF):
        setup = setup_of(shared_tmp_path, CASES[name], comm=comm)
        outcome = run(setup, most=2)
        records.append(outcome.records)
        told.append(setup.tell(outcome.coefficient)["least_energy"])
    assert [record.widths for record in records[0]] == [record.widths for record in records[1]]
    energies = np.array([[record.misfit for record in found] for found in records])
    np.testing.assert_allclose(energies[0], energies[1], rtol=1e-6)
    assert told[0] == pytest.approx(told[1], rel=1e-11)


def test_overflow_is_a_failed_evaluation(shared_tmp_path: Path) -> None:
    """So that a trial there counts as rejected, on all ranks."""
    setup = setup_of(shared_tmp_path, SEMILINEAR)
    start = setup.step.values()
    far = start.copy()
    if COMM.rank == 0:
        far[0] = 1e200
    with pytest.raises(SolveFailed):
        setup.energy.residual(far)
    assert np.isfinite(setup.energy.misfit(setup.energy.residual(start)))


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
        setup_of(shared_tmp_path, SEMILINEAR.replace(old, new))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
