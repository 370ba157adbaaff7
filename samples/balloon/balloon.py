"""Balloons, and the colour splash: what is found keeps its colours, the rest turns grey.

    python samples/balloon/balloon.py train --dataset DATA --weights coco
    python samples/balloon/balloon.py train --dataset DATA --weights last            # goes on
    python samples/balloon/balloon.py splash --weights last --image PHOTO_OR_URL
    python samples/balloon/balloon.py splash --weights last --video FILE

DATA holds train/ and val/, each photos with via_region_data.json beside them (VGG Image Annotator). README.md beside it says more.
"""

import argparse
import datetime
import os
import sys
import tempfile

import cv2
import numpy as np

ROOT_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if ROOT_DIR not in sys.path:
    sys.path.insert(0, ROOT_DIR)  # this folder's own library, where another is installed too

from mrcnn import fetch  # noqa: E402  (the path is known only now)
from mrcnn.config import Config  # noqa: E402
from mrcnn.data import images  # noqa: E402
from mrcnn.data.formats import via  # noqa: E402
from mrcnn.data.formats.dataset import FormatDataset  # noqa: E402
from mrcnn.data.formats.parsed import Report  # noqa: E402
from samples import program  # noqa: E402

DEFAULT_LOGS_DIR = program.DEFAULT_LOGS_DIR
ANNOTATIONS = "via_region_data.json"
SUBSETS = ("train", "val")
LUMA = (0.2125, 0.7154, 0.0721)  # of red, green and blue, ITU-R BT.709: the grey of the original's splashes
SAID_EVERY = 100  # frames


class BalloonConfig(Config):
    """One class; only what is nearly certain is shown."""

    NAME = "balloon"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 1
    STEPS_PER_EPOCH = 100
    DETECTION_MIN_CONFIDENCE = 0.9


class BalloonDataset(FormatDataset):
    """Photos with outlines; every region of the file is a balloon, whatever else the file says of it."""

    def load_balloon(self, dataset_dir, subset):
        """Add a subset; then call prepare().

        Args:
            dataset_dir: folder that holds train/ and val/.
            subset: train or val.

        Raises:
            ValueError: another subset, or a file that VIA did not write.
            FileNotFoundError: the folder, its via_region_data.json or every photo is missing.
        """
        if subset not in SUBSETS:
            raise ValueError(f"subset {subset!r}: one of {', '.join(SUBSETS)} is expected.")
        folder = os.path.join(dataset_dir, subset)
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"Data set folder not found: {folder}. Give --dataset the folder that holds train/ and val/.")
        report = Report(os.path.join(folder, ANNOTATIONS))
        if not os.path.isfile(report.path):
            raise FileNotFoundError(f"{report.path} is missing: export the annotations of {folder} from VIA as JSON, under this name.")
        found = via.read(report.path, report, attribute="", class_name="balloon")
        self.fill(found._replace(labels={"balloon": "balloon"}), report, "balloon")


# --- Training --------------------------------------------------------------------------------------------------------------


def train(model, dataset_dir, stages=None, custom_callbacks=()):
    """Train on train/, judged by val/. Without `stages`: the heads for 30 epochs, which is enough from COCO's weights for so few photos."""
    dataset_train, dataset_val = _loaded(dataset_dir, "train"), _loaded(dataset_dir, "val")
    plan = stages or [("heads", model.config.LEARNING_RATE, 30)]
    program.fit(model, dataset_train, dataset_val, plan, custom_callbacks=list(custom_callbacks))


def _loaded(dataset_dir, subset):
    dataset = BalloonDataset()
    dataset.load_balloon(dataset_dir, subset)
    dataset.prepare()
    return dataset


# --- Splash ----------------------------------------------------------------------------------------------------------------


def color_splash(image, mask):
    """Return an image whose colours are left where there is a mask, and grey elsewhere.

    Args:
        image: [H, W, 3] uint8 RGB.
        mask: [H, W, N]; N may be 0, and all turns grey.

    Returns:
        [H, W, 3] uint8.

    >>> color_splash(np.array([[[255, 0, 0], [255, 0, 0]]], np.uint8), np.array([[[True], [False]]])).tolist()
    [[[255, 0, 0], [54, 54, 54]]]
    """
    grey = np.repeat((image[..., :3] @ np.array(LUMA))[..., None], 3, axis=-1).astype(np.uint8)
    return np.where(np.asarray(mask).any(axis=-1)[..., None], image, grey).astype(np.uint8)


