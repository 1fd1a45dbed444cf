"""The sections on where the results come from: the case, the versions, and whom to cite."""

from app.output.report.blocks import Block, Paragraph, Verbatim
from app.output.report.results import Results
from app.output.report.shown import folded, pairs, picture
from app.output.report.wording import number

CITATION = """The software:
  The enngf authors. enngf, version {version}. MIT License.

The method:
  Dahmen, Li, Teng and Wang. Expansive Natural Neural Gradient Flows for Energy
  Minimization. 2025. arXiv:2507.13475, https://arxiv.org/abs/2507.13475"""
"""What CITATION.cff says, as text."""


def case(run: Results) -> list[Block]:
    """The effective case as it stands in the folder, with the picture that a check draws."""
    text = folded("case.yaml, with all defaults", [Verbatim(run.text)] if run.text else [])
    return picture(run, "check.png", "Mesh, parts and places of the readings") + text


def versions(run: Results) -> list[Block]:
    """Of the program and the libraries, and how to cite them."""
    found = {name: number(value) for name, value in run.named("versions").items()}
    if known := run.told("commit"):
        found["commit"] = str(known)
    cited = Verbatim(CITATION.format(version=found.get("app", "0.1.0")))
    lead = Paragraph("If these results are published, please cite the software and the method:")
    return [*pairs("Versions", found), lead, cited]
