"""Where the figures in README and docs come from: `python -m benchmarks quickstart | jacobian | defaults |
compare | trunk | hybrid | growth | study | gallery`."""

import argparse
import sys
from pathlib import Path


def main() -> int:
    """Run a benchmark; 0 if it meets its bars."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the program.")
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    quickstart = benchmarks.add_parser("quickstart", help="cases/quickstart.yaml: work, errors, ranks, time")
    quickstart.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... to run (default 5)")
    quickstart.add_argument(
        "--out", type=Path, default=Path("results/benchmarks"), help="folder for the results"
    )
    benchmarks.add_parser("jacobian", help="the network's Jacobian against torch.func")
    defaults = benchmarks.add_parser("defaults", help="each default changed alone, on two truths")
    defaults.add_argument(
        "--out", type=Path, default=Path("results/benchmarks"), help="folder for the results"
    )
    from benchmarks import compare

    compare.add_arguments(
        benchmarks.add_parser("compare", help="the program against other methods, ten cases")
    )
    trunk = benchmarks.add_parser("trunk", help="electrical tomography of a trunk, measured and made up")
    trunk.add_argument("file", type=Path, metavar="FILE.ohm", help="measured readings")
    trunk.add_argument("--out", type=Path, default=Path("results/trunk"), help="folder for the results")
    hybrid = benchmarks.add_parser("hybrid", help="errors against h without noise, and with noise")
    hybrid.add_argument("--cells", type=int, nargs="+", default=[5, 10, 20, 40, 80], metavar="N")
    hybrid.add_argument("--out", type=Path, default=Path("results/hybrid"), help="folder for the results")
    from benchmarks import gallery, growth

    growth.add_arguments(benchmarks.add_parser("growth", help="growth by gain, at random, fixed, L-BFGS"))
    gallery.add_arguments(benchmarks.add_parser("gallery", help="every case; writes cases/README.md"))
    products = benchmarks.add_parser("study", help="error against iterations, by the flow's inner product")
    products.add_argument("what", choices=["inner-product"])
    products.add_argument("--out", type=Path, default=Path("results/study"), help="folder for the results")
    options = parser.parse_args()
    if options.benchmark == "gallery":
        return gallery.main(options)
    if options.benchmark == "growth":
        return growth.main(options.out, options.seeds, options.problems, options.ways)
    if options.benchmark == "study":
        from benchmarks import study as study_of_products

        return study_of_products.main(options.out)
    if options.benchmark == "trunk":
        from benchmarks import trunk as tomography

        return tomography.main(options.file, options.out)
    if options.benchmark == "hybrid":
        from benchmarks import hybrid as study_of_errors

        return study_of_errors.main(options.out, tuple(options.cells))
    if options.benchmark == "compare":
        return compare.main(options)
    if options.benchmark == "jacobian":
        from benchmarks import jacobian

        return jacobian.main() or 0
    if options.benchmark == "defaults":
        from benchmarks import defaults as study

        return study.main(options.out)
    from benchmarks import quickstart as program

    return program.main(options.seeds, options.out)


if __name__ == "__main__":
    sys.exit(main())
