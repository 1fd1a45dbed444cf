"""The least true error that any regularisation and weight give nodal values: what no method could know.

`python -m benchmarks.oracle CASE.yaml --out DIR`. For each R that the program may choose, and edges above a
larger share, E is minimised over a grid of weights around the one that leave-one-out finds, each from the
minimum before it. Serial.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import app.wheel  # noqa: F401

# isort: split
import numpy as np
from mpi4py import MPI

from app import build, flow, output
from app.case import load_case
from app.flow.look import take_look
from app.flow.smoother import Smoother
from app.network import one_thread
from app.parallel import LinearSolver, SolveFailed, started
from app.prior import REGULARISATIONS, effective_length

SHARES = {"bilaplacian": (0.03, 0.05, 0.1, 0.2, 0.4), "trilaplacian": (0.05, 0.1, 0.2, 0.4)}
"""Lengths of R as shares of the domain's diagonal."""

EDGE_SHARES = (0.1, 0.3)

FACTOR, SIDE = 10 ** (1 / 3), 3
"""Between two weights, and how many of them on either side of the one by leave-one-out."""

LARGE, LARGE_FACTOR, LARGE_SIDE = 10_000, 10**0.5, 2
"""The same for more coefficients or readings than LARGE."""

FARTHEST = 15
"""Weights in either direction at most, where the error still falls at the end of the grid."""

SMALL, MOST_STEPS = 1e-4, 15
"""Share of the energy below which a decrease ends a minimisation, and its steps at most."""

ACCEPT, STALE, PATIENCE = 1e-4, 0.3, 8
"""Ratios of true to predicted decrease at which a trial is accepted and below which J is taken anew; rejected
trials at which a minimisation gives up."""

SEEN = 0.01
"""Data directions in which J is weaker than this share of the least weight are left out of it."""

ROUNDS, SETTLED = 5, 5e-3
"""Times that an R that depends on m is built at most, and the relative change of the error that ends it."""

Vector = np.ndarray


@dataclass(frozen=True)
class Contender:
    """A regularisation, as the summary tells of it."""

    kind: str
    length: float
    edge_share: float | None
    regularisation: Any


@dataclass(frozen=True)
class Minimum:
    """Of one R and weight."""

    weight: float
    error: float
    misfit: float
    m: Vector


@dataclass(frozen=True)
class Spectrum:
    """R and JᵀJ ≈ CCᵀ with CᵀR⁻¹C = diag(values)."""

    R: flow.InnerProduct
    C: Vector
    RinvC: Vector
    values: Vector

    @classmethod
    def of(cls, R: flow.InnerProduct, B: Vector) -> "Spectrum":
        """For JᵀJ ≈ BBᵀ."""
        inverse = R.riesz(B)
        values, vectors = np.linalg.eigh(B.T @ inverse)
        return cls(R, np.asfortranarray(B @ vectors), np.asfortranarray(inverse @ vectors), values)

    def solve(self, shift: float, right: Vector) -> Vector:
        """(shift·R + CCᵀ)⁻¹ right, by Woodbury."""
        correction = self.RinvC @ ((self.RinvC.T @ right) / (shift + self.values))
        return (self.R.riesz(right) - correction) / shift


