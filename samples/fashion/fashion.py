"""Find garments on people: train, detect, evaluate.

    python samples/fashion/fashion.py train                      # on embedded scenes, some minutes
    python samples/fashion/fashion.py train --dataset DATA --weights imagenet --stages heads:1e-3:5,all:1e-4:15
    python samples/fashion/fashion.py analyse --dataset DATA --sample 15000 --output DIR  # what the data hold, and a sample of them
    python samples/fashion/fashion.py preview --augment flip,jitter,colour --output DIR  # what training would see
    python samples/fashion/fashion.py detect --weights last --image PHOTO_OR_FOLDER --output DIR
    python samples/fashion/fashion.py evaluate --weights last
    python samples/fashion/fashion.py submit --weights last --image DATA/test --output submission.csv
    python samples/fashion/fashion.py train --attributes          # learn attributes ("striped") too; detect and evaluate then tell them
    python samples/fashion/fashion.py train --folds 5 --fold 2   # hold out the second of five folds; --sample 15000: of so many images

Written against the public interface of mrcnn, as a program of yours would be. README.md beside it says more.
"""

import json
import os
import sys

OWN_DIR = os.path.dirname(os.path.abspath(__file__))
ROOT_DIR = os.path.dirname(os.path.dirname(OWN_DIR))
# This folder's own library, where another is installed too; and the modules beside this one, for who imports samples.fashion.fashion.
sys.path[:0] = [path for path in (OWN_DIR, ROOT_DIR) if path not in sys.path]

import fashion_analyse  # noqa: E402  (the path is known only now)
import fashion_attributes  # noqa: E402
import fashion_options  # noqa: E402
import fashion_preview  # noqa: E402
import fashion_run  # noqa: E402
import fashion_splits  # noqa: E402
import fashion_submit  # noqa: E402
from fashion_config import make_config  # noqa: E402
from fashion_data import FashionDataset, resized  # noqa: E402

from samples import program  # noqa: E402

# The embedded scenes: training and validation are drawn from the same endless series, far apart.
SCENE_SERIES = 1
TRAIN_SCENES = 2000
VAL_SCENES = 200
VAL_FIRST = 1_000_000


def main(arguments=None):
    """Run one command; what the user can mend ends with a message and status 1."""
    options = fashion_options.parse(arguments)
    commands = {
        "train": train, "analyse": analyse, "preview": preview, "detect": detect, "evaluate": evaluate, "submit": submit,
        "check": fashion_submit.check,
    }  # fmt: skip
    program.run("fashion.py", commands[options.command], options)


def train(options):
    """Train in stages, with mAP after each epoch; the library leaves curves and pictures of detections in the run folder."""
    record = _recorded(options)
    variant = options.variant or (record.variant if record else fashion_options.default_variant(options))
    fashion_splits.require_held_back(options, record)
    plan = fashion_splits.Plan.of(options, record)
    dataset, val_dataset = plan.datasets(lambda subset: _data(options, record, subset, variant))
    seed = _choice(options.seed, record and record.seed, 0)
    if options.attributes:
        options.settings["NUM_ATTRIBUTES"] = len(fashion_attributes.require(dataset))
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
        raise ValueError(_nothing_left(options, model.epoch))


