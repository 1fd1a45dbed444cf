"""From runs to records, and from records to RESULTS.md; pictures of a study.

A record is a row of a table with the commit, the date and the machine of its runs; records/STUDY.jsonl has
those of a study, records/STUDY.md the text around its tables, and records/machines.json the machines.
"""

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.case.shipped import comment_of
from benchmarks import bars, columns, study
from benchmarks.harness import ROOT, Job, Run, Store
from benchmarks.study import Row, Study

FOLDER = Path(__file__).parent / "records"
RESULTS = Path(__file__).parent / "RESULTS.md"

Record = dict[str, Any]
"""`table`, which is empty for the only one, `cells`, `commit`, `date`, `machine`."""


def measured(known: Study, rows: Sequence[Row], store: Store) -> list[Record]:
    """The records of the rows, and of all bars, whose jobs have been run."""

    def run_of(job: Job | None) -> Run | None:
        run = store.find(job) if job else None
        return run if run and not run.failed else None

    done: dict[tuple[str, str], list[tuple[Run, Run | None]]] = {}
    for row in rows:
        both = [(run_of(job), run_of(other)) for job, other in zip(row.jobs, row.beside, strict=True)]
        done[row.case, row.method] = [(run, other) for run, other in both if run]
    found: list[Record] = []
    origin: Record = {}
    for row in rows:
        if not (pairs := done[row.case, row.method]):
            continue
        origin = {name: pairs[-1][0].record[name] for name in ("commit", "date", "machine")}
        cells: Record = {heading: getattr(row, kind) for kind, heading in known.head.items()}
        cells["runs"] = len(pairs) if len(pairs) == len(row.jobs) else f"{len(pairs)} of {len(row.jobs)}"
        cells |= columns.cells(known.columns, pairs)
        found.append({"table": "" if "case" in known.head else row.case, **origin, "cells": cells})
    for bar in known.bars if origin else ():
        cells = bar.cells(list(known.cases), lambda *at: [run for run, _ in done.get(at, ())])
        found += [{"table": "bars", **origin, "cells": cells}] if cells["seen"] else []
    return found


def labels(record: Record, known: Study) -> tuple[str, ...]:
    """What tells a row of a table from the others."""
    names = ("what",) if record["table"] == "bars" else known.head.values()
    return tuple(record["cells"][name] for name in names)


