"""Numbers do not depend on the rank count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from program import QUICKSTART, Run, run_program, same, settings

Titled = Callable[[str], Run]

PAIRS = [
    ("chosen on 1 rank", "chosen on 3 ranks"),
    ("lshape on 1 rank", "lshape on 3 ranks"),
    ("by discrepancy on 1 rank", "by discrepancy on 3 ranks"),
]
pairs = pytest.mark.parametrize(("one", "many"), PAIRS)
choosing = pytest.mark.parametrize(("one", "many"), PAIRS[:2])

EARLY = 1e-8
"""Relative difference of the first three iterations that is allowed."""


@pairs
def test_early_history_is_the_same(titled: Titled, one: str, many: str) -> None:
    """The start and the first three iterations agree to 1e-8 in every column but the seconds."""
    rows = zip(titled(one).history[:4], titled(many).history[:4], strict=True)
    for left, right in rows:
        for column in left.keys() - {"seconds"}:
            where = f"iteration {left['iteration']:.0f}, {column}: {left[column]} and {right[column]}"
            assert same(left[column], right[column], EARLY), where


@choosing
def test_choice_is_the_same(titled: Titled, one: str, many: str) -> None:
    """The same candidates in the same order, scores and weights to 1e-8, and the same one of them chosen."""
    left, right = titled(one).summary, titled(many).summary
    assert len(left["candidates"]) == len(right["candidates"]) > 1
    for ours, theirs in zip(left["candidates"], right["candidates"], strict=True):
        for key in ("kind", "judged_by", "chosen", "edge_share"):
            assert ours[key] == theirs[key], key
        for key in ("length_scale", "score", "weight"):
            assert theirs[key] == pytest.approx(ours[key], rel=EARLY), key
    assert right["noise_level"] == pytest.approx(left["noise_level"], rel=EARLY)
    assert right["cross_validation"] == pytest.approx(left["cross_validation"], rel=EARLY)


@pairs
def test_decisions_are_the_same(titled: Titled, one: str, many: str) -> None:
    """Vectors, widths, trials, solves and the reason to stop agree to the end."""
    left, right = titled(one), titled(many)
    assert left.summary["stop_reason"] == right.summary["stop_reason"]
    assert left.summary["widths"] == right.summary["widths"]
    for column in ("vectors", "width", "trials", "parameters", "state_solves", "linear_solves"):
        assert [row[column] for row in left.history] == [row[column] for row in right.history], column


@pairs
def test_result_is_the_same_within_a_percent(titled: Titled, one: str, many: str) -> None:
    """Error and misfit agree to 1 %, and the coefficient to 1 % of its range at every node."""
    left, right = titled(one), titled(many)
    for key in ("relative_error", "misfit", "energy"):
        assert right.summary[key] == pytest.approx(left.summary[key], rel=0.01), key
    m = _by_node(left), _by_node(right)
    assert m[0].keys() == m[1].keys()
    values = np.array([[field[node] for node in m[0]] for field in m])
    assert np.abs(values[0] - values[1]).max() <= 0.01 * np.ptp(values[0])


def _by_node(run: Run) -> dict[tuple[float, ...], float]:
    """m by the coordinates of the node."""
    nodes = map(tuple, np.round(np.asarray(run.grid.points), 9).tolist())
    return dict(zip(nodes, run.field("m").tolist(), strict=True))


def test_a_program_on_two_ranks_ends_well(tmp_path: Path) -> None:
    """As a user starts it: exit code 0, and nothing on standard error."""
    coarse = settings("mesh.cells=[10, 10]", "unknowns.m.representation.kind=nodal", "posterior.kind=none")
    run = run_program(QUICKSTART, *coarse, out=tmp_path / "results", ranks=2)
    assert (run.code, run.err) == (0, "")
    assert run.summary["ranks"] == 2
