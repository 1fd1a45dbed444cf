"""Time of the network's Jacobian against torch.func's chunked vmap(grad), both filling one array, and of the
flow matrix with it against a matrix product.

A 2-20-20-1 tanh network at the nodes of a case, 66 000 of 256 × 256 squares. vmap writes into an array made
beforehand, differentiates a network written by hand in its weight matrices (through `functional_call` it is
slower) and gets the fastest of four chunk sizes. The matrix product is that of Dᵀ and a second array; of
G = DᵀKD, K of H¹, half of its products count as work, since it is symmetric, and what D and KD take as none.
Times are medians of CPU seconds, which are not disturbed by what else the machine does.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from timeit import timeit
from typing import Any

import numpy as np

from benchmarks.baselines.problem import Problem, bare_network
from benchmarks.baselines.trace import Result

import torch  # isort: skip - after the program, which sets the threads
from torch.func import grad, vmap  # isort: skip

HIDDEN, REPEATS, CHUNKS = (20, 20), 5, (1024, 2048, 4096, 8192)
SHAPES = ((20, 2), (20,), (20, 20), (20,), (20,), (1,))  # of weights and biases, in the order of θ


def jacobian(problem: Problem) -> Result:
    """Seconds of each way, how many times slower the best of vmap is and by what it differs, and the rate."""
    x = problem.nodes
    network, theta = bare_network(HIDDEN, x, np.random.default_rng(0))
    D, expected = network.jacobian(theta), torch.zeros((len(x), network.size), dtype=torch.float64)
    KD = problem.R.apply(D)
    parts = torch.split(torch.from_numpy(theta), [int(np.prod(shape)) for shape in SHAPES])
    parameters = tuple(part.reshape(shape) for part, shape in zip(parts, SHAPES, strict=True))
    cases: dict[str, Callable[[], Any]] = {"ours": partial(network.jacobian, theta, D)}
    cases |= {f"vmap {n}": partial(_fill, parameters, torch.from_numpy(x), expected, n) for n in CHUNKS}
    cases["flow matrix"] = lambda: problem.R.square(network.jacobian(theta, D))
    cases["product"] = lambda: D.T @ KD
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(REPEATS + 1):
        for name, call in cases.items():
            taken[name].append(timeit(call, timer=time.process_time, number=1))
    seconds = {name: statistics.median(times[1:]) for name, times in taken.items()}  # the first warms up
    found: dict[str, Any] = {"status": "converged", "cpu_seconds": seconds, "ours": seconds["ours"]}
    found |= {"vmap": min(spent for name, spent in seconds.items() if name.startswith("vmap"))}
    found |= {"flow_matrix": seconds["flow matrix"], "product": seconds["product"]}
    found |= {"ratio": found["vmap"] / found["ours"], "rate": 0.5 * found["product"] / found["flow_matrix"]}
    return found | {"difference": float(np.abs(D - expected.numpy()).max() / np.abs(D).max())}, []


def _value(parameters: tuple[torch.Tensor, ...], x: torch.Tensor) -> torch.Tensor:
    """m at one point."""
    W1, b1, W2, b2, outgoing, bias = parameters
    return outgoing @ torch.tanh(W2 @ torch.tanh(W1 @ x + b1) + b2) + bias[0]


def _fill(parameters: tuple[torch.Tensor, ...], x: torch.Tensor, D: torch.Tensor, chunk: int) -> None:
    """Write the gradients by weight matrices and biases into the rows of D, so many at a time."""
    gradient = vmap(grad(_value), in_dims=(None, 0))
    for start in range(0, len(x), chunk):
        rows, column = D[start : start + chunk], 0
        for part in gradient(parameters, x[start : start + chunk]):
            width = part[0].numel()
            rows[:, column : column + width] = part.reshape(len(rows), width)
            column += width
