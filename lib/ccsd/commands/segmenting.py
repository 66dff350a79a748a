"""One study of a run of `ccsd segment`: from its images to its mask, picture and answer in the output folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from ccsd.common.devices import read_device
from ccsd.common.errors import InputError, is_full
from ccsd.common.files import replacing, write_json
from ccsd.common.settings import read_task
from ccsd.imaging.grid import Volume
from ccsd.inference.mask_file import agreement_beside, write_agreement, write_mask
from ccsd.inference.pipeline import Options, Segmentation, Segmenter, find_study
from ccsd.method.task import BRATS
from ccsd.models.served import model_of
from ccsd.pictures.overlay import overlay
from ccsd.pictures.report import Report, best_shown, made_by, report_pdf
from ccsd.preprocessing.common_space import Mode
from ccsd.studies.archives import is_archive, stem_of, unpacked
from ccsd.studies.scan import listed
from ccsd.studies.study import Study, survey

_LOADING = threading.Lock()


@dataclass(frozen=True)
class Job:
    """A study to segment.

    Attributes:
        name: of its files in the output folder.
        image: the one whose grid the mask is to have; a folder: the first modality's; an archive: what is in it.
        study: None: it is found in the archive.
        error: why it cannot be segmented.
    """

    name: str
    image: Path
    study: Study | None = None
    error: str = ""


@dataclass(frozen=True)
class Run:
    """What holds for all studies of a run; a worker on another machine gets it as it is.

    Attributes:
        out: folder for the results.
        weights, task: files (None: what the app serves, BraTS); device: None: each worker's best.
        extension: of the masks.
        picture, report: whether one is drawn, written; overwrite: whether masks that are there are made again.
        confidence: whether each mask is compared with those made without one modality, with a map of agreement.
    """

    out: Path
    weights: Path | None = None
    task: Path | None = None
    modalities: tuple[str, ...] | None = None
    preprocess: Mode = "auto"
    device: str | None = None
    extension: str = ".nii.gz"
    picture: bool = False
    report: bool = False
    overwrite: bool = False
    confidence: bool = False

    @property
    def segmenter(self) -> Segmenter:
        """Loaded once in a process."""
        with _LOADING:
            return _segmenter(self.weights, self.task)

    @property
    def options(self) -> Options:
        return Options(
            self.modalities, preprocess=self.preprocess, device=read_device(self.device), confidence=self.confidence
        )

    def mask(self, name: str) -> Path:
        return self.out / f"{name}_seg{self.extension}"

    def answer(self, name: str) -> Path:
        return self.out / f"{name}_seg.json"

    def picture_of(self, name: str) -> Path:
        return self.out / f"{name}.png"

    def report_of(self, name: str) -> Path:
        return self.out / f"{name}.pdf"

    def extras(self, name: str) -> list[Path]:
        """What is asked for beside the mask and the answer."""
        return [*([self.picture_of(name)] if self.picture else []), *([self.report_of(name)] if self.report else [])]

    def begin(self) -> None:
        """Raises InputError: the folder holds masks that were made otherwise, which would be passed over."""
        made = {"model": self.segmenter.model.current().version, "modalities": self.modalities}
        made = {**made, "preprocess": self.preprocess, "format": self.extension}
        note, said = self.out / "run.json", json.dumps(made, indent=1)
        if note.exists() and note.read_text() != said and not self.overwrite:
            raise InputError(
                f"{self.out} holds masks of another run ({_in_a_line(note.read_text())}), expected {_in_a_line(said)}: "
                "name another folder, or --overwrite to make them again"
            )
        with replacing(note) as file:
            file.write_text(said)


def _in_a_line(said: str) -> str:
    return " ".join(said.split())


@lru_cache(maxsize=1)
def _segmenter(weights: Path | None, task: Path | None) -> Segmenter:
    return Segmenter(model_of(weights, read_task(task) if task else BRATS))


def jobs_in(path: Path, run: Run) -> Iterator[Job]:
    """The studies of a folder, the study of an image, or that of an archive. One that cannot be used comes with why.

    Raises:
        InputError: the results would lie among the studies, where masks are taken for labels.
    """
    if run.out.resolve().is_relative_to(path.resolve()):
        raise InputError(f"the results are to go to {run.out}, inside {path}, expected a folder elsewhere")
    if path.is_file() and is_archive(path):
        yield Job(file_stem(stem_of(path)), path)
        return
    task = run.segmenter.model.task
    try:
        studies = survey(path, task.modalities) if path.is_dir() else []
        studies = studies or [find_study(path, run.options, task)]
    except (InputError, OSError) as error:
        yield Job(file_stem(path.name), path, error=_sentence(error))
        return
    for study in studies:
        yield Job(file_stem(study.id), path, study, "" if study.sources else _why_not(study))


def file_stem(name: str) -> str:
    """A study's id as a file's name; those of DICOM can hold anything."""
    return "".join(c if c.isalnum() or c in "-_.^+= " else "_" for c in name).lstrip(".") or "study"


def _sentence(error: BaseException) -> str:
    if isinstance(error, InputError):
        return str(error)
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return f"{type(error).__name__}: {reason}"


def _why_not(study: Study) -> str:
    left_out = [*study.unknown, *study.refused, *study.spare]
    return f"no image of study {study.id} can be used: {listed([f'{o.name}: {o.reason}' for o in left_out])}"


def do(job: Job, run: Run) -> dict[str, Any]:
    """Segment a study, unless its mask is there; the mask comes last, so with it everything is there. Returns the
    answer; of a study that fails `{"error": sentence}`.

    Raises:
        OSError: the disk is full.
    """
    if job.error:
        return {"error": job.error}
    done = None if run.overwrite else _done(job, run)
    if done is not None:
        return {**done, "passed_over": True}
    try:
        return _segment(job, run)
    except (InputError, OSError, RuntimeError, MemoryError) as error:
        if is_full(error):
            raise
        return {"error": _sentence(error)}


def _done(job: Job, run: Run) -> dict[str, Any] | None:
    """The answer of a study whose results are there."""
    if not all(file.exists() for file in (run.mask(job.name), *run.extras(job.name))):
        return None
    try:
        answer: dict[str, Any] = json.loads(run.answer(job.name).read_text())
    except (OSError, ValueError):
        return None
    return answer if answer.get("confidence") or not run.confidence else None


def _segment(job: Job, run: Run) -> dict[str, Any]:
    segmenter, options = run.segmenter, run.options
    with nullcontext(job.image) if job.study else unpacked(job.image) as image:
        study = job.study or find_study(image, options, segmenter.model.task)
        study = study.restricted(run.modalities) if run.modalities else study
        return _save(segmenter.segment(study, image, options), job, run)


def _save(found: Segmentation, job: Job, run: Run) -> dict[str, Any]:
    answer = found.answer()
    if run.picture:
        with replacing(run.picture_of(job.name)) as file:
            _overlay(found).save(file)
    if run.report:
        with replacing(run.report_of(job.name)) as file:
            file.write_bytes(report_pdf(_report(found, answer)))
    if found.confidence and found.confidence.regions:
        with replacing(agreement_beside(run.mask(job.name))) as file:
            write_agreement(file, found, compress=True)
    write_json(run.answer(job.name), answer)
    with replacing(run.mask(job.name)) as file:
        write_mask(file, found, compress=True)
    return answer


def _overlay(found: Segmentation) -> Image.Image:
    """The mask, and its map of agreement where there is one, over those images that have its grid."""
    agreement = found.confidence.agreement if found.confidence else None
    return overlay([image.data for image in _shown(found).values()], found.label, found.grid, agreement=agreement)


def _report(found: Segmentation, answer: Mapping[str, Any]) -> Report:
    images = _shown(found)
    modality = best_shown(images, found.task.modalities)
    origin = made_by(answer["model"])
    now = datetime.now().astimezone()
    return Report(found.study.id, origin, modality, images[modality], found.label, answer, found.task, now)


def _shown(found: Segmentation) -> dict[str, Volume]:
    """The images that have the mask's grid, by modality."""
    return {m: image for m, image in found.images.items() if image.grid.matches(found.grid)}
