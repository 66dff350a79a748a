"""What a scanner wrote about a series -> a evidence: DICOM attributes, or a JSON sidecar's fields in their place.

Sections are of DICOM PS3.3: C.7.6.1.1.2 and C.8.3.1.1.1 Image Type, C.8.3.1 MR Image Module (Scanning Sequence,
Sequence Variant, Repetition Time, Echo Time, Inversion Time), C.7.6.4 Contrast/Bolus Module, C.8.13.5.9 MR Diffusion.
The limits of times are those of clinical protocols at 1.5 and 3 T, with room; between them nothing is said.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ccsd.imaging.tags import Tags
from ccsd.studies.evidence import FLAIR, T1, T2, Evidence, combine
from ccsd.studies.words import contrast_in, evidence_from_words

_IMAGE_TYPES = {  # a value of Image Type (0008,0008) -> why it is refused
    **dict.fromkeys(("LOCALIZER",), "a localiser"),
    **dict.fromkeys(("ADC", "DIFFUSION", "TRACEW", "FA", "TENSOR", "DIFFUSION MAP", "EADC", "EXP"), "diffusion"),
    **dict.fromkeys(("PERFUSION", "PERFUSION MAP", "RCBV", "RCBF", "CBF", "CBV", "MTT", "TTP", "PBP"), "perfusion"),
    **dict.fromkeys(("ASL", "RELCBF"), "perfusion by spin labelling"),
    **dict.fromkeys(("FMRI", "T-MAP", "MOSAIC"), "functional imaging or a mosaic"),
    **dict.fromkeys(("MPR", "REFORMATTED", "PROJECTION IMAGE", "MIP", "MNIP", "MIN IP", "CURVED"), "a reformat"),
    **dict.fromkeys(("SUBTRACT", "SUBTRACTION", "MODULUS SUBTRACT", "PHASE SUBTRACT", "SUB"), "a subtraction"),
    **dict.fromkeys(("T1 MAP", "T2 MAP", "VELOCITY MAP", "DENSITY MAP", "T2_STAR MAP"), "a map"),
    **dict.fromkeys(("PHASE MAP", "PHASE", "P", "PH", "REAL", "IMAGINARY", "R_IR", "I_IR"), "a phase image"),
    **dict.fromkeys(("FAT", "F", "IN_PHASE", "OUT_PHASE", "OPP_PHASE"), "the fat or phase part of a Dixon image"),
    **dict.fromkeys(("SWI", "VENBOLD"), "susceptibility-weighted"),
    **dict.fromkeys(("SCREEN SAVE", "POSDISP", "CSA REPORT", "CSA BLACK IMAGE"), "a screen capture or report"),
}  # fmt: skip
_NO_AGENT = re.compile(
    r"^\W*(?:none|no|n|nil|0+(?:\.0+)?|without.*|no\s?contrast|ohne.*|sans.*|unknown|na|n/?a)?\W*$", re.I
)


def evidence_from_tags(tags: Tags) -> Evidence:
    """All that the attributes say. What was measured goes before what was written: the description decides what the
    attributes leave open, and the protocol's name what the description leaves open."""
    text = _texts(tags)
    refused = _image_type(tags) or _measured_refusal(tags) or text.refused
    if refused:
        original = not tags.image_type or tags.image_type[0].upper() == "ORIGINAL"
        return Evidence(refused=refused, because=text.because, bolus=text.bolus and original)
    measured = _measured(tags, text)
    if measured.sequence and text.sequence is None:
        text = replace(text, unsure=None)  # the doubt was about the sequence
    return replace(combine([measured, _contrast(tags, text), text]), secondary=_secondary(tags))


def check_name(tags: Tags, name: Evidence) -> Evidence:
    """A strict name with what was measured: TR, TE, TI and the contrast agent go before it where they decide. Who named
    the file has seen it: it is not refused, and texts (free-form words) do not count."""
    measured, contrast = _measured(tags, name), _contrast(tags, Evidence())
    told = [g for g in (measured, contrast) if not g.refused and not g.unsure]
    evidence = combine([*told, name])
    differs = (evidence.sequence, evidence.contrast) != (name.sequence, name.contrast)
    return replace(
        evidence, because=f"{evidence.because} (before its name, {name.because})" if differs else name.because
    )


def _measured(tags: Tags, text: Evidence) -> Evidence:
    """What TR, TE and TI decide, together with the sequence that the texts name."""
    possible, alone = _physics(tags)
    if possible is None:
        return Evidence()
    if not possible:
        return Evidence(refused=f"{alone} ({tags.times()})")
    if text.sequence in possible:
        return Evidence(text.sequence, because=f"{text.because}, {tags.times()}")
    if text.sequence is None:
        return Evidence(alone, because=tags.times() if alone else "")
    if alone:
        return Evidence(alone, because=f"{tags.times()}, though it is called {text.sequence}")
    return Evidence(unsure=f"it is called {text.sequence}, its {tags.times()} say otherwise")


