"""What pictures are made of: quantities with their units, sheets of panels, fields on lines, planes and in
space."""

from app.output.drawing.canvas import figure_files, styled, write_figure
from app.output.drawing.fields import Drawing, gathered
from app.output.drawing.quantities import Border, Look, Quantity, Readings, Row

__all__ = [
    "Border",
    "Drawing",
    "Look",
    "Quantity",
    "Readings",
    "Row",
    "figure_files",
    "gathered",
    "styled",
    "write_figure",
]
