"""Strict file names: those of all BraTS years and their relatives, of the Medical Segmentation Decathlon and of BIDS.

A strict name ends in the modality, and what is in front of it names the case. Everything else is `words`' matter.
Sources: the data pages of BraTS 2012 to 2024; UPENN-GBM, UCSF-PDGM and LUMIERE (CT1) for their own endings; MSD Task01
(dataset.json: 0 FLAIR, 1 T1w, 2 t1gd, 3 T2w); nnU-Net (`case_0000`); the BIDS specification 1.9, anatomy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ccsd.imaging.filenames import strip_extension
from ccsd.studies.evidence import BRAIN as BRAIN
from ccsd.studies.identity import identity_of
from ccsd.studies.words import contrast_in

# Spelling in a file name (lower case) -> modality. 2012-2021: t1 t1ce t2 flair; TCGA collections: t1Gd;
# 2023 on: t1n t1c t2w t2f; AURORA and others: fla, t1w, t1post.
SPELLINGS = {
    "t1": "t1",
    "t1n": "t1",
    "t1w": "t1",
    "t1wi": "t1",
    "t1pre": "t1",
    "t1flair": "t1",
    "t1ce": "t1ce",
    "t1c": "t1ce",
    "ct1": "t1ce",
    "t1gd": "t1ce",
    "t1gad": "t1ce",
    "t1km": "t1ce",
    "t1post": "t1ce",
    "t1wce": "t1ce",
    "t1cew": "t1ce",
    "t1wc": "t1ce",
    "t2": "t2",
    "t2w": "t2",
    "t2wi": "t2",
    "flair": "flair",
    "fla": "flair",
    "t2f": "flair",
    "t2flair": "flair",
}
SPLIT = {"t1flair", "t2flair", "t1ce", "t1gd", "t1gad", "t1km", "t1c", "t1post", "t1pre"}  # also written `t1_ce`
LABEL_SPELLINGS = (
    "seg",
    "label",
    "glistrboost",
    "silver",
    "dseg",
    "segm",
    "wt",
    "tc",
    "et",
)  # the last: a region alone
LABEL_PHRASES = ("glistrboost_manuallycorrected", "tumor_segmentation", "tumour_segmentation", "approx_segm")
MSD_ORDER = ("flair", "t1", "t1ce", "t2")  # channels of the Decathlon's brain tumour task

_SUFFIX = re.compile(r"^(?P<case>.+?)[-_. ](?P<kind>[A-Za-z0-9]+)$")
_TWO = re.compile(r"^(?P<case>.+?[-_. ])??(?P<first>[A-Za-z0-9]+)(?P<gap>[-_. ])(?P<second>[A-Za-z]+)$")
_CHANNEL = re.compile(r"^(?P<case>.+)_000(?P<channel>\d)$")
_MSD = re.compile(r"^brats_\d{3}$", re.IGNORECASE)
_BIDS = re.compile(
    r"^(?P<case>sub-[A-Za-z0-9]+(?:_ses-[A-Za-z0-9]+)?)(?P<entities>(?:_[a-z]+-[A-Za-z0-9]+)*)_(?P<suffix>\w+)$"
)
_BIDS_MODALITY = {"T1w": "t1", "T2w": "t2", "FLAIR": "flair"}
_BIDS_OTHER = {
    "dwi": "diffusion", "sbref": "a reference image", "bold": "functional", "asl": "perfusion", "m0scan": "perfusion",
    "epi": "a field map", "T2star": "T2*-weighted", "T2starw": "T2*-weighted", "PDw": "proton density",
    "PD": "proton density", "PDT2": "proton density and T2 in one", "T1map": "a map", "T2map": "a map",
    "T1rho": "a map", "R2starmap": "a map", "Chimap": "a map", "MTsat": "a map", "MTw": "magnetisation transfer",
    "inplaneT1": "a slab beside functional images", "inplaneT2": "a slab beside functional images",
    "angio": "angiography", "SWImagandphase": "susceptibility", "swi": "susceptibility", "UNIT1": "an MP2RAGE part",
    "MP2RAGE": "an MP2RAGE part", "MEGRE": "several echoes", "MESE": "several echoes", "defacemask": "a mask",
    "mask": "a mask", "probseg": "a tissue map", "phase": "a phase image", "phasediff": "a field map",
    "magnitude1": "a field map", "magnitude2": "a field map", "fieldmap": "a field map", "svs": "spectroscopy",
    "mrsi": "spectroscopy",
}  # fmt: skip


@dataclass(frozen=True)
class ImageName:
    """A file name taken apart: `case`, and either a `modality` or `is_label` (neither: not recognised).

    Attributes:
        channel: the number that nnU-Net and the MSD write instead of a modality (`case_0000` is 0); `modality` then
            follows from an order of channels that the name does not tell.
        stack: the modalities of a 4D file's channels.
        refused: why the name says that this is something else (BIDS suffixes).
        doubt: why the name, although of a strict form, does not tell.
        entities: BIDS entities beyond subject and session (`_run-2`): several such files may be of one modality.
        rule: what of the name was understood, for the user.
    """

    case: str
    modality: str | None
    is_label: bool
    channel: int | None = None
    stack: tuple[str, ...] = ()
    refused: str | None = None
    doubt: str | None = None
    entities: str = ""
    rule: str = field(default="", compare=False)

    @property
    def recognised(self) -> bool:
        return self.modality is not None or self.is_label or bool(self.stack or self.refused or self.doubt)

    @property
    def bare(self) -> bool:
        """Whether nothing in a strict name says whose image it is: `T1`, `brain_T1`."""
        if self.stack or self.channel is not None or not self.recognised:
            return False
        read = identity_of(self.case)
        return not read.words and not read.numbers and (not read.frame or is_spelling(self.case))


def is_spelling(text: str) -> bool:
    """Whether a text is a modality or a label as strict names end in it."""
    known = _spellings(BRAIN)
    return _ending(text, known) is not None and _ending(text, known).case == text  # type: ignore[union-attr]


def parse(path: Path | str, modalities: Sequence[str] = BRAIN, channels: Sequence[str] = ()) -> ImageName:
    """Take a file name apart. Example: `BraTS-GLI-00001-000-t1c.nii.gz` -> case BraTS-GLI-00001-000, t1ce.

    Args:
        modalities: those that a name may end in, each as it is written or in one of SPELLINGS.
        channels: what `_0000`, `_0001`, ... and the channels of a 4D file are. By default the MSD's order for brains,
            and the order of `modalities` for other tasks.
    """
    known = _spellings(tuple(modalities))
    stem = strip_extension(os.path.basename(path))
    return (
        _bids(stem, known)
        or _numbered(stem, channels or default_channels(modalities), modalities)
        or _ending(stem, known)
        or ImageName(stem, None, False)
    )


def default_channels(modalities: Sequence[str]) -> tuple[str, ...]:
    """The order of channels where nothing else is said."""
    return MSD_ORDER if set(modalities) <= set(BRAIN) else tuple(modalities)


@lru_cache
def _spellings(modalities: tuple[str, ...]) -> Mapping[str, str]:
    """Spelling in lower case -> modality, for these modalities."""
    return {k: m for k, m in SPELLINGS.items() if m in modalities} | {m.lower(): m for m in modalities}


def _ending(stem: str, known: Mapping[str, str]) -> ImageName | None:
    """The case, a separator, and a modality or the word for a label."""
    lower = stem.lower()
    if lower in known or lower in LABEL_SPELLINGS:  # nothing but the modality: the folder is the case
        return ImageName(stem, known.get(lower), lower in LABEL_SPELLINGS, rule=f"is named {stem}")
    phrase = next((p for p in LABEL_PHRASES if lower.endswith(f"_{p}")), None)
    if phrase:
        return ImageName(stem[: -len(phrase) - 1], None, True, rule=f"name ends in {phrase}")
    two = _TWO.match(stem)
    if two and _is_split(two, known):
        spelling = f"{two['first']}{two['second']}".lower()
        case = (two["case"] or stem).rstrip("-_. ")
        return ImageName(case, known[spelling], False, rule=f"name ends in {stem[two.start('first') :]}")
    match = _SUFFIX.match(stem)
    if match is None:
        return None
    kind = match["kind"].lower()
    if kind not in known and kind not in LABEL_SPELLINGS:
        return None
    return ImageName(match["case"], known.get(kind), kind not in known, rule=f"name ends in {match['kind']}")


def _is_split(two: re.Match[str], known: Mapping[str, str]) -> bool:
    """`t1_ce` and the like; not `t1-c`, which may be minus contrast agent."""
    spelling = f"{two['first']}{two['second']}".lower()
    return spelling in SPLIT and spelling in known and not (spelling == "t1c" and two["gap"] != "_")


def _numbered(stem: str, channels: Sequence[str], modalities: Sequence[str]) -> ImageName | None:
    """`case_0000`, and the 4D files of the Decathlon."""
    if _MSD.match(stem) and set(MSD_ORDER) & set(modalities):
        stack = tuple(channels) if len(channels) > 1 else MSD_ORDER
        return ImageName(stem, None, False, stack=stack, rule=f"the channels of {stem}")
    match = _CHANNEL.match(stem)
    if match is None or int(match["channel"]) >= len(channels):
        return None
    channel = int(match["channel"])
    modality = channels[channel] if channels[channel] in modalities else None
    refused = None if modality else f"channel {channel} is {channels[channel]}, which is not among the modalities"
    rule = f"channel {channel} of {', '.join(channels)}"
    return ImageName(match["case"], modality, False, channel=channel, refused=refused, rule=rule)


def _bids(stem: str, known: Mapping[str, str]) -> ImageName | None:
    """`sub-01_ses-2_ce-gadolinium_T1w`: contrast agent by the ce- entity, or by words in acq- and desc-."""
    match = _BIDS.match(stem)
    if match is None:
        return None
    case, suffix, entities = match["case"], match["suffix"], match["entities"]
    if suffix == "dseg":
        return ImageName(case, None, True, rule="BIDS suffix dseg")
    if suffix in _BIDS_OTHER:
        return ImageName(case, None, False, refused=f"{_BIDS_OTHER[suffix]} (BIDS suffix {suffix})", entities=entities)
    pairs = dict(e.split("-", 1) for e in entities.split("_") if e)
    if pairs.get("part", "mag") != "mag":
        return ImageName(case, None, False, refused=f"not a magnitude image (BIDS part-{pairs['part']})")
    modality, rule = _BIDS_MODALITY.get(suffix), f"BIDS {suffix}"
    if modality == "t1":
        modality, rule = _bids_contrast(pairs, rule)
    if modality is None or modality not in known.values():
        return None
    return ImageName(case, modality, False, entities=entities, rule=rule)


def _bids_contrast(pairs: Mapping[str, str], rule: str) -> tuple[str, str]:
    agent = pairs.get("ce")
    if agent is not None:
        return ("t1" if agent.lower() in ("none", "no", "pre") else "t1ce"), f"{rule} with ce-{agent}"
    for key in ("acq", "desc", "rec"):
        if key in pairs and contrast_in(pairs[key]):
            return "t1ce", f"{rule} with {key}-{pairs[key]}"
    return "t1", rule
