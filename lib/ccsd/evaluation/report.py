"""The evaluation as one HTML file that needs nothing else: heat table, robustness curve, a picture a case."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import Any

from PIL import Image

from ccsd.evaluation.markdown import averages, figures, number
from ccsd.evaluation.summary import DEFINITIONS
from ccsd.method.task import Task

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24;
       background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .2rem .6rem; text-align: right }
th { font-weight: 600; border-bottom: 1px solid #999 } .m { text-align: center } .l { text-align: left }
small { opacity: .75 } td.heat { color: #111; line-height: 1.25 } td.l { font-size: .85rem }
img, svg { max-width: 100%; height: auto } figure { margin: 1.5rem 0 } img { background: #000 }
@media (prefers-color-scheme: dark) { body { color: #e6e6e6; background: #16181c } }
"""
LINES = ("#2a9d4e", "#d1495b", "#c8a000", "#3d7edb")  # of the regions, as in the pictures


def render(
    summary: Mapping[str, Any], task: Task, pictures: Mapping[str, tuple[Image.Image, str]], *, heading: str
) -> str:
    """The page.

    Args:
        summary: as `ccsd.evaluation.summary.summarise` makes it, with `et_rule` (the same again) where the task has it.
        pictures: case -> (picture, caption).
    """
    legend = ", ".join(f"<b style='color:{_colour(i)}'>{escape(g)}</b>" for i, g in enumerate(task.regions))
    parts = [
        f"<h1>{escape(heading)}</h1>",
        f"<p>Dice, with HD95 in mm below it, on the studies' own grid. HD95: {escape(DEFINITIONS['hd95'])}. "
        "Research use only.</p>",
        _heat_table(summary, task),
        "<h2>Modalities missing</h2>",
        _curve(summary, task),
        _sizes(summary, task),
        "<h2>In figures</h2>",
        _figures(summary, task),
        "<h2>Cases</h2>",
        f"<p>Contours on the axial slice with most tumour; white: the reference, coloured: the model's {legend}, from "
        "all modalities that the study has.</p>",
        *[_figure(case, picture, caption) for case, (picture, caption) in pictures.items()],
    ]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(heading)}</title><style>{STYLE}</style>{''.join(parts)}</html>\n"
    )


def _heat_table(summary: Mapping[str, Any], task: Task) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in (*task.modalities, *task.regions))
    rows = []
    for entry, cases in zip(summary["subsets"], summary["cases"], strict=True):
        dots = "".join(f"<td class='m'>{'●' if m in entry['modalities'] else '○'}</td>" for m in task.modalities)
        heat = "".join(_heat(entry[g]) for g in task.regions)
        rows.append(f"<tr class='subset'>{dots}{heat}<td>{cases}</td></tr>")
    average = "".join(_heat(value) for value in averages(summary, task).values())
    rows.append(f"<tr><th colspan='{len(task.modalities)}'>average of {len(summary['subsets'])}</th>{average}</tr>")
    return f"<table><tr>{head}<th>cases</th></tr>{''.join(rows)}</table>"


def _heat(value: Mapping[str, float | None]) -> str:
    """A cell from red (Dice 0) over yellow to green (Dice 1)."""
    dice, hd95 = value["dice"], value["hd95"]
    if dice is None or hd95 is None:
        return "<td>n/a</td>"
    colour = f"hsl({120 * dice:.0f} 65% 72%)"
    return f"<td class='heat' style='background:{colour}'>{dice:.3f}<br><small>{hd95:.1f}</small></td>"


def _curve(summary: Mapping[str, Any], task: Task) -> str:
    """Mean Dice against how many modalities are missing, a line a region."""
    left, top, width, height = 50, 20, 460, 240
    last = len(task.modalities) - 1
    sizes = {len(task.modalities) - int(k): means for k, means in summary["sizes"].items()}  # by how many are missing

    def x(missing: int) -> float:
        return left + width * missing / max(1, last)

    def y(dice: float) -> float:
        return top + height * (1 - dice)

    parts = []
    for v in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts.append(f"<line x1='{left}' x2='{left + width}' y1='{y(v):.1f}' y2='{y(v):.1f}' stroke='#8884'/>")
        parts.append(f"<text x='{left - 8}' y='{y(v) + 4:.1f}' text-anchor='end'>{v:.1f}</text>")
    known = [g for g in task.regions if all(means[g]["dice"] is not None for means in sizes.values())]
    for g in known:
        i = list(task.regions).index(g)
        points = [(x(missing), y(means[g]["dice"])) for missing, means in sizes.items()]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{_colour(i)}' stroke-width='2.5'/>")
        parts += [f"<circle cx='{a:.1f}' cy='{b:.1f}' r='4' fill='{_colour(i)}'/>" for a, b in points]
    ends = {g: y(sizes[max(sizes)][g]["dice"]) for g in known}
    for g, b in _apart(ends).items():
        colour = _colour(list(task.regions).index(g))
        parts.append(f"<text x='{x(max(sizes)) + 10:.1f}' y='{b + 4:.1f}' fill='{colour}'>{escape(g)}</text>")
    for missing in range(last + 1):
        parts.append(f"<text x='{x(missing):.1f}' y='{top + height + 22}' text-anchor='middle'>{missing}</text>")
    parts.append(f"<text x='{left + width / 2}' y='{top + height + 42}' text-anchor='middle'>modalities missing</text>")
    box = f"viewBox='0 0 {left + width + 90} {top + height + 50}' width='{left + width + 90}' fill='currentColor'"
    return f"<svg {box} role='img' aria-label='Dice by number of missing modalities'>{''.join(parts)}</svg>"


def _apart(places: Mapping[str, float], gap: float = 16) -> dict[str, float]:
    """The same labels from top to bottom, each at least `gap` pixels below the one before."""
    moved: dict[str, float] = {}
    for name, place in sorted(places.items(), key=lambda pair: pair[1]):
        moved[name] = max([place, *(other + gap for other in moved.values())])
    return moved


def _sizes(summary: Mapping[str, Any], task: Task) -> str:
    regions = "".join(f"<th>{escape(g)}</th>" for g in task.regions)
    rows = []
    for k, values in summary["sizes"].items():
        worst = summary["worst"][k]
        heat = "".join(_heat(values[g]) for g in task.regions)
        name = f"{escape(' '.join(worst['modalities']))} ({worst['dice']:.3f})"
        rows.append(f"<tr><td class='m'>{k}</td>{heat}<td class='l'>{name}</td></tr>")
    head = f"<tr><th>modalities</th>{regions}<th class='l'>worst subset (Dice)</th></tr>"
    return f"<table>{head}{''.join(rows)}</table><p>Worst: {escape(DEFINITIONS['worst'])}.</p>"


def _figures(summary: Mapping[str, Any], task: Task) -> str:
    """One row a figure, its definition beside it."""
    rows = []
    for title, values, definition in figures(summary):
        cells = "".join(f"<td>{number(values[g])}</td>" for g in task.regions)
        rows.append(f"<tr><td class='l'>{escape(title)}</td>{cells}<td class='l'>{escape(definition)}</td></tr>")
    head = "".join(f"<th>{escape(g)}</th>" for g in task.regions)
    return f"<table><tr><th></th>{head}<th class='l'>definition</th></tr>{''.join(rows)}</table>"


def _figure(case: str, picture: Image.Image, caption: str) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f"<figure><img alt='{escape(case)}' src='data:image/png;base64,{data}'>"
        f"<figcaption>{escape(case)}: {escape(caption)}</figcaption></figure>"
    )


def _colour(region: int) -> str:
    return LINES[region % len(LINES)]
