"""`python -m benchmarks STUDY`: where the figures in README and docs come from."""

import argparse
import signal
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.harness import RESULTS, STORE, Store
from benchmarks.study import NAMES, load


def parser() -> argparse.ArgumentParser:
    """The arguments; each study with its sentence."""
    listed = [f"  {name:14} {load(name).what}" for name in NAMES]
    listed.append("  report         write RESULTS.md from the records, and run nothing")
    raw = argparse.RawDescriptionHelpFormatter
    found = argparse.ArgumentParser(
        "python -m benchmarks", epilog="studies:\n" + "\n".join(listed), formatter_class=raw
    )
    found.add_argument("study", choices=[*NAMES, "report"], metavar="STUDY")
    found.add_argument("file", nargs="?", default="", help="data that are no part of the project")
    found.add_argument("--cases", nargs="+", default=(), metavar="NAME", help="all by default")
    found.add_argument("--methods", nargs="+", default=(), metavar="NAME", help="all by default")
    found.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... to run (default 5)")
    found.add_argument("--quick", action="store_true", help="one seed, small, to see that it works")
    found.add_argument("--large", action="store_true", help="with the cases that take much longer")
    found.add_argument("--record", action="store_true", help="keep the figures, and write RESULTS.md")
    found.add_argument("--store", type=Path, default=STORE, metavar="DIR", help="folder for the results")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run a study; 0 if all runs have left results and all bars that were measured are met."""
    command = parser()
    options = command.parse_args(arguments)
    if options.study == "report":
        report.RESULTS.write_text(report.text())
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is ended, too
    known = load(options.study, options.file, options.quick, options.large)
    try:
        rows = known.rows(options.cases, options.methods, 1 if options.quick else options.seeds)
    except ValueError as error:
        command.error(str(error))
    store = Store(options.store.resolve())
    store.run_all([job for row in rows for job in (*row.jobs, *row.beside) if job])
    records = report.measured(known, rows, store)
    for name, table in report.shown(records, known).items():
        print(f"\n{name}\n\n{table}")
    if options.record and not options.quick:
        whole = not options.cases and not options.methods  # the bars and the picture are of all
        report.keep(options.study, [one for one in records if whole or one["table"] != "bars"])
        report.RESULTS.write_text(report.text())
        if known.figure and whole:
            report.draw(known, rows, store)
        if options.study == "gallery":
            report.gallery(rows, store)
    found = [store.find(job) for row in rows for job in row.jobs]
    missed = any(record["cells"].get("met", "") not in ("yes", "") for record in records)
    return 1 if missed or any(run is None or run.record["code"] not in RESULTS for run in found) else 0


if __name__ == "__main__":
    sys.exit(main())
