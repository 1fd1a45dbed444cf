"""What the columns are that a run prints, for --help; the table is in app.output.console."""

COLUMNS = {
    "it": "outer iteration; 0 is the start",
    "energy": "what is minimised: misfit + regularisation",
    "misfit/target": "half the sum of squared residuals in standard deviations, and what noise leaves of it",
    "error": "relative error of the unknown, where the truth is known",
    "align": "share of the ideal decrease that the network's parameters reach to first order, 0 to 1",
    "capture": "share of the ideal decrease that the step took, grown if need be (below 0.8 it grows)",
    "params": "parameters of the networks",
    "vectors": "Krylov vectors of the iteration",
    "solves": "state equations solved so far",
    "rhs": "right-hand sides solved for so far, of state, linearised and adjoint equations",
    "seconds": "since the start",
}
"""By their heads."""
