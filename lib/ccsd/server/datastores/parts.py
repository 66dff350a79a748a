"""What a datastore is made of: where studies come from, and where labels are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ccsd.imaging.grid import Grid, Volume
from ccsd.imaging.patient import Patient
from ccsd.imaging.sources import Source
from ccsd.server.datastores.index import Entries, Image
from ccsd.studies.study import Study


class Found(NamedTuple):
    """An image that is there: its file's path below the folder of the index, its study, its series in DICOM."""

    file: str
    study: str
    series: str = ""


@dataclass(frozen=True)
class Listing:
    """What there is now.

    Attributes:
        patients: study -> whose it is, of studies in DICOM; in memory alone, the index on disk has no names.
        unrecognised: studies of which no image can be used.
        segmentations: series -> study, of the DICOM SEG objects that lie beside the images.
    """

    images: Sequence[Found] = ()
    patients: Mapping[str, Patient] = field(default_factory=dict)
    unrecognised: Sequence[Study] = ()
    segmentations: Mapping[str, str] = field(default_factory=dict)


class Studies(Protocol):
    """Where studies come from. What reads an image raises InputError, also where a server does not answer."""

    @property
    def name(self) -> str:
        """For people: a folder or an address."""

    @property
    def listed_for(self) -> float:
        """Seconds for which a listing is taken as current."""

    def look(self) -> Listing:
        """What there is now."""

    def changed(self, file: str) -> int | None:
        """When the image was changed, in s since 1970; None: it has gone since it was found."""

    def is_gone(self, image: Image) -> bool:
        """Whether an image of the index is to be forgotten, with what is known of it."""

    def headers(self, image: Image) -> Path:
        """A file of the image, beside those of its study; voxels may be missing."""

    def file(self, image: Image, *, named: Mapping[str, str] | None = None, modality: str | None = None) -> Path:
        """As `headers`, with the voxels of all that a segmentation needs. `named`: modality -> image, and `modality`,
        what the image is, where a request says it."""

    def own_file(self, image: Image) -> Path | None:
        """The file of the image alone; None for a DICOM series."""

    def grid(self, image: Image) -> Grid:
        """Where the image's voxels are, from its header."""

    def read(self, source: Source) -> Volume:
        """The voxels of an image of a study."""

    def download(self, image: Image) -> Path:
        """The image as one file that programs read by its name, made on the first call."""

    def describe(self, image: Image) -> dict[str, Any]:
        """What a client is told of the image beside what the index says."""

    def image_to_draw_on(self, image: Image) -> str:
        """The id of an image of the same study that is segmented from: its own, if it is one."""

    def place_for(self, image_id: str, sent: Path) -> Path:
        """The name of a file for an image that a client sent. Raises InputError: images are not added here."""


class Labels(Protocol):
    """Where labels are kept: a label map of an image for each tag, and what is known of it in the index."""

    def file(self, image_id: str, tag: str) -> str:
        """The label drawn on exactly this image; empty if there is none."""

    def keep(
        self, image_id: str, tag: str, values: NDArray[np.uint8], grid: Grid, info: Mapping[str, Any], like: Path | None
    ) -> None:
        """Replace a label and what is known of it, both or neither. `like`: the image's file, for its header."""

    def remove(self, image_id: str, tag: str) -> None:
        """Raises NotFoundError: there is no such label."""

    def compare(self, entries: Entries) -> int:
        """What the entries say made the same as what is there; returns how many labels changed."""

    def take(self, segmentations: Mapping[str, str]) -> None:
        """Read the segmentations (series -> study) that are new, if labels are kept in such, too."""


def source_of_series(study: Study, uid: str) -> Source | None:
    """The volume of a series that is used, else its first; None where the study has no such series."""
    left_out = (o.source for o in (*study.spare, *study.unknown, *study.refused))
    return next((s for s in (*study.sources.values(), *left_out) if s.uid == uid), None)
