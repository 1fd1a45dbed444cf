"""A report as a page of HTML that loads nothing; what comes from files is text in a tree, never markup."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import zip_longest
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from app.output.report.blocks import (
    Beside,
    Block,
    Folded,
    Items,
    Paragraph,
    Picture,
    Section,
    Table,
    Verbatim,
)
from app.output.report.charts import Chart, drawing
from app.output.report.wording import printable

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""For browsers: nothing is loaded, no script is run."""


def page(title: str, about: str, sections: Sequence[Section], pictures: Mapping[Path, str]) -> str:
    """The page's text; `about` stands under the title, `pictures` are data URIs by the pictures' paths."""
    html = Element("html", {"lang": "en"})
    _head(SubElement(html, "head"), title)
    body = SubElement(html, "body")
    header = SubElement(body, "header")
    _text(header, "h1", title)
    _text(header, "p", about)
    _contents(SubElement(body, "nav", {"aria-label": "Contents"}), sections)
    main = SubElement(body, "main")
    for section in sections:
        heading = f"{section.name}-title"
        element = SubElement(main, "section", {"id": section.name, "aria-labelledby": heading})
        _text(element, "h2", section.title, id=heading)
        _add(element, section.blocks, pictures, level=3)
    return f"<!DOCTYPE html>\n{tostring(html, encoding='unicode', method='html')}\n"


def _head(head: Element, title: str) -> None:
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": POLICY})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    _text(head, "title", title)
    _text(head, "style", files(__package__).joinpath("style.css").read_text(encoding="utf-8"))


def _contents(nav: Element, sections: Sequence[Section]) -> None:
    items = SubElement(nav, "ul")
    for section in sections:
        _text(SubElement(items, "li"), "a", section.title, href=f"#{section.name}")


def _add(parent: Element, blocks: Sequence[Block], pictures: Mapping[Path, str], level: int) -> None:
    """Blocks within an element; headings in them are of this level."""
    for block in blocks:
        match block:
            case Paragraph(text, tone):
                _text(parent, "p", text, **({"class": tone} if tone else {}))
            case Items(lead, items):
                _text(parent, "p", lead)
                listed = SubElement(parent, "ul")
                for item in items:
                    _text(listed, "li", item)
            case Table():
                _table(parent, block)
            case Picture():
                _picture(parent, block, pictures)
            case Chart():
                figure = SubElement(parent, "figure", {"class": "chart"})
                figure.append(_printable(drawing(block)))
                _text(figure, "figcaption", block.title)
            case Verbatim(text):
                _text(parent, "pre", text, tabindex="0")
            case Folded(title, inner):
                details = SubElement(parent, "details")
                _text(details, "summary", title)
                _add(details, inner, pictures, level)
            case Beside(columns, titles):
                beside = SubElement(parent, "div", {"class": "beside"})
                for column, title in zip(columns, titles or [""] * len(columns), strict=True):
                    own = SubElement(beside, "div")
                    if title:
                        _text(own, f"h{level}", title)
                    _add(own, column, pictures, level + 1)


def _table(parent: Element, table: Table) -> None:
    """With a caption, heads of its columns and perhaps of its rows; wider than the page it is scrolled."""
    figure = SubElement(parent, "figure", {"class": "table"})
    _text(figure, "figcaption", table.caption)
    look = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": printable(table.caption)}
    element = SubElement(SubElement(figure, "div", look), "table")
    if table.columns:
        head = SubElement(SubElement(element, "thead"), "tr")
        for column in table.columns:
            _text(head, "th", column, scope="col")
        if table.shares:
            SubElement(head, "td")
    body = SubElement(element, "tbody")
    for number, (cells, share) in enumerate(zip_longest(table.rows, table.shares)):
        row = SubElement(body, "tr", {"class": "marked"} if number in table.marked else {})
        for place, text in enumerate(cells):
            if place == 0 and table.named:
                _text(row, "th", text, scope="row")
            else:
                _text(row, "td", text)
        if share is not None:
            bar = SubElement(row, "td", {"class": "bar", "aria-hidden": "true"})
            SubElement(bar, "span", {"style": f"width:{100 * min(max(share, 0.0), 1.0):.1f}%"})


def _picture(parent: Element, picture: Picture, pictures: Mapping[Path, str]) -> None:
    """As a figure; where there is no such picture to show, it is said which."""
    uri = pictures.get(picture.path)
    if uri is None:
        _text(parent, "p", f"{picture.path.name} cannot be shown here.")
        return
    figure = SubElement(parent, "figure")
    SubElement(figure, "img", {"src": uri, "alt": printable(picture.alternative)})
    _text(figure, "figcaption", picture.caption)


def _text(parent: Element, tag: str, text: str, **attributes: str) -> None:
    SubElement(parent, tag, attributes).text = printable(text)


def _printable(svg: Element) -> Element:
    """With texts and labels that a page may have."""
    for element in svg.iter():
        element.text = printable(element.text) if element.text else None
        for key, value in element.attrib.items():
            element.set(key, printable(value))
    return svg
