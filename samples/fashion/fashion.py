"""Find garments on people: train, detect, evaluate.

    python samples/fashion/fashion.py train                      # on embedded scenes, some minutes
    python samples/fashion/fashion.py train --dataset DATA --weights imagenet --stages heads:1e-3:5,all:1e-4:15
    python samples/fashion/fashion.py analyse --dataset DATA --sample 15000 --output DIR  # what the data hold, and a sample of them
    python samples/fashion/fashion.py preview --augment flip,jitter,colour --output DIR  # what training would see
    python samples/fashion/fashion.py detect --weights last --image PHOTO_OR_FOLDER --output DIR
    python samples/fashion/fashion.py evaluate --weights last
    python samples/fashion/fashion.py train --folds 5 --fold 2   # hold out the second of five folds; --sample 15000: of so many images

Written against the public interface of mrcnn, as a program of yours would be. README.md beside it says more.
"""

import json
import os
import sys

import fashion_analyse
import fashion_options
import fashion_preview
import fashion_run
import fashion_splits
from fashion_config import make_config
from fashion_data import FashionDataset, resized

# The embedded scenes: training and validation are drawn from the same endless series, far apart.
SCENE_SERIES = 1
TRAIN_SCENES = 2000
VAL_SCENES = 200
VAL_FIRST = 1_000_000


def main(arguments=None):
    """Run one command; what the user can mend ends with a message and status 1."""
    options = fashion_options.parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        {"train": train, "analyse": analyse, "preview": preview, "detect": detect, "evaluate": evaluate}[options.command](options)
    except KeyboardInterrupt:
        print(f"\nfashion.py {options.command}: stopped. Finished epochs are kept; the same command with --weights last goes on.")
        sys.exit(130)
    except (OSError, ValueError, FloatingPointError) as error:
        if options.debug:
            raise
        sys.exit(f"fashion.py {options.command}: {error}")


def train(options):
    """Train in stages, with mAP after each epoch; the library leaves curves and pictures of detections in the run folder."""
    record = _recorded(options)
    variant = options.variant or (record.variant if record else fashion_options.default_variant(options))
    fashion_splits.require_held_back(options, record)
    plan = fashion_splits.Plan.of(options, record)
    dataset, val_dataset = plan.datasets(lambda subset: _data(options, record, subset, variant))
    seed = _choice(options.seed, record and record.seed, 0)
    settings = _settings(options, record)
    config = make_config(variant, dataset.num_classes, options.batch, options.steps, options.validation_steps, seed, settings)
    config.TIME_LIMIT = options.time_limit or config.TIME_LIMIT
    stages = _stages(options, config)

    from mrcnn import model as modellib

    model = modellib.MaskRCNN(mode="training", config=config, model_dir=options.logs)
    model.load_initial_weights(options.weights or "none")
    inference_model = _inference_model(variant, dataset.num_classes, options.logs, settings=settings)
    limit = options.map_limit or config.MAP_IMAGES
    mean_average_precision = modellib.MeanAveragePrecisionCallback(
        model, inference_model, val_dataset, calculate_map_at_every_X_epoch=1, dataset_limit=limit
    )
    keep_record = _keep_record(model, plan.noted(_record(options, record, variant, val_dataset, seed)))
    history = model.fit_stages(
        dataset,
        val_dataset,
        stages,
        augmentation=fashion_preview.augmentation(_choice(options.augment, record and record.augment, [])),
        custom_callbacks=[mean_average_precision, keep_record],
    )
    if history is None:
        raise ValueError(f"Nothing is left to train. Ask for more, such as --epochs {model.epoch + 5}.")


def analyse(options):
    """Write tables and plots of what training would see, and of a stratified sample of it."""
    dataset = _data(options, None, "train", options.variant)
    fashion_analyse.analyse(dataset, options.output, options.sample, options.seed or 0)


def preview(options):
    """Draw what `train` with the same options will see."""
    dataset = _data(options, None, "train", options.variant)
    config = make_config(options.variant, dataset.num_classes, options.batch, options.steps, None, options.seed or 0, options.settings)
    fashion_preview.preview(dataset, config, options.augment, options.photos, options.draws, options.output)


