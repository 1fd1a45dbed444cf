"""What the user sees: one line an outer iteration, a bar on a terminal only."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass

import pytest
from choices import choice
from rich.console import Console
from rows import record, state, states

from app import activity
from app.flow import Choice
from app.output import Terminal
from app.output.choice import choice_lines
from app.output.console import HEADING, SCREEN, line
from app.output.live import STAGES, View, progress


class FakeTerminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def columns(text: str) -> list[str]:
    return text.split()


def test_line_has_a_value_under_every_heading() -> None:
    """The cells of an ordinary iteration end where the words of the heading end, but for what follows."""
    text = line(record(), 150.0)
    assert len(text) == len(HEADING)
    ends = {match.end() for match in re.finditer(r"\S+", text)}
    assert {match.end() for match in re.finditer(r"\S+", HEADING)} <= ends


def test_line_tells_what_is_known() -> None:
    """Iteration, energy, misfit against target, error, alignment, capture, sizes, solves, seconds."""
    assert columns(line(record(iteration=3, energy=200.0, misfit=160.0), 150.0)) == [
        "3", "200", "160/150", "0.2500", "0.750", "0.900", "17", "5", "4", "19", "1.5",
    ]  # fmt: skip


def test_line_has_a_dot_for_what_is_not_known() -> None:
    """Neither error nor energy nor target: dots, and no stroke after the misfit."""
    text = line(record(energy=None, alignment=None, capture=None, relative_error=None), None)
    assert columns(text).count("·") == 4 and "/" not in text
    assert len(text) == len(HEADING)


def test_line_mentions_growth_and_rejected_trials() -> None:
    """Both follow the columns, only where there were any."""
    text = line(record(expansions=2, widths=(6, 4), trials=3), 150.0)
    assert text[len(HEADING) :].split() == ["grew", "to", "6-4", "3", "rejected"]


def test_wide_numbers_keep_their_columns_apart() -> None:
    """Six digits of misfit and target, thousands of solves: there is still a blank between the cells."""
    text = line(record(misfit=5.952e4, energy=1.2345e-12, state_solves=123456, linear_solves=1234), 123456.0)
    assert len(columns(text)) == len(columns(HEADING))


def test_terminal_prints_the_heading_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The heading stands above iteration 0; to a pipe go plain lines and no bar."""
    with Terminal(150.0) as terminal:
        for each in states([record(iteration=iteration) for iteration in range(3)]):
            terminal.state(each)
        terminal.note("a [note] of its own")  # square brackets are no markup
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == HEADING and printed.count(HEADING) == 1
    assert [columns(text)[0] for text in printed[1:4]] == ["0", "1", "2"]
    assert printed[4:] == ["a [note] of its own"]


def test_the_heading_is_repeated_once_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """Above the line that would be the next below so many."""
    with Terminal(150.0) as terminal:
        terminal.state(state([record(iteration=iteration) for iteration in range(2 * SCREEN + 1)]))
    printed = capsys.readouterr().out.splitlines()
    assert [number for number, text in enumerate(printed) if text == HEADING] == [
        0, SCREEN + 1, 2 * (SCREEN + 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "misfit, share", [(200.0, 0.0), (20.0, 0.5), (2.0, 1.0), (0.1, 1.0), (0.0, 1.0), (900.0, 0.0)]
)
def test_the_bar_is_of_the_logarithm(misfit: float, share: float) -> None:
    """From the first misfit to the target, and not beyond either."""
    assert progress(200.0, misfit, 2.0) == pytest.approx(share)


def test_the_view_says_where_a_run_is() -> None:
    """Stage, mesh, iteration, neurons, what is done now, and the misfit against its target."""
    view = View(150.0, meshes=3)
    console = Console(file=io.StringIO(), width=120)

    def shown() -> str:
        with console.capture() as captured:
            console.print(view)
        return captured.get()

    assert "starting" in shown()
    view.state = state([record(iteration=0, misfit=2e5), record(iteration=1, misfit=160.0, widths=(6, 4))])
    with activity.doing("factorising an operator"):
        told = shown()
    for words in (
        "mesh 1 of 3",
        "iteration 2",
        "6-4 neurons",
        "factorising an operator",
        STAGES[view.state.stage],
    ):
        assert words in told
    assert "misfit 160" in told and "target 150" in told
    with activity.doing(activity.PREPARING):
        assert activity.PREPARING not in shown()


@dataclass(frozen=True)
class Chosen:
    """Stands in for what the minimisation goes by."""

    choice: Choice


@dataclass(frozen=True)
class Minimiser:
    """See Chosen."""

    chosen: Chosen


def test_a_state_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Its notes below its line; the choice in the state after the selection, which has no line of its own,
    and not again later; all lines of a run that goes on from a state with many."""
    made = choice()
    before, after = record(iteration=0), record(iteration=1)
    with Terminal(None) as terminal:
        terminal.state(state([before], notes=("a note",)))
        terminal.state(state([before], exact=Minimiser(Chosen(made))))
        terminal.state(state([before, after], exact=Minimiser(Chosen(made))))
    printed = capsys.readouterr().out.splitlines()
    assert printed == [HEADING, line(before, None), "a note", *choice_lines(made), line(after, None)]
    with Terminal(None) as terminal:
        terminal.state(state([before, after]))
    assert capsys.readouterr().out.splitlines() == [HEADING, line(before, None), line(after, None)]


def test_quiet_terminal_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Ranks other than 0 are quiet."""
    with Terminal(150.0, quiet=True) as terminal:
        terminal.state(state([record()], notes=("unheard",)))
        terminal.note("unheard")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("target", [150.0, None])
@pytest.mark.parametrize("misfit", [1e5, 150.0, 0.0])
def test_bar_is_drawn_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, target: float | None, misfit: float
) -> None:
    """A terminal gets control characters and the iteration's lines, whatever the misfit and the target."""
    monkeypatch.setenv("TERM", "xterm")
    for variable in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)
    stream = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", stream)
    with Terminal(target) as terminal:
        for each in states([record(iteration=0, misfit=2e5), record(iteration=1, misfit=misfit)]):
            terminal.state(each)
    assert "\x1b[" in stream.getvalue()
    assert line(record(iteration=1, misfit=misfit), target) in stream.getvalue()
