"""A network of fixed size, trained by Adam or L-BFGS through the finite-element model.

As in hybrid FEM-NN codes (Mitusch, Funke and Kuchta 2021): the network's nodal values are the coefficient,
and the gradient is Dᵀ(Jᵀe + wR(m − m_ref)), so that each evaluation takes one state and one adjoint solve.
Without a weight, stopping at the target is the regularisation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import app.wheel  # noqa: F401

# isort: split
import numpy as np
from mpi4py import MPI
from scipy.optimize import minimize

from app.case import Case
from app.flow import StopReason
from app.network import TRANSFORMS, Network, Nodes
from app.parallel import SolveFailed, gram, timed
from benchmarks.baselines.trace import Point, Problem, Show, Trace, write

import torch  # isort: skip - after app, which sets the threads

LEARNING_RATES = (1e-3, 3e-3, 1e-2, 3e-2)
"""Adam's, each tried; the rest is PyTorch's default. On a coarse quickstart 3e-2 did best; 0.1 oscillates."""

MEMORY = 100
"""Pairs that L-BFGS keeps; SciPy's default of 10 takes twice as many solves, 200 no fewer."""

OUTGOING = 0.1
"""Scale of the outgoing weights at a glorot start, so that m is near m_ref."""

STREAM = 0
"""Of random numbers, for the start; the program's own number for it."""

EVERY = 10
"""State solves between two rows of the history."""

Optimiser = Literal["adam", "lbfgs"]
Start = Literal["glorot", "ridges"]


class Ended(Exception):
    """The run met its target or spent its solves."""


@dataclass(frozen=True)
class Run:
    """A training run."""

    trace: Trace
    best: Point
    """The one that met the target, or of least energy."""
    reason: StopReason

    @property
    def rank(self) -> tuple[float, float]:
        """Less is better: solves to the target, or else the misfit at the end."""
        met = self.trace.first_met
        return (met["state_solves"], 0.0) if met else (np.inf, self.best.misfit)

    @property
    def figures(self) -> dict[str, Any]:
        """For the summary."""
        return {**self.trace.work(self.best), "met_at": self.trace.first_met, "stop_reason": self.reason}


class Objective:
    """E(θ) and its gradient; ends the run by raising Ended.

    D is formed for the gradient, which takes about a seventh of the time with 64 × 64 cells.

    Whatever the optimiser does with it, `best` is the point that met the target, or of least energy so far.
    """

    def __init__(
        self, problem: Problem, network: Network, weight: float, solves: int, show: Show | None
    ) -> None:
        self.trace = Trace(problem, show)
        self.evaluations, self.value = 0, np.inf
        self.best: Point | None = None
        self.theta: np.ndarray | None = None
        self._problem, self._network, self._weight, self._solves = problem, network, weight, solves
        self._memory: np.ndarray | None = None

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """E(θ) and Dᵀ(Jᵀe + wR(m − m_ref)): a state solve and, unless the run ends here, an adjoint solve."""
        problem, network = self._problem, self._network
        if self.evaluations >= self._solves:
            raise Ended
        self.evaluations += 1
        point = problem.at(network.values(theta))
        value = problem.value(point, self._weight)
        if not np.isfinite(value):
            raise SolveFailed("the energy overflows")
        met = problem.met(point)
        if met or self.best is None or value < self.value:
            self.best, self.value, self.theta = point, value, theta.copy()
        if met or self.evaluations == 1 or self.evaluations % EVERY == 0:
            self.row(point)
        if met:
            raise Ended
        slope = problem.derivative(point, self._weight)
        with timed("jacobian"):
            self._memory = network.jacobian(theta, self._memory)
            return value, gram(problem.comm, self._memory, slope)

    def row(self, point: Point) -> None:
        """A row of the history."""
        self.trace.row(point, self._weight, self._network.size, self._network.widths)

    def run(self, reason: StopReason) -> Run:
        """What there is at the end."""
        assert self.best is not None
        if self.trace.first_met is None:
            self.row(self.best)
        else:
            reason = "discrepancy"
        self.trace.end()
        return Run(self.trace, self.best, reason)


