"""What is said and drawn of predictions and designs."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elliptic import box_space

from app.output import Deviating, Look, Quantity, design_lines, draw_design, write_design, write_predictions
from app.output.predictions import SHOWN, prediction_lines, summarised
from app.posterior.predictions import Label, Predictions

NAN = np.full(2, np.nan)


def predictions(**more: Any) -> Predictions:
    """Of two, whose deviations are known or not."""
    labels = (Label("heads", "0.3 0.4"), Label("flux", "left, top"))
    known = {"std": np.array([0.1, 0.2]), "std_prior": np.array([1.0, 2.0])} | more
    quantiles = np.array([[0.8, 1.0, 1.2], [1.5, 2.0, 2.5]]) + 0 * known["std"][:, None]
    return Predictions(labels, np.array([1.0, 2.0]), quantiles=quantiles, **known)


def test_a_line_says_how_sure_each_is() -> None:
    """Without a posterior the value alone, and of phases nothing of before the data; of many the first few,
    and how many more there are."""
    first, _ = prediction_lines({"predictions": summarised(predictions())})
    assert first == "prediction heads at 0.3 0.4: 1, sd 0.1 (before the data 1), 90 % from 0.8 to 1.2"
    first, _ = prediction_lines({"predictions": summarised(predictions(std=NAN, std_prior=NAN))})
    assert first == "prediction heads at 0.3 0.4: 1"
    first, _ = prediction_lines({"predictions": summarised(predictions(std_prior=NAN))})
    assert first == "prediction heads at 0.3 0.4: 1, sd 0.1, 90 % from 0.8 to 1.2"
    told = summarised(predictions())
    many = prediction_lines({"predictions": told | {"values": told["values"] * SHOWN}})
    assert len(many) == SHOWN + 1 and many[-1] == f"... and {SHOWN} more predictions in predictions.csv"
    assert prediction_lines({}) == []


def test_draws_without_a_state_are_told() -> None:
    """With the number of all."""
    draws = np.array([[1.0, np.nan, 2.0], [1.0, np.nan, 2.0]])
    told = summarised(predictions(draws=draws))
    assert (told["draws"], told["draws_lost"]) == (3, 1)
    assert prediction_lines({"predictions": told})[-1].startswith("warning: 1 of 3 draws have no state")


def test_the_table_has_what_is_known(tmp_path: Path) -> None:
    """Empty cells stand for the rest; the truth has a column where there is one."""
    path = tmp_path / "predictions.csv"
    write_predictions(path, predictions(std=NAN, std_prior=NAN, truth=np.array([1.5, 2.25])))
    with path.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first["place"] == "0.3 0.4" and second["place"] == "left, top" and first["sd"] == ""
    assert float(second["value"]) == 2.0 and float(second["truth"]) == 2.25


ROWS = [
    {"order": 1, "line": 7, "place": "0.5 0.5", "sigma": 0.01, "variance_left": 0.5},
    {"order": 2, "line": 3, "place": "0.25 0.125", "sigma": 0.02, "variance_left": 0.25},
]


def test_a_design_is_told_and_written(tmp_path: Path) -> None:
    """As a table, in the order of the choice."""
    title, _, first, _ = design_lines(ROWS, 9, "mean")
    assert title == "2 of 9 candidates, by what they leave of the mean variance"
    assert first.split() == ["1", "7", "0.5", "0.5", "0.01", "50.0%"]
    write_design(tmp_path / "design.csv", ROWS)
    with (tmp_path / "design.csv").open(newline="") as file:
        assert [row["place"] for row in csv.DictReader(file)] == ["0.5 0.5", "0.25 0.125"]


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_design_is_drawn(dimension: int, tmp_path: Path) -> None:
    """In every dimension, also of places without coordinates, and of several unknowns."""
    space = box_space(dimension, 3, 1)
    x = space.coordinates[:, 0]
    rows = [Deviating(Quantity(name), {"before": 1 + x, "after": 0.5 + x}) for name in ("k", "r")]
    points = np.vstack([np.full(dimension, 0.5), np.full(dimension, np.nan)])
    for number, several in enumerate((rows, rows[:1])):
        path = tmp_path / f"{number}.png"
        assert draw_design(path, space.space, several, points, np.array([0.6, 0.5]), Look()) is None
        assert path.stat().st_size > 1000
