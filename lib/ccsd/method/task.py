"""What is segmented from what: modality order, label values and regions, defined once, stored in every checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Caution:
    """A sentence to `say` where all of the modalities `without` are missing."""

    without: tuple[str, ...]
    say: str


@dataclass(frozen=True)
class Task:
    """A segmentation task.

    Attributes:
        modalities: names in channel order; slot m of every (B, N, D, H, W) tensor is `modalities[m]`.
        labels: name -> value in the label map, contiguous from 1 (clients map value v to the v-th name).
        regions: name -> the label values it is made of, in output channel order; later regions are painted
            over earlier ones when a label map is composed, so they go from the outermost to the innermost.
        region_labels: name -> the label value that a voxel of this region gets if no later region covers it.
        spacing: voxel size in mm that the network works at.
        aliases: value in a reference label -> the value that it stands for, where other spellings are in use.
        label_names: other names of labels, as data sets' dataset.json write them -> value.
        region_names: other names of regions, as clients name segments -> region.
        cautions: what to tell the user of a mask made without certain modalities.

    Two tasks are equal if a network of the one can serve the other: aliases, names and cautions do not count.

    Raises:
        ValueError: a name twice, labels not contiguous, or a region, alias, name or caution of something unknown.
    """

    name: str
    modalities: tuple[str, ...]
    labels: Mapping[str, int]
    regions: Mapping[str, tuple[int, ...]]
    region_labels: Mapping[str, int]
    spacing: float = 1.0
    aliases: Mapping[int, int] = field(default_factory=dict, compare=False)
    label_names: Mapping[str, int] = field(default_factory=dict, compare=False)
    region_names: Mapping[str, str] = field(default_factory=dict, compare=False)
    cautions: tuple[Caution, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not self.modalities or len(set(self.modalities)) != len(self.modalities):
            raise ValueError(f"task {self.name}: modalities must be distinct and not empty, found {self.modalities}")
        values = sorted(self.labels.values())
        if values != list(range(1, len(values) + 1)):
            raise ValueError(f"task {self.name}: label values must be 1..{len(values)}, found {values}")
        for region, members in self.regions.items():
            if not members or not set(members) <= set(values):
                raise ValueError(f"task {self.name}: region {region} has label values {members}, known are {values}")
            if self.region_labels.get(region) not in members:
                found = self.region_labels.get(region)
                raise ValueError(f"task {self.name}: region {region} paints label {found}, expected one of {members}")
        if not self.spacing > 0:
            raise ValueError(f"task {self.name}: spacing must be above 0 mm, found {self.spacing}")
        for kind in ("aliases", "label_names"):
            if not set((meant := getattr(self, kind)).values()) <= set(values):
                raise ValueError(f"task {self.name}: {kind} {dict(meant)} must stand for labels of {values}")
        if not set(self.region_names.values()) <= set(self.regions):
            raise ValueError(f"task {self.name}: region_names must stand for some of {list(self.regions)}")
        for caution in self.cautions:
            if not caution.without or not set(caution.without) <= set(self.modalities):
                raise ValueError(f"task {self.name}: caution without {caution.without}, known are {self.modalities}")

    @property
    def spoken(self) -> dict[str, int]:
        """Every name of a label -> its value."""
        return {**self.labels, **self.label_names}

    @property
    def segment_names(self) -> dict[str, int]:
        """Every name that a client's segment may have, of a label or of a whole region -> the value of its voxels."""
        regions = {**{name: name for name in self.regions}, **self.region_names}
        labels = self.spoken
        return {**labels, **{name: self.region_labels[g] for name, g in regions.items() if name not in labels}}

    def region_of(self, file: str) -> str | None:
        """The region that alone is in a label file whose name ends in it: `case_wt.nii.gz` holds WT as 1."""
        last = re.split(r"[-_. ]", re.sub(r"\.(nii|nii\.gz|nrrd)$", "", file.lower()))[-1]
        return next((region for region in self.regions if region.lower() == last), None)

    def annotated(self, values: Iterable[int]) -> tuple[str, ...]:
        """The regions that are known where only segments with these values were drawn."""
        given = set(values)
        return tuple(region for region in self.regions if self.region_labels[region] in given)

    def warnings(self, missing: Iterable[str]) -> list[str]:
        """The sentences that a mask without these modalities carries."""
        absent = set(missing)
        return [c.say for c in self.cautions if absent >= set(c.without)]

    def to_regions(self, label: Tensor) -> Tensor:
        """Label map (B, D, H, W) of integers -> overlapping regions (B, R, D, H, W) of float 0/1."""
        channels = [torch.isin(label, torch.tensor(v, device=label.device)) for v in self.regions.values()]
        return torch.stack(channels, dim=1).float()

    def to_label(self, regions: Tensor) -> Tensor:
        """Regions (R, D, H, W) of bool -> label map (D, H, W) uint8.

        A region only counts inside the regions before it (ET inside TC inside WT for BraTS), so what is painted
        is always nested, as the label map needs it.
        """
        label = torch.zeros(regions.shape[1:], dtype=torch.uint8, device=regions.device)
        inside = torch.ones_like(regions[0])
        for channel, region in zip(regions, self.regions, strict=True):
            inside = inside & channel if set(self.regions[region]) <= self._so_far(region) else channel
            label[inside] = self.region_labels[region]
        return label

    def _so_far(self, region: str) -> set[int]:
        """Label values of the region painted just before `region` (all of them for the first)."""
        names = list(self.regions)
        index = names.index(region)
        return set(self.regions[names[index - 1]]) if index else set(self.labels.values())

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as stored in a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Task:
        """The inverse of `as_dict`, also after it went through JSON or TOML, whose keys are texts."""
        plain = dict(values)
        plain["aliases"] = {int(spelling): value for spelling, value in plain.get("aliases", {}).items()}
        plain["modalities"] = tuple(plain["modalities"])
        plain["regions"] = {k: tuple(v) for k, v in plain["regions"].items()}
        plain["cautions"] = tuple(Caution(tuple(c["without"]), c["say"]) for c in plain.get("cautions", ()))
        return cls(**plain)


