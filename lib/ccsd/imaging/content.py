"""What a file holds, by its first bytes: names are often wrong (unpacked on the way, packed twice, renamed)."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import BinaryIO, cast

from ccsd.common.errors import InputError, first_line


class Kind(Enum):
    """The formats that images are read from."""

    NIFTI1 = "NIfTI-1"
    NIFTI2 = "NIfTI-2"
    PAIR1 = "NIfTI-1 in two files"
    PAIR2 = "NIfTI-2 in two files"
    ANALYZE = "Analyze 7.5"
    MGH = "MGH"
    NRRD = "NRRD"
    META = "MetaImage"


EXPECTED = "a NIfTI, NRRD, MetaImage, MGH or Analyze image"
MAX_LAYERS = 3  # of gzip around one another
MAX_TRAILING = 2**26  # bytes after the voxels that a packed file may have
PIECE = 2**20  # bytes that are unpacked at a time
GZIP = b"\x1f\x8b"
UNPACKING_FAILURES = (OSError, EOFError, zlib.error)

_HEAD = 1024
_BY_NAME = {".nii.gz": (Kind.NIFTI1,), ".nii": (Kind.NIFTI1,), ".nrrd": (Kind.NRRD,), ".mha": (Kind.META,)}
_ANALYZE_SIZES = (b"\x5c\x01\0\0", b"\0\0\x01\x5c")  # 348 in either byte order
_MGH_TYPES = {0, 1, 3, 4, 10}
_SIGNATURES = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"\x89HDF", "an HDF5 file, such as MINC 2"),
    (b"CDF\x01", "a netCDF file, such as MINC 1"),
    (b"\x93NUMPY", "a NumPy array, which has no place in space"),
    (b"version https://git-lfs", "a Git LFS pointer in the place of the image"),
    (b"/annex/objects", "a git-annex pointer in the place of the image"),
    (b"<", "a web page or XML"),
    (b"{", "JSON"),
)


def kind_of(path: Path) -> Kind:
    """The format of an image file.

    Raises:
        InputError: it is none, with what it is instead.
    """
    head = head_of(path)
    kind = _kind(head)
    if kind is None:
        raise InputError(f"{path.name} holds {_described(head)}, expected {EXPECTED}")
    return kind


def is_as_named(path: Path) -> bool:
    """Whether programs that go by the name read the file: of the format that its name says, in one file, and packed
    once where its name ends in .gz and never elsewhere. ITK knows no NIfTI-2."""
    name = path.name.lower()
    kinds = next((kinds for extension, kinds in _BY_NAME.items() if name.endswith(extension)), ())
    try:
        with path.open("rb") as stream:
            layers = int(stream.read(2) == GZIP)
            stream.seek(0)
            if layers and gzip.GzipFile(fileobj=stream, mode="rb").read(2) == GZIP:
                return False
        return kind_of(path) in kinds and layers == int(name.endswith(".gz"))
    except (InputError, *UNPACKING_FAILURES):
        return False


def kind_in_words(path: Path) -> str:
    """What a file holds, as a clause for the user: `notes.txt holds text`."""
    try:
        head = head_of(path)
    except InputError as error:
        return str(error)
    kind = _kind(head)
    return f"{path.name} holds {kind.value if kind else _described(head)}"


def head_of(path: Path) -> bytes:
    """The first bytes of a file, or of what is packed in it. Raises InputError: it cannot be unpacked."""
    try:
        with unpacked(path) as stream:
            return stream.read(_HEAD)
    except UNPACKING_FAILURES as error:
        raise InputError(f"{path.name} is damaged: it cannot be read ({first_line(error, path)})") from error


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """The content of a file without gzip around it, however often it was packed."""
    with path.open("rb") as stream:
        inner = cast(BinaryIO, stream)
        for _ in range(MAX_LAYERS):
            if inner.read(2) != GZIP:
                break
            inner.seek(0)
            inner = cast(BinaryIO, gzip.GzipFile(fileobj=inner, mode="rb"))
        inner.seek(0)
        yield inner


def read_declared(path: Path, declared: int) -> io.BytesIO:
    """The first `declared` bytes of an unpacked file. A packed one is read to its end, where its checksum is.

    Raises:
        OSError: there are fewer, or far more, or they do not match the checksum.
    """
    content = io.BytesIO()
    with unpacked(path) as stream:
        while more := stream.read(min(PIECE, declared - content.tell())):
            content.write(more)
        if content.tell() < declared:
            raise OSError(f"{content.tell()} bytes, the header declares {declared}")
        _read_to_end(stream, declared)
    content.seek(0)
    return content


def read_all(stream: BinaryIO, limit: int) -> io.BytesIO:
    """A stream to its end, of no more than `limit` bytes. Raises OSError: there are more."""
    content = io.BytesIO()
    while more := stream.read(PIECE):
        content.write(more)
        if content.tell() > limit:
            raise OSError(f"more than {limit} bytes")
    content.seek(0)
    return content


def _read_to_end(stream: BinaryIO, declared: int) -> None:
    rest = 0
    while isinstance(stream, gzip.GzipFile) and (more := stream.read(PIECE)):
        rest += len(more)
        if rest > MAX_TRAILING:
            raise OSError(f"more than {declared} bytes, which the header declares")


def beside(path: Path, stem: str, extensions: Iterable[str]) -> Path:
    """The file that holds the voxels of the header `path`.

    Raises:
        InputError: it is not there.
    """
    names = [f"{stem}{e}" for e in extensions]
    there = {p.name.lower(): p for p in path.parent.iterdir()}
    found = next((there[n.lower()] for n in names if n.lower() in there), None)
    if found is None:
        raise InputError(f"{path.name} is a header without its voxels, expected {names[0]} beside it")
    return found


def named_beside(path: Path, name: str) -> Path:
    """The file beside `path` that its header names.

    Raises:
        InputError: the name leads elsewhere, or the file is not there.
    """
    if os.path.basename(name) != name or "\\" in name or not name.strip(". ") or "%" in name:
        raise InputError(f"{path.name} keeps its voxels in another file, {name!r}, expected one file beside it")
    return beside(path, name, [""])


def _kind(head: bytes) -> Kind | None:
    by_magic = {b"n+1": Kind.NIFTI1, b"ni1": Kind.PAIR1}.get(head[344:347])
    by_magic = by_magic or {b"n+2": Kind.NIFTI2, b"ni2": Kind.PAIR2}.get(head[4:7])
    if by_magic:
        return by_magic
    if head[:4] in _ANALYZE_SIZES and len(head) >= 348:
        return Kind.ANALYZE
    if head.startswith(b"NRRD"):
        return Kind.NRRD
    if _is_meta(head):
        return Kind.META
    is_mgh = head[:4] == b"\0\0\0\x01" and len(head) >= 284 and int.from_bytes(head[20:24], "big") in _MGH_TYPES
    return Kind.MGH if is_mgh else None


def _is_meta(head: bytes) -> bool:
    first = head.split(b"=", 1)[0].strip()
    return first.isalpha() and b"=" in head and any(word in head for word in (b"NDims", b"ObjectType", b"DimSize"))


def _described(head: bytes) -> str:
    """What a file that is no image is, for the user."""
    if not head:
        return "nothing (0 bytes)"
    if head[128:132] == b"DICM":
        return "DICOM"
    if head[257:262] == b"ustar":
        return "a tar archive"
    known = next((what for signature, what in _SIGNATURES if head.startswith(signature)), None)
    if known:
        return known
    if not head.strip(b"\0"):
        return "zeros alone"
    printable = all(byte in b"\t\n\r\f" or byte >= 32 for byte in head)
    return "text" if printable else "data of an unknown format"
