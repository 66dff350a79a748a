"""The evaluation as one HTML file that needs nothing else: heat table, robustness curve, a picture a case."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from lib.ccsd.task import Task
from lib.evaluation.summary import DEFINITIONS

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24;
       background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .25rem .6rem; text-align: right }
th { font-weight: 600; border-bottom: 1px solid #999 } td.m { text-align: center } small { opacity: .75 }
td.heat { color: #111 } img, svg { max-width: 100%; height: auto } figure { margin: 1.5rem 0 } dt { font-weight: 600 }
@media (prefers-color-scheme: dark) { body { color: #e6e6e6; background: #16181c } }
"""
LINES = ("#2a9d4e", "#d1495b", "#c8a000", "#3d7edb")  # of the regions, as in the pictures


def render(
    summary: Mapping[str, Any], task: Task, pictures: Mapping[str, tuple[Image.Image, str]], *, heading: str
) -> str:
    """The page.

    Args:
        summary: as `lib.evaluation.summary.summarise` makes it, with `et_rule` (the same again) where the task has it.
        pictures: case -> (picture, caption).
    """
    parts = [
        f"<h1>{html.escape(heading)}</h1>",
        f"<p>{html.escape(', '.join(task.modalities))}; Dice, with HD95 in mm below. Research use only.</p>",
        _heat_table(summary, task),
        "<h2>Modalities missing</h2>",
        _curve(summary, task),
        _sizes(summary, task),
        "<h2>In figures</h2>",
        _figures(summary, task),
        "<h2>Cases</h2><p>All modalities; white: reference, coloured: the model.</p>",
        *[_figure(case, picture, caption) for case, (picture, caption) in pictures.items()],
        "<h2>Definitions</h2>",
        "<dl>" + "".join(f"<dt>{k}</dt><dd>{html.escape(v)}</dd>" for k, v in DEFINITIONS.items()) + "</dl>",
    ]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{html.escape(heading)}</title><style>{STYLE}</style>{''.join(parts)}</html>\n"
    )


def _heat_table(summary: Mapping[str, Any], task: Task) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in (*task.modalities, *task.regions))
    rows = []
    for entry in summary["subsets"]:
        dots = "".join(f"<td class='m'>{'●' if m in entry['modalities'] else '○'}</td>" for m in task.modalities)
        rows.append(f"<tr class='subset'>{dots}{''.join(_heat(entry[g]) for g in task.regions)}</tr>")
    averages = [{"dice": summary["average"][g], "hd95": summary["average_hd95"][g]} for g in task.regions]
    rows.append(f"<tr><th colspan='{len(task.modalities)}'>average</th>{''.join(map(_heat, averages))}</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _heat(value: Mapping[str, float]) -> str:
    """A cell from red (Dice 0) over yellow to green (Dice 1)."""
    hue = 120 * value["dice"]
    return (
        f"<td class='heat' style='background:hsl({hue:.0f} 65% 72%)'>{value['dice']:.3f}"
        f"<br><small>{value['hd95']:.1f}</small></td>"
    )


def _curve(summary: Mapping[str, Any], task: Task) -> str:
    """Mean Dice against how many modalities are missing, a line a region."""
    sizes = list(summary["sizes"].values())
    left, top, width, height = 50, 20, 460, 240
    step = width / max(1, len(sizes) - 1)
    grid = "".join(
        f"<line x1='{left}' x2='{left + width}' y1='{top + height * (1 - v)}' y2='{top + height * (1 - v)}' "
        f"stroke='#8884'/><text x='{left - 8}' y='{top + height * (1 - v) + 4}' text-anchor='end'>{v:.1f}</text>"
        for v in (0, 0.2, 0.4, 0.6, 0.8, 1)
    )
    lines = ""
    for g, colour in zip(task.regions, _cycle(len(task.regions)), strict=True):
        points = [(left + i * step, top + height * (1 - size[g]["dice"])) for i, size in enumerate(sizes)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        x, y = points[-1]
        lines += f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2.5'/>"
        lines += "".join(f"<circle cx='{a:.1f}' cy='{b:.1f}' r='4' fill='{colour}'/>" for a, b in points)
        lines += f"<text x='{x + 10:.1f}' y='{y + 4:.1f}' fill='{colour}'>{html.escape(g)}</text>"
    ticks = "".join(
        f"<text x='{left + i * step:.1f}' y='{top + height + 22}' text-anchor='middle'>{i}</text>"
        for i in range(len(sizes))
    )
    label = f"<text x='{left + width / 2}' y='{top + height + 42}' text-anchor='middle'>modalities missing</text>"
    box = f"viewBox='0 0 {left + width + 90} {top + height + 50}' width='{left + width + 90}' fill='currentColor'"
    return f"<svg {box} role='img' aria-label='Dice by number of missing modalities'>{grid}{lines}{ticks}{label}</svg>"


def _cycle(count: int) -> Sequence[str]:
    return [LINES[i % len(LINES)] for i in range(count)]


def _sizes(summary: Mapping[str, Any], task: Task) -> str:
    regions = "".join(f"<th>{html.escape(g)}</th>" for g in task.regions)
    rows = "".join(
        f"<tr><td class='m'>{k}</td>{''.join(_heat(values[g]) for g in task.regions)}"
        f"<td>{html.escape(' '.join(summary['worst'][k]['modalities']))} ({summary['worst'][k]['dice']:.3f})</td></tr>"
        for k, values in summary["sizes"].items()
    )
    return f"<table><tr><th>modalities</th>{regions}<th>worst subset (Dice)</th></tr>{rows}</table>"


def _figures(summary: Mapping[str, Any], task: Task) -> str:
    names = {"average": "average Dice", "aurc": "AURC", "average_hd95": "average HD95, mm", "worsening": "worsening"}
    lines = [(title, summary[key]) for key, title in names.items()]
    if "et_rule" in summary:
        lines += [(f"{names[k]}, small ET relabelled", summary["et_rule"][k]) for k in names if k != "worsening"]
    head = "".join(f"<th>{html.escape(g)}</th>" for g in task.regions)
    rows = "".join(
        f"<tr><td>{title}</td>{''.join(f'<td>{values[g]:.3f}</td>' for g in task.regions)}</tr>"
        for title, values in lines
    )
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _figure(case: str, picture: Image.Image, caption: str) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f"<figure><img alt='{html.escape(case)}' src='data:image/png;base64,{data}'>"
        f"<figcaption>{html.escape(case)}: {html.escape(caption)}</figcaption></figure>"
    )
