"""A label map on the grid of a DICOM series -> a SEG object (PS3.3 A.51), written by highdicom."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import highdicom as hd
import numpy as np
import pydicom
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid
from skimage.color import rgb2lab

from ccsd.common.errors import InputError
from ccsd.imaging.dicom_volume import Layout, layout_of, slices_of
from ccsd.imaging.seg_codes import ABNORMAL, Meaning, meanings
from ccsd.method.task import Task

MANUFACTURER = "CCSD for MONAI Label"
SERIAL_NUMBER = "0"
SERIES_NUMBER = 9000  # behind the scanner's own
# Type 2 attributes (PS3.3 C.7.1.1, C.7.2.1): anonymised files often lack them, a SEG may not.
PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
STUDY = ("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName")
LEARNED = Code("123110", "DCM", "Artificial Intelligence")  # PS3.16 CID 7162


@dataclass(frozen=True)
class Author:
    """Who made a label map.

    Attributes:
        algorithm: MANUAL is what users drew or corrected; AUTOMATIC what a model made (PS3.3 C.8.20.2.1).
        version: of the model, or of the app.
        description: of the series, for lists in viewers.
        settings: of the algorithm, kept as its parameters (PS3.3 10.16).
    """

    algorithm: Literal["AUTOMATIC", "MANUAL"]
    version: str
    description: str
    settings: Mapping[str, str] = field(default_factory=dict)


def make_seg(
    mask: NDArray[np.uint8],
    files: Sequence[Path],
    task: Task,
    author: Author,
    *,
    frames: Sequence[int | None] | None = None,
) -> Dataset:
    """A binary SEG whose segment numbers are the task's label values, all of them, also where one is empty.

    Args:
        mask: (D, H, W) on the grid that `ccsd.imaging.dicom_volume.read_series` gives for `files`.
        files: of one DICOM series, in any order, with their whole headers; frames: which frame of each, of a
            multi-frame image.

    Raises:
        InputError: a file without FrameOfReferenceUID, to which a segmentation must refer.
    """
    sources, planes, places = on_series(mask, files, frames)
    segments = [_segment(number, name, task, author) for name, number in sorted(task.labels.items(), key=_by_value)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Encoding pixel_array .* empty frames")  # an empty mask
        seg = hd.seg.Segmentation(
            source_images=sources,
            pixel_array=planes,
            **places,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=segments,
            content_label="SEGMENTATION",
            **new_series(author, SERIES_NUMBER),
        )
    for segment, meaning in zip(seg.SegmentSequence, meanings(task).values(), strict=True):
        _add_what_highdicom_does_not_take(segment, meaning)
    return seg


def new_series(author: Author, number: int) -> dict[str, Any]:
    """What highdicom asks for of a series with one object that this app makes."""
    return {
        "series_instance_uid": generate_uid(),
        "series_number": number,
        "sop_instance_uid": generate_uid(),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": "CCSD",
        "software_versions": author.version,
        "device_serial_number": SERIAL_NUMBER,
        "content_description": author.description[:64],
        "series_description": author.description[:64],
    }


def on_series(
    data: NDArray[Any], files: Sequence[Path], frames: Sequence[int | None] | None = None
) -> tuple[list[Dataset], NDArray[Any], dict[str, Any]]:
    """What highdicom asks for to write `data` on a series: its headers, (slices, rows, columns), and where the planes
    are if the headers do not say. Arguments and errors as `make_seg`."""
    layout = layout_of(slices_of(files, frames), "the series")
    sources = [_source(path) for path in dict.fromkeys(piece.path for piece in layout.slices)]
    places = _places(layout)
    if places:
        _share(sources, places)
    return sources, layout.on_slices(data), places


def _places(layout: Layout) -> dict[str, Any]:
    """Where the planes are, if that is not where the source's images are, one by one: frames of a multi-frame image."""
    first = layout.slices[0]
    if first.frame is None:
        return {}
    patient = hd.CoordinateSystemNames.PATIENT
    step = float(layout.grid.spacing[2])
    return {
        "plane_positions": [hd.PlanePositionSequence(patient, piece.position) for piece in layout.slices],
        "plane_orientation": hd.PlaneOrientationSequence(patient, first.orientation),
        "pixel_measures": hd.PixelMeasuresSequence(first.spacing, step, step),
    }


def _share(sources: Sequence[Dataset], places: Mapping[str, Any]) -> None:
    """Orientation and spacing once for all frames, where highdicom looks for them; some scanners write them in each."""
    for source in sources:
        shared = (source.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
        shared.PlaneOrientationSequence = places["plane_orientation"]
        shared.PixelMeasuresSequence = places["pixel_measures"]
        source.SharedFunctionalGroupsSequence = Items([shared])


def _by_value(item: tuple[str, int]) -> int:
    return item[1]


def _source(path: Path) -> Dataset:
    source = pydicom.dcmread(path, stop_before_pixels=True)
    if not source.get("FrameOfReferenceUID"):
        raise InputError(f"{path.name} has no FrameOfReferenceUID (0020,0052), which a DICOM segmentation refers to")
    for keyword in (*PATIENT, *STUDY):
        if keyword not in source:
            setattr(source, keyword, None)
    return source


def _segment(number: int, name: str, task: Task, author: Author) -> hd.seg.SegmentDescription:
    meaning = meanings(task)[number]
    automatic = author.algorithm == "AUTOMATIC"
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=ABNORMAL,
        segmented_property_type=meaning.type,
        algorithm_type=author.algorithm,
        algorithm_identification=_algorithm(author) if automatic else None,
        tracking_uid=generate_uid(),
        tracking_id=f"{name} ({task.name})",
        anatomic_regions=[meaning.region] if meaning.region else None,
    )


def _algorithm(author: Author) -> hd.AlgorithmIdentificationSequence:
    return hd.AlgorithmIdentificationSequence(
        name="CCSD", version=author.version, family=LEARNED, parameters=dict(author.settings) or None
    )


def _add_what_highdicom_does_not_take(segment: Dataset, meaning: Meaning) -> None:
    """The display colour (PS3.3 C.10.7.1.1) and the modifier of the type."""
    lightness, a, b = rgb2lab(np.array(meaning.colour) / 255)
    segment.RecommendedDisplayCIELabValue = list(CIELabColor(lightness, a, b).value)
    if meaning.modifier:
        segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = Items(
            [hd.sr.CodedConcept(*meaning.modifier[:3])]
        )
