"""What the inner product of the flow is worth, `python -m benchmarks study inner-product`.

The same energy, the same network of fixed size from the same start and the same step, with the flow matrix in
L2, in H1 and in the energy's own product: the error in the ambient norm, H1, against outer iterations. The
own product's error after so many of them is the level that the others are to reach; they get many times as
many. The steps are the explicit one with its line search, where an iteration takes one flow matrix whatever
the product, and the retracted one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from app import flow
from app.case import load_case
from app.problem import prepare

ROOT = Path(__file__).resolve().parents[1]

EXAMPLES = {
    "regression": "cases/smooth.yaml",
    "Poisson": "cases/ritz_poisson.yaml",
    "semilinear": "cases/ritz_semilinear.yaml",
}
"""Cases by what they are called here."""

FIXED = ("expansion.strategy=none", "unknowns.m.representation.hidden=[16]")
"""A network that does not grow."""

PRODUCTS = ("energy", "h1", "l2")

STEPS = {"plain": (20, 10), "retracted": (2, 10)}
"""Iterations of the flow in the energy's own product, and how many times as many the other products get."""

BAR = 10.0
"""The L2 product is to need at least as many times the iterations of the energy's own."""


@dataclass(frozen=True)
class Curve:
    """The error in H1 after each outer iteration, the start first."""

    product: str
    errors: list[float]
    stop: str

    def reaches(self, level: float) -> int | None:
        """Iterations until the error is at the level; None if it never is."""
        return next((i for i, error in enumerate(self.errors) if error <= level), None)


class _Until:
    """Stops at a level of the error, or after so many iterations; keeps the errors."""

    least_gain = 0.0

    def __init__(self, error: Any, level: float, most: int) -> None:
        self._error, self._level, self._most = error, level, most
        self.errors: list[float] = []

    def scale(self, energy: float) -> float:
        """See flow.Stopping; what a network that does not grow has no use for."""
        return 0.0

    def __call__(self, records: Sequence[flow.Record]) -> flow.StopReason | None:
        """See flow.Stopping."""
        self.errors.append(self._error(records[-1].coefficient))
        if self.errors[-1] <= self._level:
            return "tolerance"
        return "max_iterations" if len(records) > self._most else None

    def iteration(self, record: flow.Record) -> None:
        """See flow.Observer."""

    def note(self, message: str) -> None:
        """See flow.Observer."""

    def chosen(self, choice: Any) -> None:
        """See flow.Observer."""


def curve(case: str, step: str, product: str, most: int, level: float = 0.0) -> Curve:
    """A flow of a case, at most so many iterations, until the error is at the level."""
    given = load_case(ROOT / case, [*FIXED, f"flow.step={step}", f"flow.inner_product={product}"])
    setup: Any = prepare(MPI.COMM_WORLD, given)

    def error(coefficient: np.ndarray) -> float:
        told = setup.tell(coefficient)
        return told.get("distance_h1", told["distance"])

    start, watch = setup.step.values(), _Until(error, level, most)
    outcome = flow.run_flow(
        setup.energy,
        setup.energy.residual(start),
        np.zeros_like(start),
        flow.ConvexBuilder(setup.plain),
        setup.step,
        watch,
        watch,
    )
    return Curve(product, watch.errors, outcome.stop_reason)


def study(case: str, step: str) -> list[Curve]:
    """A case in every product."""
    iterations, times = STEPS[step]
    own = curve(case, step, "energy", iterations)
    level, most = own.errors[-1], times * (len(own.errors) - 1)
    return [own, *(curve(case, step, product, most, level) for product in PRODUCTS[1:])]


def main(out: Path) -> int:
    """Run all examples, print and write table and picture; 0 if the bar is met in each."""
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for step in STEPS:
        for name, case in EXAMPLES.items():
            found[f"{name}, {step}"] = study(case, step)
            print(_row(name, found[f"{name}, {step}"]), flush=True)
    table, met = report(found)
    print(table)
    (out / "inner_product.md").write_text(table + "\n")
    content = {name: [vars(one) for one in curves] for name, curves in found.items()}
    (out / "inner_product.json").write_text(json.dumps(content, indent=1) + "\n")
    draw(found, out / "inner_product.png")
    return 0 if met else 1


def report(found: dict[str, list[Curve]]) -> tuple[str, bool]:
    """The table, and whether L2 needs BAR times the iterations of the energy's own product in each."""
    lines = ["| example | error in H1 | energy | H1 | L2 | L2 / energy |", "|---|---|---|---|---|---|"]
    met = True
    for name, curves in found.items():
        lines.append(_row(name, curves))
        own, last = curves[0], curves[-1]
        reached = last.reaches(own.errors[-1])
        most = len(last.errors) - 1 if reached is None else reached
        met = met and most >= BAR * own.reaches(own.errors[-1])
    return "\n".join(lines), met


def _row(name: str, curves: list[Curve]) -> str:
    level = curves[0].errors[-1]
    counts = []
    for one in curves:
        reached = one.reaches(level)
        last = len(one.errors) - 1
        counts.append(f"{reached}" if reached is not None else f"> {last} (at {one.errors[-1]:.1e})")
    own, last = curves[0].reaches(level), curves[-1]
    reached = last.reaches(level)
    ratio = f"{reached / own:.0f}" if reached is not None else f"> {(len(last.errors) - 1) / own:.0f}"
    return f"| {name} | {level:.2e} | {' | '.join(counts)} | {ratio} |"


def draw(found: dict[str, list[Curve]], path: Path) -> None:
    """A panel an example, the error against iterations."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(EXAMPLES), 3.4 * len(STEPS)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(STEPS), len(EXAMPLES), squeeze=False)
    for axes, (name, curves) in zip(panels.ravel(), found.items(), strict=True):
        for one in curves:
            axes.loglog(np.arange(len(one.errors)) + 1, one.errors, label=one.product)
        axes.axhline(curves[0].errors[-1], color="k", linestyle=":", linewidth=0.8)
        axes.set(title=name, xlabel="outer iterations + 1")
    for axes in panels[:, 0]:
        axes.set_ylabel("relative distance in H1")
    panels[0, 0].legend(title="flow matrix in")
    figure.savefig(path, dpi=120)
