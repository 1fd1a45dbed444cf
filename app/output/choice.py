"""How the regularisation was chosen: lines for the console, a part of the summary, a picture."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from app.flow import Choice
from app.output.drawing import figure_files, styled, write_figure
from app.output.drawing.canvas import blank
from app.output.files import drawn
from app.types import Summary

WRITES = figure_files("choice")
"""Names of the files, for whoever replaces them."""

SHOWN = 2.0
"""Scores up to this multiple of the chosen one are drawn; of logarithms up to so much above it."""

COLOURS = ("Greys", "Blues", "Greens", "Reds", "Purples")


def choice_lines(choice: Choice) -> list[str]:
    """What was considered, each score, what was chosen and why."""
    lines = [f"regularisation from the data: {_measure(choice)}"]
    for score in choice.scores:
        mark = "->" if score is choice.score else "  "
        judge = score.judge.replace("_", "-")
        lines.append(
            f"  {mark} {score.candidate!s:<48} {score.score:10.5g} by {judge:<13} "
            f"at weight {score.weight:.3g}"
        )
    lines.append(f"     {choice.reason}")
    lines.append(
        f"     {choice.freedom:.0f} degrees of freedom; deviation of the whitened noise {choice.spread:.3g}"
    )
    return lines


def choice_summary(choice: Choice | None, parameters: Sequence[str]) -> Summary:
    """The choice's part of summary.json; `parameters` are the names of those of any regularisation."""
    if choice is None:
        return {"cross_validation": None, "choice_reason": None, "candidates": []}
    best = choice.score
    return {
        "cross_validation": float((best.left_out if best.folds is None else best.folds)[best.best]),
        "choice_reason": choice.reason,
        "candidates": [
            {
                "kind": score.candidate.kind,
                "length_scale": score.candidate.length,
                **{name: score.candidate.parameters.get(name) for name in parameters},
                "weight": score.weight,
                "score": score.score,
                "judged_by": score.judge,
                "chosen": score is choice.score,
            }
            for score in choice.scores
        ],
    }


def draw_choice(comm: MPI.Comm, path: Path, choice: Choice, formats: Sequence[str] = ()) -> str | None:
    """Score against weight, one line an R, the best weights marked; collective, rank 0 draws.

    Returns, on all ranks, why there is no picture, None if there is one. Raises OSError on all ranks.
    """

    def draw() -> None:
        with styled():
            _draw(path, choice, formats)

    return drawn(comm, draw)


def _draw(path: Path, choice: Choice, formats: Sequence[str]) -> None:
    figure = blank(8.2, 4.0)
    axes = figure.add_axes((0.075, 0.125, 0.475, 0.795))
    best = choice.score.score
    limit = best + SHOWN if choice.score.evidence is not None else SHOWN * best
    shades = _shades([score.candidate.kind for score in choice.scores])
    for score, shade in zip(choice.scores, shades, strict=True):
        values = score.judged
        shown = np.isfinite(values) & (values < limit)
        chosen = score is choice.score
        (line,) = axes.plot(
            score.weights[shown] / score.weight,
            values[shown],
            "--" if score.by_folds else "-",
            label=str(score.candidate) + (" (folds)" if score.by_folds else ""),
            linewidth=2.5 if chosen else 1.2,
            color=shade,
        )
        axes.plot(1.0, score.score, "*" if chosen else "o", color=line.get_color(), ms=14 if chosen else 5)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")  # powers are typeset, which takes a while
    axes.set_xlabel("weight, relative to the best one of the same R")
    axes.set_ylabel(_measure(choice))
    axes.set_title(f"chosen: {choice.candidate}, weight {choice.weight:.3g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7.5, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    write_figure(figure, path, formats)


def _measure(choice: Choice) -> str:
    if choice.score.evidence is not None:
        return "-2 log(evidence) a reading"
    return "mean square of what is predicted of readings left out"


def _shades(kinds: list[str]) -> list[Any]:
    """A colour for each of the kinds, shades of it where one comes more than once."""
    import matplotlib

    maps = dict(zip(dict.fromkeys(kinds), itertools.cycle(COLOURS)))
    colours = []
    for i, kind in enumerate(kinds):
        rank = (kinds[:i].count(kind) + 1) / kinds.count(kind)
        colours.append(matplotlib.colormaps[maps[kind]](0.35 + 0.5 * rank))
    return colours
