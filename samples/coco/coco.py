"""MS COCO: train on it, and evaluate by its own figures, for boxes and for masks.

    python samples/coco/coco.py train --dataset DATA --year 2017 --model imagenet
    python samples/coco/coco.py train --dataset DATA --year 2017 --model last                 # goes on
    python samples/coco/coco.py evaluate --dataset DATA --year 2017 --model coco --limit 500
    python samples/coco/coco.py evaluate --dataset DATA --year 2017 --model coco --download   # fetches what is missing first

DATA holds annotations/instances_train2017.json, train2017/ and so on. README.md beside it says more.
"""

import argparse
import os
import sys
import time

ROOT_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if ROOT_DIR not in sys.path:
    sys.path.insert(0, ROOT_DIR)  # this folder's own library, where another is installed too

from pycocotools import mask as coco_mask  # noqa: E402  (the path is known only now)
from pycocotools.coco import COCO  # noqa: E402
from pycocotools.cocoeval import COCOeval  # noqa: E402

from mrcnn.config import Config  # noqa: E402
from mrcnn.data import augment, coco_files  # noqa: E402
from mrcnn.data.formats import coco as coco_format  # noqa: E402
from mrcnn.data.formats.dataset import FormatDataset  # noqa: E402
from mrcnn.data.formats.parsed import Report  # noqa: E402
from mrcnn.results import Detections  # noqa: E402
from samples import program  # noqa: E402

DEFAULT_LOGS_DIR = program.DEFAULT_LOGS_DIR
DEFAULT_DATASET_YEAR = "2014"
EVAL_TYPES = ("bbox", "segm")
FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
SAID_EVERY = 100  # images


class CocoConfig(Config):
    """80 classes, two images a step."""

    NAME = "coco"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 80


class InferenceConfig(CocoConfig):
    """One image at a time; the whole ranking, as average precision wants it."""

    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0


class CocoDataset(FormatDataset):
    """COCO's images and instances; crowds have negative class ids."""

    def load_coco(self, dataset_dir, subset, year=DEFAULT_DATASET_YEAR, class_ids=None, class_map=None, return_coco=False, auto_download=False):
        """Add a subset; then call prepare(). Several may be added one after the other.

        Args:
            dataset_dir: folder that holds annotations/ and the images' folders.
            subset: train, val, minival or valminusminival (these two of 2014, with the images of val).
            year: 2014 or 2017, a number or text.
            class_ids: COCO's own numbers of the classes to take; images without any of them are left out. None: all, and all images.
            class_map: accepted, and without effect, as in the original.
            return_coco: return pycocotools' COCO of the annotations, for `evaluate_coco`.
            auto_download: fetch what is missing first.

        Raises:
            ValueError: no such subset, year or class, or a file that is none of COCO's.
            FileNotFoundError: the annotations, the folder of images or every image is missing.
        """
        place = coco_files.place(dataset_dir, subset, year)
        if auto_download:
            self.auto_download(dataset_dir, subset, year)
        for path in place:
            if not os.path.exists(path):
                raise FileNotFoundError(f"{path} is not there. --download fetches COCO's files; --year is {year}, 2014 or 2017 are known.")
        report = Report(place.annotations)
        found = coco_format.read(place.annotations, report)
        self.fill(_chosen(found, class_ids, place.annotations)._replace(folders=[place.images]), report, "coco")
        return COCO(place.annotations) if return_coco else None

    def auto_download(self, dataDir, dataType, dataYear):  # noqa: N803 (historic names)
        """Fetch a subset's images and annotations unless they are there; resumed, and checked before they are unpacked."""
        coco_files.download(dataDir, dataType, dataYear)

    def image_reference(self, image_id):
        """Return the address of an image in COCO's explorer."""
        info = self.image_info[image_id]
        return f"https://cocodataset.org/#explore?id={info['id']}" if info["source"] == "coco" else super().image_reference(image_id)

    def annToRLE(self, ann, height, width):  # noqa: N802 (historic name)
        """Return an annotation's mask as compressed run lengths: polygons, or run lengths of either kind, of an image height x width."""
        segmentation = ann["segmentation"]
        if isinstance(segmentation, list):
            return coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
        return coco_mask.frPyObjects(segmentation, height, width) if isinstance(segmentation["counts"], list) else segmentation

    def annToMask(self, ann, height, width):  # noqa: N802 (historic name)
        """Return an annotation's mask: [height, width] uint8 of 0 and 1."""
        return coco_mask.decode(self.annToRLE(ann, height, width))