def detect_and_color_splash(model, image_path=None, video_path=None):
    """Write the splash of an image, splash_TIME.png, or of a video, splash_TIME.avi, into the current folder. Returns its path.

    Args:
        model: MaskRCNN in inference mode.
        image_path: a file, or an address that begins with http.
        video_path: a file; one of the two is given.

    Raises:
        ValueError: neither or both are given, or it can't be read.
        FileNotFoundError: there is no such file.
    """
    if bool(image_path) == bool(video_path):
        raise ValueError("Give an image or a video to splash: --image or --video.")
    name = f"splash_{datetime.datetime.now():%Y%m%dT%H%M%S}"
    if image_path:
        image = _read(image_path)
        path = f"{name}.png"
        masks = model.detect([image], verbose=0)[0]["masks"]
        program.write_picture(path, color_splash(image, masks))
        found = masks.shape[-1]
        print(f"{found} found")
    else:
        path = f"{name}.avi"
        found = _splash_video(model, video_path, path)
    if not found:
        print("All is grey: nothing has the least score. --set DETECTION_MIN_CONFIDENCE=0.7, or less, shows more.")
    print(f"Saved to  {path}")
    return path


def _read(path):
    if not path.startswith(("http://", "https://")):
        return images.read(path)
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "image")
        fetch.fetch(path, copy)
        return images.read(copy)


def _splash_video(model, video_path, path):
    """Splash each frame; the sound is lost, as OpenCV knows none. Returns on how many frames something was found."""
    if not os.path.isfile(video_path):
        raise FileNotFoundError(f"Video not found: {video_path}")
    video, writer, count, found = cv2.VideoCapture(video_path), None, 0, 0
    try:
        while True:
            there, frame = video.read()
            if not there:
                break
            image = np.ascontiguousarray(frame[:, :, ::-1])  # OpenCV has BGR
            masks = model.detect([image], verbose=0)[0]["masks"]
            splash = color_splash(image, masks)
            found += masks.shape[-1] > 0
            if writer is None:
                rate = video.get(cv2.CAP_PROP_FPS) or 25
                writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), rate, (frame.shape[1], frame.shape[0]))
                if not writer.isOpened():
                    raise OSError(f"{path} could not be written: check the folder and the free space.")
            writer.write(np.ascontiguousarray(splash[:, :, ::-1]))
            count += 1
            if count % SAID_EVERY == 0:
                print(f"{count} frames", flush=True)
    finally:
        video.release()
        if writer is not None:
            writer.release()
    if not count:
        raise ValueError(f"{video_path} holds no frame that OpenCV can read: convert it, to AVI with MJPG say.")
    print(f"{count} frames, something found on {found}")
    return found


# --- The command line ------------------------------------------------------------------------------------------------------


def main(arguments=None):
    """Run one command; what the user can mend ends with a message and status 1."""
    options = _parser().parse_args(arguments)
    program.run("balloon.py", {"train": _train, "splash": _splash}[options.command], options)


def _train(options):
    dataset_val = _loaded(options.dataset, "val")
    model = program.training_model(program.configured(BalloonConfig(), options.settings), options)
    found = program.configured(BalloonConfig(), options.settings)
    found.GPU_COUNT = found.IMAGES_PER_GPU = 1
    measure = program.map_after_each_epoch(model, found, options, dataset_val)
    train(model, options.dataset, options.stages, [measure])


def _splash(options):
    for path in (options.image, options.video):
        if path and not path.startswith(("http://", "https://")) and not os.path.isfile(path):
            raise FileNotFoundError(f"There is no file {path}.")  # said before the network is built
    config = program.configured(BalloonConfig(), options.settings)
    config.GPU_COUNT = config.IMAGES_PER_GPU = 1  # one image at a time
    detect_and_color_splash(program.inference_model(config, options), options.image, options.video)


def _parser():
    parser = argparse.ArgumentParser(prog="balloon.py", description="Find balloons, and turn everything else grey.")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train | splash")
    of_train = commands.add_parser("train", help="train, with the AP after each epoch")
    of_train.add_argument("--dataset", required=True, metavar="DIR", help=f"folder that holds train/ and val/, each with {ANNOTATIONS}")
    program.add_stages(of_train, "30 epochs of the heads at LEARNING_RATE")
    of_splash = commands.add_parser("splash", help="turn all but the balloons grey")
    given = of_splash.add_mutually_exclusive_group(required=True)
    given.add_argument("--image", metavar="PATH", help="a photo, or its address (http…)")
    given.add_argument("--video", metavar="PATH", help="a video file")
    program.add_thresholds(of_splash)
    for command in (of_train, of_splash):
        program.add_weights(command)
        program.add_logs(command)
        program.add_settings(command)
    return parser


if __name__ == "__main__":
    main()
