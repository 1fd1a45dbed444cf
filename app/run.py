"""A run: a problem is solved, told, saved as it goes, and what comes of it is written into a folder."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from app import activity, output
from app.case import differing_keys, effective_yaml
from app.flow import Damaged, FlowState, StopReason, as_data, from_data
from app.parallel import Every, Interrupt, Interrupted, SolveFailed, known_to_all, on_root, timed
from app.problem import Earlier, Problem, Uncertainty, continued
from app.types import Summary

MARGIN = 1.5
"""A run stops before its time limit if one more step as long as the longest so far, by this factor, would not
be over in time."""

PORTION, TOLD, SAVED = 2.0, 20.0, 60.0
"""Seconds that Markov chains go on before a signal is heard, between lines about them, and between their
checkpoints."""


STEPS = {"approach": 0, "selection": 0, "minimisation": 1, "phase_selection": 2, "phases": 1}
"""How many states there are before one of a stage that have as many records."""


def _nothing() -> None:
    """Leave a folder as it is."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run goes on the outside."""

    quiet: bool = False
    minutes: float | None = None
    """Since the process started, after which the run stops; None for no limit."""
    again: str = "--resume"
    """What to type to go on."""
    prepare: Callable[[], None] = _nothing
    """Empties the folder when the start of a new run is known; on rank 0."""


class Observer(Protocol):
    """Is shown each state of a run, on all ranks."""

    def state(self, state: FlowState) -> None:
        """After each step; collective."""


def run(
    problem: Problem, folder: Path, options: Options | None = None, state: FlowState | None = None
) -> Summary:
    """Run the flow, from a state if one is given, write everything into the folder and return the summary;
    collective.

    A file that cannot be written is told and does not end the run; after it output.Unwritten is raised on all
    ranks if there still are such.
    """
    with problem.clock.running():
        return _Run(problem, folder, options or Options()).go(state)


class _Run:
    """A run on its way."""

    def __init__(self, problem: Problem, folder: Path, options: Options) -> None:
        self._problem, self._folder, self._options = problem, folder, options
        self._comm = problem.comm
        quiet = options.quiet or problem.comm.rank > 0
        self._terminal = output.Terminal(problem.report.target, quiet=quiet, meshes=1 + len(problem.finer))
        self._history = output.History(folder, problem.comm, problem.report.names)
        self._lost, self._longest = output.Losses(), 0.0

    def go(self, state: FlowState | None) -> Summary:
        """See run."""
        report = self._problem.report
        with self._terminal, Interrupt(self._comm) as interrupt:
            for line in report.opening():
                self._terminal.note(line)
            state, reason = self._flow(state, interrupt)
            activity.end()
            state, reason, sure = self._sampled(state, reason, interrupt)
            with interrupt.held():
                summary = self._finish(state, reason, sure)
        self._lost.check(self._folder)
        return summary

    def _flow(self, state: FlowState | None, interrupt: Interrupt) -> tuple[FlowState, StopReason]:
        """The last state and why the run ends there."""
        problem, resumed = self._problem, state is not None
        with interrupt.held():
            if state is None:
                state = problem.start()
                on_root(self._comm, self._options.prepare)
            self._keep("case.yaml", lambda: save_case(problem, self._folder))
            self._tell(state, save=not resumed)
        while state.stop_reason is None:
            if interrupt.wished():
                return state, "interrupted"
            if self._late(self._longest):
                return state, "time_limit"
            begun = time.monotonic()
            try:
                state = problem.advance(state)
            except Interrupted:
                return state, "interrupted"
            self._longest = max(self._longest, time.monotonic() - begun)
            with interrupt.held():
                self._tell(state)
            activity.end()
        return state, state.stop_reason

    def _tell(self, state: FlowState, *, save: bool = True) -> None:
        """Write and show what is new, and save the state."""
        with timed("output"):
            self._keep("history.csv", lambda: self._history.state(state))
            self._terminal.state(state)
            if save:
                self._keep("checkpoint", lambda: save_state(self._problem, state, self._folder))

    def _keep(self, name: str, write: Callable[[], None]) -> None:
        """Write what is to be there at each moment, or say that it is not."""
        if told := self._lost.attempt(self._folder / name, write):
            self._terminal.note(told)

    def _late(self, longest: float) -> bool:
        """Whether one more step, of at most so many seconds as yet, would not be over in time; alike on all
        ranks."""
        if self._options.minutes is None:
            return False
        spent = sum(self._problem.clock.seconds().values())
        late = spent + MARGIN * longest > 60 * self._options.minutes
        return bool(self._comm.bcast(late, root=0))

    def _sampled(
        self, state: FlowState, reason: StopReason, interrupt: Interrupt
    ) -> tuple[FlowState, StopReason, Uncertainty]:
        """The last state with how sure it is, and why the run ends: Markov chains, if the case asks for some,
        go on from where they were saved."""
        problem = self._problem
        with interrupt.held():
            state = problem.complete(state)
            sure = problem.uncertainty(state, reason)
            if sure.sample is None:
                return state, reason, sure
            with timed("chains"):
                try:
                    sampling = sure.sample()
                    draws = sampling.read(self._folder) or sampling.begun()
                except SolveFailed as failure:
                    self._terminal.note(f"warning: no Markov chains: {failure}")
                    return state, reason, sure
        told, saved = Every(TOLD, self._comm), Every(SAVED, self._comm)
        while draws.steps < sampling.steps:
            if interrupt.wished():
                reason = "interrupted"
                break
            if self._late(PORTION):
                reason = "time_limit"
                break
            with interrupt.held(), timed("chains"):
                draws = sampling.advance(draws, PORTION)
                if told.due():
                    self._terminal.note(sampling.line(draws))
                if saved.due():
                    self._keep("chains", partial(sampling.save, draws, self._folder))
        with interrupt.held(), timed("output"):
            self._keep("chains", partial(sampling.save, draws, self._folder))
            self._terminal.note(sampling.line(draws))
            self._lost.draw(self._folder / "chains.nc", partial(sampling.write, draws, self._folder))
            drawn = sampling.moments(draws)
            sure = sure.with_chains(drawn, sampling.told(draws) | sampling.compared(drawn))
        sampling.close()
        return state, reason, sure

    def _finish(self, state: FlowState, reason: StopReason, sure: Uncertainty) -> Summary:
        """Write the results of the last state."""
        problem, folder = self._problem, self._folder
        kept = ("case.yaml", "history.csv", "checkpoint")
        if self._lost or not on_root(self._comm, lambda: all((folder / name).exists() for name in kept)):
            self._keep("case.yaml", lambda: save_case(problem, folder))
            self._tell(state)
        summary, told = write_results(problem, state, reason, folder, self._lost, sure)
        for line in told:
            self._terminal.note(line)
        for line in output.closing_lines(summary, folder):
            self._terminal.note(line)
        if reason != state.stop_reason:
            self._terminal.note(f"{self._options.again} goes on from here")
        return summary


