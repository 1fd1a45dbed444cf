"""Goodness of fit: residuals against what the noise of the readings allows, in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import stats

from app.output import Fit, bulk_deviation
from app.problem.fit.residuals import outliers
from app.types import Summary

Kind = Literal["good", "worse", "too_good", "noise_found", "unfinished"]

LEVEL = 1e-3
"""A fit whose noise is as stated is called worse, or too good, once in a thousand runs each: hardly ever in
the work of one person."""

TRUST = 0.1
"""A stated standard deviation counts as known to within a tenth of it, which is the standard error of an
estimate from fifty repeated readings, 1/√(2·50): more readings than that do not make it more certain."""

EFFICIENCY = 0.37
"""The deviation by the median is as uncertain as that of this share of the readings by squares (Rousseeuw and
Croux 1993)."""


@dataclass(frozen=True, kw_only=True)
class Goodness:
    """Residuals of a run, and what they are measured by."""

    fit: Fit
    squares: float
    """Sum of the squared residuals as they count, in standard deviations."""
    count: float
    """Its mean under noise alone: the number of readings, those of one place counted once."""
    freedom: float | None
    """Degrees of freedom that the coefficient takes, where they are known."""
    known: bool
    """Whether the noise is stated, and not found."""
    guess: bool = False
    """Whether that is a guess."""
    robust: bool = False
    """Whether large residuals count less than their square, so that outliers are to be expected."""
    allowed: float = 1.0
    """How many times the squares of the noise the case asks for, τ²."""
    moved: float | None = None
    """How far readings moved from the last mesh but one to the last; None of one mesh."""
    unfinished: bool = False
    """Whether the run was ended from outside."""
    remarks: Sequence[str] = field(default_factory=tuple)
    """What else is to be said of the result."""

    @cached_property
    def chi2(self) -> float:
        """Mean square of the residuals: of their bulk where outliers are expected."""
        return self.mean_square(self.fit.residual) if self.robust else self.squares / self.count

    def mean_square(self, residual: np.ndarray) -> float:
        """Of some of the residuals, of their bulk where outliers are expected."""
        return bulk_deviation(residual) ** 2 if self.robust else float(np.mean(residual**2))

    @cached_property
    def outliers(self) -> np.ndarray:
        """Numbers of the few readings that lie far off."""
        return outliers(self.fit.residual, known=self.known)

    @property
    def share_left(self) -> float:
        """(n − p)/n, the mean of chi2 where noise and prior are as stated: the residuals of a linear
        problem are (I − H)d with d of covariance (I − H)⁻¹, so that the mean of their squares is n − p, p the
        trace of the hat matrix H; 1 where p is not known or leaves nothing."""
        left = self.count - (self.freedom or 0.0)
        return left / self.count if left >= 1.0 else 1.0

    @property
    def most(self) -> float:
        """chi2 at most: noise in all n readings, which no coefficient has taken any of."""
        freedom = self._effective(self.count)
        return self.allowed * (1 + TRUST) ** 2 * float(stats.chi2.isf(LEVEL, freedom)) / freedom

    @property
    def exhausted(self) -> bool:
        """Whether the coefficient leaves less than a degree of freedom, so that it follows the noise and no
        residual tells anything."""
        return self.freedom is not None and self.count - self.freedom < 1.0

    @property
    def least(self) -> float:
        """chi2 at least: noise in the n − p readings that are left; 0 where nothing is left or p is not
        known."""
        if self.freedom is None or self.exhausted:
            return 0.0
        freedom = self._effective(self.count - self.freedom)
        return self.share_left * (1 - TRUST) ** 2 * float(stats.chi2.ppf(LEVEL, freedom)) / freedom

    @property
    def factor(self) -> float:
        """By what the standard deviations would have to be multiplied to fit."""
        return float(np.sqrt(self.chi2 / self.share_left))

    @property
    def kind(self) -> Kind:
        """What the verdict is."""
        if self.unfinished:
            return "unfinished"
        if not self.known:
            return "noise_found"
        if self.chi2 > self.most:
            return "worse"
        return "too_good" if self.exhausted or self.chi2 < self.least else "good"

    def observations(self) -> list[Summary]:
        """Of each observation the root mean square of its sigma, stated or found, beside the range of its
        readings, and its own chi²."""
        fit, told = self.fit, []
        for number, series in enumerate(fit.series):
            own = fit.of == number
            if not own.any():
                continue
            told.append({
                "observation": series.name,
                "sigma": float(np.sqrt(np.mean(fit.sigma[own] ** 2))),
                "relative": bool(fit.logarithmic[own].all()),
                "least": float(fit.read[own].min()),
                "largest": float(fit.read[own].max()),
                "chi2": self.mean_square(fit.residual[own]),
            })  # fmt: skip
        return told

    def worst(self, most: int) -> list[Summary]:
        """The readings that are farthest from what is predicted of them, at most so many."""
        fit = self.fit
        order = np.argsort(-np.abs(fit.residual), kind="stable")[:most]
        return [
            {
                "file": fit.series[fit.of[i]].file,
                "line": int(fit.lines[i]),
                "observation": fit.series[fit.of[i]].name,
                "place": fit.place(int(i)),
                "residual": float(fit.residual[i]),
            }
            for i in order
            if np.isfinite(fit.residual[i])
        ]

    def _effective(self, readings: float) -> float:
        return EFFICIENCY * readings if self.robust else readings
