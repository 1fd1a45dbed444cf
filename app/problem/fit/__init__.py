"""How well a result fits the readings of an inverse problem: all of them, in numbers and in words."""

from app.problem.fit.readings import fit_of
from app.problem.fit.report import verdict_of, write_fit

__all__ = ["fit_of", "verdict_of", "write_fit"]
