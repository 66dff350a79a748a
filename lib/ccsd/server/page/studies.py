"""The page's list of studies: which images there are, what is found in each, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ccsd.common.errors import InputError
from ccsd.imaging.sources import LeftOut, Source
from ccsd.server.datastores.index import Image
from ccsd.server.datastores.store import StudyDatastore
from ccsd.studies.choice import TIED
from ccsd.studies.study import Study

PAGE = 25  # studies on one page of the list


def listing(datastore: StudyDatastore, *, search: str = "", page: int = 1) -> dict[str, Any]:
    """A page of the studies whose id, title or image names contain `search`, from the index alone: no image is opened.

    Raises:
        InputError: no such page.
    """
    studies = datastore.by_study()
    words = search.lower().split()
    found = [i for i in sorted(studies) if not words or _has(words, f"{i} {datastore.title(i)}", studies[i])]
    pages = max(1, -(-len(found) // PAGE))
    if not 1 <= page <= pages:
        raise InputError(f"page is {page}, expected 1 to {pages}")
    shown = found[(page - 1) * PAGE : page * PAGE]
    return {
        "total": len(studies),
        "found": len(found),
        "page": page,
        "pages": pages,
        "studies": [{**_line(i, studies[i]), "title": datastore.title(i)} for i in shown],
        "unrecognised": [
            {"id": s.id, "title": datastore.title(s.id), "images": _left([*s.unknown, *s.refused])}
            for s in datastore.unrecognised
        ],
    }


def _has(words: Iterable[str], study: str, images: Iterable[Image]) -> bool:
    """Whether each word is in the study's id and title, or in the ids and names of its images."""
    told = " ".join(f"{one.id} {one.name}" for one in images).lower()
    return all(w in study.lower() or w in told for w in words)


def _line(study: str, images: Sequence[Image]) -> dict[str, Any]:
    labelled = any(one.labelled for one in images)
    return {"id": study, "image": images[0].id, "images": len(images), "labelled": labelled}


def details(datastore: StudyDatastore, image_id: str, modalities: Sequence[str]) -> dict[str, Any]:
    """What is found in the study of an image: a badge a modality, the images that are not used, with the reasons, and
    `others`, those of them that can be looked at all the same.

    Raises:
        NotFoundError: no such image.
    """
    study = datastore.study(image_id)
    labelled = {one.id for images in datastore.by_study().values() for one in images if one.labelled}
    return {
        "id": study.id,
        "title": datastore.title(study.id),
        "badges": [badge(study, m) for m in modalities],
        "left_out": _left([*study.unknown, *study.spare, *study.refused]),
        "others": [
            {"image": image, "name": source.name, "labelled": image in labelled}
            for image, source in others(datastore, study).items()
        ],
        "reference": study.label.name if study.label else None,
    }


def badge(study: Study, modality: str) -> dict[str, str]:
    """`state`: `found`, `unsure` (chosen among equals, or an image that cannot be told could be it) or `missing`."""
    source = study.sources.get(modality)
    if source is not None:
        state = "unsure" if TIED in source.rule else "found"
        return {"modality": modality, "state": state, "name": source.name, "reason": source.rule}
    if study.unknown:
        doubts = "; ".join(f"{left.name}: {left.reason}" for left in study.unknown[:3])
        reason = f"none is recognised, but {len(study.unknown)} cannot be told: {doubts}"
        return {"modality": modality, "state": "unsure", "name": "", "reason": reason}
    return {"modality": modality, "state": "missing", "name": "", "reason": "no image of the study is recognised as it"}


def others(datastore: StudyDatastore, study: Study) -> dict[str, Source]:
    """Image id -> image of the study that is listed, and so may have a label, but not used."""
    left = [one.source for one in (*study.spare, *study.unknown, *study.refused)]
    return {image: source for source in left if (image := datastore.image_id(source))}


def source_of(study: Study, modality: str) -> Source:
    """Raises InputError: the study has no image of the modality."""
    if modality not in study.sources:
        known = ", ".join(study.sources) or "none"
        raise InputError(f"modality is {modality!r}, expected one of study {study.id}: {known}")
    return study.sources[modality]


def _left(images: Iterable[LeftOut]) -> list[dict[str, str]]:
    return [{"name": left.name, "reason": left.reason} for left in images]
