"""A network for detection from its weight file: the configuration of its run, or what the shapes in the file tell."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

from mrcnn.config import Config
from mrcnn.data import coco_classes
from mrcnn.doctor.command import make_config
from mrcnn.training import record
from mrcnn.weights import layout

if TYPE_CHECKING:
    from mrcnn.mask_rcnn import MaskRCNN

logger = logging.getLogger(__name__)

COCO_CLASSES = 81


def find(weights: str, place: str | None, logs: str) -> str:
    """Return the weight file that --weights names; see `training.session.find`.

    Args:
        weights: The .h5 file, the folder of a run or of runs, or last.
        place: "FILE.py:CLASS", whose NAME's runs `last` looks at; None: all runs.
        logs: Folder of the runs, for `last`.

    Raises:
        OSError, ValueError: there is none, or no such class.
    """
    if os.path.isfile(weights):
        return weights
    from mrcnn.training import session  # imports Keras

    name = make_config(place, {}, 0).NAME if place else None
    return session.find(weights, logs, name, describe=layout.describe)


def configuration(weights: str, place: str | None, settings: dict[str, Any], batch: int) -> Config:
    """Return the configuration to detect with.

    Args:
        weights: The .h5 file.
        place: "FILE.py:CLASS", or None: the config.json beside the weights, else what the file's shapes tell.
        settings: Parameters to set, over all others.
        batch: Images the network takes at once.

    Raises:
        OSError, ValueError: nothing says what the network is; the message says what to pass.
    """
    wanted = {"IMAGES_PER_GPU": batch}
    if place:
        config = make_config(place, settings, 0)
        num_classes = layout.describe(weights).facts.num_classes
        if num_classes and "NUM_CLASSES" not in settings:
            wanted["NUM_CLASSES"] = num_classes  # a class that is used for several data sets may not know
    else:
        config = Config()
        wanted = {"NAME": "detect", **_of_file(weights, settings), **settings, **wanted}
    for name, value in wanted.items():
        setattr(config, name, value)
    config.__dict__.pop("BATCH_SIZE", None)
    return config


def network(weights: str, place: str | None, settings: dict[str, Any], *, data: Any = None, logs: str = "logs") -> MaskRCNN:
    """Build a network for detection and load its weights; see `network_of_file`."""
    return network_of_file(weights, place, settings, data=data, logs=logs)[0]


def network_of_file(
    weights: str, place: str | None, settings: dict[str, Any], *, data: Any = None, logs: str = "logs"
) -> tuple[MaskRCNN, str]:  # fmt: skip
    """Build a network for detection and load its weights; return both the network and the weights' file.

    Args:
        weights: What `find` takes, or coco.
        place, settings: See `configuration`.
        data: Data set that it shall see: its classes must be the network's, and its photos are read with the network's channels from now on.
        logs: See `find`.

    Raises:
        OSError, ValueError: configuration, weights or data don't fit, or can't be read.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    batch = settings.get("IMAGES_PER_GPU", 1)
    if weights.lower() == "coco":
        config = make_config(place, {"IMAGES_PER_GPU": batch} | settings, COCO_CLASSES if data is None else data.num_classes)
    else:
        weights = find(weights, place, logs)
        config = configuration(weights, place, settings, batch)
    if data is not None:
        _require_classes(weights, config, data)
        if config.IMAGE_CHANNEL_COUNT in (1, 3, 4):
            data.channels = config.IMAGE_CHANNEL_COUNT

    from mrcnn.mask_rcnn import MaskRCNN

    model = MaskRCNN("inference", config, logs)
    return model, model.load_initial_weights(weights)


def _require_classes(weights: str, config: Config, data: Any) -> None:
    """Refuse data whose classes are others than the network's, or the same in another order: every figure would be wrong."""
    if config.NUM_CLASSES != data.num_classes:
        raise ValueError(
            f"The data have {data.num_classes} classes with background, the network has {config.NUM_CLASSES}. --class chooses and renames the data's."
        )
    known, given = _recorded_names(weights), [str(name) for name in data.class_names]
    if known and known != given and sorted(known) == sorted(given):
        raise ValueError(
            f"The data number their classes {', '.join(given[1:])}; the network was trained with {', '.join(known[1:])}. Name them in this order "
            "with --class NAME, one for each."
        )
    if known and known != given:
        logger.warning("Names of classes differ, number by number: the network's %s, the data's %s.", ", ".join(known[1:]), ", ".join(given[1:]))