def read(name: str) -> list[Record]:
    """The records of a study."""
    path = FOLDER / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def keep(name: str, new: Sequence[Record]) -> None:
    """Put records in place of those of the same rows, and name their machines by letters."""
    known, path = study.load(name), FOLDER / "machines.json"
    machines = json.loads(path.read_text()) if path.exists() else {}
    for record in new:
        machines.setdefault(record["machine"], chr(65 + len(machines)))
    lettered = [record | {"machine": machines[record["machine"]]} for record in new]
    found = {(record["table"], *labels(record, known)): record for record in (*read(name), *lettered)}
    lines = [json.dumps(record, ensure_ascii=False) for record in found.values()]
    (FOLDER / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    path.write_text(json.dumps(machines, indent=1, ensure_ascii=False) + "\n")


def shown(records: Sequence[Record], known: Study) -> dict[str, str]:
    """The tables as text, each with where its figures are from, under their names."""
    ordered = [*known.cases, *known.methods, *(bar.what for bar in known.bars)]
    places = {name: i for i, name in enumerate(ordered)}
    tables: dict[str, list[Record]] = {}
    for record in records:
        tables.setdefault(record["table"], []).append(record)
    found = {}
    for table, rows in tables.items():
        rows.sort(key=lambda row: [places.get(label, len(places)) for label in labels(row, known)])
        wanted = bars.HEAD if table == "bars" else (*known.head.values(), "runs", *known.columns)
        told = {name for row in rows for name in row["cells"]}
        named = [*(name for name in wanted if name in told), *sorted(told - set(wanted))]
        lines = [named, ["---"] * len(named)]
        origins: dict[str, list[str]] = {}
        for row in rows:
            lines.append([columns.show(name, row["cells"].get(name)) for name in named])
            place = f"`{row['commit']}`, {row['date']}, machine {row['machine']}"
            origins.setdefault(place, []).append(" ".join(labels(row, known)))
        most = max(origins, key=lambda place: len(origins[place]))
        said = [f"{place} ({'; '.join(names)})" for place, names in origins.items() if place != most]
        found[table] = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        found[table] += f"\n\nMeasured at {'; '.join([*said, ('all others at ' if said else '') + most])}."
    return found


def text() -> str:
    """RESULTS.md, of all that is recorded.

    In the text around the tables of a study `<!-- table NAME -->` is one, `<!-- tables -->` all others.
    """
    machines = json.loads((FOLDER / "machines.json").read_text())
    listed = "\n".join(f"- Machine {letter}: {what}" for what, letter in machines.items())
    sections = [(FOLDER / "head.md").read_text().strip(), listed]
    for name in (*study.NAMES, "ground"):
        path, records = FOLDER / f"{name}.md", read(name)
        if not path.exists() or (name in study.NAMES and not records):
            continue
        around, tables = path.read_text().strip(), shown(records, study.load(name)) if records else {}
        for table in re.findall(r"<!-- table (\w+) -->", around):
            around = around.replace(f"<!-- table {table} -->", tables.pop(table, ""))
        rest = [f"### {table}\n\n{what}" if table else what for table, what in tables.items()]
        sections.append(around.replace("<!-- tables -->", "\n\n".join(rest)))
    return re.sub(r"\n{3,}", "\n\n", "\n\n".join(sections)) + "\n"


LARGEST = 200_000
"""Bytes of a picture of the gallery."""


def gallery(rows: Sequence[Row], store: Store) -> None:
    """The pictures of these cases, and cases/README.md with those of all; docs/quickstart.png."""
    for row in rows:
        run = store.find(row.jobs[0])
        drawn = [run.results / name for name in ("reduction.png", "coefficient.png")] if run else []
        for source in [path for path in drawn if path.exists()][:1]:
            content = small(source)
            (ROOT / "docs" / "gallery" / f"{row.case}.png").write_bytes(content)
            if row.case == "quickstart":
                (ROOT / "docs" / "quickstart.png").write_bytes(content)
    parts = [(FOLDER / "gallery_head.md").read_text()]
    for path in sorted((ROOT / "cases").glob("*.yaml")):
        said = comment_of(path)
        parts.append(f"## {path.stem}\n\n{said}\n\n![{path.stem}](../docs/gallery/{path.stem}.png)\n")
    (ROOT / "cases" / "README.md").write_text("\n".join(parts))


def small(picture: Path) -> bytes:
    """A picture in true colours, but for the last bit that nobody sees, in as many pixels as LARGEST
    allows."""
    from PIL import Image

    with Image.open(picture) as image:
        whole, width = image.convert("RGB"), float(image.width)
    while True:
        size = (round(width), round(width * whole.height / whole.width))
        file = io.BytesIO()
        smaller = whole.resize(size, Image.Resampling.HAMMING).point(
            [min(v + 1 & ~1, 255) for v in range(256)] * 3
        )
        smaller.save(file, "png", optimize=True)
        if len(file.getvalue()) <= LARGEST:
            return file.getvalue()
        width *= 0.95


def draw(known: Study, rows: Sequence[Row], store: Store) -> None:
    """The study's picture, a panel a case, or a `family` of cases whose names begin with the same word, and a
    line a method, of several seeds the first; into `file`."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    spec, panels, handles = known.figure, dict[str, dict[str, Any]](), dict[str, Any]()
    for row in rows:
        run, panel = store.find(row.jobs[0]), row.case.split()[0] if "family" in known.figure else row.case
        if run and (points := _points(run, known.figure)):
            panels.setdefault(panel, {}).setdefault(row.method, []).extend(points)
    across, down = min(len(panels), 4), -(-len(panels) // 4)
    figure: Any = Figure(figsize=(max(4.2 * across, 8.4), 1.2 + 3.4 * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False)
    for panel, (name, lines) in zip(axes.flat, panels.items(), strict=False):
        for method, points in lines.items():
            colour = colormaps["tab20"]([*known.methods].index(method) % 20)
            marks = None if "family" in spec else [-1]
            handles[method] = panel.plot(*zip(*points, strict=True), "o-", color=colour, markevery=marks)[0]
        panel.set(xscale="log", yscale="log", title=name, xlabel=spec["x"], ylabel=spec["y"])
        panel.tick_params(axis="x", which="minor", labelbottom=False)
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=max(4, 2 * across))
    figure.savefig(str(ROOT / spec["file"]), dpi=110)


def _points(run: Run, spec: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Of a family what the columns `x` and `y` say of the run; else those of its history, the misfit over its
    target where that is known."""
    if "family" in spec:
        found = [tuple(columns.COLUMNS[spec[axis]].measure(run) for axis in "xy")] if not run.failed else []
        return [point for point in found if None not in point]
    scale = run.summary.get("misfit_target") if spec["y"] == "misfit" else 1.0
    rows: list[Any] = run.history if scale else []
    return [(row[spec["x"]], row[spec["y"]] / scale) for row in rows if row[spec["x"]] and row[spec["y"]]]
