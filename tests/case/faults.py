"""What is wrong with a case, as a user reads it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from app.case import CaseError, InputError, load_case

Rewrite = Callable[[str, str], Path]


def problems(path: Path, *overrides: str) -> list[str]:
    """What is wrong with a case, also after the error has been pickled for the other ranks."""
    with pytest.raises(CaseError) as caught:
        load_case(path, overrides)
    shared: InputError = pickle.loads(pickle.dumps(caught.value))
    assert shared.problems == caught.value.problems
    assert str(shared) == "\n".join(shared.problems)
    return shared.problems