def detect(options):
    """Write a picture of the detections for each photo, and results.json."""
    photos = fashion_run.find_photos(options.image)
    checkpoints, records = _runs(options)
    class_names = ["BG", *records[0].classes]
    models = [
        _inference_model(record.variant, len(class_names), options.logs, checkpoint, record.settings)
        for checkpoint, record in zip(checkpoints, records, strict=True)
    ]
    os.makedirs(options.output, exist_ok=True)
    results = []
    for path, photo in photos:
        found = _detect_together(models, photo).filter(min_score=options.min_score or models[0].config.SHOWN_CONFIDENCE)
        picture = os.path.join(options.output, os.path.splitext(os.path.basename(path))[0] + "_detections.png")
        fashion_run.write_picture(picture, _drawn(photo, found, class_names))
        results.append(fashion_run.as_json(path, found, class_names))
        names = ", ".join(
            f"{class_names[i]} {score:.2f}" for i, score in zip(found["class_ids"], found["scores"], strict=True)
        )
        print(f"{path}: {names or 'nothing'} -> {picture}")
    with open(os.path.join(options.output, "results.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)


def evaluate(options):
    """Print the mean average precision at IoU 0.5, class by class: of a run, or of the runs of a K-fold split, each on the
    fold it never saw."""
    checkpoints, records = _runs(options)
    plans = [fashion_splits.Plan.of(options, record) for record in records]
    for record in records:
        fashion_splits.require_held_back(options, record)
    kept = {}

    def model_of(number):
        record = records[number]
        return _inference_model(record.variant, 1 + len(record.classes), options.logs, checkpoints[number], record.settings)

    def data_of(number):
        def load(subset):
            key = (subset, records[number].variant, str(records[number].settings))  # the settings may change the size
            if key not in kept:
                kept[key] = _data(options, records[number], subset, records[number].variant)
            return kept[key]

        return plans[number].subset(options.subset, load)

    if options.tune and (len(checkpoints) > 1 or options.subset != "val"):
        raise ValueError("--tune chooses the thresholds of one run, on its validation images: give one of --weights, and --subset val.")
    if len(records) > 1:
        fashion_splits.require_one_split(checkpoints, records)
    if options.subset == "test":
        if len({record.variant for record in records}) > 1:
            raise ValueError("--subset test compares runs on the same pixels: give runs of one variant.")
        models = [model_of(number) for number in range(len(checkpoints))]
        fashion_splits.compare_on_test(checkpoints, models, data_of(0), options.map_limit)
    elif len(checkpoints) > 1:
        if options.subset != "val":
            raise ValueError("Several --weights are evaluated on their held-out folds (--subset val) or on --subset test.")
        fashion_splits.out_of_fold(checkpoints, records, model_of, data_of, options.map_limit)
    else:
        _evaluate_one(checkpoints[0], model_of(0), data_of(0), options)


def _evaluate_one(checkpoint, model, dataset, options):
    from mrcnn.evaluation import accumulator
    from mrcnn.training.mean_average_precision import measure

    gathered = accumulator.APAccumulator(model.config.NUM_CLASSES)
    result = measure(model, dataset, dataset.image_ids[: options.map_limit], accumulator=gathered)
    print(f"\n{checkpoint}\n{options.subset}: {result.num_images} images, masks, IoU 0.5\n")
    for class_id, precision in sorted(result.per_class.items()):
        print(f"{dataset.class_names[class_id]:24} AP {precision:.3f}   {result.num_instances[class_id]:5} instances")
    print(f"\nmAP, class-wise: {result.map:.4f}   per-image mean: {result.per_image:.4f}")
    print(fashion_run.interval_line("mAP", gathered))
    if options.tune:
        from mrcnn.commands import tune

        print()
        tune.save(model, dataset, dataset.image_ids[: options.map_limit], checkpoint)


def _runs(options):
    """Return the checkpoints that --weights names, and the records of their runs, all of the same classes."""
    checkpoints = [fashion_run.find_checkpoint(weights, options.logs) for weights in options.weights]
    records = [_required_record(checkpoint) for checkpoint in checkpoints]
    fashion_splits.require_same_classes(checkpoints, records)
    return checkpoints, records


def _recorded(options):
    """Return the record of the run that --weights continues, or None."""
    weights = options.weights or "none"
    if weights == "last":
        return fashion_run.Record.read(fashion_run.find_checkpoint(weights, options.logs, whole_epochs=False))
    return fashion_run.Record.read(weights) if os.path.isfile(weights) else None


def _required_record(checkpoint):
    record = fashion_run.Record.read(checkpoint)
    if record is None:
        raise ValueError(
            f"{checkpoint} has no {fashion_run.RECORD} beside it, which says variant and classes: it is not a checkpoint of "
            "this sample. Train with fashion.py train, or copy the file into its run folder."
        )
    return record


def _choice(asked, recorded, default):
    """Return what the command line asks for, else what the run recorded, else the default."""
    return next(value for value in (asked, recorded, default) if value is not None)


def _record(options, record, variant, dataset, seed):
    folder = options.dataset or (record.dataset if record else None)
    return fashion_run.Record(
        variant=variant,
        classes=list(dataset.class_names[1:]),
        dataset=os.path.abspath(folder) if folder else None,
        rle_from=_choice(options.rle_from, record and record.rle_from, 1),
        val_share=_choice(options.val_share, record and record.val_share, 0.1),
        seed=seed,
        augment=_choice(options.augment, record and record.augment, []),
        settings=_settings(options, record),
    )


def _settings(options, record):
    """Return the parameters that --set gave, now or when the run began; the later one wins."""
    return {**(record.settings if record else {}), **options.settings}


def _data(options, record, subset, variant):
    """Return the prepared data set: --dataset, else what the run was trained on, else the embedded scenes. Its subsets are
    train and val, or for folds all (to cut them from) and test (what is outside)."""
    folder = options.dataset or (record.dataset if record else None)
    config = make_config(variant, 2, settings=_settings(options, record))
    size = int(config.IMAGE_MAX_DIM)
    if folder:
        if subset == "test" and not os.path.isfile(os.path.join(folder, "val.csv")):
            raise ValueError(f"{folder} has no val.csv: all its photos are in the folds, and none is left for --subset test.")
        dataset = FashionDataset()
        dataset.load(
            folder,
            "val" if subset == "test" else subset,
            size if config.IMAGE_RESIZE_MODE == "none" else None,
            rle_from=_choice(options.rle_from, record and record.rle_from, 1),
            val_share=_choice(options.val_share, record and record.val_share, 0.1),
            seed=_choice(options.seed, record and record.seed, 0),
        )
    else:
        from mrcnn.data.synthetic import SceneDataset

        dataset = SceneDataset()
        count, first = (TRAIN_SCENES, 0) if subset in ("train", "all") else (VAL_SCENES, VAL_FIRST)
        dataset.load(count, SCENE_SERIES, size, first)
    dataset.prepare()
    return dataset


def _stages(options, config):
    """Return the stages that the command line asks for, or the variant's own."""
    from mrcnn.training.stages import Stage

    if options.stages:
        return options.stages
    if options.layers or options.lr or options.epochs:
        return [Stage(options.layers or "all", options.lr or config.LEARNING_RATE, options.epochs or 1)]
    return fashion_options.stages(config.STAGES)


def _keep_record(model, record):
    """Return a callback that writes the record into the run folder, once there is one."""
    import keras

    return keras.callbacks.LambdaCallback(on_train_begin=lambda logs: record.write(model.log_dir))


def _inference_model(variant, num_classes, logs, checkpoint=None, settings=None):
    from mrcnn import model as modellib

    config = make_config(variant, num_classes, settings=settings)
    config.IMAGES_PER_GPU = config.DETECTION_BATCH
    model = modellib.MaskRCNN(mode="inference", config=config, model_dir=logs)
    if checkpoint:
        model.load_weights(checkpoint, by_name=True)
    return model


def _detect(model, photo):
    """Detect on a photo of any size; the variants on photos see it squeezed into their square, as in training."""
    if model.config.IMAGE_RESIZE_MODE != "none":
        return model.detect([photo])[0]
    found = model.detect([resized(photo, int(model.config.IMAGE_MAX_DIM))])[0]
    return fashion_run.rescaled(found, *photo.shape[:2])


def _detect_together(models, photo):
    from mrcnn.inference import ensemble

    of_models = [_detect(model, photo) for model in models]
    return ensemble.fuse(of_models) if len(models) > 1 else of_models[0]


def _drawn(photo, found, class_names):
    from mrcnn import visualize

    enlarge = max(1, 512 // max(photo.shape[:2]))
    return visualize.draw_instances(photo, found, class_names, enlarge=enlarge)


if __name__ == "__main__":
    main()
