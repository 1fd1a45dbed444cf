"""`python -m benchmarks.baselines METHOD CASE.yaml --out DIR`: run a method on a case of the program."""

import argparse
import sys
from pathlib import Path
from typing import Any


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    commands = argparse.ArgumentParser(prog="python -m benchmarks.baselines", description=__doc__)
    methods = commands.add_subparsers(dest="method", required=True)
    newton = methods.add_parser("newton_cg", help="Gauss-Newton-CG on nodal values")
    newton.add_argument(
        "--weight", default="discrepancy", type=_weight, help="a number, discrepancy (default) or oracle"
    )
    training = methods.add_parser("training", help="a network of fixed size, by Adam or L-BFGS")
    training.add_argument("--optimiser", choices=("adam", "lbfgs"), default="lbfgs")
    training.add_argument("--weight", type=float, default=0.0, help="of the regularisation (default 0)")
    training.add_argument("--hidden", type=int, nargs="+", default=[20, 20], help="widths (default 20 20)")
    training.add_argument("--start", choices=("ridges", "glorot"), default="ridges", help="of the parameters")
    training.add_argument("--solves", type=int, default=1000, help="state solves at most (default 1000)")
    peer = methods.add_parser("peer", help="dolfinx-adjoint, if installed, on cases/peer64.yaml")
    peer.add_argument("--weight", type=float, default=3e-6, help="of ½‖m‖² in H¹ (default 3e-6)")
    for method in (newton, training, peer):
        method.add_argument("case", metavar="CASE.yaml", type=Path)
        method.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the results")
        method.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="as in app"
        )
        method.add_argument("--quiet", action="store_true", help="print nothing")
    return commands


def main(arguments: list[str] | None = None) -> int:
    """Run a method; 0 if it ended with results or is absent, 2 for a case that it cannot run."""
    options = vars(parser().parse_args(arguments))
    method, case, folder = options.pop("method"), options.pop("case"), options.pop("out")
    overrides, quiet = options.pop("overrides"), options.pop("quiet")

    import app.wheel  # noqa: F401

    # isort: split
    import petsc4py

    petsc4py.init(["baselines"])
    from mpi4py import MPI

    from app.case import InputError, load_case
    from app.network import one_thread
    from app.output import Terminal
    from app.parallel import on_root, started

    comm = MPI.COMM_WORLD
    one_thread()
    started()
    show = Terminal(None, quiet=quiet or comm.rank > 0).row
    try:
        loaded = on_root(comm, lambda: load_case(case, overrides))
        summary = _run(method, loaded, folder, {**options, "show": show})
    except (InputError, ValueError) as error:
        if comm.rank == 0:
            print(error, file=sys.stderr)
        return 2
    if comm.rank == 0 and not quiet:
        print(_closing(summary))
    return 0


def _run(method: str, case: Any, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    if method == "newton_cg":
        from benchmarks.baselines.newton_cg import newton_cg

        return newton_cg(case, folder, **options)
    if method == "training":
        from benchmarks.baselines.training import training

        return training(case, folder, **options)
    from benchmarks.baselines.peer import peer

    return peer(case, folder, **options)


def _closing(summary: dict[str, Any]) -> str:
    if summary["status"] == "absent":
        return f"dolfinx-adjoint is absent: {summary['reason']}"
    error = summary["relative_error"]
    return (
        f"{summary['stop_reason']}: misfit {summary['misfit']:.4g}, "
        f"{summary['state_solves']} state solves, {summary['linear_solves']} right-hand sides, "
        f"{summary['wall_seconds']:.1f} s" + ("" if error is None else f"; relative error {error:.4f}")
    )


def _weight(text: str) -> float | str:
    return text if text in ("discrepancy", "oracle") else float(text)


if __name__ == "__main__":
    sys.exit(main())
