"""Run the flow that a case asks for and write everything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app import flow, output
from app.build.models import Final, builder_of, contender_of, contest_of
from app.build.pieces import finish
from app.build.results import summary_of, write_results
from app.build.setup import Setup
from app.case import effective_yaml
from app.parallel import Interrupt, on_root


def run(setup: Setup, folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Run the flow, write everything into the (prepared) folder and return the summary; collective."""
    comm, case = setup.domain.comm, setup.case
    on_root(comm, lambda: (folder / "case.yaml").write_text(effective_yaml(case, folder)))
    terminal = output.Terminal(setup.target, quiet=quiet or comm.rank > 0)
    with terminal, Interrupt(comm) as interrupt:
        for line in _opening(setup):
            terminal.note(line)
        several = list(setup.errors) if len(setup.spaces) > 1 else []
        history = output.History(
            comm, folder / "history.csv", lambda: setup.forward.counts, setup.error, terminal, several
        )
        outcome, final = _flow(setup, history, interrupt.wished)
        # Counted before the output's own solves.
        summary = summary_of(setup, outcome, final, history.rows)
        return finish(
            comm, terminal, history, folder, summary, lambda: write_results(setup, outcome, final, folder)
        )


def _flow(
    setup: Setup, history: output.History, interrupted: Callable[[], bool]
) -> tuple[flow.Outcome, Final]:
    """Run the one or two stages that the case asks for."""
    case, most = setup.case, setup.case.flow.max_iterations
    chosen = case.regularisation[setup.name]
    start = contender_of(setup, "h1" if chosen.kind == "auto" else chosen.kind, "riesz_")
    builder = builder_of(setup, start.regularisation)
    given = (setup.energy, setup.start, setup.reference, builder, setup.step)
    choice = None
    if chosen.weight == "cross_validation":
        contest = contest_of(setup, start)
        outcome, choice = flow.run_two_stages(*given, contest, setup.target, most, history, interrupted)
    else:
        outcome = flow.run_flow(*given, flow.AtTarget(setup.target, most), history, interrupted)
    if choice is not None:
        return outcome, Final(choice.contender, choice.R, choice)
    return outcome, Final(start, start.regularisation.at(outcome.coefficient), None)


def _opening(setup: Setup) -> list[str]:
    case, readings = setup.case, len(setup.data.values)
    lines = [
        f"{case.name}: {setup.forward.size} state and {setup.coefficient.size} coefficient dofs, "
        f"{readings} readings, {setup.domain.comm.size} rank(s)"
    ]
    chosen = case.regularisation[setup.name]
    if chosen.length_scale is not None and np.isinf(chosen.length_scale):
        lines.append("length_scale inf: a mass term of 1e-6 keeps R positive definite")
    if case.flow.inner_product != "gauss_newton" and chosen.weight == "discrepancy":
        lines.append(
            f"inner product {case.flow.inner_product} with weight discrepancy: nothing is added to the "
            "misfit, stopping at the target is the regularisation"
        )
    return lines
