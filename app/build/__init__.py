"""From a case to a run: the only room that knows every other."""

from app.build.run import run
from app.build.setup import Setup, prepare

__all__ = ["Setup", "prepare", "run"]
