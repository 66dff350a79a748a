"""Which variants each table compares: row name -> what it changes in the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Change = Mapping[str, Any]


def _losses(**values: Any) -> Change:
    return {"train": {"losses": values}}


# Numbers are the paper's tables (docs/method.md: Ablations); the others are ours.
TABLES: dict[str, dict[str, Change]] = {
    "3": {
        "neither": _losses(lambda_h=0, lambda_d=0),
        "HMSD only": _losses(lambda_d=0),
        "DMCD only": _losses(lambda_h=0),
        "both": {},
    },
    "4": {
        "shared": _losses(feature="shared"),
        "specific": _losses(feature="specific"),
        "fused": {},
    },
    "5": {
        "most critical": {},
        "random": _losses(path="random"),
        "least critical": _losses(path="least"),
    },
    "weights": {
        "0.5 each": {},
        "0.1 each": _losses(lambda_h=0.1, lambda_d=0.1),
    },
    "fusion": {
        "convolution": {},
        "attention": {"network": {"fusion": "attention"}},
    },
    "distil": {
        "features": {},
        "features, normalised": _losses(normalise=True),
        "logits": _losses(distil="logits"),
        "logits, averaged weights teach": _losses(distil="logits", teacher="average"),
    },
    "subsets": {
        "1 subset a step": {},
        "2 subsets a step": _losses(subsets_per_step=2),
    },
}
TITLES = {
    "3": "Components (paper's table 3)",
    "4": "What is distilled (paper's table 4)",
    "5": "DMCD's path (paper's table 5)",
    "weights": "Weights of HMSD and DMCD",
    "fusion": "Compositional layer",
    "distil": "Features or logits",
    "subsets": "Subsets segmented beside the full set",
}
