"""Segment brain tumours in studies, without a server: one study, several, or a folder of hundreds.

OUT then holds volumes.csv, and for each study
  <study>_seg.nii.gz        the mask, on the voxels of the study's first modality
  <study>_seg.json          which images were used and why, volumes, warnings
  <study>.png               with --picture
  <study>.pdf               with --report
  <study>_agreement.nii.gz  with --confidence: how far the masks made without one modality agree with the mask, 0 to 1

If a study fails, it is named and the others go on. If the command is interrupted, run it again: it goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from ccsd.commands.segmenting import Job, Run, do, file_stem, jobs_in
from ccsd.common.errors import InputError
from ccsd.common.files import remove_leftovers, replacing
from ccsd.common.overlap import overlapped
from ccsd.common.settings import read_task
from ccsd.inference.mask_file import EXTENSIONS
from ccsd.method.task import BRATS, Task
from ccsd.preprocessing.common_space import Mode
from ccsd.studies.study import from_images

EXAMPLES = """examples:
  ccsd segment patient7 -o masks                     a folder with the images of one study, NIfTI or DICOM
  ccsd segment studies -o masks --picture            a folder of many studies, a picture of each mask
  ccsd segment studies -o masks --confidence         how sure each mask is, as columns and as a map
  ccsd segment scan.zip -o masks --modalities t1,flair
  ccsd segment --t1ce a.nii.gz --flair b.nii.gz -o masks
  ccsd segment studies -o masks --dask tcp://node1:8786
"""
NETWORKS = 2  # studies in the network at once, where there are many and no GPU (docs/notebook.md)
AT_ONCE = NETWORKS + 2  # one more is read and prepared, one is written
SURE = ("certainty", "agreement", "low_ml", "high_ml")


def main() -> None:
    arguments = _parse()
    logging.basicConfig(level=logging.CRITICAL)  # what concerns a study is said with it
    warnings.filterwarnings("ignore")  # of libraries about their own
    task = read_task(arguments.task) if arguments.task else BRATS
    run = _run(arguments, task)
    jobs = _told_apart(_jobs(arguments, run, task))
    run.out.mkdir(parents=True, exist_ok=True)
    remove_leftovers(run.out)
    run.begin()
    answers = dict(_shown(_answers(jobs, run, arguments.dask), jobs, run, as_json=arguments.json))
    write_table(run.out / "volumes.csv", {job.name: answers[job.name] for job in jobs}, run, task)
    failed = sum("error" in answer for answer in answers.values())
    before = sum("passed_over" in answer for answer in answers.values())
    counts = f"studies {len(jobs)}, done before {before}, failed {failed}"
    print(f"{counts}: {run.out / 'volumes.csv'}", file=sys.stderr)
    if failed:
        sys.exit(1)


def _jobs(arguments: argparse.Namespace, run: Run, task: Task) -> list[Job]:
    """Raises InputError: images by modality that cannot be found, or no study at all."""
    images = {m: Path(p).absolute() for m in task.modalities if (p := getattr(arguments, m, None))}
    if bool(images) == bool(arguments.studies):
        raise InputError(f"expected studies, or images by modality (--{' --'.join(BRATS.modalities)}), and not both")
    if images:
        study = from_images(images, task.modalities)
        return [Job(file_stem(study.id), next(iter(study.sources.values())).path, study)]
    return [job for path in tqdm(arguments.studies, "finding", disable=None) for job in jobs_in(path.absolute(), run)]


def _told_apart(jobs: Sequence[Job]) -> list[Job]:
    """No study takes the name of another."""
    count: Counter[str] = Counter()
    told = []
    for job in jobs:
        count[job.name] += 1
        number = count[job.name]
        error = f"another study is called {job.name} too, expected different names"
        told.append(job if number == 1 else replace(job, name=f"{job.name} ({number})", error=error))
    return told


def _answers(jobs: Sequence[Job], run: Run, address: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    if address is None:
        yield from overlapping(jobs, run)
        return
    from ccsd.commands.segment_cluster import do_all  # an extra that few have

    yield from do_all(jobs, run, address)


def overlapping(jobs: Sequence[Job], run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, answer) of each study, in order, several at once."""
    if len(jobs) > 1 and run.options.device.type == "cpu":
        run.segmenter.share_cores(NETWORKS)
    yield from overlapped(lambda job: (job.name, do(job, run)), jobs, at_once=AT_ONCE)