class Search:
    """A nodal case, where the program ends with it, and J there until it is out of date."""

    def __init__(self, setup: build.Setup) -> None:
        if setup.error is None:
            raise ValueError("the oracle needs a truth")
        self.setup, self.error, self.energy = setup, setup.error, setup.energy
        self.looks = 1
        self._last: Spectrum | None = None
        self._solvers = 0
        self.contenders = self._contenders()
        self._h1 = self.contenders[0].regularisation.at(setup.reference)
        large = max(setup.coefficient.size, len(setup.data.values)) > LARGE
        self.factor, self.side = (LARGE_FACTOR, LARGE_SIDE) if large else (FACTOR, SIDE)
        self.m = self._first()
        self.centres = self._look()

    def sweep(self, number: int) -> list[Minimum]:
        """Minima of a contender by falling weight; the grid is extended while its end is the best."""
        contender, centre = self.contenders[number], self.centres[number]
        weights = {k: centre * self.factor**k for k in range(-FARTHEST, FARTHEST + 1)}
        found: dict[int, Minimum] = {}
        m = self.m
        for k in range(self.side, -FARTHEST - 1, -1):
            found[k] = self.minimise(contender, weights[k], m)
            m = found[k].m
            if k <= -self.side and _best(found) != k:
                break
        for k in count(self.side + 1):
            if _best(found) != k - 1 or k > FARTHEST:
                break
            found[k] = self.minimise(contender, weights[k], found[k - 1].m)
        return [found[k] for k in sorted(found, reverse=True)]

    def minimise(self, contender: Contender, weight: float, m: Vector) -> Minimum:
        """The minimum from m; an R that depends on m is built anew until the error settles."""
        found = self._minimise(contender.regularisation.at(m), weight, m)
        for _ in range(0 if contender.regularisation.fixed else ROUNDS - 1):
            before = found.error
            found = self._minimise(contender.regularisation.at(found.m), weight, found.m)
            if abs(found.error - before) < SETTLED * before:
                break
        return found

    def _minimise(self, R: flow.InnerProduct, weight: float, m: Vector) -> Minimum:
        """Gauss–Newton with the J that there is: two solves a step."""
        reference, energy = self.setup.reference, self.energy
        residual = energy.residual(m)
        spectrum, damping = self._spectrum(R), 0.0
        for _ in range(MOST_STEPS):
            slope = energy.derivative(residual) + weight * R.apply(m - reference)
            before = _energy(residual, R, weight, m - reference)
            rejected = 0
            while True:
                delta = -spectrum.solve(weight + damping, slope)
                predicted = -0.5 * float(slope @ delta)
                if rejected == 0 and damping == 0 and predicted < SMALL * before:
                    return self._minimum(weight, residual, m)
                try:
                    trial = energy.residual(m + delta)
                    ratio = (before - _energy(trial, R, weight, m + delta - reference)) / predicted
                except SolveFailed:
                    ratio = -np.inf
                if ratio > ACCEPT:
                    break
                rejected += 1
                damping = max(10.0 * damping, weight)
                if rejected == PATIENCE:
                    return self._minimum(weight, residual, m)
            residual, m = trial, m + delta
            damping = 0.1 * damping if damping > weight else 0.0
            if ratio < STALE or rejected > 1:
                self._look_again()
                spectrum = self._spectrum(R)
        return self._minimum(weight, residual, m)

    def _minimum(self, weight: float, residual: Vector, m: Vector) -> Minimum:
        return Minimum(weight, self.error(m), 0.5 * float(residual @ residual), m)

    def _spectrum(self, R: flow.InnerProduct) -> Spectrum:
        """The last one if it is still true."""
        if self._last is None or self._last.R is not R:
            self._last = Spectrum.of(R, self._B)
        return self._last

    def _look(self) -> list[float]:
        """J where the program ends, and the contenders' weights by leave-one-out there.

        Of J remain the data directions that matter to H¹ with the least weight that it may come to.
        """
        R, m = self._h1, self.m
        residual = self.energy.residual(m)
        look = take_look(self.energy, R, residual, m - self.setup.reference, np.random.default_rng(0))

        def smoother(R: flow.InnerProduct) -> Smoother:
            return Smoother(look.rows.T @ R.riesz(look.rows), look.directions, look.data)

        own = smoother(R)
        least = SEEN * own.best_weight() * self.factor**-self.side
        kept = own.vectors[:, own.values >= min(least, own.values[-1])]
        self._directions, self._B = look.directions @ kept, np.asfortranarray(look.rows @ kept)
        return [smoother(each.regularisation.at(m)).best_weight() for each in self.contenders]

    def _look_again(self) -> None:
        """J along the same data directions, at the coefficient that was evaluated last."""
        self._B, self._last = self.energy.adjoint(self._directions), None
        self.looks += 1

    def _first(self) -> Vector:
        """Where the program ends with H¹ and the weight by leave-one-out."""
        setup, h1 = self.setup, self.contenders[0]
        builder = flow.GaussNewtonBuilder(h1.regularisation, None, setup.target, False)
        start = flow.Contender("h1", h1.length, h1.regularisation)
        contest = flow.Contest(start, [start], np.random.default_rng(0))
        given = (setup.energy, setup.start, setup.reference, builder, setup.step, contest, setup.target)
        return flow.run_two_stages(*given, setup.case.flow.max_iterations, Silent())[0].coefficient

    def _contenders(self) -> list[Contender]:
        """H¹ first."""
        diagonal = self.setup.domain.diagonal
        length = effective_length(diagonal, None, REGULARISATIONS["h1"].share)
        return [
            self._contender("h1", length),
            *(self._contender(kind, share * diagonal) for kind, shares in SHARES.items() for share in shares),
            *(self._contender("edge_preserving", length, edge_share=share) for share in EDGE_SHARES),
        ]

    def _contender(self, kind: str, length: float, **edges: float) -> Contender:
        """With a solver of its own."""
        self._solvers += 1
        solver = partial(LinearSolver, self.setup.domain.comm, "direct", f"oracle_{self._solvers}_")
        make: Any = REGULARISATIONS[kind]
        regularisation = make(self.setup.coefficient, length, solver, **edges)
        return Contender(kind, length, edges.get("edge_share"), regularisation)


