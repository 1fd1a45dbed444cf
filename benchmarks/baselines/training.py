"""Networks of fixed size, trained by Adam or L-BFGS.

Through the finite-element model as in hybrid FEM-NN codes (Mitusch, Funke and Kuchta 2021): the network's
nodal values are the coefficient, and the gradient is Dᵀ(Jᵀe + wR(m − m_ref)), so that each evaluation takes
one state and one adjoint solve. Without a weight, stopping at the target is the regularisation.
"""

import contextlib
import time
from typing import Any

import numpy as np
from scipy.optimize import minimize

from benchmarks.baselines.problem import Approximation, Network, Point, Problem, SolveFailed, network_of
from benchmarks.baselines.trace import Result, Trace

import torch  # isort: skip - after the program, which sets the threads

LEARNING_RATES = (1e-3, 3e-3, 1e-2, 3e-2)
"""Adam's, each tried; the rest is PyTorch's default. On a coarse quickstart 3e-2 did best; 0.1 oscillates."""
MEMORY = 100
"""Pairs that L-BFGS keeps; SciPy's default of 10 takes twice as many solves, 200 no fewer."""
HIDDEN, SOLVES = (20, 20), 1000  # widths, and state solves at most
EVERY = 10  # state solves between two rows of the history
STANDSTILL, MOST = 1e-9, 5000
"""A fit stops where an iteration gains less than this share of the energy, or after so many iterations."""


class Ended(Exception):
    """The run met its target or spent its solves."""


class Objective:
    """E(θ) and its gradient; ends the run by raising Ended.

    Whatever the optimiser does with it, `best` is the point that met the target, or of least energy so far,
    and `theta` what it was at.
    """

    def __init__(self, problem: Problem, network: Network, weight: float, solves: int) -> None:
        self.trace = Trace(problem)
        self.evaluations, self.value = 0, np.inf
        self.best: Point | None = None
        self.theta: np.ndarray | None = None
        self._problem, self._network, self._weight, self._solves = problem, network, weight, solves
        self._memory: np.ndarray | None = None
        self._last: Point | None = None

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """E(θ) and Dᵀ(Jᵀe + wR(m − m_ref)): a state solve and, unless the run ends here, an adjoint solve."""
        problem, network = self._problem, self._network
        if self.evaluations >= self._solves:
            raise Ended
        self.evaluations += 1
        point = self._last = problem.at(network.values(theta), self._last)
        value = problem.energy(point, self._weight)
        if not np.isfinite(value):
            raise SolveFailed("the energy overflows")
        met = problem.met(point)
        if met or self.best is None or value < self.value:
            self.best, self.value, self.theta = point, value, theta.copy()
        if met or self.evaluations == 1 or self.evaluations % EVERY == 0:
            self.trace.row(point, self._weight, network.size)
        if met:
            raise Ended
        slope = problem.derivative(point, self._weight)
        self._memory = network.jacobian(theta, self._memory)
        return value, self._memory.T @ slope

    def result(self, method: str, reason: str, **more: Any) -> Result:
        """What there is at the end, where the run ended for this reason or at the target."""
        assert self.best is not None
        met = self._problem.met(self.best)
        if not met:
            self.trace.row(self.best, self._weight, self._network.size)
        return self.trace.summary(method, "discrepancy" if met else reason, **more), self.trace.rows


def adam(problem: Problem, weight: float, solves: int = SOLVES) -> Result:
    """Adam (Kingma and Ba 2015) with constant learning rates, each from the same start: the best run counts,
    which meets the target with the fewest solves or else ends with the least misfit."""
    network, theta = network_of(problem, HIDDEN)
    results: list[tuple[float, float, Result]] = []
    for rate in LEARNING_RATES:
        objective = Objective(problem, network, weight, solves)
        parameters = torch.from_numpy(theta.copy()).requires_grad_()
        optimiser, reason = torch.optim.Adam([parameters], lr=rate), "max_iterations"
        with contextlib.suppress(Ended):
            try:
                while True:
                    _, gradient = objective(parameters.detach().numpy())
                    parameters.grad = torch.from_numpy(gradient)
                    optimiser.step()
            except SolveFailed:
                reason = "error"
        summary, rows = objective.result("training_adam", reason, learning_rate=rate)
        solved = summary["state_solves"] if summary["stop_reason"] == "discrepancy" else np.inf
        results.append((solved, summary["misfit"], (summary, rows)))
    return min(results, key=lambda result: result[:2])[2]


def lbfgs(problem: Problem, weight: float, solves: int = SOLVES) -> Result:
    """SciPy's L-BFGS-B without bounds, begun anew with an empty memory where its line search gives up."""
    network, theta = network_of(problem, HIDDEN)
    objective, worst, reason = Objective(problem, network, weight, solves), 0.0, "max_iterations"

    def evaluate(theta: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal worst
        try:
            value, gradient = objective(theta)
        except SolveFailed:  # a step too long: a value above all others makes the line search shorten it
            return 10.0 * worst, np.zeros_like(theta)
        worst = max(worst, value)
        return value, gradient

    options = {"maxcor": MEMORY, "ftol": 0.0, "gtol": 0.0, "maxfun": 10**9, "maxiter": 10**9}
    with contextlib.suppress(Ended):
        before = np.inf
        while objective.theta is None or objective.value < before:
            before, theta = objective.value, theta if objective.theta is None else objective.theta
            minimize(evaluate, theta, jac=True, method="L-BFGS-B", options=options)
        reason = "stalled"
    return objective.result("training_lbfgs", reason)


def fit(problem: Approximation) -> Result:
    """A regression by L-BFGS to a standstill, from the network that the case starts with.

    Outgoing weights start at random in place of zero, from which all hidden layers have no slope.
    """
    network, theta, began = problem.network, problem.theta, time.perf_counter()
    width, (zero, _) = network.widths[-1], problem.slope(theta)
    outgoing = slice(network.size - 1 - width, network.size - 1)
    theta[outgoing] = np.random.default_rng(problem.seed).standard_normal(width) / np.sqrt(width)
    options = {"maxiter": MOST, "maxfun": 2 * MOST, "ftol": STANDSTILL, "gtol": 0.0, "maxcor": MEMORY}
    found = minimize(problem.slope, theta, jac=True, method="L-BFGS-B", options=options)
    distance = float(np.sqrt(found.fun / zero))
    status = "converged" if distance <= problem.tolerance else "stopped"
    summary: Any = {"distance": distance, "status": status, "stop_reason": "stalled"}
    summary |= {"parameters": network.size, "misfit": float(found.fun), "widths": list(network.widths)}
    return summary | {"wall_seconds": time.perf_counter() - began}, []
