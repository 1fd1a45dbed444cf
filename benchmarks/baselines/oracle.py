"""The least true error that any regularisation and weight give nodal values: what no method could know.

For each R that the program may choose, and edges above a larger share, E is minimised by Gauss-Newton-CG
over a grid of falling weights, each from the minimum before it.
"""

import math
from contextlib import closing
from typing import Any

from benchmarks.baselines.newton_cg import GRADIENT, WEIGHTS, first_weight, minimise
from benchmarks.baselines.problem import Problem, Regularisation
from benchmarks.baselines.trace import Result, Trace

# Lengths of R as shares of the domain's diagonal.
SHARES = {"bilaplacian": (0.03, 0.05, 0.1, 0.2, 0.4), "trilaplacian": (0.05, 0.1, 0.2, 0.4)}
EDGE_SHARES = (0.1, 0.3)
PATIENCE = 4  # weights that are tried after the best
ROUNDS, SETTLED = 5, 5e-3
"""Times that an R that depends on m is built at most, and the relative change of the error that ends it."""


def oracle(problem: Problem) -> Result:
    """The best of all R and weights, with a table of all; raises ValueError without a truth."""
    if problem.error is None:
        raise ValueError("found a case without a truth, expected one for the oracle")
    length = problem.whole
    candidates: list[tuple[str, float, dict[str, float]]] = [("h1", length, {})]
    candidates += [(kind, share * problem.diagonal, {}) for kind in SHARES for share in SHARES[kind]]
    candidates += [("edge_preserving", length, {"edge_share": share}) for share in EDGE_SHARES]
    table: list[dict[str, Any]] = []
    for kind, length, edges in candidates:
        with closing(problem.regularisation(kind, length, **edges)) as regularisation:
            tried = sweep(problem, regularisation)
        best = min(tried, key=lambda row: row["relative_error"])
        named = {"regularisation_kind": kind, "length_scale": length, "edge_share": edges.get("edge_share")}
        table.append(named | {"regularisation_weight": best["weight"]} | best | {"tried": tried})
        print({name: value for name, value in table[-1].items() if name != "tried"}, flush=True)
    least = min(table, key=lambda row: row["relative_error"])
    found = {"name": problem.case.name, "method": "oracle", "status": "converged", "stop_reason": "minimum"}
    found |= {name: value for name, value in least.items() if name not in ("tried", "weight")}
    spent = {"state_solves": problem.counts.state_solves, "linear_solves": problem.counts.linear_solves}
    found["h1_weight"] = table[0]["regularisation_weight"]
    found["edge_preserving_error"] = min(
        row["relative_error"] for row in table if row["regularisation_kind"] == "edge_preserving"
    )
    return found | {"misfit_target": problem.target, "search": spent, "table": table}, []


def sweep(problem: Problem, regularisation: Regularisation) -> list[dict[str, float]]:
    """Weights of a grid with two a decade, with misfit and error of their minima.

    Ends where PATIENCE weights in a row were no better and, unless the noise is unknown, the misfit has come
    down to its target: before that an error may rise and fall again. An R that depends on m is built anew
    until the error settles.
    """
    point = problem.start
    with closing(regularisation.at(point.m)) as R:
        norm, weight = first_weight(problem.using(R), point)
    exponent, best, met = round(2 * math.log10(weight)) / 2, 0, problem.target is None
    tried: list[dict[str, float]] = []
    while len(tried) < WEIGHTS and (len(tried) - best <= PATIENCE or not met):
        weight, error = 10.0 ** (exponent - 0.5 * len(tried)), problem.error(point.m)
        for _ in range(1 if regularisation.fixed else ROUNDS):
            with closing(regularisation.at(point.m)) as R:
                own, before = problem.using(R), error
                point = minimise(own, point, weight, Trace(own), 0.0, GRADIENT * norm).point
            error = problem.error(point.m)
            if abs(error - before) < SETTLED * before:
                break
        met = met or problem.met(point)
        tried.append({"weight": weight, "misfit": point.value, "relative_error": error})
        best = min(range(len(tried)), key=lambda i: tried[i]["relative_error"])
    return tried
