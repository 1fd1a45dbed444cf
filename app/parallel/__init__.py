"""What every room needs to run on many ranks: agreed failure, timing, blocks of columns, linear solvers."""

import app.wheel  # noqa: F401

# isort: split
from app.parallel.agreement import FailedElsewhere, agreed, check_identical, known_to_all, on_root
from app.parallel.blocks import (
    dense_matrix,
    gram,
    multiply,
    multiply_transpose,
    symmetric_gram,
    symmetric_gram_of,
    symmetric_product,
    total,
)
from app.parallel.interrupt import Interrupt, Interrupted, let_go, plain_signals
from app.parallel.solver import LinearSolver, SolveFailed, Tally
from app.parallel.timing import Clock, Every, peak_memory_mb, process_age, timed

__all__ = [
    "Clock",
    "Every",
    "FailedElsewhere",
    "Interrupt",
    "Interrupted",
    "LinearSolver",
    "SolveFailed",
    "Tally",
    "agreed",
    "check_identical",
    "dense_matrix",
    "gram",
    "known_to_all",
    "let_go",
    "multiply",
    "multiply_transpose",
    "on_root",
    "peak_memory_mb",
    "plain_signals",
    "process_age",
    "symmetric_gram",
    "symmetric_gram_of",
    "symmetric_product",
    "timed",
    "total",
]
