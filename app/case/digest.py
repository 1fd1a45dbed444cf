"""Whether two cases are the same: what a case says and what is in its files, whatever both are called."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from app.case.base import BaseCase
from app.case.document import Key
from app.case.origin import dotted
from app.schema.given import RESULT_FILES
from app.schema.problems import DataError
from app.schema.section import Plain

PIECE = 1 << 20
"""Bytes of a file that are read at once."""


def canonical_case(case: BaseCase) -> dict[str, Plain]:
    """All that determines the run: the effective case, its files by what is in them, without its name,
    without what pictures call things and without what is worked out once it is over.

    Plain data that survive JSON. Serial: reads all files that the case names, once each. Raises DataError for
    one that cannot be read.
    """
    data = _by_content(case)
    del data["name"]
    for afterwards in ("posterior", "predictions", "output"):
        data.pop(afterwards, None)
    return {**data, "unknowns": _unlabelled(data["unknowns"])}


def _unlabelled(unknowns: Plain) -> Plain:
    """Without what pictures call them."""
    assert isinstance(unknowns, dict)
    told: dict[str, Plain] = {}
    for name, unknown in unknowns.items():
        assert isinstance(unknown, dict)
        told[name] = {key: value for key, value in unknown.items() if key not in ("label", "unit")}
    return told


def canonical_predictions(case: BaseCase) -> Plain:
    """What the case predicts, its files by what is in them; serial, and raises, as canonical_case."""
    return _by_content(case).get("predictions", {})


def _by_content(case: BaseCase) -> dict[str, Plain]:
    """The effective case with what is in its files in place of their names."""
    files = {file: _content(file) for file in case.files()}
    return case.effective(files.__getitem__)


def case_digest(case: BaseCase) -> str:
    """SHA-256 of the canonical case, in hexadecimal digits; serial, see there.

    The order of unknowns, observations and experiments counts, since coefficients and readings follow it.
    """
    return hashlib.sha256(_text(canonical_case(case)).encode()).hexdigest()


def differing_keys(a: Mapping[str, Plain], b: Mapping[str, Plain]) -> list[str]:
    """Dotted keys at which two canonical (or effective) cases differ, such as `mesh.cells[0]`; none if their
    digests are the same.

    A key that one of them lacks is named, not what is below it, and so is one whose entries are in another
    order or of another number.
    """
    return _differing(dict(a), dict(b), ())


def _differing(a: Plain, b: Plain, path: tuple[Key, ...]) -> list[str]:
    match a, b:
        case dict(), dict():
            names = [*a, *(name for name in b if name not in a)]
            found = [
                key
                for name in names
                for key in (
                    _differing(a[name], b[name], (*path, name))
                    if name in a and name in b
                    else [dotted((*path, name))]
                )
            ]
            return found if found or list(a) == list(b) else [dotted(path)]
        case list(), list() if len(a) == len(b):
            pairs = enumerate(zip(a, b, strict=True))
            return [key for i, (one, other) in pairs for key in _differing(one, other, (*path, i))]
        case _:
            return [] if _text(a) == _text(b) else [dotted(path)]


def _text(data: Plain) -> str:
    """JSON that tells 1 from 1.0 and both from infinity, as a digest does."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _content(file: Path) -> str:
    """SHA-256 of a file; of an XDMF file, whose numbers are in others, of those too; of results of what was
    found."""
    digest = hashlib.sha256()
    try:
        for part in [file / name for name in RESULT_FILES] if file.is_dir() else [file, *_named_by(file)]:
            with part.open("rb") as opened:
                for piece in iter(partial(opened.read, PIECE), b""):
                    digest.update(piece)
    except OSError as cause:
        found = f"found an unreadable file ({cause.strerror})"
        raise DataError([f"{file}: {found}, expected the one that the case names"]) from None
    return f"sha256:{digest.hexdigest()}"


def _named_by(file: Path) -> list[Path]:
    """The HDF5 files that an XDMF file refers to as `name:/dataset`, each once."""
    if file.suffix != ".xdmf":
        return []
    names = re.findall(r"([^\s<>\":]+):/", file.read_text(errors="replace"))
    return [path for name in dict.fromkeys(names) if os.path.isfile(path := file.parent / name)]
