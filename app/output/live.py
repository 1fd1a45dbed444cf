"""What a terminal shows below the lines of a run: where it is, and what it is doing now."""

import time
from dataclasses import dataclass, field
from math import log

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from app import activity
from app.flow import FlowState

STAGES = {
    "approach": "approaching the target",
    "selection": "selecting the regularisation",
    "minimisation": "minimising the energy",
    "phase_selection": "considering phases",
    "phases": "moving interfaces",
}
"""What a run is about in each stage."""

WIDE = 30
"""Characters of the bar."""


@dataclass
class View:
    """The last state of a run; made anew several times a second, also while the run computes."""

    target: float | None
    meshes: int = 1
    state: FlowState | None = None
    begun: float = field(default_factory=time.monotonic)
    spinner: Spinner = field(default_factory=lambda: Spinner("dots"))

    def __rich__(self) -> RenderableType:
        seconds = f"{time.monotonic() - self.begun:.0f} s"
        now = activity.current()
        told = [] if self.state is not None and now == activity.PREPARING else [now]
        words = [*self._where(), *told, seconds]
        first = Table.grid(padding=(0, 1))
        first.add_row(self.spinner, Text(" · ".join(words), no_wrap=True, overflow="ellipsis"))
        return Group(first, *self._scale())

    def _where(self) -> list[str]:
        """Stage, mesh, iteration and neurons."""
        state = self.state
        if state is None:
            return ["starting"]
        last = state.records[-1]
        mesh = [f"mesh {state.level + 1} of {self.meshes}"] if self.meshes > 1 else []
        neurons = [f"{'-'.join(map(str, last.widths))} neurons"] if last.widths else []
        return [STAGES[state.stage], *mesh, f"iteration {last.iteration + 1}", *neurons]

    def _scale(self) -> list[RenderableType]:
        """How far the logarithm of the misfit has come to that of the target."""
        if self.state is None or self.target is None:
            return []
        first, misfit = self.state.records[0].misfit, self.state.records[-1].misfit
        if not 0 < self.target < first:
            return []
        row = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=1.0, completed=progress(first, misfit, self.target), width=WIDE)
        row.add_row(Text(f"  misfit {misfit:.4g}"), bar, Text(f"target {self.target:.4g}"))
        return [row]


def progress(first: float, misfit: float, target: float) -> float:
    """The share of the way from the first misfit to the target, on a logarithmic scale, between 0 and 1."""
    way = log(first / target)
    return min(max(log(first / max(misfit, 1e-300)) / way, 0.0), 1.0)
