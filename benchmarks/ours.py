"""This library's side of the inference contests: detect as a whole, in batches, on a folder of photos, and its parts."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

from benchmarks import scenes
from benchmarks.workers import Tasks
from mrcnn.config import Config
from mrcnn.mask_rcnn import MaskRCNN

#: Factor on the random class logits: their scores then spread as a trained network's do, and 100 detections reach the mask head.
SHARPEN = 40.0


class BenchmarkConfig(Config):
    """81 classes, ResNet50, square 1024 px, 1000 proposals, no detection dropped for its score."""

    NAME = "benchmark"
    NUM_CLASSES = scenes.NUM_CLASSES
    BACKBONE = "resnet50"
    IMAGES_PER_GPU = 1
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 1024
    DETECTION_MIN_CONFIDENCE = 0.0


def model(size: int = 1024, **attributes: Any) -> MaskRCNN:
    """Inference model with sharpened random weights; `attributes` are set on its Config."""
    config = BenchmarkConfig()
    config.IMAGE_MIN_DIM = config.IMAGE_MAX_DIM = size
    for name, value in attributes.items():
        setattr(config, name, value)
    import keras

    keras.utils.set_random_seed(0)
    built = MaskRCNN("inference", config, tempfile.gettempdir())
    built.allow_random_weights = True
    logits = built.keras_model.get_layer("mrcnn_class_logits")
    kernel, bias = logits.get_weights()
    logits.set_weights([kernel * SHARPEN, bias])
    return built


def detection(size: int = 1024, batch: int = 1, **attributes: Any) -> Tasks:
    """The task "detect": the whole call on `batch` photos of the network's size, resize and mask paste included; "profiled": under the profiler."""
    built = model(size, IMAGES_PER_GPU=batch, **attributes)
    photos = [scenes.photo(seed, size, size) for seed in range(batch)]

    def detect() -> dict[str, Any]:
        return {"detections": sum(len(found["scores"]) for found in built.detect(photos)) / batch}

    def profiled() -> dict[str, Any]:
        from benchmarks import op_profile

        found = op_profile.not_network(detect)
        return {"profiled_seconds": found["seconds"], "not_network": found["not_network"]}

    return Tasks({"detect": detect, "profiled": profiled}, {"parameters": built.keras_model.count_params()})


#: Height and width of the photos of the mixed folder.
FOLDER = ((1024, 1024), (768, 1024), (1024, 683), (600, 1024), (480, 640), (1200, 1600))


def throughput(**attributes: Any) -> Tasks:
    """Batches of 1, 2 and 4 photos at 1024 px, and a folder of mixed sizes in modes square and pad64, one image at a time."""
    square = model(**attributes)
    pad64 = model(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=768, **attributes)  # sides follow the photo: fewer pixels than the square
    photos = [scenes.photo(seed, 1024, 1024) for seed in range(4)]
    folder = [scenes.photo(seed, *size) for seed, size in enumerate(FOLDER)]

    def batch(size: int) -> None:
        square.config.IMAGES_PER_GPU = size
        square.detect(photos[:size])

    def mixed(network: MaskRCNN) -> None:
        network.config.IMAGES_PER_GPU = 1
        network.detect(folder)

    tasks = {f"batch {size}": lambda size=size: batch(size) for size in (1, 2, 4)}
    pixels = sum(int(np.prod(pad64.mold_inputs([photo])[0].shape[1:3])) for photo in folder)
    facts = {"folder": FOLDER, "pad64_pixels_against_square": pixels / (len(FOLDER) * 1024 * 1024)}
    return Tasks({**tasks, "folder square": lambda: mixed(square), "folder pad64": lambda: mixed(pad64)}, facts)


def parts(size: int = 1024, **attributes: Any) -> Tasks:
    """Each stage of detect by itself, on what the stage before it gives for one photo; facts: operations of the trunk and of the heads."""
    import keras
    import tensorflow as tf

    from benchmarks import flops

    built = model(size, **attributes)
    network, photo = built.keras_model, scenes.photo(0, size, size)
    molded, metas, windows = built.mold_inputs([photo])
    inputs = [molded, metas.astype(np.float32), built.get_anchors(molded.shape[1:])[None]]

    def out(name: str) -> Any:
        return network.get_layer(name).output

    image, meta, anchors = network.inputs
    pyramid = [out(f"fpn_p{level}") for level in (2, 3, 4, 5)]
    rpn, rois, heads = [out("rpn_class"), out("rpn_bbox")], out("ROI"), [out("mrcnn_class"), out("mrcnn_bbox")]
    cut, small_cut = (network.get_layer(name).input for name in ("mrcnn_class_conv1", "mrcnn_mask_conv1"))
    stages = {
        "trunk": ([image], [*rpn, *pyramid]),
        "proposals": ([*rpn, anchors], [rois]),
        "roi align, boxes": ([rois, meta, *pyramid], [cut]),
        "box head": ([cut], heads),
        "detection layer": ([rois, *heads, meta], [out("mrcnn_detection")]),
        "roi align, masks": ([out("mrcnn_detection"), meta, *pyramid], [small_cut]),
        "mask head": ([small_cut], [out("mrcnn_mask")]),
    }
    tensors = list({id(t): t for wanted, given in stages.values() for t in (*wanted, *given)}.values())
    values = dict(zip(map(id, tensors), keras.Model(network.inputs, tensors).predict_on_batch(inputs), strict=True))
    tasks, operations = {}, {}
    for name, (wanted, given) in stages.items():
        stage = keras.Model(wanted, given)
        fixed = [tf.constant(values[id(t)], dtype=t.dtype) for t in wanted]
        call = tf.function(lambda *x, stage=stage: stage(list(x), training=False), jit_compile=False)
        tasks[name] = lambda call=call, fixed=fixed: call(*fixed)
        rows = network.get_layer("mrcnn_mask").output.shape[1]  # the mask head puts those it left out back, at run time
        operations[name] = sum(flops.count(lambda *x, stage=stage: stage(list(x), training=False), *fixed, leading=rows).values())
    detections, masks = values[id(out("mrcnn_detection"))][0], values[id(out("mrcnn_mask"))][0]
    tasks["resize and mold"] = lambda: built.mold_inputs([photo])
    tasks["mask paste"] = lambda: built.unmold_detections(detections, masks, photo.shape, molded.shape[1:], windows[0])
    return Tasks(tasks, {"operations": operations})
