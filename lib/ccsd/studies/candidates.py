"""Files and DICOM series -> candidates: each image with what is known of it, before its study is looked at."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ccsd.common.errors import InputError
from ccsd.imaging import filenames
from ccsd.imaging.dicom import Series, Slice, Unusable
from ccsd.imaging.dicom_volume import layout_of
from ccsd.imaging.grid import Grid
from ccsd.imaging.sources import Source
from ccsd.imaging.tags import Tags
from ccsd.imaging.volumes import read_stack_grid
from ccsd.studies import names
from ccsd.studies.evidence import BRAIN, Evidence, combine, of_modality
from ccsd.studies.names import ImageName
from ccsd.studies.sidecar import read_sidecar
from ccsd.studies.tags import check_name, evidence_from_tags
from ccsd.studies.words import evidence_from_words, protocol_part

MIN_SLICES = 5  # along every axis; fewer is a localiser, a slab or a picture
NOTHING_SAID = "neither its name nor what is known of it says which modality it is"


@dataclass(frozen=True)
class Candidate:
    """An image of a study, not yet chosen.

    Attributes:
        strict: its name spells the modality.
        variant: what of a strict name lets a modality have several files (BIDS entities).
        named: what a strict name alone says.
        protocol: equal for images of one protocol.
        grid: where its voxels are (None: its header was not needed).
    """

    source: Source
    evidence: Evidence
    strict: bool = False
    variant: str = ""
    named: Evidence | None = None
    protocol: str = ""
    tags: Tags | None = None
    grid: Grid | None = None

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def acquired(self) -> float | None:
        """Seconds of one clock for all images of a study, where it is known."""
        return self.tags.acquired if self.tags else None


def knows_brains(modalities: Sequence[str]) -> bool:
    """Whether tags and free-form words may be read: their rules know the modalities of brain tumours and no others."""
    return set(modalities) <= set(BRAIN)


def of_file(path: Path, name: ImageName, modalities: Sequence[str], *, channels: Sequence[str] = ()) -> list[Candidate]:
    """The candidates in an image file: one, or one a channel of a 4D file.

    Args:
        name: the file's name taken apart; one that is not recognised is read as free-form words.
        channels: the order of a 4D file's channels, where it is known.
    """
    tags = _sidecar(path) if knows_brains(modalities) else None
    if name.refused or name.doubt:
        return [Candidate(Source(path), Evidence(refused=name.refused, unsure=name.doubt), strict=True)]
    if name.modality:
        named = of_modality(name.modality, name.rule)
        evidence = check_name(tags, named) if tags else named
        return [Candidate(Source(path), evidence, True, name.entities, named, tags=tags)]
    try:
        grid, count = read_stack_grid(path)
    except InputError as error:
        return [Candidate(Source(path), Evidence(refused=clause(error, path.name)))]
    if name.stack or (count > 1 and count == len(channels)):
        return _channels(path, name, name.stack or tuple(channels), grid, count)
    if count > 1:
        return [Candidate(Source(path), _unordered(count, modalities))]
    if min(grid.shape) < MIN_SLICES:
        return [Candidate(Source(path), Evidence(refused=f"only {min(grid.shape)} slices"), grid=grid)]
    stem = name.case
    told = [evidence_from_tags(tags)] if tags else []
    evidence = (
        combine([*told, evidence_from_words(stem)]) if knows_brains(modalities) else Evidence(unsure=NOTHING_SAID)
    )
    return [Candidate(Source(path), evidence, protocol=protocol_part(stem), tags=tags, grid=grid)]


def of_series(series: Series, modalities: Sequence[str]) -> Candidate:
    """The candidate that a DICOM series is."""
    source = _source(series, series.slices)
    tags = series.tags
    evidence = evidence_from_tags(tags) if knows_brains(modalities) else _exact(tags, modalities)
    try:
        layout = layout_of(series.slices, source.name)
    except InputError as error:
        return Candidate(
            source, evidence if evidence.refused else Evidence(refused=clause(error, source.name)), tags=tags
        )
    source, grid = _source(series, layout.slices, layout.notes), layout.grid
    if min(grid.shape) < MIN_SLICES and not evidence.refused:
        evidence = Evidence(refused=f"only {min(grid.shape)} slices")
    protocol = f"{protocol_part(tags.description or tags.protocol)} {tags.acquisition} {tags.echo_time or 0:.0f}"
    return Candidate(source, evidence, protocol=protocol, tags=tags, grid=grid)


def _source(series: Series, slices: Sequence[Slice], notes: Sequence[str] = ()) -> Source:
    told = (*(f"{series.title}: {note}" for note in series.notes), *notes)
    paths, frames = tuple(s.path for s in slices), tuple(s.frame for s in slices)
    return Source(
        paths[0],
        series=paths,
        frames=frames,
        uid=series.uid,
        title=series.title,
        patient=slices[0].patient,
        also=series.also,
        notes=told,
    )


def of_unusable(file: Unusable) -> Candidate:
    """The candidate that a file is of which no image can be made."""
    source = Source(file.path, series=(file.path,), title=file.path.name)
    return Candidate(source, Evidence(refused=file.reason.removeprefix(file.path.name).strip()))


def clause(error: InputError, name: str) -> str:
    """An error's sentence without the name that it begins with."""
    return str(error).removeprefix(name).strip()


def folder_channels(folder: Path) -> tuple[str, ...]:
    """The order of channels by the `dataset.json` of the Decathlon and nnU-Net, in the folder or the one above."""
    for place in (folder, folder.parent):
        file = place / "dataset.json"
        try:
            content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        except (OSError, ValueError):
            continue
        named = content.get("channel_names") or content.get("modality") if isinstance(content, dict) else None
        if isinstance(named, dict) and all(str(i) in named for i in range(len(named))):
            return tuple(_spelled(str(named[str(i)])) for i in range(len(named)))
    return ()


def _spelled(text: str) -> str:
    """A channel's name -> modality, as far as it is one: T1w -> t1, t1gd -> t1ce."""
    known = names.SPELLINGS.get(text.lower().replace("-", "").replace("_", ""))
    return known or evidence_from_words(text).modality or text.lower()


def _channels(path: Path, name: ImageName, stack: Sequence[str], grid: Grid, count: int) -> list[Candidate]:
    if count != len(stack):
        found = f"has {count} channel{'s' * (count > 1)}, expected {len(stack)}: {', '.join(stack)}"
        return [Candidate(Source(path), Evidence(refused=found), grid=grid)]
    rule = f"{name.rule or 'the order that is given'}: {', '.join(stack)}"
    return [
        Candidate(Source(path, channel=i), of_modality(m, f"channel {i} of {rule}"), True, grid=grid)
        for i, m in enumerate(stack)
    ]


def _unordered(count: int, modalities: Sequence[str]) -> Evidence:
    if count == len(modalities):
        return Evidence(unsure=f"4D with {count} channels whose order is not known, and there is no dataset.json")
    return Evidence(refused=f"4D with {count} volumes, no single image")


def _exact(tags: Tags, modalities: Sequence[str]) -> Evidence:
    """For tasks that are not of the brain: a description that is one of the modalities, as it is written."""
    for text in (tags.description, tags.protocol):
        for modality in modalities:
            if text.strip().lower() == modality.lower():
                return Evidence(modality, because=f"described as {text.strip()}")
    return Evidence(unsure=NOTHING_SAID)


def _sidecar(path: Path) -> Tags | None:
    file = f"{filenames.strip_extension(os.fspath(path))}.json"
    return read_sidecar(Path(file)) if os.path.isfile(file) else None
