"""Folds and samples: --folds, --fold and --sample of training, and several runs together in evaluate and detect."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import fashion_attributes
import fashion_run
import numpy as np

from mrcnn.data import splits
from mrcnn.data.dataset import Dataset

NAMES = ("folds", "fold", "sample")


@dataclass(frozen=True)
class Plan:
    """Which part of the training images a run trains on.

    Attributes:
        folds: K, or None for no folds.
        fold: the fold held out, 1…K.
        sample: images drawn before anything else; None: all.
        seed: the draw and the folds follow from it, so runs of one split share it.
    """

    folds: int | None = None
    fold: int | None = None
    sample: int | None = None
    seed: int = 0

    @classmethod
    def of(cls, options: Any, record: Any) -> "Plan":
        """Return what the run recorded, or for a new run what the command line asks for.

        Raises:
            ValueError: both, and they differ.
        """
        asked = {name: getattr(options, name, None) for name in NAMES}
        if record is None:
            return cls(**asked, seed=options.seed or 0)
        recorded = {name: getattr(record, name) for name in NAMES}
        for name in NAMES:
            if asked[name] is not None and asked[name] != recorded[name]:
                raise ValueError(
                    f"--{name} {asked[name]}, but the run that --weights continues has {recorded[name] or 'none'}: what it held out would be "
                    f"trained on. Leave --{name} out, or start a new run."
                )
        if any(recorded.values()) and options.seed not in (None, record.seed):
            raise ValueError(f"--seed {options.seed}, but the split of this run was made with seed {record.seed}. Leave --seed out.")
        return cls(**recorded, seed=record.seed)

    def noted(self, record: Any) -> Any:
        """Return a run's record with the plan in it."""
        return replace(record, folds=self.folds, fold=self.fold, sample=self.sample)

    def datasets(self, load: Callable[[str], Dataset], tell: Callable[[Any], None] = print) -> tuple[Dataset, Dataset]:
        """Return (training, validation).

        Args:
            load: subset -> prepared data set: "train" and "val", or "all" to cut folds from.
            tell: gets the reports on sample and folds.
        """
        if self.folds is None:
            return self._sampled(load("train"), tell), load("val")
        folds = splits.kfold(self._sampled(load("all"), tell), self.folds, self.seed)
        tell(f"\n{self.folds} folds, seed {self.seed}; fold {self.fold} is held out:\n{folds}")
        return folds.datasets(self.fold)

    def subset(self, subset: str, load: Callable[[str], Dataset]) -> Dataset:
        """Return "train", "val" or "test" of this plan, silently."""
        if subset == "test":
            if self.folds is None:
                raise ValueError("--subset test is what a K-fold split leaves out, and this run has no --folds: its validation is --subset val.")
            return load("test")
        if subset == "val" and self.folds is None:
            return load("val")
        return self.datasets(load, tell=lambda report: None)[subset == "val"]

    def _sampled(self, dataset: Dataset, tell: Callable[[Any], None]) -> Dataset:
        if self.sample is None:
            return dataset
        drawn, report = splits.sample(dataset, self.sample, self.seed)
        tell(f"\n{drawn.num_images} of {dataset.num_images} images, seed {self.seed}:\n{report}")
        return drawn


def require_held_back(options: Any, record: Any) -> None:
    """Refuse another share or seed than the run's where these decide which photos are held back for validation.

    Raises:
        ValueError: photos that were trained on would be judged by, or held-back ones trained on.
    """
    if record is None or not record.dataset or (options.dataset and os.path.abspath(options.dataset) != record.dataset):
        return
    if os.path.isfile(os.path.join(record.dataset, "val.csv")):
        return
    for name in ("seed", "val_share"):
        asked, recorded = getattr(options, name, None), getattr(record, name)
        if asked is not None and asked != recorded:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(
                f"{option} {asked}, but the run has {recorded}, which decides the photos it held back: training and validation would mix. "
                f"Leave {option} out, or start a new run."
            )


def check_options(parser: Any, options: Any) -> None:
    """End the program if the options contradict each other; a command without them passes."""
    folds, fold = getattr(options, "folds", None), getattr(options, "fold", None)
    if (folds is None) != (fold is None):
        parser.error("--folds and --fold belong together: --folds 5 --fold 2 holds out the second of five.")
    if folds is not None:
        if folds < 2:
            parser.error("--folds 1: at least 2 are needed, one to hold out and one to train on.")
        if fold > folds:
            parser.error(f"--fold {fold} of --folds {folds}: folds are numbered from 1 to {folds}.")
        if options.val_share is not None:
            parser.error("--val-share has no meaning with --folds: the fold is the validation. Leave it out.")


def require_same_classes(checkpoints: Sequence[str], records: Sequence[Any]) -> None:
    """Refuse runs whose classes differ, or whose attributes do; some may tell none.

    Raises:
        ValueError: names the two runs.
    """
    telling = [(checkpoint, record) for checkpoint, record in zip(checkpoints, records, strict=True) if record.attributes]
    for checkpoint, record in zip(checkpoints, records, strict=True):
        if record.classes != records[0].classes:
            raise ValueError(f"{checkpoint} has other classes than {checkpoints[0]}: they can't work together.")
    for checkpoint, record in telling:
        if record.attributes != telling[0][1].attributes:
            raise ValueError(f"{checkpoint} has other attributes than {telling[0][0]}: they can't work together.")


