"""The training of one network from stage to stage: where it stands, what a saved state gives back, and each stage's fit."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras

from mrcnn.config import Config
from mrcnn.log import log
from mrcnn.training import keeper, plain, runs, state, trainer
from mrcnn.training.feed import Feed
from mrcnn.training.memory import Memory
from mrcnn.training.rates import Rates
from mrcnn.training.stages import Stage


class Planned(NamedTuple):
    """A stage with its place in the run.

    Attributes:
        stage: What to do.
        start: Epoch at which it begins, from 0.
        index: Of the stages.
        count: Number of stages; 0 for a single call of train.
    """

    stage: Stage
    start: int
    index: int = 0
    count: int = 0

    @property
    def end(self) -> int:
        """Total of epochs when it is done."""
        return self.start + self.stage.epochs


class Session:
    """What training remembers between two fits.

    Attributes:
        memory: Of the optimizers.
        resume: State that the weights were loaded from or left at; None where training goes on at an epoch's beginning without one.
        restored: True until the optimizer has been built from `memory` after a load.
    """

    def __init__(self) -> None:
        self.memory, self.resume, self.restored = Memory(), None, False
        self._started: float | None = None
        self._left_at: float | None = None  # the limit that was reached
        self._seconds: dict[str, float] = {}  # see Keeper; a stage knows how long the mAP took in the one before

    def load(self, weights: str, only_weights: bool = False) -> state.State | None:
        """Take the state that belongs to a weight file just loaded, if there is one; forget what was before.

        Args:
            weights: The file.
            only_weights: Look for no state.

        Returns:
            The state; also one whose arrays were dropped, so that only the weights go on.
        """
        self.forget()
        path = None if only_weights else state.of_weights(weights)
        if path is None:
            return None
        try:
            found = state.read(path)
        except ValueError as error:
            log(f"Only the weights are taken; the optimizer starts afresh, since the state beside them is not complete ({error}).")
            return None
        if not found.arrays:
            log(f"The optimizer's state of epoch {found.facts['epoch']} was not kept (only the last {keeper.STATES_KEPT} are): it starts afresh.")
        prefix = "optimizer/"
        self.memory.arrays = {name[len(prefix) :]: array for name, array in found.arrays.items() if name.startswith(prefix)}
        self.resume = found
        return found

    def plan(self, stages: Sequence[Stage], epoch: int) -> list[Planned]:
        """Stages that are still to be done after `epoch` finished epochs; the first may be begun.

        A stage ends early where a callback stopped it (EarlyStopping): the next then begins at once. A saved state knows where its stage began.
        """
        noted = self._noted()
        index = noted.get("index", 0)
        known = bool(noted.get("count")) and noted["start"] <= epoch and index < len(stages) and stages[index].layers == noted.get("layers")
        planned, start = [], 0
        for index, stage in enumerate(stages):
            if known and index == noted["index"]:
                start = noted["start"]
            over = known and (index < noted["index"] or (index == noted["index"] and noted.get("ended")))
            if known and index == noted["index"] + 1 and noted.get("ended"):
                start = epoch
            item = Planned(stage, start, index, len(stages))
            if not over and (item.end > epoch or (item.end == epoch and self.pending)):
                planned.append(item)
            start = item.end
        return planned

    def single(self, layers: str, learning_rate: Any, epochs: int, epoch: int) -> Planned:
        """One call of train as a stage; it began where the saved state of such a call says, else now."""
        noted = self._noted()
        start = noted["start"] if noted.get("count") == 0 and noted.get("layers") == layers and noted["start"] <= epoch else epoch
        return Planned(Stage(layers, learning_rate, max(1, epochs - start)), start)

    def _noted(self) -> dict[str, Any]:
        """The stage of the saved state; empty where there is none."""
        return self.resume.facts.get("stage", {}) if self.resume else {}

    def forget(self) -> None:
        """Weights of another origin, or a new run: what was gathered belongs to neither."""
        self.memory, self.resume, self.restored = Memory(), None, True

    def over(self, config: Config) -> bool:
        """Whether a time limit has ended this training already: what a script asks for next is not begun. Says so."""
        over = self._left_at is not None and config.TIME_LIMIT == self._left_at
        if over:
            log("Nothing to train: TIME_LIMIT has been reached. What is saved goes on in another process, or with another TIME_LIMIT.")
        return over

    @property
    def pending(self) -> bool:
        """Whether an epoch's end was cut off and is due."""
        return bool(self.resume and self.resume.facts.get("pending"))

    def fit(
        self, model: keras.Model, planned: Planned, run: runs.Run, config: Config, feeds: tuple[Feed, Feed | None],
        custom_callbacks: Sequence[keras.callbacks.Callback], history: trainer.Figures, moved: Callable[[int], None],
    ) -> bool:  # fmt: skip
        """Train a stage to its end.

        Args:
            model: Compiled.
            planned: The stage.
            run: Where it writes, and the epochs done.
            config: Limits, and what the states say of it.
            feeds: Of training and validation.
            custom_callbacks: The user's.
            history: Where the figures go.
            moved: Told the number of finished epochs, however the fit ends.

        Returns:
            Whether the stage was left before its end, by a time limit say. (A callback that stops it ends it.)
        """
        self._started = time.monotonic() if self._started is None else self._started
        train, validation = feeds
        step = self.resume.facts["step"] if self.resume else 0
        if step >= train.steps:
            raise ValueError(
                f"The training was left after step {step} of epoch {run.epoch + 1}, and an epoch now has {train.steps}. Set STEPS_PER_EPOCH above "
                f"{step} to go on there, or load the checkpoint of epoch {run.epoch} by its path."
            )
        before = self._noted()
        resume, self.resume, self.restored = self.resume, None, False
        order = order_of(train)
        if resume:
            if step:
                log(f"Going on after step {step} of {train.steps} in epoch {run.epoch + 1}.")
            self._compare(resume, order)
            keeper.restore(model, resume.arrays)
        stage = {**describe(planned), "ended": False}
        goes_on = not before.get("ended") and all(before.get(name) == stage[name] for name in ("index", "start", "layers"))
        facts = {"stage": stage, "order": order, "config": plain.attributes(config), **versions()}
        keep = keeper.Keeper(run, self.memory, facts, config.KEEP_LAST, config.KEEP_BEST, self._seconds)
        rates = Rates(planned.stage, planned.start, train.steps, step)
        if goes_on and all(before.get(name) == stage[name] for name in ("rate", "schedule")):
            rates.resume(resume.facts.get("rates", {}))
        deadline = None if config.TIME_LIMIT is None else self._started + config.TIME_LIMIT
        try:
            leaving = trainer.fit(
                model, train.at(run.epoch, step), validation, keep, rates, planned.end, resume=resume,
                noted=resume.facts.get("callbacks", ()) if goes_on else (), custom_callbacks=custom_callbacks, deadline=deadline, history=history,
                more=planned.index + 1 < planned.count,
            )  # fmt: skip
        finally:
            moved(keep.epoch)
        if leaving.reason is None:
            return False
        if leaving.signal is None:
            self._left_at = config.TIME_LIMIT
        self.resume = state.read(state.facts_path(run.log_dir, keep.epoch, keep.step))
        leaving.leave_as_asked()
        return True

    @staticmethod
    def _compare(resume: state.State, order: dict[str, Any]) -> None:
        """Say where the data come in another order than before: the training goes on, but not as it would have without the interruption."""
        before = resume.facts.get("order", {})
        names = [name for name in order if name in before and before[name] != order[name]]  # states of older versions know less
        changed = ["the images are others, or in another order" if n == "ids" else f"{n} {before[n]!r} is now {order[n]!r}" for n in names]
        if changed:
            log(f"The data are not those of the saved state ({'; '.join(changed)}): the training goes on, but not exactly as it would have.")


