"""A run: a problem is solved, told, saved as it goes, and what comes of it is written into a folder."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from app import output
from app.case import differing_keys, effective_yaml
from app.flow import Damaged, FlowState, StopReason, as_data, from_data
from app.parallel import Interrupt, Interrupted, on_root, timed
from app.problem import Earlier, Problem, continued
from app.types import Summary

MARGIN = 1.5
"""A run stops before its time limit if one more step as long as the longest so far, by this factor, would not
be over in time."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run goes on the outside."""

    quiet: bool = False
    minutes: float | None = None
    """Since the process started, after which the run stops; None for no limit."""
    again: str = "--resume"
    """What to type to go on."""


class Observer(Protocol):
    """Is shown each state of a run, on all ranks."""

    def state(self, state: FlowState) -> None:
        """After each step; collective."""


def run(
    problem: Problem, folder: Path, options: Options | None = None, state: FlowState | None = None
) -> Summary:
    """Run the flow, from a state if one is given, write everything into the (prepared) folder and return the
    summary; collective."""
    with problem.clock.running():
        return _Run(problem, folder, options or Options()).go(state)


class _Run:
    """A run on its way."""

    def __init__(self, problem: Problem, folder: Path, options: Options) -> None:
        self._problem, self._folder, self._options = problem, folder, options
        self._comm = problem.comm
        self._terminal = output.Terminal(problem.report.target, quiet=options.quiet or problem.comm.rank > 0)
        self._history = output.History(folder, problem.comm, problem.report.names)
        self._begun, self._longest = time.monotonic(), 0.0

    def go(self, state: FlowState | None) -> Summary:
        """See run."""
        problem, report = self._problem, self._problem.report
        save_case(problem, self._folder)
        with self._terminal, Interrupt(self._comm) as interrupt:
            for line in report.opening():
                self._terminal.note(line)
            state, reason = self._flow(state, interrupt)
            with interrupt.held():
                return self._finish(state, reason)

    def _flow(self, state: FlowState | None, interrupt: Interrupt) -> tuple[FlowState, StopReason]:
        """The last state and why the run ends there."""
        problem, resumed = self._problem, state is not None
        with interrupt.held():
            state = problem.start() if state is None else state
            self._tell(state, save=not resumed)
        while state.stop_reason is None:
            if interrupt.wished():
                return state, "interrupted"
            if self._late():
                return state, "time_limit"
            begun = time.monotonic()
            try:
                state = problem.advance(state)
            except Interrupted:
                return state, "interrupted"
            self._longest = max(self._longest, time.monotonic() - begun)
            with interrupt.held():
                self._tell(state)
        return state, state.stop_reason

    def _tell(self, state: FlowState, *, save: bool = True) -> None:
        """Write and show what is new, and save the state."""
        with timed("output"):
            self._history.state(state)
            self._terminal.state(state)
            if save:
                save_state(self._problem, state, self._folder)

    def _late(self) -> bool:
        """Whether one more step would not be over in time; alike on all ranks."""
        if self._options.minutes is None:
            return False
        spent = sum(self._problem.clock.seconds().values())
        late = spent + MARGIN * self._longest > 60 * self._options.minutes
        return bool(self._comm.bcast(late, root=0))

    def _finish(self, state: FlowState, reason: StopReason) -> Summary:
        """Write the results of the last state."""
        problem, folder = self._problem, self._folder
        summary, told = write_results(problem, state, reason, folder)
        for line in told:
            self._terminal.note(line)
        for line in output.closing_lines(summary, folder):
            self._terminal.note(line)
        if state.stop_reason is None:
            self._terminal.note(f"{self._options.again} goes on from here")
        return summary


def write_results(
    problem: Problem, state: FlowState, reason: StopReason, folder: Path
) -> tuple[Summary, list[str]]:
    """Write fields, pictures, the coefficient and the summary of a state; the summary, and what could not be
    written. Collective."""
    report = problem.report
    state = problem.complete(state)
    summary = report.summary(state, reason)  # counted before the output's own solves
    with timed("output"):
        failure = report.write(state, folder)
        drawn = output.draw_expansion(problem.comm, folder / "expansion.png", state.records)
        report.coefficient(state).save(folder)
    spent = problem.spent_since(state)
    summary |= output.resources(problem.comm, spent)
    on_root(problem.comm, lambda: output.write_json(folder / "summary.json", summary))
    return summary, [told for told in (failure, drawn) if told]


def save_case(problem: Problem, folder: Path) -> None:
    """Write the effective case beside the results; collective."""
    on_root(problem.comm, lambda: (folder / "case.yaml").write_text(effective_yaml(problem.case, folder)))


def save_state(problem: Problem, state: FlowState, folder: Path) -> None:
    """Write a checkpoint of the state into results; collective."""
    tree, arrays = as_data(state, problem.order)
    content = {
        "name": problem.case.name,
        "case": problem.identity,
        "ranks": problem.comm.size,
        "versions": output.versions(),
        "state": tree,
        "earlier": None,
    }
    if (given := problem.earlier) is not None:
        whole = given.theta if given.networks else problem.order.gathered(given.theta)
        arrays["earlier"] = np.empty(0) if whole is None else whole
        content["earlier"] = {"networks": given.networks, "regularisation": given.regularisation}
    number = len(state.records) + (state.stage == "minimisation")
    on_root(problem.comm, lambda: output.write_checkpoint(folder, number, content, arrays))


def read_state(problem: Problem, folder: Path) -> tuple[Problem, FlowState, tuple[str, ...]]:
    """The state of the last whole checkpoint in results, the problem with what the run took over of an
    earlier one, and warnings of checkpoints that are not whole; collective.

    Raises NoCheckpoint on all ranks where there is none, or where it is another case's.
    """
    comm = problem.comm
    _ = problem.identity  # collective
    found: output.Checkpoint = on_root(comm, lambda: _of_this_case(problem, folder))
    if (told := found.content["earlier"]) is not None:
        theta = found.arrays["earlier"]
        theta = theta if told["networks"] else problem.order.spread(theta)
        problem = continued(problem, Earlier(tuple(told["networks"]), theta, told["regularisation"]))
    network = problem.minimisation.start.network
    try:
        state = from_data(found.content["state"], found.arrays, problem.order, network)
    except Damaged as error:
        raise output.NoCheckpoint(f"{folder}: {error}") from None
    return problem, state, found.warnings


def _of_this_case(problem: Problem, folder: Path) -> output.Checkpoint:
    found = output.read_checkpoint(folder)
    if keys := differing_keys(found.content["case"], problem.identity):
        different = f"found a checkpoint of another case, which differs in {', '.join(keys)}"
        raise output.NoCheckpoint(f"{folder}: {different}, expected one of this case")
    return found
