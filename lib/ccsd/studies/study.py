"""A study: which image is which modality, by which rule, and what was left out and why."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ccsd.common.errors import InputError
from ccsd.imaging.grid import Volume
from ccsd.imaging.patient import Patient
from ccsd.imaging.sources import LeftOut, Source
from ccsd.imaging.volumes import read_source, read_sources, read_stack_grid, source_grid
from ccsd.studies import names, scan
from ccsd.studies.choice import Choice, choose, name_sources
from ccsd.studies.evidence import BRAIN
from ccsd.studies.scan import Found

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """One examination of one patient.

    Attributes:
        id: the case part of its file names, or StudyInstanceUID (0020,000D).
        sources: modality -> where its image comes from and by which rule, in the order in which the names sort.
        label: the reference label beside the images, if there is one.
        unknown: images that cannot be told, with the doubt.
        refused: images not to segment from (maps, localisers, reformats, ...), with the reason.
        spare: images of a modality that has a better one, or that is not asked for, with the reason.
        note: a sentence for the user on how its images were joined; empty where there is nothing to say.
    """

    id: str
    sources: dict[str, Source]
    label: Path | None = None
    unknown: tuple[LeftOut, ...] = ()
    refused: tuple[LeftOut, ...] = ()
    spare: tuple[LeftOut, ...] = ()
    note: str = ""

    @property
    def files(self) -> dict[str, Path]:
        """Modality -> file; of a DICOM series its first slice, of a channel the 4D file."""
        return {modality: source.path for modality, source in self.sources.items()}

    @property
    def patient(self) -> Patient | None:
        """Whose examination it is, of a study in DICOM."""
        left_out = (o.source for o in (*self.spare, *self.unknown, *self.refused))
        return next((s.patient for s in (*self.sources.values(), *left_out) if s.patient), None)

    def restricted(self, modalities: Iterable[str]) -> Study:
        """The same study with only `modalities`; its other images become spare.

        Raises:
            InputError: a modality that the study does not have.
        """
        wanted = list(dict.fromkeys(modalities))
        absent = [m for m in wanted if m not in self.sources]
        if absent or not wanted:
            raise InputError(
                f"modalities: study {self.id} has no {', '.join(absent) or 'modality of an empty list'}, "
                f"expected some of {', '.join(self.sources)}"
            )
        unused = [LeftOut(s, "its modality is not asked for") for m, s in self.sources.items() if m not in wanted]
        kept = {m: s for m, s in self.sources.items() if m in wanted}
        return replace(self, sources=kept, spare=(*self.spare, *unused))

    def without(self, reasons: Mapping[str, str]) -> Study:
        """The same study without the modalities that could not be used, each with its reason as a clause."""
        unused = [LeftOut(s, reasons[m]) for m, s in self.sources.items() if m in reasons]
        kept = {m: s for m, s in self.sources.items() if m not in reasons}
        return replace(self, sources=kept, spare=(*self.spare, *unused))


def find_studies(root: Path, modalities: Sequence[str] = BRAIN) -> list[Study]:
    """All studies under `root` that have an image of `modalities`, recursively, sorted by id.

    A study is the files of one case in a folder, or the DICOM series of one StudyInstanceUID. One that cannot be used
    (two files whose names spell one modality) is left out with a warning in the log.

    Raises:
        NotFoundError: `root` is no folder.
    """
    return [s for s in survey(root, modalities) if s.sources]


def survey(path: Path, modalities: Sequence[str] = BRAIN) -> list[Study]:
    """Like `find_studies`, with the studies of which nothing can be used, all their images unknown; `path` may also be
    one file.

    Raises:
        NotFoundError: `path` does not exist.
    """
    found = scan.under(path, modalities) if not path.is_file() else None
    if found is None:
        found = [scan.around(path, modalities)]
    studies = []
    for one in found:
        try:
            studies.append(_study(one, choose(one.id, one.candidates, modalities)))
        except InputError as error:
            logger.warning("left out: %s", error)
            unknown = tuple(LeftOut(c.source, str(error)) for c in one.candidates)
            studies.append(Study(one.id, {}, one.label, unknown))
    return studies


def study_of(
    image: Path,
    modalities: Sequence[str] = BRAIN,
    *,
    modality: str | None = None,
    named: Mapping[str, str] | None = None,
) -> Study:
    """The study that `image` belongs to: the images beside it of the same case or, in DICOM, of the same study.

    Args:
        image: any modality's file, any file of a DICOM series, or a folder with one study. Where several images
            are of its modality, it goes before them.
        modalities: those that images are recognised for.
        modality: what the image is, for a file that cannot be recognised; it is then a study of its own.
        named: modality -> file name, id or SeriesInstanceUID: what a request says itself, before all rules.

    Raises:
        NotFoundError: no such file, or a name that is not in the study.
        InputError: nothing tells the image's modality and none is given, or two files claim the same one.
    """
    found = scan.around(image, modalities)
    choice = choose(found.id, found.candidates, modalities, asked=image)
    if named:
        return _study(found, name_sources(choice, found.candidates, named, modalities))
    doubt = next((o for o in choice.unknown if o.source.holds(image)), None)
    no = next((o for o in choice.refused if o.source.holds(image)), None)
    left_out = doubt or no
    if modality is not None and left_out:
        series = left_out.source.series
        case = names.parse(image, modalities).case if series is None else found.id
        source = Source(image) if series is None else left_out.source
        return Study(case, {modality: replace(source, rule="named in the request")})
    if doubt or not choice.sources:
        raise InputError(_why_not(image, choice, left_out, modalities))
    return _study(found, choice)


def from_images(images: Mapping[str, Path], modalities: Sequence[str] = BRAIN) -> Study:
    """The study of exactly these images: modality -> file, or folder of one DICOM series.

    Raises:
        NotFoundError: no such file.
        InputError: a modality that is not among `modalities`, or a path that holds several images.
    """
    unknown = [m for m in images if m not in modalities]
    if unknown:
        raise InputError(f"images of {', '.join(unknown)} are given, expected some of {', '.join(modalities)}")
    sources = {m: _only_image(m, path, modalities) for m, path in images.items()}
    first = next(iter(images.values()))
    return Study(first.name if first.is_dir() else names.parse(first, modalities).case, sources)


def _only_image(modality: str, path: Path, modalities: Sequence[str]) -> Source:
    found = [c.source for c in scan.around(path, modalities).candidates]
    held = [s for s in found if path.is_dir() or s.holds(path)]
    if len(held) != 1:
        several = scan.listed([s.name for s in held], ", ")
        raise InputError(f"{path.name} holds {len(held)} images ({several}), expected the one that is {modality}")
    return replace(held[0], rule="named by the user")


def _why_not(image: Path, choice: Choice, asked: LeftOut | None, modalities: Sequence[str]) -> str:
    """Why there is nothing to segment: what is wrong with the asked image, or with those of the asked folder."""
    left_out = [asked] if asked else [*choice.unknown, *choice.refused, *choice.spare]
    first = left_out[: scan.MAX_LISTED]
    wrong = [_unreadable(o.source) for o in first]
    if len(left_out) == 1 and wrong[0]:
        return wrong[0]
    if len(left_out) == 1:
        what = f"{left_out[0].name} ({left_out[0].reason})"
    else:
        said = [sentence or f"{o.name}: {o.reason}" for o, sentence in zip(first, wrong, strict=True)]
        what = f"any image of {image.name} ({scan.listed([*said, *[''] * (len(left_out) - len(said))])})"
    return (
        f"cannot tell the modality of {what}: expected a name that ends in one of {', '.join(modalities)}, or a "
        "request whose parameter modalities names the one modality that it is"
    )


def _unreadable(source: Source) -> str:
    """What is wrong with an image's file; empty where it can be read."""
    try:
        if source.series is None and source.channel is None and read_stack_grid(source.path)[1] > 1:
            return ""  # the reason why it is left out says more
        if source.series is None:
            read_source(source)
        else:
            source_grid(source)  # voxels of a DICOMweb server may not be here yet
    except InputError as error:
        return str(error)
    return ""


def _study(found: Found, choice: Choice) -> Study:
    return Study(found.id, choice.sources, found.label, choice.unknown, choice.refused, choice.spare, found.note)


def image_of(study: Study, name: str) -> Source | None:
    """The image of a study that `read_with_target` calls by this name."""
    left_out = (o.source for o in (*study.spare, *study.unknown, *study.refused))
    return study.sources.get(name) or next((s for s in left_out if s.name == name), None)


def read_with_target(study: Study, asked: Path) -> tuple[dict[str, Volume], str]:
    """All images of a study, each on its own grid, and which of them is the asked one: its modality, or its name if it
    is none of the modalities (its volume is then there too). For a folder: the first modality.

    Raises:
        InputError: an image that cannot be read.
    """
    volumes = read_sources(study.sources)
    name = next((m for m, s in study.sources.items() if s.holds(asked)), None)
    if name is not None:
        return volumes, name
    left_out = (*study.spare, *study.unknown, *study.refused)
    source = next((o.source for o in left_out if o.source.holds(asked)), None)
    if source is None and asked.is_dir():
        return volumes, next(iter(volumes))
    source = source or Source(asked)
    return {**volumes, source.name: read_source(source)}, source.name
