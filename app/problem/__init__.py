"""From a case to a problem that can be run: the only room that knows every other."""

from app.problem.base import Problem, Report, Uncertainty
from app.problem.build import build, check
from app.problem.continued import Earlier, NotContinued, continued, earlier

__all__ = [
    "Earlier",
    "NotContinued",
    "Problem",
    "Report",
    "Uncertainty",
    "build",
    "check",
    "continued",
    "earlier",
]