class Silent:
    """An observer of a flow that tells nobody."""

    def iteration(self, record: Any) -> None: ...
    def note(self, message: str) -> None: ...
    def chosen(self, choice: Any) -> None: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Search and write the summary; 0 if there is a result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.oracle", description=__doc__)
    parser.add_argument("case", metavar="CASE.yaml", type=Path)
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the results")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    options = parser.parse_args(arguments)
    one_thread()
    started()
    case = load_case(options.case, ["unknowns.m.representation.kind=nodal", *options.overrides])
    summary = oracle(build.prepare(MPI.COMM_SELF, case))
    options.out.mkdir(parents=True, exist_ok=True)
    output.write_json(options.out / "summary.json", summary)
    return 0


def oracle(setup: build.Setup) -> dict[str, Any]:
    """The best of all R and weights, under the program's names, and a table of all."""
    search = Search(setup)
    table: list[dict[str, Any]] = []
    for number, contender in enumerate(search.contenders):
        minima = search.sweep(number)
        best = min(minima, key=lambda minimum: minimum.error)
        row = {
            "regularisation_kind": contender.kind,
            "length_scale": contender.length,
            "edge_share": contender.edge_share,
            "regularisation_weight": best.weight,
            "relative_error": best.error,
            "misfit": best.misfit,
            "weight_by_leave_one_out": search.centres[number],
            "weights": [[each.weight, each.error, each.misfit] for each in minima],
        }
        table.append(row)
        print({name: value for name, value in row.items() if name != "weights"}, flush=True)
    best_row = min(table, key=lambda row: row["relative_error"])
    return {
        "name": setup.case.name,
        "method": "oracle",
        "status": "converged",
        "stop_reason": "minimum",
        **{name: value for name, value in best_row.items() if name != "weights"},
        "misfit_target": setup.target,
        "coefficient_dofs": setup.coefficient.size,
        "state_dofs": setup.forward.size,
        "search": {"state_solves": setup.forward.counts.state_solves, "looks": search.looks},
        **output.resources(setup.domain.comm),
        "table": table,
    }


def _energy(residual: Vector, R: flow.InnerProduct, weight: float, departure: Vector) -> float:
    """½‖e‖² + ½w‖m − m_ref‖²_R."""
    return 0.5 * float(residual @ residual) + 0.5 * weight * float(departure @ R.apply(departure))


def _best(found: dict[int, Minimum]) -> int:
    return min(found, key=lambda k: found[k].error)


if __name__ == "__main__":
    sys.exit(main())