def describe(planned: Planned) -> dict[str, Any]:
    """What a state says of the stage it lies in. A saved rate or patience is taken up again in this very stage only."""
    stage = planned.stage
    rate = plain.encode(stage.learning_rate.get_config() if hasattr(stage.learning_rate, "get_config") else stage.learning_rate)
    return {
        "index": planned.index, "count": planned.count, "start": planned.start, "layers": stage.layers, "rate": rate, "schedule": str(stage.schedule),
    }  # fmt: skip


def order_of(feed: Feed) -> dict[str, Any]:
    """What the training data and their order hang on, beside the configuration, whose changes `record` names."""
    batches, known = feed.batches, feed.batches.dataset.image_info
    ids = "\n".join(plain.text((known[i].get("source"), known[i].get("id"))) for i in batches.dataset.image_ids)
    return {
        "images": len(batches.dataset.image_ids), "batch_size": batches.batch_size, "steps": batches.steps, "seed": batches.seed,
        "ids": hashlib.sha256(ids.encode(errors="surrogatepass")).hexdigest(),
        "augmentation": None if batches.augmentation is None else plain.text(batches.augmentation),
        "no_augmentation_sources": sorted(map(str, batches.no_augmentation_sources)),
    }  # fmt: skip


def versions() -> dict[str, str]:
    """Versions that a state was written by."""
    return {"keras": keras.__version__, "backend": keras.backend.backend()}


