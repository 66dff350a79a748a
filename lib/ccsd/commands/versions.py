"""The published versions of a model: list and compare them, serve one (roll back), pin one, unpin, or add weights that
were trained elsewhere. The server does not have to run."""

from __future__ import annotations

import argparse
from pathlib import Path

from ccsd.common.errors import InputError
from ccsd.common.places import APP
from ccsd.common.settings import read_task
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS, Task
from ccsd.models.compare import compare
from ccsd.models.served import ServedModel, weights_names
from ccsd.models.versions import Version, Versions

EXAMPLE = "example: ccsd versions compare ccsd-0e8e942b99 ccsd-8df6096952"


def main() -> None:
    arguments = _parse()
    task = read_task(arguments.task) if arguments.task else BRATS
    published, shipped = (arguments.model / name for name in weights_names(task))
    model = ServedModel(published, shipped, task, PRESETS["small"])
    versions = Versions(model)
    names = arguments.versions
    if arguments.do == "compare":
        if len(names) != 2:
            raise InputError(f"compare takes two versions, found {len(names)}")
        print(compared(versions.find(names[0]), versions.find(names[1]), task))
        return
    if arguments.do in ("serve", "pin", "add"):
        if len(names) != 1:
            raise InputError(f"{arguments.do} takes one version, or one file to add, found {len(names)}")
        {"serve": versions.serve, "pin": versions.pin, "add": lambda name: versions.add(Path(name))}[arguments.do](
            names[0]
        )
    elif arguments.do == "unpin":
        versions.unpin()
    for version in versions.known():
        print(line(version, task))


def line(one: Version, task: Task) -> str:
    value = one.card.mean_dice(task.regions)
    seen = " on training studies" if one.card.why_not_expected else ""
    mean = "not measured" if value is None else f"mean Dice {value:.3f}{seen}"
    marks = " ".join(name for name, is_so in (("served", one.served), ("pinned", one.pinned)) if is_so)
    why = f"  candidate: {one.card.kept_back}" if one.card.kept_back else ""
    return f"{one.version}  {one.card.published or 'shipped':25}  {mean}  {marks}{why}".rstrip()


def compared(first: Version, second: Version, task: Task) -> str:
    """A Markdown table."""
    found = compare(first, second, task)
    measured = (
        "the same studies" if found["comparable"] else "DIFFERENT studies or labels: the values cannot be compared"
    )
    lines = [
        f"{first.version} -> {second.version}, measured on {measured}",
        f"only the second was trained on: {', '.join(found['only'][1]) or 'none'}",
        f"only the first was trained on: {', '.join(found['only'][0]) or 'none'}",
        f"labels or images changed: {', '.join(found['changed']) or 'none'}",
        f"settings: {', '.join(f'{k} {a} -> {b}' for k, (a, b) in found['settings'].items()) or 'the same'}",
        "",
        f"| modalities | {' | '.join(task.regions)} |",
        "|---|" + "---|" * len(task.regions),
    ]
    for row in found["dice"]:
        between = " -> " if found["comparable"] else "; "
        cells = " | ".join(between.join("-" if v is None else f"{v:.3f}" for v in row[g]) for g in task.regions)
        lines.append(f"| {'+'.join(row['modalities'])} | {cells} |")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("do", choices=["list", "compare", "serve", "pin", "unpin", "add"])
    parser.add_argument("versions", nargs="*", help="two to compare, one to serve or pin, or the file (.pt) to add")
    parser.add_argument("--model", type=Path, default=APP / "model", help="the model folder")
    parser.add_argument("--task", type=Path, help="task file, as the server's --conf task")
    return parser.parse_args()
