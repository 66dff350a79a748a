"""What labelled studies are, as hashes of their contents."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from ccsd.models.digest import digest_of_files, image_name
from ccsd.studies.study import Study


def digest_of(study: Study, label: Path, *, extra: str = "") -> str:
    """The same as long as label and images are; `extra`: what else matters."""
    images = {}
    for modality, source in study.sources.items():
        frames = source.frames if source.frames and any(source.frames) else None
        images[image_name(modality, source.channel, frames)] = dict.fromkeys(source.series or (source.path,))
    return digest_of_files(images, label, extra=extra)


def digests_of(studies: Iterable[Study]) -> dict[str, str]:
    """By study; those without a label have none."""
    labelled = [(study, study.label) for study in studies if study.label is not None]
    bar = tqdm(labelled, desc="hashing", unit="study", disable=None)
    return {study.id: digest_of(study, label) for study, label in bar}
