"""A mask on one page of PDF: where the tumour is, its volumes, from which images, and what to keep in mind."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray
from reportlab.lib.colors import Color, black, grey, lightgrey
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Frame, KeepInFrame, Paragraph, Spacer, Table

from ccsd.imaging.grid import Volume
from ccsd.method.task import Task
from ccsd.pictures.report_planes import Panel, line_of, panels_of

NOT_FOR_DIAGNOSIS = "Not for diagnosis. Research use only; not a medical device."
WIDTH, HEIGHT = A4
MARGIN = 16 * mm
PANEL = 57 * mm  # of a picture, at most, in both directions
GAP = (WIDTH - 2 * MARGIN - 3 * PANEL) / 2
BAR = 50  # mm in the patient, of the scale bar
BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=9, leading=11.5)
SMALL = ParagraphStyle("small", parent=BODY, fontSize=8, leading=10, textColor=Color(0.3, 0.3, 0.3))
HEAD = ParagraphStyle("head", parent=BODY, fontName="Helvetica-Bold", fontSize=10, leading=13, spaceBefore=7)
RULES = (
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (0, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 1.5),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    ("LINEBELOW", (0, 0), (-1, 0), 0.5, grey),
)


@dataclass(frozen=True)
class Report:
    """What is put on the page.

    Attributes:
        title: how people know the study.
        origin: what made the mask, as a sentence.
        shown: what `image` is called; both lie on the grid of `mask`, (D, H, W) uint8 with the task's values.
        answer: what `ccsd.inference` says of the mask: `image`, `volumes_ml`, `warnings`, and, where they are known,
            `modalities` and `confidence`.
        made: when.
    """

    title: str
    origin: str
    shown: str
    image: Volume
    mask: NDArray[np.uint8]
    answer: Mapping[str, Any]
    task: Task
    made: datetime


def made_by(version: str) -> str:
    return f"Mask made by the weights {version}, not corrected."


def best_shown(names: Iterable[str], modalities: Sequence[str]) -> str:
    """Of the images that lie on the mask's grid the last modality (for BraTS FLAIR, which shows most of a tumour); of
    others the first."""
    known = list(names)
    return next((m for m in reversed(modalities) if m in known), known[0])


def report_pdf(report: Report) -> bytes:
    """One page, A4; text that is too long for it is made smaller."""
    file = io.BytesIO()
    page = Canvas(file, pagesize=A4, pageCompression=1)
    page.setTitle(_plain(f"CCSD: {report.title}"))
    page.setSubject(NOT_FOR_DIAGNOSIS)
    below = _head(page, report)
    below = _pictures(page, report, below - 4 * mm) - 3 * mm
    bottom = MARGIN + 8 * mm
    frame = Frame(MARGIN, bottom, WIDTH - 2 * MARGIN, below - bottom, 0, 0, 0, 0)
    frame.addFromList([KeepInFrame(0, 0, list(_text(report)), mode="shrink")], page)
    _foot(page)
    page.save()
    return file.getvalue()


def _head(page: Canvas, report: Report) -> float:
    """Returns where it ends, from below."""
    name = Paragraph(_safe(report.title), ParagraphStyle("title", parent=HEAD, fontSize=15, leading=18))
    lines = [f"{report.made:%Y-%m-%d %H:%M} {report.made.tzname() or ''}".strip(), report.origin]
    parts = [name, Paragraph("<br/>".join(_safe(line) for line in lines), SMALL)]
    top = HEIGHT - MARGIN
    for part in parts:
        _, tall = part.wrap(WIDTH - 2 * MARGIN, 60 * mm)
        top -= tall
        part.drawOn(page, MARGIN, top)
    return top


def _foot(page: Canvas) -> None:
    page.setFont("Helvetica-Bold", 9)
    page.drawString(MARGIN, MARGIN, NOT_FOR_DIAGNOSIS)
    page.setFont("Helvetica", 8)
    page.drawRightString(WIDTH - MARGIN, MARGIN, "CCSD")


def _pictures(page: Canvas, report: Report, top: float) -> float:
    """Three planes at one scale, and what the lines are. Returns where they end, from below."""
    panels = panels_of(report.image, report.mask, report.task)
    scale = PANEL / max(max(panel.width, panel.height) for panel in panels)
    tall = max(panel.height for panel in panels) * scale
    for column, panel in enumerate(panels):
        left = MARGIN + column * (PANEL + GAP)
        _picture(page, panel, left, top - tall, tall, scale)
    caption = f"{report.shown}, the slices with most tumour; radiological convention: the patient's right on the left"
    page.setFillColor(black)
    page.setFont("Helvetica", 8)
    page.drawString(MARGIN, top - tall - 8.5 * mm, _plain(caption))
    _legend(page, report, top - tall - 13 * mm)
    return top - tall - 15 * mm


def _picture(page: Canvas, panel: Panel, left: float, bottom: float, tall: float, scale: float) -> None:
    page.setFillColor(black)
    page.rect(left, bottom, PANEL, tall, stroke=0, fill=1)
    width, height = panel.width * scale, panel.height * scale
    x, y = left + (PANEL - width) / 2, bottom + (tall - height) / 2
    page.drawInlineImage(panel.picture, x, y, width, height)
    for number, lines in reversed(list(enumerate(panel.contours))):  # where they coincide, dashes lie over a line
        _set_line(page, number)
        for line in lines:
            path = page.beginPath()
            points = [(x + across * scale, y + height - down * scale) for across, down in line]
            path.moveTo(*points[0])
            for point in points[1:]:
                path.lineTo(*point)
            page.drawPath(path)
    _marks(page, panel, left, bottom, tall, scale)


def _marks(page: Canvas, panel: Panel, left: float, bottom: float, tall: float, scale: float) -> None:
    """The sides, a scale bar, and which slice it is."""
    page.setDash()
    page.setStrokeColor(lightgrey)
    page.setFillColor(lightgrey)
    page.setLineWidth(1)
    page.setFont("Helvetica-Bold", 8)
    page.drawString(left + 2, bottom + tall / 2, panel.plane.left)
    page.drawRightString(left + PANEL - 2, bottom + tall / 2, panel.plane.right)
    page.drawCentredString(left + PANEL / 2, bottom + tall - 9, panel.plane.top)
    page.line(left + 4, bottom + 5, left + 4 + BAR * scale, bottom + 5)
    page.setFont("Helvetica", 6.5)
    page.drawString(left + 6 + BAR * scale, bottom + 3, f"{BAR // 10} cm")
    page.setFillColor(black)
    page.setFont("Helvetica", 8)
    page.drawString(left, bottom - 3.5 * mm, f"{panel.name}, slice {panel.index + 1} of {panel.slices}")


def _legend(page: Canvas, report: Report, y: float) -> None:
    x = MARGIN
    for number, region in enumerate(report.task.regions):
        page.setFillColor(black)
        page.rect(x, y - 1.5, 26, 9, stroke=0, fill=1)
        _set_line(page, number)
        page.line(x + 3, y + 3, x + 23, y + 3)
        page.setFont("Helvetica", 8)
        page.drawString(x + 30, y, region)
        x += 44 + page.stringWidth(region, "Helvetica", 8)
    page.setDash()


def _set_line(page: Canvas, region: int) -> None:
    colour, dashes = line_of(region)
    page.setStrokeColor(Color(*(c / 255 for c in colour)))
    page.setLineWidth(0.9)
    page.setDash(*dashes)


def _text(report: Report) -> Iterator[Flowable]:
    answer = report.answer
    yield Paragraph("Volumes", HEAD)
    yield _volumes(report)
    warnings = answer.get("warnings") or []
    yield Paragraph("Warnings", HEAD)
    yield Paragraph("<br/>".join(f"\u2022 {_safe(w)}" for w in warnings) or "None.", BODY)
    if "modalities" in answer:
        yield Paragraph("Images", HEAD)
        yield from _images(answer["modalities"])
        for told in ((answer.get("confidence") or {}).get("missing") or {}).values():
            yield Paragraph(_safe(f"{told['says']}."), BODY)
    yield Spacer(1, 2 * mm)
    yield Paragraph(_safe(f"The mask lies on the grid of {answer['image']}: {report.image.grid.describe()}."), SMALL)


def _volumes(report: Report) -> Table:
    """mL by region; where they are known, how certain it is and the range over the masks made without one modality."""
    found = (report.answer.get("confidence") or {}).get("regions") or {}
    ranges = {g: told["range_ml"] for g, told in found.items() if told.get("range_ml")}
    head = ["region", "made of", "mL"]
    head += [*(["certainty"] if found else []), *(["without one modality"] if ranges else [])]
    rows = [[_bold(text) for text in head]]
    for region, values in report.task.regions.items():
        parts = ", ".join(name for name, value in report.task.labels.items() if value in values)
        row = [region, parts, f"{report.answer['volumes_ml'][region]:.1f}"]
        if found:
            row.append(_figure(found.get(region, {}).get("certainty")))
        if ranges:
            row.append("{:.1f} to {:.1f} mL".format(*ranges[region]) if region in ranges else "not known")
        rows.append([Paragraph(_safe(text), BODY) for text in row])
    return _table(rows, [18 * mm, 74 * mm, 16 * mm, 20 * mm, 50 * mm][: len(head)])


def _figure(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.2f}"


def _images(modalities: Mapping[str, Any]) -> Iterator[Flowable]:
    """What was used and why, what was missing, what was left out."""
    used, rules = modalities["used"], modalities.get("rules", {})
    rows = [[_bold(text) for text in ("modality", "image", "why")]]
    rows += [[Paragraph(_safe(t), BODY) for t in (m, name, rules.get(m, ""))] for m, name in used.items()]
    yield _table(rows, [20 * mm, 68 * mm, 90 * mm])
    if modalities.get("missing"):
        yield Paragraph(_safe(f"Not used: {', '.join(modalities['missing'])}."), BODY)
    for name, why in modalities.get("ignored", {}).items():
        yield Paragraph(_safe(f"Left out: {name}: {why}"), SMALL)


def _table(rows: Sequence[Sequence[Paragraph]], widths: Sequence[float]) -> Table:
    return Table(rows, widths, style=RULES, hAlign="LEFT")


def _bold(text: str) -> Paragraph:
    return Paragraph(f"<b>{_safe(text)}</b>", BODY)


def _safe(text: str) -> str:
    return escape(_plain(text))


def _plain(text: str) -> str:
    """What the fonts that every PDF reader has can draw."""
    return text.encode("cp1252", "replace").decode("cp1252")
