"""Train CCSD on a folder of labelled studies, outside the server.

Several GPUs: `torchrun --nproc-per-node 4 -m ccsd train ...`
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ccsd.common.errors import InputError
from ccsd.common.settings import read_task
from ccsd.method.task import BRATS, Task
from ccsd.models import checkpoint
from ccsd.models.card import Card
from ccsd.models.checkpoint import Checkpoint, write_tensors
from ccsd.studies.lists import select
from ccsd.studies.study import find_studies
from ccsd.training.cache import load_cases
from ccsd.training.cases import Case, Sample
from ccsd.training.folders import DataFolder, crop_weights
from ccsd.training.healthy import mirrored
from ccsd.training.loop import Epoch, describe, train
from ccsd.training.processes import join_processes
from ccsd.training.settings import Settings, read_settings

logger = logging.getLogger("train")

EXAMPLE = "example: ccsd train --config configs/small.toml --data studies --val held_out.txt --out weights.pt"


def main() -> None:
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = read_settings(arguments.config, arguments.set)
    task = read_task(arguments.task) if arguments.task else BRATS
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.model:
        start = checkpoint.load(arguments.model, task=task)
    else:
        start = checkpoint.untrained(task, settings.network, seed=settings.train.seed)
    keeper = Keeper(arguments.out, settings)
    resume = keeper.stored() if arguments.resume else None
    cases, validation, weights = _cases(arguments, task)
    keeper.card = card_of_run(start, settings, cases, validation)
    device = _device()
    processes = join_processes(device)
    logger.info("settings: %s", asdict(settings))
    logger.info("training on %d studies, validating on %d", len(cases), len(validation))
    total = settings.train.max_epochs * settings.train.steps
    hidden = True if processes.rank else None
    with logging_redirect_tqdm(), tqdm(total=total, unit="step", disable=hidden) as bar:
        bar.update(int(resume["done"]) if resume else 0)

        def show(losses: dict[str, float]) -> None:
            bar.set_postfix(loss=f"{losses['total']:.3f}", refresh=False)
            bar.update()

        train(
            start.network,
            cases,
            validation,
            settings.train,
            device=device,
            on_epoch=keeper.see,
            on_step=show,
            weights=weights,
            resume=resume,
            processes=processes,
        )
    processes.leave()


def _cases(arguments: argparse.Namespace, task: Task) -> tuple[list[Sample], list[Case], list[float]]:
    """(training, validation, how often each training study is drawn)."""
    folders = [DataFolder.parse(text) for text in arguments.data]
    found = [find_studies(folder.path, task.modalities) for folder in folders]
    everything = [study for studies in found for study in studies]
    wanted = {s.id for s in (select(everything, arguments.train) if arguments.train else everything)}
    held_out = select(everything, arguments.val) if arguments.val else []
    both = wanted & {s.id for s in held_out}
    if both and arguments.train:
        raise InputError(f"{arguments.val.name} and {arguments.train.name} both name {', '.join(sorted(both))}")
    chosen = [[s for s in studies if s.id in wanted - both] for studies in found]
    groups: list[list[Sample]] = [[*load_cases(s, task, cache=arguments.cache)] if s else [] for s in chosen]
    shares = [folder.share for folder in folders]
    if arguments.mirrored:
        groups.append([m for group in groups for case in group if isinstance(case, Case) and (m := mirrored(case))])
        if not groups[-1]:
            raise InputError("--mirrored: no study has its whole tumour on one side, expected at least one")
        shares.append(arguments.mirrored)
    validation = load_cases(held_out, task, cache=arguments.cache) if held_out else []
    weights = crop_weights([len(group) for group in groups], shares)
    return [case for group in groups for case in group], validation, weights


def card_of_run(start: Checkpoint, settings: Settings, cases: Sequence[Sample], validation: Sequence[Case]) -> Card:
    """What the weights of this run will say of themselves."""
    training = tuple(case.id for case in cases)
    values = _plain(settings)
    return Card(
        parent=start.version,
        training=training,
        seen=tuple(sorted(start.card.trained_on | set(training))),
        validation=tuple(case.id for case in validation),
        settings={**values.pop("train"), **values},
    )


@dataclass
class Keeper:
    """What a run leaves behind: `out` (weights), beside it its state to resume from and its TensorBoard log.

    With validation, `out` holds the epoch with the best mean validation Dice; without, the last one.
    """

    out: Path
    settings: Settings
    card: Card = field(default_factory=Card)
    best: float = float("-inf")
    _board: SummaryWriter | None = None

    @property
    def state_file(self) -> Path:
        return self.out.with_suffix(".state.pt")

    def stored(self) -> dict[str, Any] | None:
        """The state of an earlier run with the same settings, or None if there is none.

        Raises:
            InputError: it is of other settings or cannot be read.
        """
        if not self.state_file.exists():
            logger.info("%s does not exist: starting anew", self.state_file)
            return None
        try:
            content: dict[str, Any] = torch.load(self.state_file, map_location="cpu", weights_only=True)
            stored, self.best = content["settings"], content["best"]
        except Exception as error:
            raise InputError(f"{self.state_file.name} cannot be read ({type(error).__name__})") from error
        if stored != _plain(self.settings):
            raise InputError(f"{self.state_file.name} is of a run with other settings, expected the same: {stored}")
        logger.info("resuming after epoch %d", content["run"]["epoch"])
        run: dict[str, Any] = content["run"]
        return run

    def see(self, epoch: Epoch) -> None:
        logger.info(describe(epoch, epoch.network))
        self._log(epoch)
        if epoch.score is None or epoch.score >= self.best:
            self.best = self.best if epoch.score is None else epoch.score
            card = replace(self.card, epoch=epoch.index, score=epoch.score)
            version = checkpoint.save(self.out, epoch.network, name=self.settings.preset, card=card, half=True)
            logger.info("wrote %s (%s)", self.out, version)
        write_tensors({"run": epoch.state, "settings": _plain(self.settings), "best": self.best}, self.state_file)

    def _log(self, epoch: Epoch) -> None:
        if self._board is None:
            self._board = SummaryWriter(str(self.out.with_suffix(".tensorboard")))
        for name, value in epoch.losses.items():
            self._board.add_scalar(f"loss/{name}", value, epoch.index)
        self._board.add_scalar("learning_rate", epoch.learning_rate, epoch.index)
        if epoch.validation is not None:
            mean = torch.stack(list(epoch.validation.values())).nanmean(dim=0)
            for region, value in zip(epoch.network.task.regions, mean.tolist(), strict=True):
                self._board.add_scalar(f"validation Dice, mean of subsets/{region}", value, epoch.index)
        self._board.flush()


def _plain(settings: Settings) -> dict[str, Any]:
    """Settings as lists, numbers and text, the same before and after a file."""
    values = asdict(settings)
    values["network"] = {k: list(v) if isinstance(v, tuple) else v for k, v in values["network"].items()}
    return values


def _device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="DIR[:SHARE]",
        help="folder of studies with labels, with the share of the crops that it gives; may be said several times",
    )
    parser.add_argument("--out", type=Path, required=True, help="weights to write (.pt)")
    parser.add_argument("--config", type=Path, help="settings in TOML; configs/train.toml lists them all")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="train.seed=1 ...")
    parser.add_argument("--task", type=Path, help="task file in TOML (default: BraTS, four modalities)")
    parser.add_argument("--train", type=Path, help="list of study ids to train on (default: all but --val)")
    parser.add_argument("--val", type=Path, help="list of study ids to validate on (default: none)")
    parser.add_argument(
        "--mirrored",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the crops from brains without a tumour: the healthy half of one-sided studies, mirrored",
    )
    parser.add_argument("--model", type=Path, help="weights to start from (default: random)")
    parser.add_argument("--cache", type=Path, help="folder for prepared studies, so that later runs decode nothing")
    parser.add_argument("--resume", action="store_true", help="go on where a run with this --out stopped")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: as torch chooses)")
    return parser.parse_args()
