"""What the user sees while it runs: one line an outer iteration, and a view of the present on a terminal."""

import sys
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live

from app.flow import FlowState, Record
from app.output.choice import choice_lines
from app.output.history import mean_error, spent_seconds
from app.output.live import View
from app.output.posterior import posterior_lines
from app.output.predictions import prediction_lines
from app.output.reduction import reduction_lines
from app.output.state import PICTURES
from app.output.verdict import verdict_lines
from app.types import Summary

HEADING = " it      energy     misfit/target   error  align  capture  params  vectors  solves   rhs  seconds"


SCREEN = 40
"""Lines after which the heads of the columns are repeated where there is no terminal to tell its height."""


class Terminal:
    """Lines on standard output and, on a terminal, a view of the present below them.

    Use as a context manager on rank 0.
    """

    def __init__(self, target: float | None, *, quiet: bool = False, meshes: int = 1) -> None:
        self._console = Console(file=sys.stdout, quiet=quiet, highlight=False, soft_wrap=True, markup=False)
        self._target = target
        self._shown, self._chosen, self._since_heading = 0, -1, SCREEN
        self._view = View(target, meshes)
        shown = self._console.is_terminal and not quiet
        self._screen = max(self._console.height - 4, 10) if shown else SCREEN
        self._live = Live(self._view, console=self._console, transient=True) if shown else None

    def __enter__(self) -> "Terminal":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def note(self, message: str) -> None:
        """A line that stands for itself."""
        self._console.print(message)

    def state(self, state: FlowState) -> None:
        """The lines of the iterations that were not shown yet, what was chosen, and what else is to be
        read."""
        self._view.state = state
        for record in state.records[self._shown :]:
            self._row(record)
        made = state.selected.iteration if state.selected else 0
        if state.choice is not None and made != self._chosen:
            self._chosen = made
            for told in choice_lines(state.choice):
                self.note(told)
        self._shown = len(state.records)
        for message in state.notes:
            self.note(message)

    def _row(self, record: Record) -> None:
        """The line of an outer iteration, below the heads of its columns once a screen."""
        if record.iteration == 0 or self._since_heading >= self._screen:
            self.note(HEADING)
            self._since_heading = 0
        self.note(line(record, self._target))
        self._since_heading += 1


def line(record: Record, target: float | None) -> str:
    """One outer iteration in one line, under HEADING; a dot stands for what is not known."""
    misfit = f"{record.misfit:.4g}"
    if target is not None:
        misfit += f"/{target:.4g}"
    rejected = f"  {record.trials} rejected" if record.trials else ""
    grown = f"  grew to {'-'.join(map(str, record.widths))}" if record.expansions else ""
    pruned = f"  {record.pruned} pruned" if record.pruned else ""
    solves, rhs = (int(record.spent.get(name, 0)) for name in ("state_solves", "linear_solves"))
    return (
        f"{record.iteration:3d}  {_number(record.energy, '10.4g')}  {misfit:>16}"
        f"  {_number(mean_error(record), '6.4f')}  {_number(record.alignment, '5.3f')}"
        f"    {_number(record.capture, '5.3f')}  {record.parameters:6d}  {record.vectors:7d}"
        f"  {solves:6d}  {rhs:4d}  {spent_seconds(record):7.1f}{grown}{pruned}{rejected}"
    )


def closing_lines(summary: Summary, folder: Path) -> list[str]:
    """What is said at the end of a run."""
    error = summary["relative_error"]
    if isinstance(error, dict):
        told = f"; relative error {', '.join(f'{each:.4f} of {name}' for name, each in error.items())}"
    else:
        told = "" if error is None else f"; relative error {error:.4f}"
    work = f"{summary['state_solves']} state solves, {summary['linear_solves']} right-hand sides"
    if summary.get("distance") is not None:
        work = f"{summary['parameters']} parameters, relative distance {summary['distance']:.2e}"
    names = ["report.html", "summary.json", "history.csv", "fields.pvd"]
    names.append("reduction.png" if "reduction" in summary else "coefficient.png")
    names += ["fit.csv", "fit.png"] if summary.get("verdict") else []
    names += sorted(path.name for path in folder.glob(PICTURES))
    names += ["posterior.png"] if summary.get("posterior") else []
    names += ["chains.nc"] if summary.get("posterior", {}).get("chains") else []
    names += ["predictions.csv"] if summary.get("predictions") else []
    names += ["choice.png"] if summary["candidates"] else []
    names += ["expansions.csv", "expansion.png"] if summary.get("widths") else []
    return [
        f"{summary['status']} ({summary['stop_reason']}) after {summary['outer_iterations']} iterations, "
        f"{work}, {summary['wall_seconds']:.1f} s{told}",
        *reduction_lines(summary),
        *_mesh_lines(summary),
        *posterior_lines(summary),
        *prediction_lines(summary),
        f"results in {folder}: {', '.join(name for name in names if (folder / name).exists())}",
        *verdict_lines(summary),
    ]


def _mesh_lines(summary: Summary) -> list[str]:
    """What is said of a mesh that is too coarse for its data."""
    told = summary.get("discretisation")
    if not told or not told["halvings"]:
        return []
    times = 2 ** told["halvings"]
    return [
        f"warning: the mesh is coarse for these data: from cells of twice the size to these the predicted "
        f"readings move by {told['moved']:.2g} standard deviations of the noise (root mean square), at most "
        f"by {told['most']:+.2g} at {told['file']}:{told['line']}; {times} times as many cells along each "
        "side would do"
    ]


def _number(value: float | None, spec: str) -> str:
    width = int(spec.split(".")[0])
    return "·".rjust(width) if value is None else format(value, spec)
