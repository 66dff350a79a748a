"""Train CCSD on a folder of labelled studies, outside the server.

Several GPUs: `torchrun --nproc-per-node 4 -m ccsd train ...`
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ccsd.common.errors import InputError
from ccsd.common.settings import read_task
from ccsd.method.task import BRATS, Task
from ccsd.models import checkpoint
from ccsd.models.card import Card, renamed
from ccsd.models.checkpoint import Checkpoint
from ccsd.studies.lists import select
from ccsd.studies.study import Study, find_studies
from ccsd.training.cache import load_cases
from ccsd.training.cases import Case, Sample
from ccsd.training.digest import digests_of
from ccsd.training.folders import DataFolder
from ccsd.training.loop import train
from ccsd.training.made import add_made_options, with_made
from ccsd.training.packed import PackedStudy, packed_studies, read_packed
from ccsd.training.processes import join_processes
from ccsd.training.recorder import BestFile, RunRecorder, read_state
from ccsd.training.run_settings import RunSettings, read_run_settings

logger = logging.getLogger("train")

EXAMPLE = "example: ccsd train --config configs/small.toml --data studies --val held_out.txt --out weights.pt"


def main() -> None:
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = read_run_settings(arguments.config, arguments.set)
    task = read_task(arguments.task) if arguments.task else BRATS
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.model:
        start = checkpoint.load(arguments.model, task=task)
    else:
        start = checkpoint.untrained(task, settings.network, seed=settings.train.seed)
    recorder = _recorder(arguments.out, settings)
    state = _stored(recorder.state_file, settings) if arguments.resume else None
    if state:
        recorder.restore(state)
    data = _data(arguments, task)
    recorder.card = card_of_run(start, settings, data, before=state.get("card") if state else None)
    device = _device()
    processes = join_processes(device)
    logger.info("settings: %s", asdict(settings))
    logger.info("training on %d studies, validating on %d", len(data.training), len(data.validation))
    total = settings.train.max_epochs * settings.train.steps
    hidden = True if processes.rank else None
    with logging_redirect_tqdm(), tqdm(total=total, unit="step", disable=hidden) as bar:
        bar.update(recorder.progress.done)

        def show(losses: dict[str, float]) -> None:
            bar.set_postfix(loss=f"{losses['total']:.3f}", refresh=False)
            bar.update()

        train(
            start.network,
            data.training,
            data.validation,
            settings.train,
            device=device,
            on_epoch=recorder.see,
            on_step=show,
            weights=data.weights,
            resume=state["run"] if state else None,
            processes=processes,
        )
    processes.leave()


@dataclass(frozen=True)
class Data:
    """`weights`: how often each training study is drawn; `digests`: of contents, by study."""

    training: Sequence[Sample]
    validation: Sequence[Case]
    weights: Sequence[float]
    digests: Mapping[str, str]


def _data(arguments: argparse.Namespace, task: Task) -> Data:
    folders = [DataFolder.parse(text) for text in arguments.data]
    found: list[Sequence[Study | PackedStudy]] = [
        packed_studies(folder.path) or find_studies(folder.path, task.modalities) for folder in folders
    ]
    everything = [study for studies in found for study in studies]
    wanted = {s.id for s in (select(everything, arguments.train) if arguments.train else everything)}
    held_out = select(everything, arguments.val) if arguments.val else []
    both = wanted & {s.id for s in held_out}
    if both and arguments.train:
        raise InputError(f"{arguments.val.name} and {arguments.train.name} both name {', '.join(sorted(both))}")
    digests: dict[str, str] = {}
    groups = [_load([s for s in studies if s.id in wanted - both], task, arguments.cache, digests) for studies in found]
    training, weights = with_made(
        groups,
        [folder.share for folder in folders],
        task,
        mirrored_share=arguments.mirrored,
        unenhanced_share=arguments.unenhanced,
    )
    return Data(training, _load(held_out, task, arguments.cache, digests), weights, digests)


def _load(
    studies: Sequence[Study | PackedStudy], task: Task, cache: Path | None, digests: dict[str, str]
) -> list[Case]:
    """The cases of the studies; their digests are added to `digests`."""
    cases: list[Case] = []
    for study in studies:
        if isinstance(study, PackedStudy):
            case, digests[study.id] = read_packed(study, task)
            cases.append(case)
    images = [study for study in studies if isinstance(study, Study)]
    digests.update(digests_of(images))
    return [*cases, *(load_cases(images, task, cache=cache) if images else ())]


def card_of_run(start: Checkpoint, settings: RunSettings, data: Data, *, before: Card | None = None) -> Card:
    """What the weights of this run will say of themselves.

    Args:
        before: the card of the run that is resumed: its weights started elsewhere and may have seen other studies.
    """
    training = tuple(case.id for case in data.training)
    values = _plain(settings)
    known = before.trained_on if before else start.card.trained_on
    return Card(
        parent=before.parent if before else start.version,
        training=training,
        seen=tuple(sorted(known | set(training))),
        validation=tuple(case.id for case in data.validation),
        digests=data.digests,
        settings={**values.pop("train"), **values},
        made_by="ccsd train",
    )


def _recorder(out: Path, settings: RunSettings) -> RunRecorder:
    """Beside the weights `out`: the state to resume from, and the TensorBoard log."""
    return RunRecorder(
        BestFile(out, settings.preset),
        Card(),
        out.with_suffix(".state.pt"),
        stored_too={"settings": _plain(settings)},
        board=out.with_suffix(".tensorboard"),
    )


def _stored(file: Path, settings: RunSettings) -> dict[str, Any] | None:
    """The state of an earlier run with the same settings, or None if there is none.

    Raises:
        InputError: it is of other settings or cannot be read.
    """
    state = read_state(file)
    if state is None:
        logger.info("%s does not exist: starting anew", file)
    elif (stored := renamed(state.get("settings", {}))) != _plain(settings):
        raise InputError(f"{file.name} is of a run with other settings, expected the same: {stored}")
    return state


def _plain(settings: RunSettings) -> dict[str, Any]:
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
        help="folder of labelled studies, and the share of the crops taken from it; may be given several times",
    )
    parser.add_argument("--out", type=Path, required=True, help="weights to write (.pt)")
    parser.add_argument("--config", type=Path, help="settings in TOML; configs/train.toml lists them all")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="settings, as train.seed=1"
    )
    parser.add_argument("--task", type=Path, help="task file in TOML (default: BraTS, four modalities)")
    parser.add_argument("--train", type=Path, help="list of study ids to train on (default: all but --val)")
    parser.add_argument("--val", type=Path, help="list of study ids to validate on (default: none)")
    add_made_options(parser)
    parser.add_argument("--model", type=Path, help="weights to start from (default: random)")
    parser.add_argument("--cache", type=Path, help="folder for prepared studies, so that later runs start at once")
    parser.add_argument("--resume", action="store_true", help="go on where a run with this --out stopped")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: as torch chooses)")
    return parser.parse_args()
