"""What bfloat16 changes in detections: average precision against the float32 detections as ground truth.

    python benchmarks/precision.py --weights logs/fashion…/mask_rcnn_fashion_0002.h5 --photos FOLDER

The weights are a checkpoint of the fashion sample (samples/fashion): a network that has learned decides by margins far above the rounding. One with
random weights does not: which of two nearly equal proposals survives, and which of 81 nearly equal classes wins, is then decided by the last bits, in
float32 on another machine too.
"""

import argparse
import glob
import json
import os
import sys

import cv2

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "samples", "fashion")]


def main() -> None:
    """Print the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description="Average precision of bfloat16 detections against those of float32.")
    parser.add_argument("--weights", required=True, help="checkpoint of the fashion sample")
    parser.add_argument("--photos", required=True, help="folder of .jpg files")
    parser.add_argument("--limit", type=int, default=100, help="photos at most. Default: 100")
    parser.add_argument("--min-score", type=float, default=0.7, help="detections from this score on, on both sides. Default: 0.7")
    options = parser.parse_args()
    photos = sorted(glob.glob(os.path.join(options.photos, "*.jpg")))[: options.limit]
    if not photos:
        parser.error(f"{options.photos} holds no .jpg file")
    print(json.dumps(compare(options.weights, photos, options.min_score), indent=1))


def compare(weights: str, photos: list[str], min_score: float) -> dict[str, float]:
    """Detect on each photo in both precisions.

    Returns:
        photos, instances (float32 detections), and AP at IoU 0.5 over the classes: by masks, by boxes.
    """
    import fashion_run

    from mrcnn.evaluation.precision import APAccumulator

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
