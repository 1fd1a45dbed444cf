"""What a run leaves behind and says: history, console, fields, picture, summary."""

from app.output.chains import STATISTICS, chain_line, write_chains
from app.output.check import draw_check
from app.output.checkpoint import Checkpoint, NoCheckpoint, read_checkpoint, write_checkpoint
from app.output.choice import choice_summary, draw_choice
from app.output.coefficient import Coefficient, NoResult, Part, read_coefficient
from app.output.console import Terminal, closing_lines
from app.output.design import Deviating, design_lines, draw_design, write_design
from app.output.deviations import read_deviations, save_deviations
from app.output.drawing import Border, Look, Quantity, Readings, Row
from app.output.expansion import draw_expansion
from app.output.exports import NotExportable, export, write_columns
from app.output.fields import write_fields
from app.output.files import Losses, Unwritten, drawn, written
from app.output.fit import Fit, Series, bulk_deviation, write_fit
from app.output.fit_picture import draw_fit
from app.output.folder import FolderTaken, check, hold, prepare
from app.output.history import History
from app.output.interfaces import draw_interfaces
from app.output.picture import draw_fields
from app.output.posterior import Uncertain, draw_posterior
from app.output.predictions import write_predictions
from app.output.reduction import Decay, Shown, draw_reduction
from app.output.report import MOST_RUNS, NoRun, write_report
from app.output.state import MULTIPLES, draw_state
from app.output.summary import (
    read_summary,
    records_summary,
    resources,
    status,
    versions,
    work_summary,
    write_json,
)

__all__ = [
    "MOST_RUNS",
    "MULTIPLES",
    "STATISTICS",
    "Border",
    "Checkpoint",
    "Coefficient",
    "Decay",
    "Deviating",
    "Fit",
    "FolderTaken",
    "History",
    "Look",
    "Losses",
    "NoCheckpoint",
    "NoResult",
    "NoRun",
    "NotExportable",
    "Part",
    "Quantity",
    "Readings",
    "Row",
    "Series",
    "Shown",
    "Terminal",
    "Uncertain",
    "Unwritten",
    "bulk_deviation",
    "chain_line",
    "check",
    "choice_summary",
    "closing_lines",
    "design_lines",
    "draw_check",
    "draw_choice",
    "draw_design",
    "draw_expansion",
    "draw_fields",
    "draw_fit",
    "draw_interfaces",
    "draw_posterior",
    "draw_reduction",
    "draw_state",
    "drawn",
    "export",
    "hold",
    "prepare",
    "read_checkpoint",
    "read_coefficient",
    "read_deviations",
    "read_summary",
    "records_summary",
    "resources",
    "save_deviations",
    "status",
    "versions",
    "work_summary",
    "write_chains",
    "write_checkpoint",
    "write_columns",
    "write_design",
    "write_fields",
    "write_fit",
    "write_json",
    "write_predictions",
    "write_report",
    "written",
]
