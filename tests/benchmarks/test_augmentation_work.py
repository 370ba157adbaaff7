"""benchmarks.augmentation: the contestants do the same work."""

import os

import numpy as np
import pytest

from benchmarks import augmentation as work
from mrcnn.data import augment

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["ours", "imgaug", "albumentations"])
def test_a_contestant_mirrors_scales_and_colours(kind):
    if kind == "albumentations":
        pytest.importorskip("albumentations", reason="pip install 'mrcnn[albumentations]'", exc_type=ImportError)
    photo = work.example()
    assert photo.masks.shape == (512, 512, 8) and photo.masks.any(axis=(0, 1)).all()
    try:
        pipelines = {step: work.pipeline(kind, (step,)) for step in work.STEPS}
    except ImportError as error:
        pytest.skip(str(error))
    draws = {
        step: [augment.apply(pipeline, photo, rng=np.random.default_rng(seed)) for seed in range(work.DRAWS)]
        for step, pipeline in pipelines.items()
    }
    mirrored = [np.array_equal(draw.image, photo.image[:, ::-1]) for draw in draws["flip"]]
    assert 0 < sum(mirrored) < work.DRAWS
    areas = [draw.masks.sum() / photo.masks.sum() for draw in draws["jitter"]]
    assert min(areas) < 0.9 and max(areas) > 1.1 and all(0.6 < area < 1.6 for area in areas)
    for draw in draws["colour"]:
        assert (draw.masks == photo.masks).all() and 2 < np.abs(draw.image.astype(int) - photo.image).mean() < 60