def _shown(
    answers: Iterable[tuple[str, dict[str, Any]]], jobs: Sequence[Job], run: Run, *, as_json: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same, each said when it comes, over a progress bar."""
    for name, answer in tqdm(answers, "segmenting", total=len(jobs), unit="study", disable=None):
        line = json.dumps({"study": name, **answer}) if as_json else _line(name, answer, run)
        stream = sys.stderr if "error" in answer and not as_json else sys.stdout
        tqdm.write(line, file=stream)
        yield name, answer


def _line(name: str, answer: Mapping[str, Any], run: Run) -> str:
    if "error" in answer:
        return f"{name}: failed: {answer['error']}"
    volumes = ", ".join(f"{region} {ml:.1f} mL" for region, ml in answer["volumes_ml"].items())
    notes = "".join(f"\n  {warning}" for warning in answer["warnings"])
    return f"{name}: {volumes}, from {', '.join(answer['modalities']['used'])}: {run.mask(name)}{notes}"


def write_table(path: Path, answers: Mapping[str, Mapping[str, Any]], run: Run, task: Task) -> None:
    """A row a study, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text)
    volumes = [f"{region}_ml" for region in task.regions]
    sure = [f"{region}_{kind}" for region in task.regions for kind in SURE] if run.confidence else []
    writer.writerow(["study", "modalities", *volumes, *sure, "model", "warnings", "error", "file"])
    for name, answer in answers.items():
        if "error" in answer:
            writer.writerow([name, "", *[""] * len(volumes + sure), "", "", answer["error"], ""])
            continue
        used, found = " ".join(answer["modalities"]["used"]), answer["volumes_ml"]
        values = [found[region] for region in task.regions] + (_sure(answer, task) if run.confidence else [])
        said = " ".join(answer["warnings"])
        writer.writerow([name, used, *values, answer["model"], said, "", run.mask(name).name])
    with replacing(path) as file:
        file.write_text(text.getvalue(), newline="")


def _sure(answer: Mapping[str, Any], task: Task) -> list[Any]:
    """The columns of `SURE`, empty where there is no such figure."""
    regions = [answer["confidence"]["regions"][region] for region in task.regions]
    return [value for r in regions for value in (r["certainty"], r["agreement"], *(r["range_ml"] or [None, None]))]


def _run(arguments: argparse.Namespace, task: Task) -> Run:
    """Raises InputError: a modality that the task does not have."""
    modalities = (
        tuple(dict.fromkeys(arguments.modalities.replace(" ", "").split(","))) if arguments.modalities else None
    )
    unknown = [m for m in modalities or () if m not in task.modalities]
    if unknown:
        raise InputError(f"--modalities has {', '.join(unknown)}, expected names from {', '.join(task.modalities)}")
    return Run(
        arguments.out.absolute(),
        weights=arguments.weights.absolute() if arguments.weights else None,
        task=arguments.task.absolute() if arguments.task else None,
        modalities=modalities if arguments.modalities else None,
        preprocess=arguments.preprocess,
        device=arguments.device,
        extension=arguments.format,
        picture=arguments.picture,
        report=arguments.report,
        overwrite=arguments.overwrite,
        confidence=arguments.confidence,
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", type=Path, nargs="*", metavar="STUDY", help="folder, archive (.zip, .tar) or image")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the results")
    for modality in BRATS.modalities:
        parser.add_argument(f"--{modality}", metavar="FILE", help=f"instead of STUDY: the {modality} image")
    parser.add_argument("--modalities", help="use only these, as t1,flair (default: all that a study has)")
    parser.add_argument("--weights", type=Path, help="checkpoint (default: what the app serves)")
    parser.add_argument("--task", type=Path, help="task file in TOML (default: BraTS)")
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: a GPU where there is one)")
    parser.add_argument(
        "--preprocess",
        choices=get_args(Mode),
        default="auto",
        help="align and remove the skull: where needed, never, always",
    )
    parser.add_argument(
        "--format", choices=EXTENSIONS, default=EXTENSIONS[0], help="format of the masks; .dcm: DICOM SEG"
    )
    parser.add_argument("--picture", action="store_true", help="draw each mask over its images")
    parser.add_argument("--report", action="store_true", help="write a one-page PDF report on each mask")
    parser.add_argument(
        "--confidence", action="store_true", help="compute how sure each mask is, with a map of agreement"
    )
    parser.add_argument("--json", action="store_true", help="print each answer as a line of JSON")
    parser.add_argument("--overwrite", action="store_true", help="make masks again that exist already")
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="address of a Dask scheduler, whose workers segment; they must see the same files",
    )
    return parser.parse_args()
