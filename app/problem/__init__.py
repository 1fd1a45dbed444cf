"""From a case to a problem that can be run: the only room that knows every other."""

from app.problem.base import Problem, Report
from app.problem.build import build, check

__all__ = ["Problem", "Report", "build", "check"]
