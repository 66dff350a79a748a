"""What is known of weights: what they are called, what they come from, what they were trained and measured on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from statistics import fmean
from typing import Any

from ccsd.common.errors import InputError

UNTRAINED = "untrained"
# Around a study's name: one of the replay folder, its healthy half mirrored, its tumour without contrast agent.
REPLAYED, MIRRORED, UNENHANCED = "replay/", "/mirrored", "/unenhanced"

# Settings of a training that older cards, configurations and requests call otherwise.
RENAMED = {"average": "ema_decay", "keep": "parent_weight", "align": "lambda_align", "classify": "lambda_classify"}

Row = Mapping[str, Any]  # {"modalities": [...], region: Dice, ...}


@dataclass(frozen=True)
class Card:
    """The card of one version; what is not known is empty or None.

    Attributes:
        version: `<name>-<content hash>`; parent: the version that the training started from.
        training: names of the studies of the last training; seen: of it and of those before it.
        validation: names of the studies that `dice` was measured on.
        digests: content hash of label and images, by study; left_out: why a labelled study was not used, by study.
        settings: of the training: the fields of `TrainConfig`, and what else was chosen.
        dice: mean Dice by region, one row a subset of the modalities; score: its mean, as training measured it.
        epoch: of the training, from 1.
        published: when (ISO 8601); reason: what the publish rule said; kept_back: why it is not served.
        made_by: what trained them, if not the server.
    """

    version: str = UNTRAINED
    parent: str | None = None
    training: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    dice: tuple[Row, ...] = ()
    score: float | None = None
    epoch: int | None = None
    published: str | None = None
    reason: str | None = None
    kept_back: str | None = None
    made_by: str | None = None

    @property
    def trained_on(self) -> set[str]:
        """The studies that these weights and those before them have seen, as far as it was noted; a study that was
        replayed or changed also by its own name."""
        noted = {*self.seen, *self.training}
        return noted | {n.removeprefix(REPLAYED).removesuffix(MIRRORED).removesuffix(UNENHANCED) for n in noted}

    @property
    def held_out(self) -> bool:
        """Whether no study of the last training validates."""
        return not set(self.training) & set(self.validation)

    @property
    def why_not_expected(self) -> str | None:
        """Why `dice` is not to be expected of other studies, in one sentence; None: it is."""
        if not self.dice or not self.validation:
            return "the weights were not measured"
        measured = set(self.validation)
        seen = measured & self.trained_on
        if seen:
            return f"the weights were trained on {len(seen)} of the {len(measured)} studies that they were measured on"
        return None

    def row(self, modalities: Iterable[str]) -> Row | None:
        """The Dice with exactly these modalities, if it was measured."""
        wanted = set(modalities)
        return next((row for row in self.dice if set(row["modalities"]) == wanted), None)

    def mean_dice(self, regions: Iterable[str]) -> float | None:
        """Over subsets and regions."""
        values = [row[g] for row in self.dice for g in regions if g in row]
        return fmean(values) if values else None

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, tables, numbers and text, as they go into a checkpoint."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def read_card(content: Mapping[str, Any]) -> Card:
    """The card in a checkpoint's content, or that of the notes that older releases wrote in its place.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: there is none to be read.
    """
    stored = content["card"] if "card" in content else _from_notes(content.get("notes", {}))
    return card_of({**stored, "version": str(content["version"])})


def card_of(values: Mapping[str, Any]) -> Card:
    """From what `Card.as_dict` gave."""
    known = {f.name: values[f.name] for f in fields(Card) if f.name in values}
    for name in ("training", "seen", "validation", "dice"):
        known[name] = tuple(known.get(name) or ())
    for name in ("digests", "left_out", "settings"):
        known[name] = dict(known.get(name) or {})
    known["settings"] = renamed(known["settings"])
    return Card(**known)


def renamed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A training's settings by today's names, those in tables within them too.

    Raises:
        InputError: one is there by both names.
    """
    for old, new in RENAMED.items():
        if old in settings and new in settings:
            raise InputError(f"{old} and {new} are both given, expected {new} alone: {old} is its old name")
    return {RENAMED.get(k, k): renamed(v) if isinstance(v, Mapping) else v for k, v in settings.items()}


def _from_notes(notes: Mapping[str, Any]) -> dict[str, Any]:
    """`cases` and `settings` were the script's names, `training`, `config` and `data` the train task's, `validation
    Dice` and `trained by` those of the MONAI bundle's training."""
    settings = notes.get("config") or notes.get("settings") or {}
    return {
        **notes,
        "training": notes.get("training") or notes.get("cases"),
        "digests": notes.get("data"),
        "settings": _plain({**{k: v for k, v in settings.items() if k != "train"}, **settings.get("train", {})}),
        "score": notes.get("score", notes.get("validation Dice")),
        "made_by": notes.get("trained by"),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