def _chosen(found, class_ids, path):
    """Return what was read with the classes in COCO's order, and with these classes alone."""
    labels = dict(sorted(found.labels.items()))
    if class_ids is None:
        return found._replace(labels=labels)
    unknown = [class_id for class_id in class_ids if class_id not in labels]
    if unknown:
        raise ValueError(f"{path} has no class {', '.join(map(str, unknown))}; it has: {', '.join(map(str, labels))}.")
    photos = [photo._replace(instances=[one for one in photo.instances if one.label in class_ids]) for photo in found.photos]
    labels = {class_id: name for class_id, name in labels.items() if class_id in class_ids}
    return found._replace(labels=labels, photos=[photo for photo in photos if photo.instances])


# --- Evaluation ------------------------------------------------------------------------------------------------------------


def build_coco_results(dataset, image_ids, rois, class_ids, scores, masks):
    """Return detections in COCO's form of results.

    Args:
        dataset: gives COCO's own numbers of the classes.
        image_ids: COCO's own of the images that these are the detections of, usually one.
        rois: [N, 4] (y1, x1, y2, x2) pixels, or None for none.
        class_ids: [N].
        scores: [N].
        masks: [H, W, N].
    """
    if rois is None:
        return []
    found = Detections(rois, class_ids, scores, masks)
    return [result for image_id in image_ids for result in found.to_coco(image_id, _categories(dataset))]


def _categories(dataset):
    return {class_id: dataset.get_source_class_id(class_id, "coco") for class_id in dataset.source_class_ids["coco"] if class_id}


def evaluate_coco(model, dataset, coco, eval_type="bbox", limit=0, image_ids=None):
    """Detect on images, and print COCO's twelve figures, as pycocotools computes them.

    Args:
        model: MaskRCNN in inference mode.
        dataset: prepared, of `load_coco`.
        coco: what `load_coco(return_coco=True)` returned.
        eval_type: "bbox", "segm", or several, for which the images are looked at once.
        limit: so many images only; 0: all.
        image_ids: of the data set; None: all.

    Returns:
        {eval type: {figure: value}}, the figures named in FIGURES; -1 where COCO has nothing to average.

    Raises:
        ValueError: another type, or no image.
    """
    types = (eval_type,) if isinstance(eval_type, str) else tuple(eval_type)
    if not types or any(one not in EVAL_TYPES for one in types):
        raise ValueError(f"eval_type {eval_type!r}: one of {', '.join(EVAL_TYPES)}, or several, is expected.")
    image_ids = list(dataset.image_ids if image_ids is None else image_ids)[: limit or None]
    if not image_ids:
        raise ValueError("There is no image to evaluate.")
    coco_ids = [dataset.image_info[image_id]["id"] for image_id in image_ids]
    results, started, detecting = [], time.time(), 0.0
    categories, batch = _categories(dataset), model.config.BATCH_SIZE
    for first in range(0, len(image_ids), batch):
        photos = [dataset.load_image(image_id) for image_id in image_ids[first : first + batch]]
        before = time.time()
        found = model.detect(photos, verbose=0, lazy_masks=True)
        detecting += time.time() - before
        for coco_id, one in zip(coco_ids[first : first + batch], found, strict=True):
            results += one.to_coco(coco_id, categories)
        if first // SAID_EVERY != (first + batch) // SAID_EVERY:
            print(f"{min(first + batch, len(image_ids))} of {len(image_ids)} images", flush=True)
    figures = {one: _figures(coco, results, coco_ids, one) for one in types}
    print(f"Prediction time: {detecting:.1f} s. Average {detecting / len(image_ids):.2f} s/image\nTotal time: {time.time() - started:.1f} s")
    return figures