def training(
    case: Case,
    folder: Path,
    *,
    optimiser: Optimiser = "lbfgs",
    weight: float = 0.0,
    hidden: Sequence[int] = (20, 20),
    start: Start = "ridges",
    solves: int = 1000,
    show: Show | None = None,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> dict[str, Any]:
    """Run, write the results into the folder and return the summary; collective.

    Adam runs once for each of LEARNING_RATES and the best run is the result. A run ends when it meets the
    target or has taken `solves` state solves. `start` is that of the parameters: `ridges` is the program's,
    ridges across the domain with outgoing weights zero; `glorot` the usual one, with small outgoing weights.
    """
    problem = Problem(comm, case)
    network = network_of(problem, hidden)
    theta = starting(problem, network, start)

    def objective() -> Objective:
        return Objective(problem, network, weight, solves, show)

    more: dict[str, Any] = {"optimiser": optimiser, "start": start}
    if optimiser == "adam":
        runs = {rate: adam(objective(), theta, rate) for rate in LEARNING_RATES}
        rate, run = min(runs.items(), key=lambda item: item[1].rank)
        more |= {"learning_rate": rate, "runs": {str(rate): run.figures for rate, run in runs.items()}}
    else:
        run = lbfgs(objective(), theta)
    more["met_at"] = run.trace.first_met
    summary = run.trace.summary(f"training_{optimiser}", run.reason, **more)
    write(problem, folder, run.trace, summary)
    return summary


def adam(objective: Objective, theta: np.ndarray, rate: float) -> Run:
    """Adam (Kingma and Ba 2015) with a constant learning rate."""
    parameters = torch.from_numpy(theta.copy()).requires_grad_()
    optimiser = torch.optim.Adam([parameters], lr=rate)
    try:
        while True:
            _, gradient = objective(parameters.detach().numpy())
            parameters.grad = torch.from_numpy(gradient)
            optimiser.step()
    except Ended:
        return objective.run("max_iterations")
    except SolveFailed:
        return objective.run("error")


def lbfgs(objective: Objective, theta: np.ndarray) -> Run:
    """SciPy's L-BFGS-B without bounds, begun anew with an empty memory where its line search gives up."""
    worst = 0.0

    def evaluate(theta: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal worst
        try:
            value, gradient = objective(theta)
        except SolveFailed:  # a step too long: a value above all others makes the line search shorten it
            return 10.0 * worst, np.zeros_like(theta)
        worst = max(worst, value)
        return value, gradient

    options = {"maxcor": MEMORY, "ftol": 0.0, "gtol": 0.0, "maxfun": 10**9, "maxiter": 10**9}
    try:
        while True:
            before = objective.value
            minimize(evaluate, theta, jac=True, method="L-BFGS-B", options=options)
            assert objective.theta is not None
            theta = objective.theta
            if not objective.value < before:
                return objective.run("stalled")
    except Ended:
        return objective.run("max_iterations")


def network_of(problem: Problem, hidden: Sequence[int]) -> Network:
    """The program's network with these widths, and the case's activation and transform if it has them."""
    setup = problem.setup
    chosen = setup.unknown.representation
    options = {"kind": "identity"} if chosen.kind == "nodal" else dict(chosen.transform)
    transform = TRANSFORMS[options.pop("kind")](**options)
    activation = "tanh" if chosen.kind == "nodal" else chosen.activation
    features = "quadratic" if chosen.kind == "nodal" else chosen.features
    space = setup.coefficient
    nodes = Nodes.of(space.coordinates, space.domain.bounding_box(), setup.reference, transform)
    return Network(tuple(hidden), nodes, activation, transform, max(hidden), features)


def starting(problem: Problem, network: Network, start: Start) -> np.ndarray:
    """θ at the start, by the case's seed."""
    rng = np.random.default_rng([problem.case.seed, STREAM])
    if start == "ridges":
        return network.start(rng)
    return glorot(network.inputs, network.widths, rng)


def glorot(inputs: int, widths: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Weights uniform within ±√(6/(inputs + outputs)) and biases zero (Glorot and Bengio 2010), outgoing ones
    scaled by OUTGOING; in the order of Network's θ."""
    parts = []
    for outputs in (*widths, 1):
        bound = np.sqrt(6.0 / (inputs + outputs))
        parts += [rng.uniform(-bound, bound, outputs * inputs), np.zeros(outputs)]
        inputs = outputs
    parts[-2] *= OUTGOING
    return np.concatenate(parts)
