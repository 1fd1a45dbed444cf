"""Starter cases: a commented case for an equation, a mesh and a table of readings, for the command `new`."""

from app.case.starter.body import Body, box_around, unit_body
from app.case.starter.columns import Columns, guess_columns, read_columns
from app.case.starter.equations import Level, Start, start_of
from app.case.starter.text import Readings, case_text, quoted

__all__ = [
    "Body",
    "Columns",
    "Level",
    "Readings",
    "Start",
    "box_around",
    "case_text",
    "guess_columns",
    "quoted",
    "read_columns",
    "start_of",
    "unit_body",
]