def find(weights: str, logs: str, name: str | None, *, describe: Callable[[str], Any], whole_epochs: bool = True) -> str:
    """Return the weight file that a command's --weights names.

    Args:
        weights: A file; the folder of a run: its newest complete checkpoint; a folder of runs: that of the newest run; or "last": that of the newest
            run under `logs`.
        logs: Folder of the runs.
        name: Of the configuration whose runs "last" looks at; None: of any.
        describe, whole_epochs: See `last`.

    Raises:
        FileNotFoundError: there is none.
    """
    if weights.lower() == "last":
        return last(logs, name, describe=describe, whole_epochs=whole_epochs)
    if not os.path.isdir(weights):
        if not os.path.isfile(weights):
            raise FileNotFoundError(f"--weights {weights}: there is no such file. A weight file, the folder of a run, or last is expected.")
        return weights
    if not (os.path.isdir(os.path.join(weights, state.FOLDER)) or runs.checkpoints_of(weights)):
        try:
            return last(weights, None, describe=describe, whole_epochs=whole_epochs)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"--weights {weights}: the folder holds no checkpoint (mask_rcnn_NAME_NNNN.h5) and no run with one.") from error
    path, _ = _newest(weights, describe, whole_epochs)
    if path is None:
        raise FileNotFoundError(f"--weights {weights}: no checkpoint of this run is complete.")
    return path


def last(model_dir: str, name: str | None, *, describe: Callable[[str], Any], whole_epochs: bool) -> str:
    """Weights of the newest complete checkpoint or state of this name's runs; broken ones are skipped, and said so.

    In a run that keeps states a checkpoint is complete if its state is; in one without, if `describe` finds a weight file in it.

    Args:
        model_dir: Folder of the runs.
        name: Of the configuration. None: the runs of any.
        describe: Raises ValueError for a file that holds no weights.
        whole_epochs: Leave out states inside an epoch.

    Raises:
        FileNotFoundError: there is none.
    """
    folders = runs.folders(model_dir, name)
    seen = 0
    for number, folder in enumerate(folders):
        if number:
            log(f"{folders[number - 1]} holds no complete checkpoint: looking in the run before, {folder}.")
        path, tried = _newest(folder, describe, whole_epochs)
        if path is not None:
            return path
        seen += tried
    place, which = os.path.abspath(model_dir), f" of {name!r}" if name else ""
    if seen:
        raise FileNotFoundError(f"Every checkpoint of the runs{which} in {place} is broken.")
    raise FileNotFoundError(f"The runs{which} in {place} hold no checkpoint yet (the first is written after an epoch).")


def _newest(folder: str, describe: Callable[[str], Any], whole_epochs: bool) -> tuple[str | None, int]:
    """Return the newest complete weights of one run, None where there are none, and how many were looked at."""
    seen, keeps = 0, os.path.isdir(os.path.join(folder, state.FOLDER))
    for path in state.paths(folder):
        facts = state.facts_of(path)
        if facts and facts["step"] and whole_epochs:
            continue
        seen += 1
        try:
            return state.read(path).weights, seen
        except ValueError as error:
            if facts and not os.path.exists(os.path.join(folder, facts["weights"])):
                log(f"{os.path.join(folder, facts['weights'])} has been deleted: taking the one before.")
                continue
            log(f"Skipping a broken checkpoint: {error}")
    for path in runs.checkpoints_of(folder):
        seen += 1
        if keeps and state.of_weights(path) is None:
            log(f"Skipping {path}: it was not completed. Its weights alone can be loaded by this path.")
        elif not keeps:
            try:
                describe(path)
                return path, seen
            except ValueError as error:
                log(f"Skipping a broken checkpoint: {error}")
    return None, seen