NECROTIC, OEDEMA, ENHANCING = 1, 2, 3

BRATS = Task(
    name="brats",
    modalities=("t1", "t1ce", "t2", "flair"),
    labels={"necrotic and non-enhancing core": NECROTIC, "oedema": OEDEMA, "enhancing tumour": ENHANCING},
    regions={"WT": (NECROTIC, OEDEMA, ENHANCING), "TC": (NECROTIC, ENHANCING), "ET": (ENHANCING,)},
    region_labels={"WT": OEDEMA, "TC": NECROTIC, "ET": ENHANCING},
    aliases={4: ENHANCING},  # BraTS 2018 to 2021 wrote 4
    label_names={  # the Decathlon's Task01, conversions to nnU-Net, BraTS's own short ones
        "non-enhancing tumor": NECROTIC,
        "non-enhancing": NECROTIC,
        "necrosis": NECROTIC,
        "NCR": NECROTIC,
        "NETC": NECROTIC,
        "edema": OEDEMA,
        "ED": OEDEMA,
        "SNFH": OEDEMA,
        "enhancing": ENHANCING,
        "ET": ENHANCING,
    },
    region_names={"whole tumour": "WT", "tumour": "WT", "tumour core": "TC"},
    cautions=(
        Caution(("t1ce",), "no t1ce: enhancement cannot be seen, ET and TC are estimates"),
        Caution(("flair", "t2"), "no flair and no t2: the extent of oedema is an estimate"),
    ),
)

# Core, oedema, enhancing: of Okabe and Ito's colours, which the colour-blind tell apart, three that differ from grey.
COLOURS = {1: (213, 94, 0), 2: (86, 180, 233), 3: (240, 228, 66)}
