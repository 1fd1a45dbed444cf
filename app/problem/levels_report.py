"""What is said, written and drawn of a run on several meshes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from app import flow, output
from app.posterior import Posterior
from app.problem.base import Report, Uncertainty
from app.problem.fit import verdict_of
from app.problem.inversion import Inversion
from app.problem.inversion_report import InversionReport, reading_place
from app.problem.work import done_on, work_units
from app.types import Summary

ENOUGH = 0.5
"""Root mean square of the change from the last mesh but one to the last, in standard deviations, above which
the case's mesh is too coarse for its data."""


@dataclass(frozen=True, eq=False)
class MeshesReport[R: Report]:
    """What all energies have in common: what is said, written and drawn is that of the mesh where the run
    is."""

    levels: tuple[R, ...]
    """The coarsest first."""

    @property
    def target(self) -> float | None:
        """See Report."""
        return self.levels[-1].target

    @property
    def names(self) -> list[str]:
        """See Report."""
        return self.levels[-1].names

    def error(self, at: flow.Evaluation) -> float | Mapping[str, float] | None:
        """See Report; of the case's own mesh."""
        return self.levels[-1].error(at)

    def verdict(self, state: flow.FlowState, reason: flow.StopReason, sure: Uncertainty) -> Summary:
        """See Report."""
        return self.levels[state.level].verdict(state, reason, sure)

    def coefficient(self, state: flow.FlowState) -> output.Coefficient:
        """See Report."""
        return self.levels[state.level].coefficient(state)

    def write(
        self, state: flow.FlowState, folder: Path, lost: output.Losses, posterior: Posterior | None
    ) -> None:
        """See Report."""
        self.levels[state.level].write(state, folder, lost, posterior)


def ended_on_meshes(state: flow.FlowState) -> Iterator[tuple[flow.Record, int]]:
    """The last record on each mesh, the coarsest first, and the iterations there."""
    firsts = [0, *(each.iteration for each in state.refinements), len(state.records)]
    for number, (first, end) in enumerate(pairwise(firsts)):
        last = state.records[end - 1]
        yield last, last.iteration - (first - 1 if number else 0)


@dataclass(frozen=True, eq=False)
class LevelsReport(MeshesReport[InversionReport]):
    """Of an inverse problem."""

    def opening(self) -> list[str]:
        """See Report."""
        first, *rest = self.levels[-1].opening()
        sizes = ", ".join(str(level.given.forward.size) for level in self.levels)
        return [first, f"{len(self.levels)} meshes, with {sizes} state dofs", *rest]

    def summary(self, state: flow.FlowState, reason: flow.StopReason) -> Summary:
        """See Report."""
        units = work_units(state.spent, [level.given for level in self.levels])
        return self.levels[state.level].summary(state, reason) | {
            "work_units": sum(units),
            "solvers": [each for level in self.levels for each in level.given.solvers.summary()],
            "levels": _levels(self.levels, state, units),
            "discretisation": self._discretisation(state),
        }

    def verdict(self, state: flow.FlowState, reason: flow.StopReason, sure: Uncertainty) -> Summary:
        """See Report."""
        told = self._discretisation(state)
        moved = None if told is None else told["moved"]
        return verdict_of(self.levels[state.level].given, state, reason, sure, moved)

    def refined(self, state: flow.FlowState) -> str:
        """What is said of the step to the mesh where the run is."""
        given = self.levels[state.level].given
        told = discretisation(given, state)
        return (
            f"mesh {state.level + 1} of {len(self.levels)}, {given.forward.size} state dofs: predicted "
            f"readings move by {told['moved']:.2g} standard deviations (root mean square), at most by "
            f"{told['most']:+.2g} at {told['file']}:{told['line']}"
        )

    def _discretisation(self, state: flow.FlowState) -> Summary | None:
        """How far the readings moved from the last mesh but one to the last."""
        if state.level < len(self.levels) - 1 or not state.refinements:
            return None
        return discretisation(self.levels[-1].given, state)


def _levels(
    levels: Sequence[InversionReport], state: flow.FlowState, units: Sequence[float]
) -> list[Summary]:
    """What was done on each mesh, the coarsest first: solves and factorisations there, whenever that was, and
    what came of the iterations that ended there, with their seconds."""
    told: list[Summary] = []
    before: Mapping[str, float] = {}
    for number, (last, iterations) in enumerate(ended_on_meshes(state)):
        given, done = levels[number].given, done_on(number, state.spent)
        spent = state.spent if last is state.records[-1] else last.spent
        work = {name: value - before.get(name, 0) for name, value in spent.items()}
        before = spent
        told.append({
            "state_dofs": given.forward.size,
            "coefficient_dofs": given.coefficient.size,
            "iterations": iterations,
            "energy": last.energy,
            "misfit": last.misfit,
            "parameters": last.parameters,
            **{name: done.get(name, 0) for name in ("state_solves", "linear_solves", "riesz_solves")},
            "work_units": units[number],
            "seconds": sum(each for name, each in work.items() if name.startswith("seconds_")),
        })  # fmt: skip
    return told


def discretisation(given: Inversion, state: flow.FlowState) -> Summary:
    """How far the readings moved with the last refinement, in standard deviations of the noise: root mean
    square, and the most with its file and line."""
    last, choice = state.refinements[-1], state.choice
    found = 0.0 if choice is None or given.data.sigma is not None else choice.spread
    spread = found or 1.0
    moved = [each.moved / spread for each in state.refinements]
    return {
        "moved": moved[-1],
        "most": last.most / spread,
        **reading_place(given, last.reading),
        "halvings": _halvings(moved),
    }


def _halvings(moved: Sequence[float]) -> int:
    """How often the last mesh's cells are to be halved until a further halving moves the readings by ENOUGH,
    by the order that the last refinements show; of one refinement, or none to speak of, by the first."""
    if moved[-1] <= ENOUGH:
        return 0
    order = float(np.log2(moved[-2] / moved[-1])) if len(moved) > 1 else 1.0
    return int(np.ceil(np.log2(moved[-1] / ENOUGH) / max(order, 1.0)))
