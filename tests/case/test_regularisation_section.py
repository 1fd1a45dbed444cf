"""The section `regularisation` of a case: what half a section means, and what contradicts itself."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from faults import problems

from app.case import load_case


@pytest.mark.parametrize("text", ["inf", ".inf", "Infinity"])
def test_only_the_length_scale_may_be_infinite(case_file: Path, text: str) -> None:
    """An infinite length stands for no mass term."""
    case = load_case(case_file, ["regularisation.m.kind=h1", f"regularisation.m.length_scale={text}"])
    assert case.regularisation["m"].length_scale == math.inf
    assert "a finite number > 0" in problems(case_file, f"regularisation.m.weight={text}")[0]


COMPLETED = {
    "{}": ("auto", "cross_validation"),
    "{weight: cross_validation}": ("auto", "cross_validation"),
    "{kind: auto}": ("auto", "cross_validation"),
    "{weight: discrepancy}": ("h1", "discrepancy"),
    "{weight: 0.5}": ("h1", 0.5),
    "{kind: h1}": ("h1", "discrepancy"),
    "{kind: bilaplacian, length_scale: 0.1}": ("bilaplacian", "discrepancy"),
    "{kind: edge_preserving, weight: cross_validation}": ("edge_preserving", "cross_validation"),
}
"""What a part of a regularisation means: its kind and its weight."""


@pytest.mark.parametrize("given", COMPLETED)
def test_half_a_regularisation_is_completed(case_file: Path, given: str) -> None:
    """A kind alone goes with the weight by discrepancy, a number or discrepancy alone with h1."""
    chosen = load_case(case_file, [f"regularisation.m={given}"]).regularisation["m"]
    assert (chosen.kind, chosen.weight) == COMPLETED[given]


@pytest.mark.parametrize("product", ["l2", "h1", "prior"])
def test_an_explicit_metric_falls_back_to_h1_by_discrepancy(case_file: Path, product: str) -> None:
    """Nothing said of R, a flow without the model that the choice needs does not choose; asked to, it
    refuses."""
    metric = f"flow.inner_product={product}"
    for empty in ([], ["regularisation={}"], ["regularisation.m={}"]):
        chosen = load_case(case_file, [metric, *empty]).regularisation["m"]
        assert (chosen.kind, chosen.weight) == ("h1", "discrepancy")
    for asked in ("kind=auto", "weight=cross_validation"):
        (problem,) = problems(case_file, metric, f"regularisation.m.{asked}")
        assert "regularisation.m" in problem
        assert f"found cross_validation with inner_product {product} and step retracted, expected" in problem


def test_a_length_alone_goes_with_h1_and_an_edge_share_with_edges(case_file: Path) -> None:
    """What describes an R is no wish to have one chosen."""
    for key, kind in (("length_scale", "h1"), ("edge_share", "edge_preserving")):
        given = load_case(case_file, [f"regularisation.m.{key}=0.2"]).regularisation["m"]
        assert (given.kind, given.weight) == (kind, "discrepancy")


def test_the_plain_step_falls_back_to_h1_by_discrepancy(case_file: Path) -> None:
    """It cannot follow the exact model of a choice."""
    given = load_case(case_file, ["flow.step=plain"]).regularisation["m"]
    assert (given.kind, given.weight) == ("h1", "discrepancy")
    (problem,) = problems(case_file, "flow.step=plain", "regularisation.m.kind=auto")
    assert "and step plain, expected" in problem


REFUSED = {
    "{kind: auto, weight: 0.5}": ("weight", "auto with the weight 0.5"),
    "{kind: auto, weight: discrepancy}": ("weight", "auto with the weight discrepancy"),
    "{kind: auto, length_scale: 0.1}": ("length_scale", "auto with a length_scale"),
    "{kind: auto, edge_share: 0.1}": ("edge_share", "auto with an edge_share"),
    "{kind: h1, edge_share: 0.1}": ("edge_share", "h1 with an edge_share"),
    "{kind: bilaplacian, length_scale: inf}": ("length_scale", "bilaplacian with length inf"),
}
"""Regularisations that contradict themselves: key at fault, found."""


@pytest.mark.parametrize("given", REFUSED)
def test_a_regularisation_that_contradicts_itself_is_refused(case_file: Path, given: str) -> None:
    """One line that names the key and says both what was found and what is accepted."""
    key, found = REFUSED[given]
    (problem,) = problems(case_file, f"regularisation.m={given}")
    assert f"regularisation.m.{key}: found {found}, expected " in problem


def test_regularisations_of_several_unknowns_agree(case_file: Path) -> None:
    """What is said of one holds for the others, the scale aside; what contradicts it is told by its key."""
    second = "unknowns.n={role: source}"
    case = load_case(case_file, [second, "regularisation.n={kind: bilaplacian, weight: 2, scale: 5}"])
    m, n = case.regularisation["m"], case.regularisation["n"]
    assert (m.kind, m.weight, m.scale, n.scale) == ("bilaplacian", 2, 1, 5)
    given = ["regularisation.m={kind: h1}", "regularisation.n={kind: bilaplacian}"]
    (problem,) = problems(case_file, second, *given)
    assert "regularisation.n: found kind bilaplacian beside h1 of the unknown m, expected the same" in problem
