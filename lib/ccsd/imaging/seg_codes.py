"""What a segment is, in codes: PS3.16 CID 7159 (Lesion Segmentation Types), SNOMED CT where it has the concept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydicom.sr.coding import Code

from ccsd.method.task import BRATS, COLOURS, ENHANCING, NECROTIC, OEDEMA, Task

ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")  # CID 7150
BRAIN = Code("12738006", "SCT", "Brain")
NECROSIS = Code("6574001", "SCT", "Necrosis")
EDEMA = Code("79654002", "SCT", "Edema")
NEOPLASM = Code("86049000", "SCT", "Neoplasm, Primary")
ENHANCES = Code("C113842", "NCIt", "Enhancing Lesion")
DOES_NOT_ENHANCE = Code("C81175", "NCIt", "Non-Enhancing Lesion")


@dataclass(frozen=True)
class Meaning:
    """The codes of a segment and its colour for display (sRGB).

    Attributes:
        modifier: says more of the type (PS3.3 C.8.20.4, Segmented Property Type Modifier).
    """

    type: Code
    colour: tuple[int, int, int]
    modifier: Code | None = None
    region: Code | None = None


BRAIN_TUMOUR: Mapping[int, Meaning] = {
    NECROTIC: Meaning(NECROSIS, COLOURS[NECROTIC], DOES_NOT_ENHANCE, BRAIN),
    OEDEMA: Meaning(EDEMA, COLOURS[OEDEMA], None, BRAIN),
    ENHANCING: Meaning(NEOPLASM, COLOURS[ENHANCING], ENHANCES, BRAIN),
}
# What tells a label value in other people's files. Not NEOPLASM: it may be the whole tumour.
VALUE_OF_CODE: Mapping[Code, int] = {
    NECROSIS: NECROTIC,
    DOES_NOT_ENHANCE: NECROTIC,
    EDEMA: OEDEMA,
    ENHANCES: ENHANCING,
}


def meanings(task: Task) -> Mapping[int, Meaning]:
    """Label value -> codes; those of a task other than brain tumours only say that it is abnormal."""
    if task.labels == BRATS.labels:
        return BRAIN_TUMOUR
    return {value: Meaning(ABNORMAL, COLOURS[(value - 1) % len(COLOURS) + 1]) for value in task.labels.values()}


def value_of(codes: Iterable[Code], task: Task) -> int | None:
    """The label value that a segment's type and modifiers tell; None if they do not tell one."""
    if task.labels != BRATS.labels:
        return None
    told = {VALUE_OF_CODE[code] for code in codes if code in VALUE_OF_CODE}
    return told.pop() if len(told) == 1 else None
