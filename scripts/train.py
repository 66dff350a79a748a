#!/usr/bin/env python3
"""Train CCSD on a folder of labelled studies, outside the server."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from lib.ccsd.network import PRESETS
from lib.ccsd.task import BRATS
from lib.errors import InputError
from lib.publishing import checkpoint
from lib.studies.study import find_studies
from lib.training.cases import Case, load_case
from lib.training.config import TrainConfig
from lib.training.loop import Epoch, describe, train

logger = logging.getLogger("train")


def main() -> None:
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    config = TrainConfig(
        max_epochs=arguments.max_epochs,
        max_minutes=arguments.max_minutes,
        steps=arguments.steps,
        patch=arguments.patch,
        batch=arguments.batch,
        validate_every=arguments.validate_every,
        average=arguments.average,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )
    logger.info("settings: %s", asdict(config))
    cases = _load(arguments.data)
    validation = _load(arguments.validation) if arguments.validation else []
    if arguments.model:
        start = checkpoint.load(arguments.model, task=BRATS)
    else:
        start = checkpoint.untrained(BRATS, PRESETS[arguments.preset], seed=arguments.seed)
    notes = {
        "parent": start.version,
        "cases": [c.id for c in cases],
        "config": asdict(config),
    }

    def keep(epoch: Epoch) -> None:
        logger.info(describe(epoch, epoch.network))
        if epoch.index % arguments.save_every == 0 or epoch.progress >= 1:
            version = checkpoint.save(arguments.out, epoch.network, name=arguments.preset, notes=notes, half=True)
            logger.info("wrote %s (%s)", arguments.out, version)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train(start.network, cases, validation, config, device=device, on_epoch=keep)


def _load(folder: Path) -> list[Case]:
    cases = []
    for study in find_studies(folder):
        if study.label is None:
            logger.info("%s has no label, left out", study.id)
            continue
        cases.append(load_case(study, study.label, BRATS))
        logger.info("%s: %s, box %s", study.id, ", ".join(study.files), tuple(cases[-1].label.shape))
    return cases


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of studies with labels")
    parser.add_argument("--out", type=Path, required=True, help="weights to write")
    parser.add_argument("--validation", type=Path, help="folder of labelled studies to validate on")
    parser.add_argument("--model", type=Path, help="weights to start from (default: random)")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="small")
    parser.add_argument("--max-epochs", type=int, default=100)
    parser.add_argument("--max-minutes", type=float)
    parser.add_argument("--steps", type=int, default=50, help="optimiser steps an epoch")
    parser.add_argument("--patch", type=int, default=80, help="edge of a training crop in voxels")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--average", type=float, default=0.99, help="decay of the averaged weights")
    parser.add_argument("--validate-every", type=int, default=1, help="epochs between validations")
    parser.add_argument("--save-every", type=int, default=1, help="epochs between writes of --out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: as torch chooses)")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
