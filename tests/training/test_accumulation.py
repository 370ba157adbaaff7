"""Batches accumulated in a whole network are one larger batch of the same images, where the losses are means over the same numbers of things."""

import numpy as np
import pytest
import tiny_network
from backend_tools import TENSORFLOW

from mrcnn.config import LOSS_NAMES
from mrcnn.training import optimizer

pytestmark = pytest.mark.skipif(not TENSORFLOW, reason="a second network a test takes minutes elsewhere")


def trained(images_per_gpu, accumulation, batches):
    """Weights of backbone, pyramid and RPN after the batches; the heads' losses, whose rois are drawn anew for each batch, count nothing."""
    heads = {name: 0.0 for name in LOSS_NAMES if name.startswith("mrcnn")}
    model = tiny_network.network("training", IMAGES_PER_GPU=images_per_gpu, LOSS_WEIGHTS=heads)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.standard_normal(variable.shape) * 0.1)
    opt = optimizer.build("sgd", 0.1, momentum=0.9, clip_norm=0.5, weight_decay=0.0, accumulation=accumulation)
    opt.build(model.trainable_variables)
    model.compile(optimizer=opt, run_eagerly=True)
    for batch in batches:
        model.train_on_batch(tuple(batch))
    return {v.path: v.numpy() for v in model.trainable_variables}


def test_two_batches_of_one_image_are_one_batch_of_two():
    one = [tiny_network.training_batch(tiny_network.config(), seed=seed) for seed in (1, 2)]
    two = [np.concatenate(arrays) for arrays in zip(*one, strict=True)]
    found, expected = trained(1, 2, one), trained(2, 1, [two])
    start = trained(1, 2, one[:1])
    moved = [path for path in found if np.abs(expected[path] - start[path]).max() > 1e-5]
    assert any(path.startswith("rpn_") for path in moved) and any(path.startswith("res") for path in moved)
    for path in found:
        np.testing.assert_allclose(found[path], expected[path], rtol=1e-4, atol=1e-6, err_msg=path)