def _figures(coco, results, coco_ids, eval_type):
    """Return the twelve figures of results, by pycocotools."""
    print(f"\n{eval_type}: {len(results)} detections on {len(coco_ids)} images")
    if eval_type == "segm":  # loadRes takes the area from a box wherever there is one: large thin masks would be judged as large
        results = [{key: value for key, value in result.items() if key != "bbox"} for result in results]
    if results:
        found = coco.loadRes(results)
    else:  # pycocotools can't load none
        found = COCO()
        found.dataset = {"images": coco.dataset["images"], "annotations": [], "categories": coco.dataset["categories"]}
        found.createIndex()
    judge = COCOeval(coco, found, eval_type)
    judge.params.imgIds = coco_ids
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return dict(zip(FIGURES, judge.stats.tolist(), strict=True))


# --- The command line ------------------------------------------------------------------------------------------------------


def main(arguments=None):
    """Run one command; what the user can mend ends with a message and status 1."""
    options = _parser().parse_args(arguments)
    program.run("coco.py", {"train": train, "evaluate": evaluate}[options.command], options)


def train(options):
    """Train as the original does: on train, in 2014 also on valminusminival; judged by val, in 2014 by minival. Half of the images are mirrored."""
    dataset_train, dataset_val = CocoDataset(), CocoDataset()
    for subset in ("train", "valminusminival") if options.year == "2014" else ("train",):
        dataset_train.load_coco(options.dataset, subset, year=options.year, auto_download=options.download)
    dataset_val.load_coco(options.dataset, _judged_by(options.year), year=options.year, auto_download=options.download)
    for dataset in (dataset_train, dataset_val):
        dataset.prepare()
    config = program.configured(CocoConfig(), options.settings)
    model = program.training_model(config, options)
    rate = config.LEARNING_RATE
    plan = options.stages or [("heads", rate, 40), ("4+", rate, 80), ("all", rate / 10, 40)]
    program.fit(model, dataset_train, dataset_val, plan, augmentation=[augment.flip])


def evaluate(options):
    """Print COCO's figures for boxes and for masks."""
    dataset = CocoDataset()
    coco = dataset.load_coco(options.dataset, _judged_by(options.year), year=options.year, return_coco=True, auto_download=options.download)
    dataset.prepare()
    model = program.inference_model(program.configured(InferenceConfig(), options.settings), options)
    print(f"Running COCO evaluation on {min(options.limit or dataset.num_images, dataset.num_images)} images.")
    evaluate_coco(model, dataset, coco, EVAL_TYPES, limit=options.limit)


def _judged_by(year):
    return "minival" if year == "2014" else "val"


def yes_or_no(text):
    """Read what may follow --download: true or false, in any case. (For the original any text was true.)"""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r}: write --download alone, or with True or False")
    return text.lower() == "true"


def _parser():
    parser = argparse.ArgumentParser(prog="coco.py", description="Train and evaluate Mask R-CNN on MS COCO.")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train | evaluate")
    of_train = commands.add_parser("train", help="train")
    of_evaluate = commands.add_parser("evaluate", help="COCO's twelve figures, for boxes and for masks")
    for command in (of_train, of_evaluate):
        command.add_argument("--dataset", required=True, metavar="DIR", help="folder that holds annotations/ and the images' folders")
        command.add_argument(
            "--year", default=DEFAULT_DATASET_YEAR, choices=[str(year) for year in coco_files.YEARS], help=f"Default: {DEFAULT_DATASET_YEAR}"
        )
        command.add_argument("--model", "--weights", dest="weights", required=True, metavar="WEIGHTS", help=program.WEIGHTS_HELP)
        program.add_logs(command)
        command.add_argument(
            "--download", type=yes_or_no, nargs="?", const=True, default=False, metavar="True|False", help="fetch what is missing of COCO first"
        )
        program.add_settings(command)
    program.add_stages(of_train, "40 epochs of the heads, 80 from stage 4 up, 40 of all layers at a tenth of LEARNING_RATE")
    of_evaluate.add_argument("--limit", type=program.whole, default=500, metavar="N", help="images to look at; 0: all. Default: 500")
    return parser


if __name__ == "__main__":
    main()