def write_results(
    problem: Problem,
    state: FlowState,
    reason: StopReason,
    folder: Path,
    lost: output.Losses,
    sure: Uncertainty | None = None,
) -> tuple[Summary, list[str]]:
    """Write fields, pictures, the coefficient and the summary of a state; the summary, and what is to be
    said of pictures that could not be drawn. `sure` is how sure it is, where that is known. Collective."""
    report = problem.report
    state = problem.complete(state)
    summary = report.summary(state, reason)  # counted before the output's own solves
    sure = problem.uncertainty(state, reason) if sure is None else sure
    verdict, unjudged = _verdict(problem, state, reason, sure)
    summary |= sure.summary | verdict
    summary |= output.resources(problem.comm, problem.spent_since(state))
    path = folder / "summary.json"

    def save() -> None:
        on_root(problem.comm, lambda: output.write_json(path, summary))

    unsaved = lost.attempt(path, save)  # the smallest comes first, should the disk be nearly full
    with timed("output"):
        coefficient = report.coefficient(state)
        coefficient.save(folder, lost)
        report.write(state, folder, lost, sure.posterior)
        picture = folder / "expansion.png"
        formats = problem.case.output.figures
        lost.draw(picture, lambda: output.draw_expansion(problem.comm, picture, state.records, formats))
        if sure.posterior is not None:
            output.save_deviations(coefficient, sure.posterior, folder, lost)
        if (found := sure.predictions) is not None:
            table = folder / "predictions.csv"
            lost.attempt(table, lambda: on_root(problem.comm, lambda: output.write_predictions(table, found)))
    spent = problem.spent_since(state)
    summary |= output.resources(problem.comm, spent)
    _tell_missing(summary, lost, path)
    if unsaved:
        lost.attempt(path, save)
    else:
        with suppress(OSError):  # all but the seconds is there
            save()
    page = folder / "report.html"
    lost.draw(page, lambda: output.drawn(problem.comm, lambda: output.write_report(page, [folder])))
    if page.name in lost.unwritten:
        _tell_missing(summary, lost, path)
        with suppress(OSError):
            save()
    undrawn = [f"no {_kind(name)}{folder / name}: {why}" for name, why in lost.undrawn.items()]
    return summary, [*unjudged, *undrawn]


def _verdict(
    problem: Problem, state: FlowState, reason: StopReason, sure: Uncertainty
) -> tuple[Summary, list[str]]:
    """The verdict on a fit, without which a result is none the less one; else what is to be said of that.
    Collective."""
    try:
        return problem.report.verdict(state, reason, sure), []
    except Exception as failure:
        if not (isinstance(failure, SolveFailed) or known_to_all(failure, problem.comm)):
            raise
        return {}, [f"no verdict on the fit: {str(failure) or type(failure).__name__}"]


def _tell_missing(summary: Summary, lost: output.Losses, path: Path) -> None:
    """Name in the summary the files that are missing, itself aside, and why."""
    missing = {name: reason for name, reason in lost.unwritten.items() if name != path.name}
    summary |= {"unwritten": missing} if missing else {}


def _kind(name: str) -> str:
    """What a missing file is called before its name."""
    return "picture " if name.endswith(".png") else ""


def save_case(problem: Problem, folder: Path) -> None:
    """Write the effective case beside the results; collective."""

    def write() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with output.written(folder / "case.yaml") as part:
            part.write_text(effective_yaml(problem.case, folder))

    on_root(problem.comm, write)


def save_state(problem: Problem, state: FlowState, folder: Path) -> None:
    """Write a checkpoint of the state into results; collective."""
    tree, arrays = as_data(state, problem.order_on(state.base))
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
    number = len(state.records) + STEPS[state.stage] + 2 * (state.phase_choice is not None)
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
    try:
        tree = found.content["state"]
        base = int(tree["base"])
        minimised = problem.on(base, base)
        made = minimised.start.network, minimised.phases
        state = from_data(tree, found.arrays, problem.order_on(base), *made)
    except (Damaged, KeyError, IndexError) as error:
        raise output.NoCheckpoint([f"{folder}: {error}"]) from None
    return problem, state, found.warnings


def _of_this_case(problem: Problem, folder: Path) -> output.Checkpoint:
    found = output.read_checkpoint(folder)
    if keys := differing_keys(found.content["case"], problem.identity):
        different = f"found a checkpoint of another case, which differs in {', '.join(keys)}"
        raise output.NoCheckpoint([f"{folder}: {different}, expected one of this case"])
    return found
