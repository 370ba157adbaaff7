"""This library's side of the training contest: one step, as train_on_batch does it, on photos whose rois are known to be positive enough."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

from benchmarks import scenes
from benchmarks.ours import BenchmarkConfig
from benchmarks.workers import Tasks
from mrcnn.config import Config
from mrcnn.data import anchor_grid, images, rpn_targets
from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.nn import rpn
from mrcnn.ops import masks as mask_ops


def training(size: int = 512, batch: int = 2, objects: int = scenes.OBJECTS, count_operations: bool = False, **attributes: Any) -> Tasks:
    """The task "step": forward, backward, clipping and SGD with momentum on `batch` photos, all layers; facts: positives of each image.

    Rois near the objects take the place of the first proposals, as on torchvision's side: a random network proposes few positives.
    """
    import keras

    config = BenchmarkConfig()
    config.IMAGE_MIN_DIM = config.IMAGE_MAX_DIM = size
    config.IMAGES_PER_GPU = batch
    for name, value in attributes.items():
        setattr(config, name, value)
    found = [scenes.scene(seed, size, objects) for seed in range(batch)]
    _inject(np.stack([s.near for s in found]) / (size - 1))
    model = MaskRCNN("training", config, tempfile.gettempdir())
    model.set_trainable("all", verbose=0)
    model.compile(1e-4, config.LEARNING_MOMENTUM)
    network = model.keras_model
    inputs = tuple(np.stack(arrays) for arrays in zip(*(_item(config, s) for s in found), strict=True))

    def step() -> dict[str, Any]:
        return {"loss": float(network.train_on_batch(inputs, return_dict=True)["loss"])}

    facts: dict[str, Any] = {"trained_parameters": int(sum(np.prod(v.shape) for v in network.trainable_variables))}
    if count_operations:  # in a process of its own: it takes memory
        facts["operations"] = _operations(network, batch, size, slots=int(config.TRAIN_ROIS_PER_IMAGE * config.ROI_POSITIVE_RATIO))
        sampler = keras.Model(network.inputs, network.get_layer("proposal_targets").output[1])
        facts["positives"] = (np.asarray(sampler.predict_on_batch(inputs)) > 0).sum(axis=1).tolist()
    return Tasks({"step": step}, facts)


def _item(config: Config, found: scenes.Scene) -> list[np.ndarray]:
    """The seven inputs of one photo, as the loader makes them."""
    size, count = len(found.image), len(found.boxes)
    shape = (size, size, 3)
    matches, deltas = rpn_targets.build(
        anchor_grid.pixel_anchors(config, shape), found.class_ids, found.boxes, num_anchors=config.RPN_TRAIN_ANCHORS_PER_IMAGE,
        std_dev=config.RPN_BBOX_STD_DEV, rng=np.random.default_rng(0),
    )  # fmt: skip
    meta = images.compose_meta(0, shape, shape, (0, 0, size, size), 1.0, np.ones(config.NUM_CLASSES))
    class_ids, boxes = np.zeros(config.MAX_GT_INSTANCES, np.int32), np.zeros((config.MAX_GT_INSTANCES, 4), np.int32)
    mini = np.zeros((*config.MINI_MASK_SHAPE, config.MAX_GT_INSTANCES), bool)
    class_ids[:count], boxes[:count] = found.class_ids, found.boxes
    mini[..., :count] = mask_ops.minimize(found.boxes, scenes.masks(found).transpose(1, 2, 0), config.MINI_MASK_SHAPE)
    molded = images.mold(found.image, config.MEAN_PIXEL, out=np.empty(shape, np.float32))
    return [molded, meta.astype(np.float32), matches[:, None], deltas, class_ids, boxes, mini]


def _inject(near: np.ndarray) -> None:
    """Let `ProposalLayer` of this process answer [B, N, 4] rois in place of its first proposals; the work it does stays."""
    import tensorflow as tf

    propose, near = rpn.ProposalLayer.call, tf.constant(near, tf.float32)

    def with_near(self: Any, inputs: Any) -> Any:
        return tf.concat([near, propose(self, inputs)[:, near.shape[1] :]], axis=1)

    rpn.ProposalLayer.call = with_near


def _operations(network: Any, batch: int, size: int, slots: int) -> int:
    """Operations of the forward and the backward pass, stage by stage: within a stage all shapes are known. `slots`: positives of an image."""
    import keras
    import tensorflow as tf

    from benchmarks import flops

    def out(name: str) -> Any:
        return network.get_layer(name).output

    pyramid = [out(f"fpn_p{level}") for level in (2, 3, 4, 5)]
    stages = (
        (network.inputs[0], [out("rpn_class_logits"), out("rpn_bbox"), *pyramid], False),
        (network.get_layer("mrcnn_class_conv1").input, [out("mrcnn_class_logits"), out("mrcnn_bbox")], True),
        (network.get_layer("mrcnn_mask_conv1").input, [out("mrcnn_mask")], True),
    )
    total = 0
    for given, wanted, into_input in stages:  # the gradient goes on into the pyramid, not into the photo
        stage = keras.Model(given, wanted)

        def gradients(x: Any, stage: Any = stage, into_input: bool = into_input) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                answers = stage(x, training=True)
            return tape.gradient(answers, [*stage.trainable_variables, *([x] if into_input else [])])

        shape = (batch, *((given.shape[1] or slots, *given.shape[2:]) if into_input else (size, size, 3)))
        total += sum(flops.count(gradients, tf.TensorSpec(shape, given.dtype), leading=batch * slots).values())
    return total
