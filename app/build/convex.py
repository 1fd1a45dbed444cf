"""Runs of the energies that are not the misfit of observations, whatever they are: setup, flow, results."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from app import flow, output
from app.build.pieces import finish, growth_of, network_of, stream, transform_of
from app.case import ConvexCase, effective_yaml
from app.mesh import CoefficientSpace, TaggedMesh
from app.network import Nodes, Transform
from app.parallel import Interrupt, SolveFailed, Tally, gram, on_root
from app.pde import Counts


@dataclass(frozen=True)
class ConvexSetup:
    """A case with its mesh, energy and start: all that `--check` makes sure of."""

    case: ConvexCase
    domain: TaggedMesh
    size: int
    """Number of nodal values over all ranks."""
    energy: Any
    """See flow.Convex."""
    step: flow.Step
    plain: flow.InnerProduct | None
    """The inner product of the flow, where it is not the energy's own."""
    error: Callable[[np.ndarray], float] | None
    """Relative error of a coefficient in L2, where the truth is known."""
    write: Callable[[np.ndarray, Path], str | None]
    """Writes fields and pictures of a coefficient into a folder; returns why there is no picture, if so.
    Collective."""
    tell: Callable[[np.ndarray], dict[str, Any]] = lambda coefficient: {}
    """What the summary says of the coefficient beside what it says of every run. Collective."""
    counts: Counts = field(default_factory=Counts)
    """Of linear solves with a state operator, if there are any."""
    riesz: Tally = field(default_factory=Tally)
    """Of all inner products that the run makes."""
    half_square: Callable[[np.ndarray], float] | None = None
    """½‖m‖²_K of a coefficient, in K of the energy, where its own product knows of some nodes only.
    Collective."""


def step_of(
    case: ConvexCase,
    nodes: Callable[[Transform], Nodes],
    *,
    size: int,
    reference: np.ndarray,
) -> flow.Step:
    """The network or the nodal values of a case at its nodes, starting from the reference."""
    chosen: Any = case.approximant[1].representation
    if chosen.kind == "nodal":
        return flow.IdealStep(reference.copy(), size)
    network = network_of(chosen, nodes(transform_of(chosen)))
    start = network.start(stream(case, "network"))
    step = flow.STEPS[case.flow.step](network, start, growth_of(case))
    step.follow_closely()
    return step


def run_convex(setup: ConvexSetup, folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Run the flow, write everything into the (prepared) folder and return the summary; collective."""
    comm, case, energy = setup.domain.comm, setup.case, setup.energy
    on_root(comm, lambda: (folder / "case.yaml").write_text(effective_yaml(case)))
    terminal = output.Terminal(None, quiet=quiet or comm.rank > 0)

    def by_product(coefficient: np.ndarray) -> float:
        image = energy.product(coefficient).apply(coefficient)
        return 0.5 * float(gram(comm, coefficient, image))

    half_square = setup.half_square or by_product
    with terminal, Interrupt(comm) as interrupt:
        terminal.note(f"{case.name}: {setup.size} nodal values, {comm.size} rank(s)")
        history = output.History(comm, folder / "history.csv", lambda: setup.counts, setup.error, terminal)
        reference = setup.step.values()
        outcome = flow.run_flow(
            energy,
            energy.residual(reference),
            np.zeros_like(reference),
            flow.ConvexBuilder(setup.plain),
            setup.step,
            flow.AtTolerance(case.flow.tolerance, half_square, case.flow.max_iterations),
            history,
            interrupt.wished,
        )
        if outcome.stop_reason == "no_accepted_step" and _has_arrived(
            setup, outcome.coefficient, half_square
        ):
            outcome = replace(outcome, stop_reason="tolerance")
        summary = _summary(setup, outcome, history.rows, half_square)
        return finish(
            comm, terminal, history, folder, summary, lambda: setup.write(outcome.coefficient, folder)
        )


def write_functions(space: CoefficientSpace, panels: dict[str, np.ndarray], folder: Path) -> str | None:
    """Fields and a picture of functions by their values at all owned nodes, of which one may be an `error`.

    Returns why there is no picture, if so. Collective.
    """
    fields = {name: space.everywhere(values, name) for name, values in panels.items()}
    output.write_fields(folder / "fields.pvd", space.space, fields)
    rows = [dict(panels)]
    if space.domain.dimension == 1 and "error" in panels:  # a small one shows on axes of its own
        rows.append({"error": rows[0].pop("error")})
    nowhere = np.empty((0, space.domain.dimension))
    return output.draw_fields(folder / "coefficient.png", space.space, rows, nowhere)


def _has_arrived(
    setup: ConvexSetup, coefficient: np.ndarray, half_square: Callable[[np.ndarray], float]
) -> bool:
    """Whether the minimiser is within the tolerance of a coefficient that no step leads away from, as of a
    start that is exact; by what the energy's own model says is missing, ½rᵀK⁻¹r. Collective."""
    energy = setup.energy
    try:
        derivative = energy.derivative(energy.residual(coefficient))
        gradient = energy.product(coefficient).riesz(derivative)
    except SolveFailed:
        return False
    missing = 0.5 * float(gram(setup.domain.comm, derivative, gradient))
    return missing <= setup.case.flow.tolerance**2 * half_square(coefficient)


def _summary(
    setup: ConvexSetup,
    outcome: flow.Outcome,
    rows: list[output.Row],
    half_square: Callable[[np.ndarray], float],
) -> dict[str, Any]:
    """The run in numbers, but for the resources it took."""
    case, last = setup.case, rows[-1].record
    square = half_square(outcome.coefficient)
    distance = None
    if last.missing is not None and not last.damped and square > 0:
        distance = float(np.sqrt(max(last.missing, 0.0) / square))
    return {
        "name": case.name,
        "status": output.status(outcome.stop_reason, target_known=True),
        "stop_reason": outcome.stop_reason,
        **output.records_summary(rows),
        "energy": last.misfit,
        "misfit_target": None,
        "regularisation_kind": None,
        "candidates": None,
        "distance": distance,
        **setup.tell(outcome.coefficient),
        **asdict(setup.counts),
        "linear_solves": setup.counts.linear_solves,
        "riesz_solves": setup.riesz.solves,
        "coefficient_dofs": setup.size,
        "seed": case.seed,
    }