def class_names(asked: str | None, weights: str, num_classes: int) -> list[str]:
    """Return a name for each class id, "BG" first.

    Args:
        asked: Names with commas between, or a file with one a line, background left out; None: those that the run wrote down, or COCO's 80.
        weights: The .h5 file.
        num_classes: Of the network, background included.

    Raises:
        OSError, ValueError: the file can't be read, or the names are not as many as the classes.
    """
    if asked:
        if os.path.isfile(asked):
            with open(asked, encoding="utf-8") as file:
                names = [line.strip() for line in file if line.strip()]
        else:
            names = [name.strip() for name in asked.split(",")]
        if names[:1] == ["BG"]:
            names = names[1:]
        if len(names) != num_classes - 1:
            raise ValueError(f"--classes gives {len(names)} names and the network has {num_classes - 1} classes besides the background: {asked}")
        return ["BG", *names]
    names = _recorded_names(weights)
    if len(names) == num_classes:
        return names
    if num_classes == COCO_CLASSES:
        return ["BG", *coco_classes.NAMES]
    return ["BG", *(f"class {number}" for number in range(1, num_classes))]


def _recorded_names(weights: str) -> list[str]:
    """Names of the classes, "BG" first, that the run of a weight file wrote down last; none where there is no such run."""
    if not os.path.isfile(weights):
        return []
    written = [entry.get("class_names") for entry in record.sessions(_run_folder(weights))]
    return [str(name) for name in next((names for names in reversed(written) if names), [])]


def category_ids(names: list[str], annotations: str | None) -> tuple[dict[int, int], dict[str, Any]]:
    """Return {class id: category id} and {file name: image id} of COCO results.

    Args:
        names: See `class_names`.
        annotations: COCO json of the ground truth. None: COCO's own ids for COCO's classes, else the class ids; no image ids.

    Raises:
        OSError, ValueError: the file is no COCO json, or lacks a class.
    """
    if annotations is None:
        own = coco_classes.CATEGORY_IDS if names[1:] == list(coco_classes.NAMES) else range(1, len(names))
        return dict(enumerate(own, start=1)), {}
    try:
        with open(annotations, "rb") as file:  # json tells UTF-8, 16 and 32 apart
            content = json.load(file)
        by_name = {category["name"]: int(category["id"]) for category in content["categories"]}
        images = {str(image["file_name"]): image["id"] for image in content["images"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{annotations} is no COCO annotation file: {error!r}") from error
    absent = [name for name in names[1:] if name not in by_name]
    if absent:
        raise ValueError(f"{annotations} has no category {', '.join(absent[:5])}; it has {', '.join(list(by_name)[:10])}. Pass --classes.")
    return {i: by_name[name] for i, name in enumerate(names) if i}, images


def _of_file(weights: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Parameters of the run beside the weights, else those that the file's shapes imply."""
    described = layout.describe(weights)
    if described.kind != "mask_rcnn":
        raise ValueError(f"{weights} holds {described.kind_text}; detection needs a trained Mask R-CNN.")
    try:
        found = record.read_config(_run_folder(weights))
    except FileNotFoundError:
        found = _facts(described)
    if "BACKBONE" not in found and "BACKBONE" not in settings:
        raise ValueError(
            f"{weights} was trained with a BACKBONE of its own, which is code: pass --config FILE.py:CLASS, the configuration of the training."
        )
    left_out = ("GPU_COUNT", "BATCH_SIZE", "IMAGE_SHAPE", "IMAGE_META_SIZE", "IMAGES_PER_GPU")  # of the training's batches and sizes
    return {name: value for name, value in found.items() if name.isupper() and name not in left_out}


def _run_folder(weights: str) -> str:
    """The folder of the run that a weight file belongs to: its own, or the one above, of averaged weights and of a state."""
    folder = os.path.dirname(os.path.abspath(weights))
    above = os.path.dirname(folder)
    return above if not os.path.isfile(os.path.join(folder, record.FILE)) and os.path.isfile(os.path.join(above, record.FILE)) else folder


def _facts(described: layout.FileLayout) -> dict[str, Any]:
    facts = described.facts
    known = {
        "NUM_CLASSES": facts.num_classes, "TOP_DOWN_PYRAMID_SIZE": facts.pyramid_size, "FPN_CLASSIF_FC_LAYERS_SIZE": facts.head_size,
        "POOL_SIZE": facts.pool_size, "IMAGE_CHANNEL_COUNT": facts.input_channels, "NORM": facts.norm,
    }  # fmt: skip
    if facts.backbone in ("resnet50", "resnet101"):
        known["BACKBONE"] = facts.backbone
    logger.warning(
        "%s has no config.json beside it: sizes of the network are taken from the file, and the rest is the library's default (photos at 1024 "
        "pixels, anchors of 32 to 512). Pass --config or --set where the training had others.", described.path,
    )  # fmt: skip
    return {name: value for name, value in known.items() if value is not None}
