"""Show which file or series of a study is used for which modality, by which rule, and what is left out and why."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ccsd.common.errors import InputError
from ccsd.imaging import filenames
from ccsd.imaging.sources import LeftOut, Source
from ccsd.imaging.volumes import read_source
from ccsd.pictures.sheet import Row, contact_sheet
from ccsd.studies.evidence import BRAIN
from ccsd.studies.study import Study, survey

EXAMPLES = """examples:
  ccsd inspect studies                        every study of a folder, as text
  ccsd inspect studies --sheet all.png        the same as pictures
  ccsd inspect patient7/t1.nii.gz --json      one study, for programs
"""
LISTED = 20  # studies that are shown in full where there are more, unless --all


def main() -> None:
    arguments = _arguments()
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.WARNING)
    studies = survey(arguments.path, _modalities(arguments.task))
    if arguments.json:
        print(json.dumps({"studies": [as_json(s) for s in studies]}, indent=1, ensure_ascii=False))
    else:
        shown = studies if arguments.all else studies[:LISTED]
        print(f"{len(studies)} studies in {arguments.path}")
        print("\n".join(line for study in shown for line in table(study)))
        if len(shown) < len(studies):
            print(f"and {len(studies) - len(shown)} more (--all shows them)")
    if arguments.sheet:
        contact_sheet([row for study in studies[:LISTED] for row in rows(study)]).save(arguments.sheet)
        print(arguments.sheet, file=sys.stderr)
    if arguments.url:
        print("\n".join(how_to_ask(studies, arguments.url)))


def as_json(study: Study) -> dict[str, Any]:
    """A study as plain values; `id` is what a request can name an image by."""
    return {
        "id": study.id,
        "title": _title(study),
        "modalities": {
            m: {"source": s.name, "id": _id(s), "rule": s.rule, "files": len(set(s.series or (s.path,)))}
            for m, s in study.sources.items()
        },
        "label": study.label.name if study.label else None,
        "unknown": [_left(o) for o in study.unknown],
        "refused": [_left(o) for o in study.refused],
        "spare": [_left(o) for o in study.spare],
    }


def table(study: Study) -> list[str]:
    """A study as lines of text in columns."""
    cells = [(m, s.name, s.rule) for m, s in study.sources.items()]
    if study.label:
        cells.append(("label", study.label.name, ""))
    for what, group in (("unknown", study.unknown), ("refused", study.refused), ("spare", study.spare)):
        cells += [(what, o.name, o.reason) for o in group]
    widths = [max((len(row[i]) for row in cells), default=0) for i in (0, 1)]
    lines = [f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in cells]
    title = f" ({_title(study)})" if _title(study) else ""
    return ["", f"study {study.id}{title}", *lines]


def _title(study: Study) -> str:
    return study.patient.title(number=True) if study.patient else ""


def rows(study: Study) -> list[Row]:
    """The pictures of a study: what is used first, then the other images with why they are not."""
    used = [_row(f"{study.id}: {m} = {s.name}", s.rule, s) for m, s in study.sources.items()]
    left = [
        _row(f"{study.id}: {what} {o.name}", o.reason, o.source)
        for what, group in (("spare", study.spare), ("unknown", study.unknown), ("refused", study.refused))
        for o in group
    ]
    return used + left


def how_to_ask(studies: Sequence[Study], url: str) -> list[str]:
    """What to type once a server runs over these studies."""
    lines = ["", f"server: {url}  (studies, viewer, model: {url}/ccsd/  API: {url}/)"]
    files = [s.path for study in studies for s in study.sources.values() if s.series is None]
    if files:
        image = filenames.strip_extension(files[0].name)
        lines += [
            "segment the first study once the server is up:",
            f"  curl -X POST '{url}/infer/ccsd?image={image}&output=image' -o mask.nii.gz",
            "",
        ]
    return lines


def _modalities(task: Path | None) -> Sequence[str]:
    if task is None:
        return BRAIN
    from ccsd.common.settings import read_task  # brings torch: seconds that the usual call should not wait

    return read_task(task).modalities


def _row(title: str, note: str, source: Source) -> Row:
    try:
        return Row(title, note, read_source(source))
    except InputError as error:
        return Row(title, note or str(error), None)


def _left(left: LeftOut) -> dict[str, str]:
    return {"source": left.name, "id": _id(left.source), "reason": left.reason}


def _id(source: Source) -> str:
    return source.uid or filenames.strip_extension(source.path.name)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, help="a folder of images or DICOM files, or one file")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--sheet", type=Path, help="PNG to write: the middle slices of every image in three planes")
    parser.add_argument("--task", type=Path, help="task file in TOML (default: BraTS)")
    parser.add_argument("--all", action="store_true", help=f"show all studies, not the first {LISTED}")
    parser.add_argument("--url", help="also print the request to send to the server at this address")
    return parser.parse_args()
