"""Work units: what solves on several meshes and factorisations amount to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from app.parallel import Tally
from app.pde import Counts
from app.problem.work import done_on, work_on, work_units
from tests.problem.small import SMALL
from tests.states import states_of


@dataclass
class Mesh:
    """So many state and coefficient dofs."""

    state: int
    nodes: int

    @property
    def forward(self) -> Any:
        return SimpleNamespace(size=self.state)

    @property
    def coefficient(self) -> Any:
        return SimpleNamespace(size=self.nodes)


def test_a_solve_counts_by_its_size_and_a_factorisation_by_its_time() -> None:
    """On a mesh of a quarter of the dofs 8 right-hand sides are two; factorisations of 3 s with 0.5 s for a
    state are six solves; 10 solves with R of 100 nodes are 1000 rows, 2.5 times 400 dofs."""
    coarse = Counts(state_solves=2, state_rhs=1, recomputed_rhs=1, adjoint_rhs=1, block_rhs=5)
    coarse.factorisation_seconds, coarse.state_seconds = 2.5, 1.0
    spent = work_on(0, coarse, Tally(Counter({"krylov": 10}), 0.5)) | work_on(
        1, Counts(state_rhs=1, incremental_rhs=2), Tally()
    )
    meshes = [Mesh(100, 100), Mesh(400, 250)]
    assert work_units(spent, meshes) == [(8 + 6) / 4 + 10 * 100 / 400, 3.0]
    assert work_units({}, meshes) == [0.0, 0.0]


@pytest.mark.parametrize("name", ["levels", "network"])
def test_work_is_that_of_all_meshes(name: str) -> None:
    """Of a linear equation: units are right-hand sides by their dofs, solves with R by theirs, and a share of
    factorisations; each is counted on one mesh."""
    with SMALL[name].built() as problem:
        last = states_of(problem)[-1]
        summary = problem.report.summary(last, last.stop_reason or "error")
    spent = last.spent
    levels = summary.get("levels", [summary])
    done = [done_on(number, spent) for number in range(len(levels))]
    for kind in ("state_solves", "linear_solves", "riesz_solves"):
        assert sum(each[kind] for each in done) == summary[kind] > 0
        assert [each[kind] for each in done] == [level[kind] for level in levels]
    finest, units = levels[-1]["state_dofs"], 0.0
    for level, each in zip(levels, done, strict=True):
        made = each["factorisation_seconds"] / (each["state_seconds"] / each["states"])
        assert made > 0 and each["states"] == each["state_solves"]
        units += (level["linear_solves"] + made) * level["state_dofs"] / finest
        units += level["riesz_solves"] * level["coefficient_dofs"] / finest
    assert summary["work_units"] == pytest.approx(units, rel=1e-12)
    assert summary["work_units"] == pytest.approx(sum(level["work_units"] for level in levels), rel=1e-12)
