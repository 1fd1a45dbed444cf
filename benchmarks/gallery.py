"""Every case with default settings, and cases/README.md written from the results.

`python -m benchmarks gallery`; --reuse keeps the runs that are there already.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
CASES, PICTURES = ROOT / "cases", ROOT / "docs" / "gallery"

WIDTH = 900
"""Of a picture, in pixels."""

HEAD = """# Gallery

Every case of this folder with default settings on {ranks} ranks, written by `python -m benchmarks gallery`
from real runs. *Error* is ‖m − truth‖/‖truth‖ in L², *misfit* is over what the noise accounts for, right-hand
sides in brackets are those solved many at once. Of functions that are approximated *distance* is the relative
one to the best on the mesh, in the energy's norm. From left to right what was recovered, the truth, and their
difference.

"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--cases, --ranks, --out, --reuse."""
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="all by default")
    parser.add_argument("--ranks", type=int, default=2, help="MPI ranks of each run (default 2)")
    parser.add_argument("--out", type=Path, default=Path("results/gallery"), help="folder for the results")
    parser.add_argument("--reuse", action="store_true", help="keep runs that are there")


def main(options: argparse.Namespace) -> int:
    """Run what is asked for, write the page of all that there is; 0 if every case converged."""
    names = sorted(path.stem for path in CASES.glob("*.yaml"))
    out = options.out.resolve()
    for name in options.cases or names:
        if not (options.reuse and (out / name / "summary.json").exists()):
            _run(name, out / name, options.ranks)
    found = {name: _summary(out / name) for name in names}
    PICTURES.mkdir(parents=True, exist_ok=True)
    parts = [HEAD.format(ranks=options.ranks)]
    for name, summary in found.items():
        if summary is not None:
            picture = "reduction.png" if "reduction" in summary else "coefficient.png"
            _picture(out / name / picture, PICTURES / f"{name}.png")
            parts.append(_entry(name, summary))
    (CASES / "README.md").write_text("\n".join(parts))
    failed = [name for name, summary in found.items() if (summary or {}).get("status") != "converged"]
    for name in failed:
        print(f"{name}: not converged")
    return 1 if failed else 0


def _run(name: str, folder: Path, ranks: int) -> None:
    launcher = Path(sys.executable).parent / "mpirun"
    words = [str(launcher), "-n", str(ranks), sys.executable, "-m", "app", f"cases/{name}.yaml"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [*words, "--out", str(folder), "--overwrite", "--quiet", "--allow-code"], cwd=ROOT, env=environment
    )
    print(f"{name}: exit code {run.returncode}", flush=True)


def _summary(folder: Path) -> dict[str, Any] | None:
    path = folder / "summary.json"
    return json.loads(path.read_text()) if path.exists() else None


def _sentence(name: str) -> str:
    """The comment at the head of a case file."""
    lines: list[str] = []
    for line in (CASES / f"{name}.yaml").read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def _entry(name: str, summary: dict[str, Any]) -> str:
    figures = [
        f"{summary['status']} (`{summary['stop_reason']}`)",
        *_errors(summary["relative_error"]),
        *(_of_a_function(summary) if "distance" in summary else _of_readings(summary)),
        f"{summary['wall_seconds']:.0f} s",
    ]
    return (
        f"## {name}\n\n{_sentence(name)}\n\n![{name}](../docs/gallery/{name}.png)\n\n{', '.join(figures)}.\n"
    )


def _of_readings(summary: dict[str, Any]) -> list[str]:
    target, single = summary["misfit_target"], summary["linear_solves"] - summary["block_rhs"]
    return [
        *([] if not target else [f"misfit {summary['misfit'] / target:.2f}"]),
        f"{summary['regularisation_kind']} chosen",
        f"{summary['state_solves']} state solves",
        f"{single} (+ {summary['block_rhs']}) right-hand sides",
        f"{_neurons(summary['widths'])} neurons",
    ]


def _of_a_function(summary: dict[str, Any]) -> list[str]:
    distance, widths = summary["distance"], "-".join(map(str, summary["widths"]))
    return [
        f"distance {distance:.1e}",
        f"{widths} neurons, {summary['parameters']} parameters",
        f"{summary['outer_iterations']} iterations",
    ]


def _errors(error: Any) -> list[str]:
    """Of the unknown, or of each of several by its name."""
    if isinstance(error, dict):
        return [f"error {_short(part)} of {name}" for name, part in error.items()]
    return [] if error is None else [f"error {_short(error)}"]


def _short(error: float) -> str:
    return f"{error:.3f}" if error >= 0.01 else f"{error:.1e}"


def _neurons(widths: Any) -> int:
    """Of the last hidden layers of all networks."""
    if isinstance(widths, dict):
        return sum(_neurons(part) for part in widths.values())
    return widths[-1] if widths else 0


def _picture(source: Path, target: Path) -> None:
    """A smaller copy of few colours."""
    if source.exists():
        with Image.open(source) as image:
            height = round(image.height * WIDTH / image.width)
            image.convert("RGB").resize((WIDTH, height)).quantize(128).save(target, optimize=True)
