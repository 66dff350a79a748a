"""The model `ccsd`: its weights, its infer task and its train task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from monailabel.interfaces.config import TaskConfig
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy

from ccsd.common.errors import InputError
from ccsd.common.settings import read_task
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models.served import ServedModel, weights_names
from ccsd.server.infers.batch import BatchInfer
from ccsd.server.infers.ccsd import CCSDInferTask
from ccsd.server.scoring.dice import DiceOfModel
from ccsd.server.scoring.disagreement import SubsetDisagreement
from ccsd.server.scoring.scores import Scores
from ccsd.server.strategies.by_score import ByExpectedGain, BySubsetDisagreement
from ccsd.server.strategies.random_study import RandomStudy
from ccsd.server.trainers.ccsd import CCSDTrainTask

DICE, DISAGREEMENT = "dice", "subset_disagreement"  # the scoring methods


class CCSD(TaskConfig):
    """Shared by both tasks: where weights are, and which network an untrained start makes."""

    def init(self, name: str, model_dir: str, conf: dict[str, str], planner: Any, **kwargs: Any) -> None:
        super().init(name, model_dir, conf, planner, **kwargs)
        preset = conf.get("preset", "small")
        if preset not in PRESETS:
            raise InputError(f"--conf preset: {preset} is not known, expected one of {', '.join(PRESETS)}")
        self.task = read_task(Path(conf["task"])) if conf.get("task") else BRATS
        self.labels = dict(self.task.labels)
        self.cache = Path(conf.get("cache") or Path.home() / ".cache" / "ccsd")  # studies in common space
        self.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.replay = Path(conf["replay"]) if conf.get("replay") else None
        if self.replay and not self.replay.is_dir():
            raise InputError(f"--conf replay: {self.replay} is not a folder, expected one of labelled studies")
        published, shipped = (Path(model_dir, file) for file in weights_names(self.task, name))
        self.model = ServedModel(published, shipped, self.task, PRESETS[preset])

    def infer(self) -> CCSDInferTask:
        return CCSDInferTask(self.model, cache=self.cache)

    def batch(self) -> BatchInfer:
        return BatchInfer(self.model)

    def strategies(self, start_scoring: Callable[[], None]) -> dict[str, Strategy]:
        """Args: `start_scoring` begins to make the scores that these need, in the background."""
        known = (self.model, self._disagreement, start_scoring)
        return {
            "random": RandomStudy(),
            "subset_disagreement": BySubsetDisagreement(*known),
            "expected_gain": ByExpectedGain(*known, self.task),
        }

    def scoring(self) -> dict[str, ScoringMethod]:
        return {
            DICE: DiceOfModel(self.model, self.dice),
            DISAGREEMENT: SubsetDisagreement(self.model, self._disagreement, cache=self.cache),
        }

    @property
    def dice(self) -> Scores:
        """What the served model reached on saved labels, as the scoring method `dice` found it."""
        return Scores(self.model.published.with_suffix(".dice.json"))

    @property
    def _disagreement(self) -> Scores:
        """In a file of its own: that of older releases, `.disagreement.json`, has another score."""
        return Scores(self.model.published.with_suffix(".leave_one_out.json"))

    def trainer(self) -> CCSDTrainTask:
        own = self.model.published
        stats = Path(self.model_dir, "train_stats.json")
        return CCSDTrainTask(self.model, folder=own.with_suffix(".training"), stats_file=stats, replay=self.replay)