def _texts(tags: Tags) -> Evidence:
    """Description before protocol name; a word that refuses in either refuses."""
    texts = [tags.description, tags.protocol]
    if _is_prepared(tags) and not _image_type(tags):
        texts = [re.sub(r"(?<![A-Za-z])mpr(?![A-Za-z])", "mprage", t, flags=re.I) for t in texts]  # Siemens' t1_mpr
    pieces = [evidence_from_words(t) for t in texts if t]
    if len(pieces) == 2 and (pieces[0].sequence or pieces[0].unsure):
        doubtless = pieces[1].contrast if pieces[1].sequence == pieces[0].sequence else None
        pieces[1] = Evidence(contrast=doubtless, refused=pieces[1].refused, bolus=pieces[1].bolus)
    return combine(pieces)


def _image_type(tags: Tags) -> str | None:
    values = [v.strip().upper() for v in tags.image_type]
    for value in values[2:] if len(values) > 2 else values:
        if value in _IMAGE_TYPES:
            return f"{_IMAGE_TYPES[value]} (ImageType {value})"
    return None


def _secondary(tags: Tags) -> str | None:
    """Image Type's second value: SECONDARY was made after the examination (PS3.3 C.7.6.1.1.2)."""
    values = [v.strip().upper() for v in tags.image_type]
    if len(values) > 1 and values[1] == "SECONDARY":
        return f"made from other images (ImageType {values[0]}\\{values[1]})"
    return None


def _measured_refusal(tags: Tags) -> str | None:
    if tags.b_value:
        return f"diffusion (b-value {tags.b_value:g})"
    if "EP" in tags.scanning_sequence:
        return "echo-planar: diffusion, perfusion or functional (ScanningSequence EP)"
    if tags.angio:
        return "angiography (AngioFlag Y)"
    return None


def _contrast(tags: Tags, text: Evidence) -> Evidence:
    """Contrast agent by its attributes; against a description that says `pre` they decide nothing."""
    agent = tags.agent
    if agent is None and not tags.dose:
        return Evidence()
    if not tags.dose and (agent is None or _NO_AGENT.match(agent)):
        return (
            Evidence(contrast=False, because=f"ContrastBolusAgent {agent!r}") if agent and agent.strip() else Evidence()
        )
    named = (
        f"ContrastBolusAgent {agent}" if agent and not _NO_AGENT.match(agent) else f"ContrastBolusVolume {tags.dose:g}"
    )
    if text.contrast is False or contrast_in(tags.description) is False:
        return Evidence(unsure=f"{named}, but its description says before contrast agent")
    return Evidence(contrast=True, because=named)


def _is_prepared(tags: Tags) -> bool:
    """A magnetisation-prepared gradient echo (MPRAGE and its kin)."""
    return "tfl" in tags.sequence_name.lower() or (
        "GR" in tags.scanning_sequence and ("IR" in tags.scanning_sequence or "MP" in tags.variant)
    )


def _physics(tags: Tags) -> tuple[frozenset[str] | None, str | None]:
    """(sequences that the times allow, the one that they suggest alone). None: nothing known. No sequence allowed: the
    second is the reason."""
    tr, te, ti = tags.repetition_time, tags.echo_time, tags.inversion_time or None
    if tr is None or te is None or not tags.scanning_sequence:
        return None, None
    if "GR" in tags.scanning_sequence and "SE" not in tags.scanning_sequence:
        return _gradient_echo(tags, tr, te, ti)
    if "SE" in tags.scanning_sequence or "IR" in tags.scanning_sequence:
        return _spin_echo(tags, tr, te, ti)
    return None, None


def _spin_echo(tags: Tags, tr: float, te: float, ti: float | None) -> tuple[frozenset[str] | None, str | None]:
    inversion = "IR" in tags.scanning_sequence
    if ti is not None:
        if ti >= 1500 and tr >= 4000 and te >= 60:
            return frozenset({FLAIR}), FLAIR
        if ti >= 1500 and tr >= 4000 and te <= 40:
            return frozenset(), "the early echo of a FLAIR, proton density"
        if 80 <= ti <= 300 and tr >= 2000:
            return frozenset(), "a fat- or short-TI inversion image"
        if 400 <= ti <= 1300 and te <= 50 and tr <= 4000:
            return frozenset({T1}), T1
        return None, None
    if te <= 40 and tr <= 1200:
        return frozenset({T1}), T1
    if te <= 40 and tr >= 1500 and not inversion:
        return frozenset({T1}), None  # T1 FLAIR whose TI is not stated, or proton density
    if te >= 65 and tr >= 2000:
        certain = not inversion and tr < 7000  # above that a FLAIR whose TI is not stated looks the same
        return frozenset({T2, FLAIR}), T2 if certain else None
    return None, None


def _gradient_echo(tags: Tags, tr: float, te: float, ti: float | None) -> tuple[frozenset[str] | None, str | None]:
    if ti is not None and 400 <= ti <= 1400 and te < 12:
        return frozenset({T1}), T1
    if te >= 12 and tr >= 20:
        return frozenset(), "susceptibility-weighted or T2*, a gradient echo"
    if te < 12 and 80 <= tr <= 500 and (tags.flip_angle or 0) >= 50:
        return frozenset({T1}), T1
    if te < 12 and tr < 60:
        return frozenset({T1, T2}) if "SS" in tags.variant else frozenset({T1}), None  # T1, or angiography alike
    return None, None
