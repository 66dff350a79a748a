"""What a piece of evidence says about an image, and how several pieces are put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

T1, T2, FLAIR = "t1", "t2", "flair"  # sequences: T1 and the contrast agent together tell T1 from T1ce

# (sequence, after contrast agent) -> modality. T2 and FLAIR stay what they are after contrast agent.
MODALITY = {(T1, False): "t1", (T1, True): "t1ce"}
BRAIN = ("t1", "t1ce", "t2", "flair")  # the modalities that images are recognised for where the caller has no others


@dataclass(frozen=True)
class Evidence:
    """What one piece of evidence says; None: it does not say.

    Attributes:
        sequence: T1, T2 or FLAIR.
        contrast: after contrast agent (True) or without (False).
        refused: why this is not an image to segment from (a map, a localiser, ...).
        unsure: why the evidence cannot be trusted (it contradicts itself).
        secondary: why it is only used in a study that has nothing better (made from other images, as archives export
            whole studies).
        because: the evidence, for the user.
        assumed: `contrast` follows from silence, where another image speaks of the agent.
        bolus: a series during which contrast agent was injected (perfusion): later ones are after it.
    """

    sequence: str | None = None
    contrast: bool | None = None
    refused: str | None = None
    unsure: str | None = None
    secondary: str | None = None
    because: str = ""
    bolus: bool = False
    assumed: bool = False

    @property
    def modality(self) -> str | None:
        """The modality, where sequence and contrast suffice to name it."""
        if self.refused or self.unsure or self.sequence is None:
            return None
        if self.sequence != T1:
            return self.sequence
        return None if self.contrast is None else MODALITY[T1, self.contrast]


def of_modality(modality: str, because: str) -> Evidence:
    """The evidence of a name that spells its modality; T1ce is T1 after contrast agent."""
    for (sequence, contrast), known in MODALITY.items():
        if known == modality:
            return Evidence(sequence, contrast, because=because)
    return Evidence(modality, because=because)


def combine(pieces: Iterable[Evidence]) -> Evidence:
    """The pieces in their order of precedence -> one: each question is answered by the first that answers it.

    A refusal or a doubt of any piece stands, whatever the others say.
    """
    pieces = list(pieces)
    first = {
        name: next((p for p in pieces if getattr(p, name) is not None), None)
        for name in ("sequence", "contrast", "refused", "unsure", "secondary")
    }
    used = list(dict.fromkeys(p.because for p in pieces if p in first.values() and p.because))
    values = {name: getattr(piece, name) if piece else None for name, piece in first.items()}
    return Evidence(**values, because=", ".join(used), bolus=any(p.bolus for p in pieces), assumed=False)
