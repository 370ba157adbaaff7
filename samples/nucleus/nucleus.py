"""Nuclei under the microscope: the Data Science Bowl 2018.

    python samples/nucleus/nucleus.py train --dataset DATA --subset train --weights imagenet
    python samples/nucleus/nucleus.py train --dataset DATA --subset train --weights last          # goes on
    python samples/nucleus/nucleus.py detect --dataset DATA --subset stage1_test --weights last   # a submission, and pictures

DATA holds the competition's folders, stage1_train/ID/images/ID.png and stage1_train/ID/masks/*.png. README.md beside it says more.
"""

import argparse
import datetime
import os
import sys

import numpy as np

ROOT_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if ROOT_DIR not in sys.path:
    sys.path.insert(0, ROOT_DIR)  # this folder's own library, where another is installed too

from mrcnn import files  # noqa: E402  (the path is known only now)
from mrcnn.config import Config  # noqa: E402
from mrcnn.data import augment  # noqa: E402
from mrcnn.data.formats import png_masks, submission  # noqa: E402
from mrcnn.data.formats.dataset import FormatDataset  # noqa: E402
from mrcnn.data.formats.parsed import Report  # noqa: E402
from mrcnn.ops import rle as run_lengths  # noqa: E402
from samples import program  # noqa: E402

DEFAULT_LOGS_DIR = program.DEFAULT_LOGS_DIR
RESULTS_DIR = os.path.join(ROOT_DIR, "results", "nucleus")
FOLDERS = ("stage1_train", "stage1_val", "stage1_test", "stage2_test")
SUBSETS = ("train", "val", *FOLDERS)

#: Held back for validation by the original's sample, since the competition has no such split: kinds of pictures as different as can be.
VAL_IMAGE_IDS = [
    "0c2550a23b8a0f29a7575de8c61690d3c31bc897dd5ba66caec201d201a278c2",
    "92f31f591929a30e4309ab75185c96ff4314ce0a7ead2ed2c2171897ad1da0c7",
    "1e488c42eb1a54a3e8412b1f12cde530f950f238d71078f2ede6a85a02168e1f",
    "c901794d1a421d52e5734500c0a2a8ca84651fb93b19cec2f411855e70cae339",
    "8e507d58f4c27cd2a82bee79fe27b069befd62a46fdaed20970a95a2ba819c7b",
    "60cb718759bff13f81c4055a7679e81326f78b6a193a2d856546097c949b20ff",
    "da5f98f2b8a64eee735a398de48ed42cd31bf17a6063db46a9e0783ac13cd844",
    "9ebcfaf2322932d464f15b5662cae4d669b2d785b8299556d73fffcae8365d32",
    "1b44d22643830cd4f23c9deadb0bd499fb392fb2cd9526d81547d93077d983df",
    "97126a9791f0c1176e4563ad679a301dac27c59011f579e808bbd6e9f4cd1034",
    "e81c758e1ca177b0942ecad62cf8d321ffc315376135bcbed3df932a6e5b40c0",
    "f29fd9c52e04403cd2c7d43b6fe2479292e53b2f61969d25256d2d2aca7c6a81",
    "0ea221716cf13710214dcd331a61cea48308c3940df1d28cfc7fd817c83714e1",
    "3ab9cab6212fabd723a2c5a1949c2ded19980398b56e6080978e796f45cbbc90",
    "ebc18868864ad075548cc1784f4f9a237bb98335f9645ee727dac8332a3e3716",
    "bb61fc17daf8bdd4e16fdcf50137a8d7762bec486ede9249d92e511fcb693676",
    "e1bcb583985325d0ef5f3ef52957d0371c96d4af767b13e48102bca9d5351a9b",
    "947c0d94c8213ac7aaa41c4efc95d854246550298259cf1bb489654d0e969050",
    "cbca32daaae36a872a11da4eaff65d1068ff3f154eedc9d3fc0c214a4e5d32bd",
    "f4c4db3df4ff0de90f44b027fc2e28c16bf7e5c75ea75b0a9762bbb7ac86e7a3",
    "4193474b2f1c72f735b13633b219d9cabdd43c21d9c2bb4dfc4809f104ba4c06",
    "f73e37957c74f554be132986f38b6f1d75339f636dfe2b681a0cf3f88d2733af",
    "a4c44fc5f5bf213e2be6091ccaed49d8bf039d78f6fbd9c4d7b7428cfcb2eda4",
    "cab4875269f44a701c5e58190a1d2f6fcb577ea79d842522dcab20ccb39b7ad2",
    "8ecdb93582b2d5270457b36651b62776256ade3aaa2d7432ae65c14f07432d49",
]


