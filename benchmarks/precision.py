"""What bfloat16 changes in detections: average precision against the float32 detections as ground truth.

    python benchmarks/precision.py --train ../shared/data/ccp_fashion --start imagenet:WEIGHTS.h5 --logs /tmp/precision
    python benchmarks/precision.py --weights /tmp/precision/fashion…/mask_rcnn_fashion_0002.h5 --photos ../shared/data/ccp_fashion/val

The weights are a checkpoint of the fashion sample (samples/fashion), which --train makes from seed 0: a network that has learned decides by margins
far above the rounding. One with random weights does not: which of two nearly equal proposals survives, and which of 81 nearly equal classes wins, is
then decided by the last bits, in float32 on another machine too. --random SIZE shows it: the other contests' network in bfloat16, and in float32 with
all weights multiplied by 1 + 1e-4 × normal noise, against itself.

    python benchmarks/precision.py --random 512 --limit 3
"""

import argparse
import glob
import json
import os
import sys

import cv2

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "samples", "fashion")]


#: Layers, learning rate and epochs of each stage of --train.
STAGES = (("heads", 5e-4, 1), ("3+", 2e-4, 1))


def main(words: list[str] | None = None) -> None:
    """Train, or print the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--weights", help="checkpoint of the fashion sample, to compare on --photos")
    what.add_argument("--train", metavar="FOLDER", help="train on this data set in iMaterialist's form, and print the checkpoint's path")
    what.add_argument("--random", type=int, metavar="SIZE", help="compare networks of random weights on synthetic photos of this side")
    parser.add_argument("--photos", help="folder of .jpg files")
    parser.add_argument("--limit", type=int, default=100, help="photos at most. Default: 100")
    parser.add_argument("--min-score", type=float, default=0.7, help="detections from this score on, on both sides. Default: 0.7")
    parser.add_argument("--start", default="none", help="weights --train begins with: coco, imagenet, imagenet:FILE or none. Default: none")
    parser.add_argument("--logs", default=os.path.join(ROOT, "logs"), help="folder for the run of --train. Default: logs/")
    parser.add_argument("--variant", default="resnet50-256", help="of the fashion sample, for --train. Default: resnet50-256")
    parser.add_argument("--steps", type=int, default=150, help="of an epoch of --train. Default: 150")
    parser.add_argument("--batch", type=int, default=4, help="photos a step of --train. Default: 4")
    options = parser.parse_args(words)
    if options.train:
        print(train(options.train, options.start, options.logs, options.variant, options.steps, options.batch))
        return
    if options.random:
        print(json.dumps(compare_random(options.random, options.limit), indent=1))
        return
    photos = sorted(glob.glob(os.path.join(options.photos or "", "*.jpg")))[: options.limit]
    if not photos:
        parser.error(f"--photos {options.photos} holds no .jpg file")
    print(json.dumps(compare(options.weights, photos, options.min_score), indent=1))


def train(folder: str, start: str, logs: str, variant: str = "resnet50-256", steps: int = 150, batch: int = 4) -> str:
    """Train under PRECISION = "mixed_bfloat16" with AdamW (weight decay 0.01), seed 0, stage after stage of `STAGES`.

    Args:
        folder: Data set in iMaterialist's form.
        start: What `load_initial_weights` takes.
        logs: Folder for the run.
        variant: Of the fashion sample.
        steps: Of an epoch.
        batch: Photos a step.

    Returns:
        Path of the last checkpoint, with the fashion sample's record beside it.
    """
    import fashion_run
    from fashion_config import make_config
    from fashion_data import FashionDataset

    from mrcnn.mask_rcnn import MaskRCNN

    data = {}
    for subset in ("train", "val"):
        data[subset] = FashionDataset()
        data[subset].load(folder, subset, int(make_config(variant, 2).IMAGE_MAX_DIM))
        data[subset].prepare()
    config = make_config(variant, data["train"].num_classes, batch, steps)
    config.PRECISION, config.OPTIMIZER, config.WEIGHT_DECAY, config.GRADIENT_CLIP_NORM = "mixed_bfloat16", "adamw", 0.01, 5.0
    model = MaskRCNN("training", config, logs)
    model.load_initial_weights(start)
    for layers, rate, epochs in STAGES:
        model.train(data["train"], data["val"], learning_rate=rate, epochs=model.epoch + epochs, layers=layers)
    record = fashion_run.Record(variant=variant, classes=list(data["train"].class_names[1:]), dataset=os.path.abspath(folder))
    record.write(model.log_dir)
    return model.checkpoint_path.format(epoch=model.epoch)


def compare(weights: str, photos: list[str], min_score: float) -> dict[str, float]:
    """Detect on each photo in both precisions.

    Returns:
        photos, instances (float32 detections), and AP at IoU 0.5 over the classes: by masks, by boxes.
    """
    import fashion_run

    from mrcnn.evaluation.accumulator import APAccumulator

    record = fashion_run.Record.read(weights)
    if record is None:
        raise FileNotFoundError(f"There is no {fashion_run.RECORD} beside {weights}: a checkpoint of samples/fashion is expected.")
    exact, rounded = (_model(record, weights, precision, min_score) for precision in ("float32", "mixed_bfloat16"))
    by_mask, by_box = (APAccumulator(1 + len(record.classes)) for _ in range(2))
    instances, size = 0, int(exact.config.IMAGE_MAX_DIM)
    for path in photos:
        photo = cv2.resize(cv2.imread(path)[:, :, ::-1], (size, size), interpolation=cv2.INTER_AREA)
        truth, found = exact.detect([photo])[0], rounded.detect([photo])[0]
        instances += truth.num
        by_mask.add(truth["class_ids"], found, gt_masks=truth["masks"])
        by_box.add(truth["class_ids"], found, gt_boxes=truth["rois"])
    return {"photos": len(photos), "instances": instances, "ap_masks": by_mask.result().map, "ap_boxes": by_box.result().map}


def compare_random(size: int, count: int, noise: float = 1e-4) -> dict[str, float]:
    """Detect with random sharpened weights (`ours.model`) in float32, as ground truth, in bfloat16, and in float32 with noise on the weights.

    Returns:
        photos, instances, and AP by masks at IoU 0.5 over the classes: ap_bfloat16, ap_noise, and ap_itself, of the ground truth as detections. That
        is below 1 where a random mask holds no pixel, which no detection can match.
    """
    import numpy as np

    from benchmarks import ours, scenes
    from mrcnn.evaluation.accumulator import APAccumulator

    exact = ours.model(size, PRECISION="float32")
    weights, rng = exact.keras_model.get_weights(), np.random.default_rng(0)
    others = {"ap_bfloat16": ours.model(size, PRECISION="mixed_bfloat16"), "ap_noise": ours.model(size, PRECISION="float32")}
    others["ap_bfloat16"].keras_model.set_weights(weights)
    noisy = [w * (1 + noise * rng.standard_normal(w.shape)).astype(w.dtype) if w.dtype == np.float32 else w for w in weights]
    others["ap_noise"].keras_model.set_weights(noisy)
    measured = {name: APAccumulator(scenes.NUM_CLASSES) for name in (*others, "ap_itself")}
    instances = 0
    for seed in range(100, 100 + count):
        photo = scenes.photo(seed, size, size)
        truth = exact.detect([photo])[0]
        instances += truth.num
        found = {**{name: model.detect([photo])[0] for name, model in others.items()}, "ap_itself": truth}
        for name, detections in found.items():
            measured[name].add(truth["class_ids"], detections, gt_masks=truth["masks"])
    return {"photos": count, "instances": instances, **{name: one.result().map for name, one in measured.items()}}


def _model(record, weights, precision, min_score):
    from fashion_config import make_config

    from mrcnn.mask_rcnn import MaskRCNN

    config = make_config(record.variant, 1 + len(record.classes))
    config.PRECISION, config.IMAGES_PER_GPU, config.DETECTION_MIN_CONFIDENCE = precision, 1, min_score
    model = MaskRCNN("inference", config, os.path.dirname(os.path.dirname(os.path.abspath(weights))))
    model.load_weights(weights, by_name=True, verbose=0)
    return model


if __name__ == "__main__":
    main()
