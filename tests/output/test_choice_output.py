"""What is told of the choice of a regularisation: lines, a part of the summary, a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from choices import WEIGHTS, choice
from mpi4py import MPI

from app.output import choice_summary, draw_choice
from app.output.choice import choice_lines

PARAMETERS = ["sharpness", "depth"]
"""Of regularisations that there might be; no candidate has the second."""

each = pytest.mark.parametrize("chosen", range(3))


@each
def test_lines_tell_every_candidate_and_mark_the_chosen_one(chosen: int) -> None:
    """One line a candidate with its score, judge and weight, one arrow, the reason, what the fit found."""
    made = choice(chosen)
    heading, *candidates, reason, figures = choice_lines(made)
    assert "left out" in heading
    assert [("->" in line) for line in candidates] == [i == chosen for i in range(3)]
    for line, score in zip(candidates, made.scores, strict=True):
        assert str(score.candidate) in line
        assert f"{score.score:.5g} by " in line and f"at weight {score.weight:.3g}" in line
        assert ("folds" in line) == score.by_folds == ("leave-one-out" not in line)
    assert reason.strip() == "because it does"
    assert "41 degrees of freedom" in figures and "1.07" in figures
    columns = {line.index(" by ") for line in candidates}
    assert len(columns) == 1


def test_scores_are_those_of_the_judge_that_has_seen_nothing() -> None:
    """Leave-one-out where R is fixed, the folds where it depends on m: 1.4, 1.25 and 1.3 at the best
    weights."""
    made = choice()
    assert [score.score for score in made.scores] == [1.4, 1.25, 1.3]
    assert [score.weight for score in made.scores] == pytest.approx(WEIGHTS[[2, 3, 4]])
    assert (made.weight, made.candidate) == (made.score.weight, made.scores[1].candidate)


@each
def test_summary_holds_every_candidate(chosen: int) -> None:
    """All in their order, as JSON takes them, exactly one of them chosen; its score is the whole's."""
    made = choice(chosen)
    summary = json.loads(json.dumps(choice_summary(made, PARAMETERS), allow_nan=False))
    assert summary["cross_validation"] == made.score.score
    candidates = summary["candidates"]
    assert [each["chosen"] for each in candidates] == [i == chosen for i in range(3)]
    for told, score in zip(candidates, made.scores, strict=True):
        candidate = score.candidate
        assert (told["kind"], told["length_scale"]) == (candidate.kind, candidate.length)
        own = {name: told[name] for name in PARAMETERS}
        assert own == {"sharpness": candidate.parameters.get("sharpness"), "depth": None}
        assert (told["weight"], told["score"]) == (score.weight, score.score)
        assert told["judged_by"] == ("folds" if score.by_folds else "leave_one_out")


def test_summary_without_a_choice_has_the_same_keys() -> None:
    """Nothing chosen: no score and no candidates."""
    assert choice_summary(None, PARAMETERS) == {
        "cross_validation": None,
        "choice_reason": None,
        "candidates": [],
    }
    assert choice_summary(None, PARAMETERS).keys() == choice_summary(choice(), PARAMETERS).keys()


@each
def test_picture_shows_something(tmp_path: Path, chosen: int) -> None:
    """A PNG of at least 600 x 300 pixels in which lines of several colours are drawn."""
    from matplotlib.image import imread

    path = tmp_path / "choice.png"
    draw_choice(MPI.COMM_SELF, path, choice(chosen))
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = imread(path)[..., :3]
    assert pixels.shape[0] >= 300 and pixels.shape[1] >= 600
    coloured = pixels[np.ptp(pixels, axis=2) > 0.3]
    hues = np.unique((coloured * 3).round().astype(int), axis=0)
    assert len(hues) >= 3  # one a candidate


def test_picture_survives_scores_that_are_not_finite(tmp_path: Path) -> None:
    """What cannot be drawn is left out."""
    made = choice()
    made.scores[0].left_out[:2] = np.nan, np.inf
    draw_choice(MPI.COMM_SELF, tmp_path / "choice.png", made)
    assert (tmp_path / "choice.png").stat().st_size > 1000
