"""A run on several meshes: which they are, what is decided where, and what is told of it."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import CASES, COMM, FEW, INCOMPLETE, SMALL, Small, on_square
from states import assert_same, bare, states_of

from app.case import BaseCase, CaseError, load_case
from app.case.levels import coarser
from app.energy.restricted import Restricted
from app.flow import Method
from app.parallel import gram
from app.problem.levels_report import _halvings

MESHES = {
    "1D": ("interval", "cells=128", "cells=64"),
    "odd": ("rectangle", "cells=[65,9]", "cells=[33,5]"),
    "3D": ("box", "cells=[24,12,6]", "cells=[12,6,3]"),
    "too few": ("rectangle", "cells=[62,62]", None),
}
"""A kind of mesh, its cells, and those of the next coarser one."""


def on_mesh(kind: str, cells: str) -> BaseCase:
    """The quickstart on a mesh of another kind, which is not made."""
    other = [] if kind == "rectangle" else ["mesh.lower=0" if kind == "interval" else "mesh.lower=[0,0,0]"]
    upper = {"interval": ["mesh.upper=1"], "rectangle": [], "box": ["mesh.upper=[1,1,1]"]}[kind]
    truth = "unknowns.m.truth=x"
    return load_case(CASES / "quickstart.yaml", [f"mesh.kind={kind}", f"mesh.{cells}", truth, *other, *upper])


@pytest.mark.parametrize("name", MESHES)
def test_cells_are_halved_while_enough_are_left(name: str) -> None:
    """Of an odd number the larger half is left."""
    kind, cells, expected = MESHES[name]
    found = coarser(on_mesh(kind, cells))
    assert (None if found is None else found.mesh) == (
        None if expected is None else on_mesh(kind, expected).mesh
    )


def test_levels_that_there_are_not_are_refused() -> None:
    """With the key and how many there are: 10, 5, 3 and 2 cells along a side."""
    with pytest.raises(CaseError, match=r"levels: found 9, expected at most 4"):
        on_square("quickstart", "levels=9", cells=10).built()


def test_a_case_without_resolution_has_one_level() -> None:
    """With auto a coarse mesh has at least 32 cells along a side."""
    problem = on_square("quickstart", cells=10).built()
    assert not problem.finer
    problem.close()


def test_a_fine_misfit_seen_from_coarse_nodes_is_consistent() -> None:
    """⟨w, JPv⟩ = ⟨PᵀJᵀw, v⟩, and the derivative is that of the misfit along coarse functions, P v."""
    problem = on_square("quickstart", "levels=2", cells=12).built()
    seen = problem.on(1, 0)
    own = seen.start
    rng = np.random.default_rng(1)
    theta = own.theta + 0.3 * rng.standard_normal(own.theta.shape)
    at = seen.at(type(own).of(own.network, theta))  # type: ignore[arg-type]
    assert isinstance(at, Restricted)
    v, w = rng.standard_normal(len(at.m)), rng.standard_normal(len(at.residual))
    np.testing.assert_allclose(w @ at.jvp(v), gram(COMM, at.vjp(w), v), rtol=1e-10)
    energy, m, step = problem.on(1, 1).energy, at.fine.m, 1e-4
    ahead, behind = (energy.at(m + sign * step * at.prolonged(v)).value for sign in (1, -1))
    np.testing.assert_allclose(gram(COMM, at.derivative(), v), (ahead - behind) / (2 * step), rtol=1e-5)
    problem.close()


def test_a_coarse_mesh_that_misleads_does_not_select() -> None:
    """A network may bend between coarse nodes, as 6 x 6 cells let it: what is selected is selected on the
    finer mesh, whose nodes the run moves on to."""
    problem = SMALL["levels"].built()
    states = states_of(problem)
    end = states[-1]
    (change,) = end.refinements
    assert end.selected is not None and change.moved > problem.method.levels.resolved
    assert end.selected.iteration >= change.iteration
    assert (end.level, end.base) == (1, 1)
    problem.close()


def test_a_coarse_mesh_that_resolves_decides() -> None:
    """R, w and the nodes remain those of the coarse mesh; the energy and the minimum are the finer one's: a
    run on it alone, with what was selected, comes no lower."""
    problem = on_square("sparse", "levels=2", cells=32).built()
    end = states_of(problem)[-1]
    assert end.selected is not None and end.selected.iteration < end.refinements[0].iteration
    assert (end.level, end.base, end.stop_reason) == (1, 0, "minimum")
    told = problem.report.summary(end, "minimum")
    coarse, fine = told["levels"]
    assert coarse["state_dofs"] < fine["state_dofs"] and fine["state_solves"] <= 4
    assert told["discretisation"]["halvings"] == 0
    assert told["discretisation"]["file"] == "sparse.csv" and told["discretisation"]["line"] > 1
    problem.close()


GOING_ON = {
    "lagged R chosen, nodal": on_square(
        "sparse",
        "levels=3",
        "regularisation.m.kind=edge_preserving",
        "regularisation.m.weight=cross_validation",
        "unknowns.m.representation.kind=nodal",
    ),
    "incomplete sketch": on_square("sparse", "levels=2", method=Method(sketch=INCOMPLETE)),
    "discrepancy": on_square("sparse", "levels=2", "regularisation.m.kind=h1"),
    "two unknowns": on_square("two_unknowns", "levels=2", cells=4),
    "in time": on_square("heat_pinnacle", "levels=2", cells=16),
}
"""Small problems on several meshes, beside those that all laws of states take."""


@pytest.mark.parametrize("name", GOING_ON)
def test_a_run_on_several_meshes_goes_on_from_what_is_saved(name: str) -> None:
    """From each state to the last bit, whatever the model and the stage."""
    problem = GOING_ON[name].built()
    states = states_of(problem)
    assert states[-1].level == len(problem.finer)
    for before, after in pairwise(states):
        assert_same(problem.advance(bare(before)), after)
    problem.close()


def test_how_many_halvings_would_do() -> None:
    """By the order that the last meshes show, at least the first."""
    assert _halvings([0.4]) == 0
    assert _halvings([2.0]) == 2
    assert _halvings([8.0, 2.0]) == 1
    assert _halvings([2.0, 4.0]) == 3


def test_experiments_are_on_the_coarser_mesh_too(tmp_path: Path) -> None:
    """A case of several experiments has one mesh."""
    case = load_case(CASES / "two_unknowns.yaml", ["mesh.cells=[64,64]"])
    found = coarser(case)
    assert found is not None
    assert {part.mesh.model_dump_json() for part in found.parts.values()} == {found.mesh.model_dump_json()}


ELECTRODES = ("equation.dimension=2", "mesh.coarsening=2")
"""The trunk as a problem of small meshes."""


def test_meshes_through_electrodes_are_made_anew_with_larger_cells() -> None:
    """As often as is asked for, with auto once from the usual ones."""
    case = load_case(CASES / "trunk.yaml")
    coarse = coarser(case)
    assert coarse is not None and coarse.mesh == case.mesh.model_copy(update={"coarsening": 2.0})
    assert coarser(coarse) is None
    assert coarser(coarse, asked=True) is not None


def test_levels_of_a_mesh_through_electrodes(gmsh: Any) -> None:
    """The reference is that of the finest mesh on both, though each has readings by geometric factors of its
    own; what these differ by is seen before anything is solved for but the first states."""
    problem = Small("trunk", (*ELECTRODES, "levels=2", FEW)).built()
    coarse, fine = (problem.on(level, level) for level in (0, 1))
    assert coarse.reference[0] == fine.reference[0]
    moved = [each.at(each.start).residual for each in (coarse, fine)]
    change = np.sqrt(np.mean((moved[1] - moved[0]) ** 2))
    assert 1e-3 < change < problem.method.levels.resolved
    end = states_of(problem)[-1]
    assert (end.level, end.stop_reason) == (1, "minimum")
    problem.close()


def test_a_function_is_approximated_on_a_coarser_mesh_first() -> None:
    """Where that shows it, as 32 x 32 cells show a smooth one; there a network grows that on the finer mesh
    hardly does."""
    problem = on_square("smooth", "flow.tolerance=1.e-2", cells=64).built()
    assert [len(problem.on(level, level).reference) for level in (0, 1)] == [33**2, 65**2]
    end = states_of(problem)[-1]
    assert (end.level, end.base, end.stop_reason) == (1, 1, "tolerance")
    told = problem.report.summary(end, "tolerance")
    coarse, fine = told["levels"]
    assert coarse["iterations"] > fine["iterations"] >= 1
    assert told["distance"] <= 1e-2 and told["coefficient_dofs"] == 65**2
    problem.close()


def test_a_function_that_a_coarser_mesh_does_not_show_is_approximated_on_its_own() -> None:
    """Thirty waves on 64 cells are none on 32."""
    waves = "energy.function=sin(60*pi*x)"
    problem = on_square("smooth", waves, cells=64).built()
    assert not problem.finer
    problem.close()


NOT_ON_COARSER_MESHES = {
    "nodal values": ("smooth", "unknowns.m.representation.kind=nodal"),
    "reduction": ("reduction_front", "mesh.cells=20", "equation.time.steps=5", "energy.unseen=2"),
}
"""A case, and keys that are changed."""


@pytest.mark.parametrize("what", NOT_ON_COARSER_MESHES)
def test_what_does_not_grow_on_coarser_meshes_is_told(what: str) -> None:
    """Several levels are refused with the key."""
    case, *overrides = NOT_ON_COARSER_MESHES[what]
    with pytest.raises(CaseError, match=r"levels: found 2, expected at most 1: only the networks of"):
        Small(case, (*overrides, "levels=2")).built()
