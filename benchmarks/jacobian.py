"""Time of Network.jacobian against torch.func's chunked vmap(grad), both filling one array, on one core.

`python -m benchmarks.jacobian` prints a JSON object. A 2-20-20-1 tanh network at 66 000 points, the P2
nodes of a 128 × 128 mesh. vmap writes into an array made beforehand and gets the fastest of several ways
and chunk sizes. Times are medians; CPU seconds are not disturbed by what else the machine does, and give
the ratio.
"""

import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from app.network import Identity, Network, Nodes, one_thread

import torch  # isort: skip - after app, which sets the threads
from torch.func import functional_call, grad, vmap  # isort: skip

POINTS, HIDDEN, REPEATS = 66_000, (20, 20), 5
CHUNKS = (1024, 2048, 4096, 8192)
RATIO, DIFFERENCE = 3.0, 1e-12
"""What the Jacobian is to reach: times as fast, relative difference."""

Parameters = tuple[torch.Tensor, ...]


def network_and_parameters(points: int = POINTS) -> tuple[Network, np.ndarray, torch.Tensor]:
    """The network, θ in general position, and the points, shape (points, 2)."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.0, 1.0, (points, 2))
    nodes = Nodes.of(x, (-np.ones(2), np.ones(2)), np.zeros(points), Identity())
    network = Network(HIDDEN, nodes)
    theta = network.start(rng) + 0.3 * rng.standard_normal(network.size)
    return network, theta, torch.from_numpy(nodes.scaled)


def split(theta: torch.Tensor) -> Parameters:
    """Weights and biases of 2-20-20-1, views of θ in its documented order."""
    shapes = [(20, 2), (20,), (20, 20), (20,), (20,), (1,)]
    parts = torch.split(theta, [int(np.prod(shape)) for shape in shapes])
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))


def value(parameters: Parameters, x: torch.Tensor) -> torch.Tensor:
    """m at one point."""
    W1, b1, W2, b2, outgoing, bias = parameters
    return outgoing @ torch.tanh(W2 @ torch.tanh(W1 @ x + b1) + b2) + bias[0]


def by_vector(theta: torch.Tensor, x: torch.Tensor, D: torch.Tensor, chunk: int) -> None:
    """vmap(grad) of a hand-written network in the flat θ."""
    gradient = vmap(grad(lambda t, x: value(split(t), x)), in_dims=(None, 0))
    for start in range(0, len(x), chunk):
        D[start : start + chunk] = gradient(theta, x[start : start + chunk])


def by_layers(theta: torch.Tensor, x: torch.Tensor, D: torch.Tensor, chunk: int) -> None:
    """vmap(grad) of a hand-written network in its weights and biases."""
    parameters, gradient = split(theta), vmap(grad(value), in_dims=(None, 0))
    for start in range(0, len(x), chunk):
        write(gradient(parameters, x[start : start + chunk]), D[start : start + chunk])


def by_functional_call(theta: torch.Tensor, x: torch.Tensor, D: torch.Tensor, chunk: int) -> None:
    """vmap(grad) of a torch.nn.Sequential through functional_call."""
    linear, tanh = partial(torch.nn.Linear, dtype=torch.float64, device="meta"), torch.nn.Tanh
    model = torch.nn.Sequential(linear(2, 20), tanh(), linear(20, 20), tanh(), linear(20, 1))
    names = [name for name, _ in model.named_parameters()]
    parameters = dict(zip(names, split(theta), strict=True))
    parameters[names[-2]] = parameters[names[-2]][None]  # outgoing weights as a 1 × 20 matrix

    def at_point(parameters: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return functional_call(model, parameters, (x,)).squeeze()

    gradient = vmap(grad(at_point), in_dims=(None, 0))
    for start in range(0, len(x), chunk):
        parts = gradient(parameters, x[start : start + chunk])
        write(tuple(parts[name] for name in names), D[start : start + chunk])


def write(parts: Parameters, rows: torch.Tensor) -> None:
    """Gradients by weight matrix and bias into the rows of D."""
    column = 0
    for part in parts:
        width = part[0].numel()
        rows[:, column : column + width] = part.reshape(len(rows), width)
        column += width


def medians(cases: dict[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, dict[str, float]]:
    """Median CPU and wall seconds of each case, called in turn after one round that is not counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for round_ in range(repeats + 1):
        for name, call in cases.items():
            cpu, wall = time.process_time(), time.perf_counter()
            call()
            if round_:
                taken[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {
        name: {"cpu": statistics.median(c for c, _ in pairs), "wall": statistics.median(w for _, w in pairs)}
        for name, pairs in taken.items()
    }


def machine() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def measure() -> dict[str, object]:
    """All that is printed."""
    one_thread()
    network, theta, x = network_and_parameters()
    parameters = torch.from_numpy(theta)
    expected = torch.zeros((POINTS, network.size), dtype=torch.float64)
    D = network.jacobian(theta)
    cases: dict[str, Callable[[], object]] = {"Network.jacobian": partial(network.jacobian, theta, D)}
    for way in (by_layers, by_vector, by_functional_call):
        for chunk in CHUNKS:
            cases[f"vmap(grad) {way.__name__}, {chunk} points"] = partial(way, parameters, x, expected, chunk)
    seconds = medians(cases)
    ours = seconds["Network.jacobian"]
    best = min(list(cases)[1:], key=lambda name: seconds[name]["cpu"])
    return {
        "machine": machine(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "points": POINTS,
        "parameters": network.size,
        "repeats": REPEATS,
        "seconds": seconds,
        "best_vmap": best,
        "ratio": seconds[best]["cpu"] / ours["cpu"],
        "wall_ratio": seconds[best]["wall"] / ours["wall"],
        "relative_difference": float(np.abs(D - expected.numpy()).max() / np.abs(D).max()),
    }


def main() -> int:
    """Print the measurement; 0 if it meets the bars."""
    result = measure()
    print(json.dumps(result, indent=2))
    difference, ratio = result["relative_difference"], result["ratio"]
    assert isinstance(difference, float) and isinstance(ratio, float)
    return 0 if difference <= DIFFERENCE and ratio >= RATIO else 1


if __name__ == "__main__":
    raise SystemExit(main())