def _nothing_left(options, done):
    more = "add a stage to --stages, or epochs to its last one" if options.stages else f"ask for more, such as --epochs {done + 5}"
    return f"Nothing is left to train, {done} epochs are done: {more}."


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
    photos = program.find_photos(options.image)
    checkpoints, records = _runs(options)
    class_names = ["BG", *records[0].classes]
    models, min_score = _models(options, checkpoints, records)
    os.makedirs(options.output, exist_ok=True)
    results, names_seen = [], set()
    for path, photo in photos:
        found = _detect_together(models, photo).filter(min_score=min_score)
        name = os.path.splitext(os.path.basename(path))[0]
        name = os.path.basename(path) if name in names_seen else name  # a.jpg and a.png have a picture each
        names_seen.add(name)
        picture = os.path.join(options.output, f"{name}_detections.png")
        program.write_picture(picture, _drawn(photo, found, class_names))
        results.append(fashion_run.as_json(path, found, class_names, records[0].attributes))
        told = [f" ({line})" if line else "" for line in fashion_attributes.lines(found, records[0].attributes)]
        names = ", ".join(
            f"{class_names[i]} {score:.2f}{more}" for i, score, more in zip(found["class_ids"], found["scores"], told, strict=True)
        )
        print(f"{path}: {names or 'nothing'} -> {picture}")
    with open(os.path.join(options.output, "results.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)


def submit(options):
    """Write what is found on the photos of a folder in the competition's form, without overlaps, and check the file."""
    photos = fashion_submit.find(options.image, options.output, options.overwrite)
    checkpoints, records = _runs(options)
    categories = fashion_submit.categories_of(records[0])
    models, min_score = _models(options, checkpoints, records)

    def found(photo):
        # The masks stay on the network's square: the writer brings each to the photo by itself.
        return _detect_together(models, photo, whole=False).filter(min_score=min_score)

    fashion_submit.write(options.output, photos, found, categories, records[0].attributes, options.overwrite)


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
        model = _inference_model(record.variant, 1 + len(record.classes), options.logs, checkpoints[number], record.settings)
        return program.with_thresholds(model, options)

    def data_of(number):
        def load(subset):
            key = (subset, records[number].variant, str(records[number].settings))  # the settings may change the size
            if key not in kept:
                kept[key] = _data(options, records[number], subset, records[number].variant)
            return kept[key]

        found = plans[number].subset(options.subset, load)
        fashion_attributes.require_same(records[number], found)
        return found

    def gatherer_of(model):
        return fashion_attributes.gatherer(model, options.min_attribute)

    if options.tune and (len(checkpoints) > 1 or options.subset != "val"):
        raise ValueError("--tune chooses the thresholds of one run, on its validation images: give one of --weights, and --subset val.")
    if options.tune and options.thresholds is not None:
        raise ValueError("--tune chooses thresholds, --thresholds uses those there are: give one of them.")
    compared = options.subset == "test" and options.thresholds is None
    if options.min_attribute and not any(record.attributes for record in records):
        raise ValueError("--min-attribute: attributes are measured of runs with --attributes, and this is none. Leave it out.")
    if len(records) > 1:
        fashion_splits.require_one_split(checkpoints, records)
    if compared:
        if len({record.variant for record in records}) > 1:
            raise ValueError("--subset test compares runs on the same pixels: give runs of one variant.")
        models = [model_of(number) for number in range(len(checkpoints))]
        fashion_splits.compare_on_test(checkpoints, models, data_of(0), options.map_limit, gatherer_of)
    elif len(checkpoints) > 1:
        if options.subset != "val":
            raise ValueError("Several --weights are evaluated on their held-out folds (--subset val) or on --subset test.")
        fashion_splits.out_of_fold(checkpoints, records, model_of, data_of, options.map_limit, gatherer_of)
    else:
        _evaluate_one(checkpoints[0], model_of(0), data_of(0), options, records[0].attributes)


def _evaluate_one(checkpoint, model, dataset, options, attributes):
    from mrcnn.evaluation import accumulator
    from mrcnn.training.mean_average_precision import measure

    gathered = accumulator.APAccumulator(model.config.NUM_CLASSES)
    told = fashion_attributes.gatherer(model, options.min_attribute)
    result = measure(model, dataset, dataset.image_ids[: options.map_limit], accumulator=gathered, attributes=told)
    print(f"\n{checkpoint}\n{options.subset}: {result.num_images} images, masks, IoU 0.5\n")
    for class_id, precision in sorted(result.per_class.items()):
        print(f"{dataset.class_names[class_id]:24} AP {precision:.3f}   {result.num_instances[class_id]:5} instances")
    print(f"\nmAP, class-wise: {result.map:.4f}   per-image mean: {result.per_image:.4f}")
    print(fashion_run.interval_line("mAP", gathered))
    if options.thresholds is not None:
        print(f"\n{fashion_run.set_lines(gathered, dataset.class_names)}")
    if told is not None:
        print(f"\n{fashion_attributes.report(told, attributes)}")

    if options.tune:
        from mrcnn.commands import tune

        print()
        tune.save(model, dataset, dataset.image_ids[: options.map_limit], checkpoint)


def _runs(options):
    """Return the checkpoints that --weights names, and the records of their runs, all of the same classes."""
    if options.thresholds is not None and len(options.weights) > 1:
        raise ValueError("--thresholds were tuned for one network by itself: give one of --weights.")
    checkpoints = [fashion_run.find_checkpoint(weights, options.logs) for weights in options.weights]
    records = [_required_record(checkpoint) for checkpoint in checkpoints]
    fashion_splits.require_same_classes(checkpoints, records)
    return checkpoints, records


def _models(options, checkpoints, records):
    """Return the network of each checkpoint, to detect, and the least score of what is shown."""
    models = [
        _inference_model(record.variant, 1 + len(record.classes), options.logs, checkpoint, record.settings)
        for checkpoint, record in zip(checkpoints, records, strict=True)
    ]
    for model in models:
        model.config.ATTRIBUTE_MIN_CONFIDENCE = options.min_attribute or model.config.ATTRIBUTE_MIN_CONFIDENCE
    default = models[0].config.SHOWN_CONFIDENCE if options.thresholds is None else 0.0  # thresholds have a score for each class
    return [program.with_thresholds(model, options) for model in models], options.min_score or default


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
        settings=(settings := _settings(options, record)),
        categories=[int(info["id"]) for info in dataset.class_info[1:]],
        attributes=fashion_attributes.require(dataset) if settings.get("NUM_ATTRIBUTES") else [],
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


def _detect(model, photo, whole=True):
    """Detect on a photo of any size; the variants on photos see it squeezed into their square, as in training.

    Without `whole` what they find stays on the square.
    """
    if model.config.IMAGE_RESIZE_MODE != "none":
        return model.detect([photo])[0]
    found = model.detect([resized(photo, int(model.config.IMAGE_MAX_DIM))])[0]
    return fashion_run.rescaled(found, *photo.shape[:2]) if whole else found


def _detect_together(models, photo, whole=True):
    from mrcnn.inference import ensemble

    # Networks of several squares meet on the photo itself.
    whole = whole or len({(int(model.config.IMAGE_MAX_DIM), model.config.IMAGE_RESIZE_MODE) for model in models}) > 1
    of_models = [_detect(model, photo, whole) for model in models]
    return ensemble.fuse(of_models) if len(models) > 1 else of_models[0]


def _drawn(photo, found, class_names):
    from mrcnn import visualize

    enlarge = max(1, 512 // max(photo.shape[:2]))
    return visualize.draw_instances(photo, found, class_names, enlarge=enlarge)


if __name__ == "__main__":
    main()