def require_one_split(checkpoints: Sequence[str], records: Sequence[Any]) -> None:
    """Refuse runs that are not different folds of one split.

    Raises:
        ValueError: names the run, and what differs.
    """
    require_same_classes(checkpoints, records)
    seen: dict[int, str] = {}
    for checkpoint, record in zip(checkpoints, records, strict=True):
        if record.folds is None:
            raise ValueError(
                f"{checkpoint} is no run of a K-fold split. Several --weights are evaluated each on its own fold; train with --folds and --fold."
            )
        for name in ("folds", "sample", "seed", "dataset", "rle_from"):
            if getattr(record, name) != getattr(records[0], name):
                raise ValueError(
                    f"{checkpoint} has {name} {getattr(record, name)}, {checkpoints[0]} has {getattr(records[0], name)}: not the same split."
                )
        if record.fold in seen:
            raise ValueError(f"{checkpoint} and {seen[record.fold]} both hold out fold {record.fold}: give one run a fold.")
        seen[record.fold] = checkpoint


def out_of_fold(
    checkpoints: Sequence[str], records: Sequence[Any], model_of: Callable[[int], Any], data_of: Callable[[int], Dataset], limit: int | None,
    gatherer_of: Callable[[Any], Any],
) -> Any:  # fmt: skip
    """Evaluate each run on the fold it held out; print each, mean and spread, and all images pooled; of runs that tell attributes also these.

    Args:
        checkpoints: one of each run.
        records: theirs.
        model_of: number of the run -> its model for detection.
        data_of: number of the run -> its held-out fold.
        limit: images a fold; None: all.
        gatherer_of: model -> what gathers its attributes, or None; see `fashion_attributes.gatherer`.

    Returns:
        The figures of all images together, `accumulator.MeanAveragePrecision`: scores of different networks are ranked
        in one list.
    """
    from mrcnn.evaluation import accumulator
    from mrcnn.training.mean_average_precision import measure

    pooled = accumulator.APAccumulator(1 + len(records[0].classes))
    results = []
    print()
    for number, (checkpoint, record) in enumerate(zip(checkpoints, records, strict=True)):
        dataset, fold = data_of(number), accumulator.APAccumulator(1 + len(record.classes))
        told = gatherer_of(model := model_of(number))
        results.append(measure(model, dataset, dataset.image_ids[:limit], accumulator=fold, attributes=told))
        pooled.merge(fold)
        print(f"fold {record.fold} of {record.folds}: mAP {results[-1].map:.4f} on {results[-1].num_images} images   {checkpoint}")
        if told is not None:
            print(f"      attributes, {fashion_attributes.interval_line(told)}")
    whole = pooled.result()
    print(f"\n{'':24} {'mean':>7} {'± sd':>7} {'pooled':>7}   instances   (masks, IoU 0.5)")
    for class_id, name in enumerate(records[0].classes, start=1):
        if class_id in whole.per_class:
            found = [result.per_class[class_id] for result in results if class_id in result.per_class]
            print(f"{name:24} {mean_and_spread(found)} {whole.per_class[class_id]:7.3f} {whole.num_instances[class_id]:11}")
    print(f"{'mAP, class-wise':24} {mean_and_spread([result.map for result in results])} {whole.map:7.3f} {sum(whole.num_instances.values()):11}")
    print(fashion_run.interval_line("mAP, pooled", pooled))
    missing = sorted(set(range(1, records[0].folds + 1)) - {record.fold for record in records})
    if missing:
        print(f"Not all images: no run of fold {', '.join(map(str, missing))} was given.")
    return whole


def mean_and_spread(values: Sequence[float]) -> str:
    """Return the mean and the standard deviation between folds (n - 1) in two columns; one value has none.

    >>> mean_and_spread([0.5, 0.7])
    '  0.600   0.141'
    """
    spread = f"{np.std(values, ddof=1):7.3f}" if len(values) > 1 else f"{'-':>7}"
    return f"{np.mean(values):7.3f} {spread}"


def compare_on_test(
    names: Sequence[str], models: Sequence[Any], dataset: Dataset, limit: int | None, gatherer_of: Callable[[Any], Any]
) -> dict[str, Any]:
    """Evaluate runs, and of several the ensemble, on images that none has seen; print and return {name: figures}.

    `gatherer_of` is that of `out_of_fold`.
    """
    from mrcnn.evaluation import accumulator
    from mrcnn.inference import ensemble
    from mrcnn.training.mean_average_precision import measure

    together = {"ensemble": ensemble.Ensemble(models)} if len(models) > 1 else {}
    results = {}
    for name, model in {**dict(zip(names, models, strict=True)), **together}.items():
        gathered = accumulator.APAccumulator(model.config.NUM_CLASSES)
        told = gatherer_of(model)
        results[name] = measure(model, dataset, dataset.image_ids[:limit], accumulator=gathered, attributes=told)
        print(f"test: mAP {results[name].map:.4f}, per-image mean {results[name].per_image:.4f}, {results[name].num_images} images   {name}")
        print(fashion_run.interval_line("      mAP", gathered))
        if told is not None:
            print(f"      attributes, {fashion_attributes.interval_line(told)}")
    return results
