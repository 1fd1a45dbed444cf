"""A run: a problem is solved, told, and what comes of it is written into a folder."""

from pathlib import Path
from typing import Any

from app import flow, output
from app.case import effective_yaml
from app.parallel import Interrupt, on_root, timed
from app.problem import Problem


def run(problem: Problem, folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Run the flow, write everything into the (prepared) folder and return the summary; collective."""
    with problem.clock.running():
        return _run(problem, folder, quiet=quiet)


def _run(problem: Problem, folder: Path, *, quiet: bool) -> dict[str, Any]:
    comm, case, report = problem.comm, problem.case, problem.report
    on_root(comm, lambda: (folder / "case.yaml").write_text(effective_yaml(case)))
    terminal = output.Terminal(report.target, quiet=quiet or comm.rank > 0)
    with terminal, Interrupt(comm) as interrupt:
        for line in report.opening():
            terminal.note(line)
        history = output.History(folder, comm, report.names)
        state = problem.start()
        reason: flow.StopReason | None = None
        while True:
            with timed("output"):
                history.state(state)
                terminal.state(state)
            reason = state.stop_reason
            if reason is None and interrupt.wished() and state.records[-1].iteration:
                reason = "interrupted"
            if reason is not None:
                break
            state = problem.advance(state)
        state = problem.complete(state)
        summary = report.summary(state, reason)
        with timed("output"):
            failure = report.write(state, folder)
            drawn = output.draw_expansion(comm, folder / "expansion.png", state.records)
        for told in filter(None, (failure, drawn)):
            terminal.note(told)
        summary |= output.resources(comm, problem.minimisation.meter.read())
        on_root(comm, lambda: output.write_json(folder / "summary.json", summary))
        for line in output.closing_lines(summary, folder):
            terminal.note(line)
        return summary
