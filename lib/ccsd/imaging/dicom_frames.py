"""Enhanced multi-frame MR -> each frame as if it were a file of its own, in the attributes of the classic MR image.

Sections are of DICOM PS3.3: C.7.6.16 Multi-frame Functional Groups, C.8.13.5 the groups of MR, C.8.13.4 its pulse
sequence, C.7.6.4b Enhanced Contrast/Bolus. What Philips, Siemens (XA) and GE write differs in which group is shared and
which is per frame; a frame's own goes before the shared one.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
GROUPS = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "FrameContentSequence",
    "MRImageFrameTypeSequence",
    "MRTimingAndRelatedParametersSequence",
    "MREchoSequence",
    "MRModifierSequence",
    "MRDiffusionSequence",
    "ContrastBolusUsageSequence",
)
PULSES = {"SPIN": ["SE"], "GRADIENT": ["GR"], "BOTH": ["SE", "GR"]}  # EchoPulseSequence -> ScanningSequence
KEYWORDS = (  # of the file as a whole
    SHARED,
    PER_FRAME,
    "PulseSequenceName",
    "EchoPulseSequence",
    "EchoPlanarPulseSequence",
    "SteadyStatePulseSequence",
    "TimeOfFlightContrast",
    "ContrastBolusAgentSequence",
    "AcquisitionContrast",
)


def is_multiframe(header: Dataset) -> bool:
    """Whether the frames of a file say themselves where they lie."""
    return bool(header.get(PER_FRAME))


def frames(header: Dataset) -> Iterator[Dataset]:
    """The frames of a multi-frame header in their order."""
    common = Dataset()
    common.update({e.tag: e for e in header if e.keyword not in (SHARED, PER_FRAME)})
    for sequence in header.get(SHARED) or ():
        _take_groups(common, sequence)
    for number, groups in enumerate(header.get(PER_FRAME), start=1):
        frame = Dataset()
        frame.update(common)
        _take_groups(frame, groups)
        frame.InstanceNumber = number
        yield _as_classic(frame)


def _take_groups(frame: Dataset, groups: Dataset) -> None:
    for name in GROUPS:
        for item in (groups.get(name) or ())[:1]:
            frame.update({e.tag: e for e in item if not e.tag.is_private})


def _as_classic(frame: Dataset) -> Dataset:
    """The same in the words of the MR Image Module (C.8.3.1), as far as they differ."""
    kind = frame.get("FrameType") or frame.get("ImageType") or []
    kind = [kind] if isinstance(kind, str) else [str(v) for v in kind]
    contrast = [str(frame.get(k) or "") for k in ("ComplexImageComponent", "AcquisitionContrast")]
    frame.ImageType = kind + [c for c in contrast if c in ("PHASE", "REAL", "IMAGINARY", "DIFFUSION", "PERFUSION")]
    frame.ScanningSequence = _scanning(frame)
    frame.SequenceVariant = ["SS"] if str(frame.get("SteadyStatePulseSequence") or "NONE") != "NONE" else []
    frame.AngioFlag = "Y" if frame.get("TimeOfFlightContrast") == "YES" else "N"
    for keyword, enhanced in (("EchoTime", "EffectiveEchoTime"), ("SequenceName", "PulseSequenceName")):
        if frame.get(enhanced):
            setattr(frame, keyword, frame[enhanced].value)
    if frame.get("InversionTimes"):
        times = frame.InversionTimes
        frame.InversionTime = times if isinstance(times, float) else times[0]
    if frame.get("FrameAcquisitionDateTime"):
        frame.AcquisitionDateTime = frame.FrameAcquisitionDateTime
    _take_agent(frame)
    return frame


def _scanning(frame: Dataset) -> list[str]:
    inversion = ["IR"] if frame.get("InversionRecovery") == "YES" else []
    planar = ["EP"] if frame.get("EchoPlanarPulseSequence") == "YES" else []
    return [*PULSES.get(str(frame.get("EchoPulseSequence") or ""), []), *inversion, *planar]


def _take_agent(frame: Dataset) -> None:
    """What was given, where it had been given when the frame was acquired."""
    for agent in frame.get("ContrastBolusAgentSequence") or ():
        given = str(frame.get("ContrastBolusAgentAdministered") or "YES") == "YES"
        frame.ContrastBolusAgent = str(agent.get("CodeMeaning") or "contrast agent") if given else "NONE"
