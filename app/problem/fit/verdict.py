"""The verdict on a fit in words, and what would help."""

import numpy as np

from app.problem.fit.goodness import Goodness
from app.problem.fit.residuals import neighbours_alike
from app.types import Summary

MANY = 0.5
"""A coefficient that takes more than this share of the readings as degrees of freedom has more of them than
are left to judge it by."""

WORST = 10
"""Readings at most that are named."""

MOSTLY = 0.5
"""Outliers with more than this share of the squares are what is wrong; they pull at the others, which fit
less well than they would without them."""

COARSE = 0.5
"""Deviations, root mean square, by which readings may move from one mesh to the next finer one: see
app.problem.levels_report."""


def verdict(goodness: Goodness) -> Summary:
    """The section `verdict` of summary.json, see docs/running.md."""
    kind = goodness.kind
    worse = kind == "worse"
    finite = np.isfinite([goodness.chi2, goodness.factor]).all()
    return {
        "kind": kind,
        "sentence": SENTENCES[kind](goodness),
        "advice": [*(_advice(goodness) if worse else _beyond(goodness)), *goodness.remarks],
        "chi2": goodness.chi2 if finite else None,
        "least": goodness.least if goodness.known else None,
        "most": goodness.most if goodness.known else None,
        "readings": len(goodness.fit),
        "freedom": goodness.freedom,
        "sigma_factor": goodness.factor if goodness.known and finite else None,
        "guess": goodness.guess,
        "noise": goodness.observations(),
        "worst": goodness.worst(WORST if worse else min(WORST, len(goodness.outliers))),
    }


def _good(goodness: Goodness) -> str:
    return f"the fit is as good as the noise allows: {_measured(goodness)}, between {_bounds(goodness)}"


def _worse(goodness: Goodness) -> str:
    told = "the fit is worse than the stated noise allows"
    guess = " (which is a guess)" if goodness.guess else ""
    return f"{told}{guess}: {_measured(goodness)}, expected at most {goodness.most:.3g}"


def _too_good(goodness: Goodness) -> str:
    if goodness.exhausted:
        told = (
            "the coefficient takes as many degrees of freedom as there are readings, and follows their noise"
        )
        return f"{told}: {_measured(goodness)}; a larger weight, or a prior that is stated, would help"
    told = f"the fit is better than the stated noise allows: {_measured(goodness)}, expected at least "
    told += f"{goodness.least:.3g}: sigma is too large by a factor of {1 / max(goodness.factor, 1e-300):.3g}"
    assert goodness.freedom is not None
    if goodness.freedom > MANY * goodness.count:
        told += ", or the coefficient follows the noise (a larger weight would help)"
    return f"{told}; {_fitting(goodness)}"


def _noise_found(goodness: Goodness) -> str:
    told = "; ".join(map(_level, goodness.observations()[:WORST]))
    return (
        f"the noise is not stated but found from the residuals: {told}; whether the fit is as good as it "
        "should be can be told where sigma is stated"
    )


def _unfinished(goodness: Goodness) -> str:
    return f"the run is not over, and nothing is said of its fit yet: {_measured(goodness)}"


SENTENCES = {
    "good": _good,
    "worse": _worse,
    "too_good": _too_good,
    "noise_found": _noise_found,
    "unfinished": _unfinished,
}
"""What is said, by the kind."""


def _measured(goodness: Goodness) -> str:
    """chi² and what it is of."""
    name = "chi² of the bulk" if goodness.robust else "chi²"
    taken = "" if goodness.freedom is None else f", {goodness.freedom:.3g} degrees of freedom"
    return f"{name} is {goodness.chi2:.3g} a reading ({len(goodness.fit)} readings{taken})"


def _bounds(goodness: Goodness) -> str:
    return f"{goodness.least:.3g} and {goodness.most:.3g}"


def _fitting(goodness: Goodness) -> str:
    """Which sigma would fit."""
    several = len(goodness.fit.series) > 1
    told = [
        f"{np.sqrt(chi2 / goodness.share_left) * each['sigma']:.3g} in place of {each['sigma']:.3g}"
        + (" (relative)" if each["relative"] else "")
        + (f" of {each['observation']}" if several else "")
        for each in goodness.observations()[:WORST]
        for chi2 in [each["chi2"] if several else goodness.chi2]
    ]
    return f"a sigma of {', '.join(told)} would fit"


def _level(noise: Summary) -> str:
    """The noise of an observation beside the range of its readings."""
    ends = f"from {noise['least']:.4g} to {noise['largest']:.4g}"
    if noise["relative"]:
        return f"{100 * noise['sigma']:.3g} % of each reading of {noise['observation']}, which are {ends}"
    size = noise["largest"] - noise["least"]
    share = f", {100 * noise['sigma'] / size:.2g} % of the range of" if size > 0 else ", of"
    return f"{noise['sigma']:.3g}{share} the readings of {noise['observation']}, {ends}"


def _advice(goodness: Goodness) -> list[str]:
    """What would help, the likeliest first."""
    fit, told = goodness.fit, _of_some(goodness)
    beyond, squares = goodness.outliers, fit.residual**2
    share = float(squares[beyond].sum() / squares.sum())
    if share > MOSTLY:
        told.append(_of_outliers(goodness, len(beyond), share))
    if goodness.moved is not None and goodness.moved > COARSE:
        told.append(
            f"a finer mesh: from the last mesh but one to the last the predicted readings moved by "
            f"{goodness.moved:.2g} sigma (root mean square)"
        )
    if (alike := neighbours_alike(fit)) is not None and not told:
        told.append(
            f"another unknown, or another model: neighbouring readings err alike (correlation {alike:.2g}), "
            "as where a source, a condition or a second coefficient is wrong"
        )
    if goodness.moved is None and not told:
        told.append("levels: 2 in the case tells whether the mesh is fine enough for these readings")
    told.append(f"a larger sigma, if the errors are larger than stated: {_fitting(goodness)}")
    return told


def _of_some(goodness: Goodness) -> list[str]:
    """What is said where some observations fit and others do not."""
    noise = goodness.observations()
    worse = [each for each in noise if each["chi2"] > goodness.most]
    if not 0 < len(worse) < len(noise):
        return []
    named = ", ".join(f"{each['observation']} (chi² {each['chi2']:.3g})" for each in worse[:WORST])
    return [f"another sigma, or misfit: huber, of {named}: the other observations fit"]


def _beyond(goodness: Goodness) -> list[str]:
    """What is said of a few readings that lie far off where the fit as a whole is no worse for them."""
    count = len(goodness.outliers)
    if not count or goodness.kind == "unfinished":
        return []
    if goodness.robust:
        return [f"{_far(count)}, and count{'' if count > 1 else 's'} little by Huber's loss"]
    needs = "" if goodness.known else ", which needs a sigma"
    return [f"{_far(count)}: misfit: huber in the observation would let them count less{needs}"]


def _of_outliers(goodness: Goodness, count: int, share: float) -> str:
    """A few readings make most of the misfit."""
    few = f"{_far(count)}, with {100 * share:.0f} % of the misfit"
    if goodness.robust:
        return f"leaving out the worst readings: {few}"
    return f"misfit: huber in the observation, or leaving out the worst readings: {few}"


def _far(count: int) -> str:
    return f"{count} reading{'s lie' if count > 1 else ' lies'} far off"