class NucleusConfig(Config):
    """Random pieces of 512 px out of pictures shown at twice their size; many small objects."""

    NAME = "nucleus"
    IMAGES_PER_GPU = 6
    NUM_CLASSES = 1 + 1
    STEPS_PER_EPOCH = (657 - len(VAL_IMAGE_IDS)) // IMAGES_PER_GPU  # one pass over the competition's images
    VALIDATION_STEPS = max(1, len(VAL_IMAGE_IDS) // IMAGES_PER_GPU)
    DETECTION_MIN_CONFIDENCE = 0  # two classes: what is not background has half the probability anyway
    BACKBONE = "resnet50"
    IMAGE_RESIZE_MODE = "crop"
    IMAGE_MIN_DIM = 512
    IMAGE_MAX_DIM = 512
    IMAGE_MIN_SCALE = 2.0
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    POST_NMS_ROIS_TRAINING = 1000
    POST_NMS_ROIS_INFERENCE = 2000
    RPN_NMS_THRESHOLD = 0.9  # nuclei touch: proposals that overlap much may be two
    RPN_TRAIN_ANCHORS_PER_IMAGE = 64
    MEAN_PIXEL = np.array([43.53, 39.56, 48.22])
    USE_MINI_MASK = True
    MINI_MASK_SHAPE = (56, 56)
    TRAIN_ROIS_PER_IMAGE = 128
    MAX_GT_INSTANCES = 200
    DETECTION_MAX_INSTANCES = 400


class NucleusInferenceConfig(NucleusConfig):
    """Whole pictures, one at a time."""

    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    IMAGE_RESIZE_MODE = "pad64"
    RPN_NMS_THRESHOLD = 0.7


class NucleusDataset(FormatDataset):
    """Pictures with a file for the mask of each nucleus."""

    def load_nucleus(self, dataset_dir, subset):
        """Add a subset; then call prepare().

        Args:
            dataset_dir: folder that holds stage1_train/ and its like.
            subset: the name of such a folder; "train", which is stage1_train without VAL_IMAGE_IDS; or "val", which is the folder stage1_val
                where there is one, else VAL_IMAGE_IDS of stage1_train.

        Raises:
            ValueError: another subset, or none of its pictures is there.
            FileNotFoundError: no such folder.
        """
        if subset not in SUBSETS:
            raise ValueError(f"subset {subset!r}: one of {', '.join(SUBSETS)} is expected.")
        if not os.path.isdir(dataset_dir):
            raise FileNotFoundError(f"Data set folder not found: {dataset_dir}. Give --dataset the folder that holds stage1_train/.")
        own = os.path.isdir(os.path.join(dataset_dir, "stage1_val"))
        folder = subset if subset in FOLDERS else "stage1_val" if subset == "val" and own else "stage1_train"
        report = Report(os.path.join(dataset_dir, folder))
        found = png_masks.read(report.path, report, class_name="nucleus")
        photos = found.photos
        if folder != subset and folder == "stage1_train":
            photos = [photo for photo in photos if (photo.id in VAL_IMAGE_IDS) == (subset == "val")]
        if not photos:
            raise ValueError(
                f"{report.path} holds no picture of the subset {subset!r} ({len(VAL_IMAGE_IDS)} ids of the competition are validation). "
                f"Move the folders of some pictures to {os.path.join(dataset_dir, 'stage1_val')}."
            )
        # The label listed: a test set, which has no masks, has the class too.
        self.fill(found._replace(photos=photos, labels={"nucleus": "nucleus"}), report, "nucleus")

    def image_reference(self, image_id):
        """Return the competition's id of a picture."""
        info = self.image_info[image_id]
        return info["id"] if info["source"] == "nucleus" else super().image_reference(image_id)


# --- Training --------------------------------------------------------------------------------------------------------------


def train(model, dataset_dir, subset, stages=None, custom_callbacks=()):
    """Train on a subset; "val" is what it is judged by. Without `stages`: the heads for 20 epochs, then all layers for 20."""
    dataset_train, dataset_val = _loaded(dataset_dir, subset), _loaded(dataset_dir, "val")
    known = {info["id"] for info in dataset_train.image_info}
    shared = sum(info["id"] in known for info in dataset_val.image_info)
    if shared:
        print(f"{shared} of {dataset_val.num_images} images of validation are trained on: the AP says nothing of new images.")
    rate = model.config.LEARNING_RATE
    plan = stages or [("heads", rate, 20), ("all", rate, 20)]
    moves = [augment.flip, upside_down, quarter_turn, augment.colour]
    program.fit(model, dataset_train, dataset_val, plan, augmentation=moves, custom_callbacks=list(custom_callbacks))


def upside_down(image, masks, rng):
    """Turn half of the pictures over: under a microscope neither top nor bottom is special."""
    return (image[::-1], masks[::-1]) if rng.random() < 0.5 else (image, masks)


def quarter_turn(image, masks, rng):
    """Turn half of the pictures by a quarter."""
    return (np.rot90(image), np.rot90(masks)) if rng.random() < 0.5 else (image, masks)


def _loaded(dataset_dir, subset):
    dataset = NucleusDataset()
    dataset.load_nucleus(dataset_dir, subset)
    dataset.prepare()
    return dataset


# --- Run lengths -----------------------------------------------------------------------------------------------------------


def rle_encode(mask):
    """Write a mask [H, W] as "start length start length …", down the columns, from 1.

    >>> rle_encode(np.array([[1, 0], [1, 0], [0, 1]]))
    '1 2 6 1'
    """
    return run_lengths.encode(mask)


def rle_decode(rle, shape):
    """Read such a string as a mask [H, W] bool; `shape` is (H, W).

    Raises:
        ValueError: it is no such string, or its runs leave the image.
    """
    return run_lengths.decode(rle, shape[:2])


def mask_to_rle(image_id, mask, scores):
    """Return the lines of a picture in a submission; a pixel of several masks belongs to the one with the HIGHEST score.

    (The original ranks them the wrong way round where scores are not in order.)

    Args:
        image_id: the competition's id.
        mask: [H, W, N]; what is not zero is mask.
        scores: [N]; of equal ones the first counts as higher.

    Returns:
        A line "id,runs" for each mask of which something is left, the highest score first; "id," where there is none.

    Raises:
        ValueError: mask is no [H, W, N], or there is not a score for each.
    """
    mask, scores = np.asarray(mask), np.asarray(scores)
    if mask.ndim != 3 or scores.shape != mask.shape[2:]:
        raise ValueError(f"masks [H, W, N] and scores [N] are expected; got {mask.shape} and {scores.shape}.")
    taken, lines = np.zeros(mask.shape[:2], bool), []
    for number in np.argsort(-scores, kind="stable"):
        own = mask[:, :, number].astype(bool) & ~taken
        taken |= own
        if own.any():
            lines.append(f"{image_id},{rle_encode(own)}")
    return "\n".join(lines) or f"{image_id},"


# --- Detection -------------------------------------------------------------------------------------------------------------


def detect(model, dataset_dir, subset):
    """Write submit.csv, checked, and a picture of each image's detections into a new folder under RESULTS_DIR. Returns that folder."""
    from mrcnn import visualize

    dataset = _loaded(dataset_dir, subset)
    submit_dir = os.path.join(RESULTS_DIR, f"submit_{datetime.datetime.now():%Y%m%dT%H%M%S}")
    os.makedirs(submit_dir)
    print(f"Running on {dataset.num_images} images of {dataset_dir}, {subset}")
    lines, sizes = ["ImageId,EncodedPixels"], {}
    for image_id in dataset.image_ids:
        image, source_id = dataset.load_image(image_id), dataset.image_info[image_id]["id"]
        found = model.detect([image], verbose=0)[0]
        lines.append(mask_to_rle(source_id, found["masks"], found["scores"]))
        sizes[source_id] = image.shape[:2]
        picture = visualize.draw_instances(image, found, dataset.class_names, show_boxes=False, show_captions=False)
        program.write_picture(os.path.join(submit_dir, f"{source_id}.png"), picture)
    path = os.path.join(submit_dir, "submit.csv")
    files.write(path, "\n".join(lines) + "\n")
    checked = submission.check(path, sizes, allow_empty=True)
    print(f"{checked.rows} lines of {checked.images} images; no overlaps, all runs in order and in range.")
    print(f"Saved to  {submit_dir}")
    return submit_dir


# --- The command line ------------------------------------------------------------------------------------------------------


def main(arguments=None):
    """Run one command; what the user can mend ends with a message and status 1."""
    options = _parser().parse_args(arguments)
    program.run("nucleus.py", {"train": _train, "detect": _detect}[options.command], options)


def _train(options):
    dataset_val = _loaded(options.dataset, "val")  # first: what is missing is said before the network is built
    model = program.training_model(program.configured(NucleusConfig(), options.settings), options)
    found = program.configured(NucleusInferenceConfig(), options.settings)
    # --set may have given what belongs to detection and to training in two ways.
    found.IMAGES_PER_GPU, found.IMAGE_RESIZE_MODE = 1, NucleusInferenceConfig.IMAGE_RESIZE_MODE
    measure = program.map_after_each_epoch(model, found, options, dataset_val, limit=len(VAL_IMAGE_IDS))
    train(model, options.dataset, options.subset, options.stages, [measure])


def _detect(options):
    _loaded(options.dataset, options.subset)  # likewise
    model = program.inference_model(program.configured(NucleusInferenceConfig(), options.settings), options)
    detect(model, options.dataset, options.subset)


def _parser():
    parser = argparse.ArgumentParser(prog="nucleus.py", description="Find nuclei under the microscope (Data Science Bowl 2018).")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train | detect")
    of_train = commands.add_parser("train", help="train, with the AP after each epoch")
    of_detect = commands.add_parser("detect", help="write a submission and pictures")
    for command in (of_train, of_detect):
        command.add_argument("--dataset", required=True, metavar="DIR", help="folder that holds stage1_train/ and its like")
        command.add_argument("--subset", required=True, choices=SUBSETS, metavar="SUBSET", help=f"one of {', '.join(SUBSETS)}")
        program.add_weights(command)
        program.add_logs(command)
        program.add_settings(command)
    program.add_thresholds(of_detect)
    program.add_stages(of_train, "20 epochs of the heads, then 20 of all layers, at LEARNING_RATE")
    return parser


if __name__ == "__main__":
    main()
