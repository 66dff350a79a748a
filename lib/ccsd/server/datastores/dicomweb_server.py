"""Questions to a DICOMweb server (PS3.18), and what may be believed of its answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, TypeVar

from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from ccsd.common.errors import ServerAwayError, first_line
from ccsd.imaging.dicom import KEYWORDS
from ccsd.imaging.patient import Patient

T = TypeVar("T")
UID = re.compile(r"[0-9.]{1,64}")


class DICOMwebServer:
    """Every call raises ServerAwayError where the server does not answer, or not with what it should."""

    def __init__(self, client: DICOMwebClient) -> None:
        self._client = client

    @property
    def url(self) -> str:
        return str(self._client.base_url)

    def series(self, search: Mapping[str, Any]) -> dict[str, str]:
        """Series -> study, of all that have these attributes (QIDO-RS)."""
        found = self._ask(self._client.search_for_series, search_filters=dict(search))
        return {_uid(series, "0020000E"): _uid(series, "0020000D") for series in found}

    def series_of(self, study: str, search: Mapping[str, Any]) -> dict[str, int | None]:
        """Series of a study -> how many instances it has (NumberOfSeriesRelatedInstances), None where that is not
        said."""
        found = self._ask(self._client.search_for_series, study, search_filters=dict(search))
        return {_uid(series, "0020000E"): series.get("00201209", {}).get("Value", [None])[0] for series in found}

    def patients(self) -> dict[str, Patient]:
        """Study -> whose it is."""
        found = self._ask(self._client.search_for_studies, fields=["StudyDescription"])
        return {_uid(study, "0020000D"): _patient(study) for study in found}

    def headers(self, study: str, series: str) -> list[Dataset]:
        """Of all instances of a series, what recognising needs."""
        answer = self._ask(self._client.retrieve_series_metadata, study, series)
        return [self._ask(_header_of, found) for found in answer]

    def instances(self, study: str, series: str) -> list[Dataset]:
        """A series with its voxels."""
        return self._ask(self._client.retrieve_series, study, series)

    def store(self, instance: Dataset) -> None:
        self._ask(self._client.store_instances, [instance])

    def _ask(self, call: Callable[..., T], *args: Any, **filters: Any) -> T:
        try:
            return call(*args, **filters)
        except Exception as error:  # the client and pydicom raise whatever the bytes provoke
            raise ServerAwayError(f"the DICOMweb server {self.url} failed ({first_line(error)})") from error


def check_whole(instances: Sequence[Dataset], series: str, expected: Set[str]) -> None:
    """An answer that was cut off between or within the instances of a series is not kept.

    Raises:
        ServerAwayError: it has not all instances that are expected, by SOPInstanceUID, or too few voxels of one.
    """
    came = {str(one.get("SOPInstanceUID", "")) for one in instances}
    missing = expected - came
    short = [one for one in instances if not _has_all_voxels(one)]
    if missing or short or not instances:
        raise ServerAwayError(
            f"the DICOMweb server sent {len(came)} instances of series {series}, {len(missing)} are missing and "
            f"{len(short)} are cut off, expected all of them whole"
        )


def _has_all_voxels(instance: Dataset) -> bool:
    """Whether uncompressed PixelData are as long as their header says (PS3.5 8.1.1); compressed ones are taken on
    trust."""
    if "PixelData" not in instance or instance.file_meta.TransferSyntaxUID.is_compressed:
        return True
    voxels = int(instance.Rows) * int(instance.Columns) * int(instance.get("SamplesPerPixel") or 1)
    bits = voxels * int(instance.get("NumberOfFrames") or 1) * int(instance.BitsAllocated)
    return len(instance.PixelData) * 8 >= bits


def _header_of(instance: Mapping[str, Any]) -> Dataset:
    """What recognising needs of an instance in DICOM JSON (PS3.18 F), as a file without voxels; values that would have
    to be fetched one by one are left out."""
    full = Dataset.from_json({tag: value for tag, value in instance.items() if "BulkDataURI" not in value})
    header = Dataset()
    for keyword in KEYWORDS:
        if keyword in full:
            header[keyword] = full[keyword]
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = full.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.is_little_endian, header.is_implicit_VR = True, False
    return header


def _uid(answer: Mapping[str, Any], tag: str) -> str:
    try:
        return checked(str(answer[tag]["Value"][0]))
    except (KeyError, IndexError, TypeError):
        raise ServerAwayError(f"the DICOMweb server lists something without the UID {tag}, expected one") from None


def _patient(study: Mapping[str, Any]) -> Patient:
    def value(tag: str) -> str:
        values = study.get(tag, {}).get("Value") or [""]
        return str(values[0] or "").strip()

    return Patient(number=value("00100020"), day=value("00080020"), study=value("00081030"))


def checked(uid: str) -> str:
    """UIDs become names of files and folders here.

    Raises:
        ServerAwayError: it is no UID (PS3.5 9.1).
    """
    if not UID.fullmatch(uid) or set(uid) <= {"."}:
        raise ServerAwayError(f"the DICOMweb server names {uid!r}, expected a UID of digits and points")
    return uid
