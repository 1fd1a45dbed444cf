"""Three hundred bad inputs, each answered in words; tests/long/fuzz.py checks them by the thousand."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutants import KINDS, mutant

from app.case import InputError, load_case
from app.cli import UsageError, parse
from app.data import read_field, read_points, read_readings
from app.schema.problems import LONGEST_SHOWN

READ: dict[str, Callable[[Path], object]] = {
    "values": lambda folder: load_case(folder / "case.yaml"),
    "case text": lambda folder: load_case(folder / "case.yaml"),
    "table": lambda folder: read_points(folder / "heads.csv", 2),
    "times": lambda folder: read_points(folder / "times.csv", 1, in_time=True),
    "array": lambda folder: read_points(folder / "heads.npy", 2),
    "ohm": lambda folder: read_readings(folder / "ring.ohm"),
    "xdmf": lambda folder: read_field(folder / "field.xdmf", 2, None),
}
"""How the files of a kind are read, of the kinds whose readers are the program's own."""


def answered(kind: str, words: list[str], folder: Path) -> None:
    """Read the input as the program does; raises nothing but InputError and UsageError."""
    if kind in READ:
        READ[kind](folder)
        return
    with suppress(SystemExit):  # --help and --version
        _, options = parse(words)
        if hasattr(options, "overrides"):
            load_case(Path(options.case), options.overrides)


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.sampled_from([*READ, "arguments"]), st.integers(0, 10**6))
def test_a_bad_input_is_answered_in_words(kind: str, number: int) -> None:
    """With its file, key or option; what is found is not repeated at length."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = mutant(kind, Random(f"{kind} {number}"), folder)
        try:
            answered(kind, words, folder)
        except InputError as error:
            assert error.problems
            for problem in error.problems[:10]:
                assert "\n" not in problem and ("found " in problem or problem.startswith("... and "))
                found = problem.partition("found ")[2].partition(", expected")[0]
                assert len(found) < 10 * LONGEST_SHOWN or name in found
        except UsageError as error:
            assert str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_draw_makes_the_same_input(kind: str, tmp_path: Path) -> None:
    """So that a fault that was found can be found again."""
    folder = tmp_path / "a"
    made = []
    for _ in range(2):
        folder.mkdir()
        words = mutant(kind, Random(f"{kind} 3"), folder)
        made.append((words, {path.name: path.read_bytes() for path in folder.iterdir()}))
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert made[0] == made[1]
