"""What sections of a case are made of, whichever room they belong to, and how it is said what is wrong."""

from app.schema.files import read_text
from app.schema.problems import CaseError, DataError, InputError, nearest, shown
from app.schema.section import (
    COORDINATES,
    NO_TRUTH_VALUE,
    Component,
    Count,
    DataFile,
    Identifier,
    Length,
    Natural,
    Number,
    Parts,
    Positive,
    Section,
    Written,
    default_kind,
    part_names,
    refuse,
)

__all__ = [
    "COORDINATES",
    "NO_TRUTH_VALUE",
    "CaseError",
    "Component",
    "Count",
    "DataError",
    "DataFile",
    "Identifier",
    "InputError",
    "Length",
    "Natural",
    "Number",
    "Parts",
    "Positive",
    "Section",
    "Written",
    "default_kind",
    "nearest",
    "part_names",
    "read_text",
    "refuse",
    "shown",
]
