"""`python -m benchmarks.baselines METHOD [CASE.yaml] --out DIR`: run a method on a case of the program."""

import argparse
import json
import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

METHODS = {
    "newton_cg": ("newton_cg", ("weight",), "Gauss-Newton-CG on nodal values"),
    "adam": ("training", ("weight", "solves"), "a network of fixed size trained by Adam"),
    "lbfgs": ("training", ("weight", "solves"), "the same by L-BFGS"),
    "peer": ("peer", (), "dolfinx-adjoint, if installed, on cases/peer64.yaml"),
    "oracle": ("oracle", (), "the best of all regularisations and weights, by the true error"),
    "fit": ("training", (), "the network of a regression, trained by L-BFGS to a standstill"),
    "flow": ("problem", ("level", "most"), "the flow to a convex energy's minimum, with its errors in H1"),
    "chains": ("chains", ("about",), "one Markov chain of the case's posterior, told of its last reading"),
    "jacobian": ("jacobian", (), "times of the network's Jacobian and of the flow matrix"),
}
"""Module, options and a sentence; the function has the method's name, takes the problem and these options,
and returns summary and history."""


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    listed = "\n".join(f"  {name:10} {what}" for name, (*_, what) in METHODS.items())
    raw = argparse.RawDescriptionHelpFormatter
    found = argparse.ArgumentParser("python -m benchmarks.baselines", epilog=listed, formatter_class=raw)
    found.add_argument("method", choices=METHODS, metavar="METHOD")
    found.add_argument("case", type=Path, metavar="CASE.yaml")
    found.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    found.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as in app")
    weight: Any = {"default": 0.0, "type": lambda text: text if text == "discrepancy" else float(text)}
    found.add_argument("--weight", **weight, help="a number or discrepancy")
    found.add_argument("--solves", type=int, default=1000, help="of a training, at most")
    found.add_argument("--level", type=float, default=0.0, help="error at which a flow stops")
    found.add_argument("--most", type=int, default=100, help="iterations of a flow, at most")
    found.add_argument("--about", default="posterior", help="what guides a chain: posterior or prior")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run a method; 0 if it ended with results or is absent, 2 for a case that it cannot run."""
    options = parser().parse_args(arguments)
    from benchmarks.baselines import problem
    from benchmarks.baselines.trace import write

    problem.one_thread()
    module, names, _ = METHODS[options.method]
    kinds: dict[str, Any] = {"fit": problem.Approximation, "flow": problem.Approximation}
    kinds["chains"] = problem.Sampled
    method: Any = getattr(import_module(f"benchmarks.baselines.{module}"), options.method)
    try:
        made = kinds.get(options.method, problem.Problem)(options.case, options.set)
        with closing(made) as subject:
            summary, rows = method(subject, *(getattr(options, name) for name in names))
    except (problem.InputError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    write(options.out, summary, rows)
    print(json.dumps({key: value for key, value in summary.items() if not isinstance(value, dict | list)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
