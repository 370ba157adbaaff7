"""README's examples run as they stand, but for their size: a small network, tiny images, one step an epoch."""


import cv2
import numpy as np
import readme_code
import tiny

from mrcnn.mask_rcnn import MaskRCNN


def images(folder, first, count):
    paths = []
    for i in range(first, first + count):
        labels = np.zeros((64, 64), np.uint8)
        cv2.circle(labels, (20, 20 + i), 9, 1, -1)
        cv2.circle(labels, (45, 40), 8, 2, -1)
        paths.append(str(folder / f"{i}.png"))
        cv2.imwrite(paths[-1], np.repeat((labels > 0).astype(np.uint8)[..., None] * 200, 3, axis=-1))
        cv2.imwrite(str(folder / f"{i}_labels.png"), labels)
    return paths


def test_the_example_trains_and_detects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = [("= 512", "= 64"), ("= 200, 20", "= 1, 1"), ("epochs=5", "epochs=1"), ("epochs=20", "epochs=2")]
    parent = ("class CellConfig(Config):", "class CellConfig(tiny.TinyConfig):")
    code = readme_code.smaller(readme_code.example("CellConfig"), [parent, *readme_code.BACKBONE, *sizes])

    class CocoConfig(tiny.TinyConfig):
        NUM_CLASSES = 81

    MaskRCNN("training", CocoConfig(), "logs").keras_model.save_weights("mask_rcnn_coco.h5")
    names = {"tiny": tiny, "train_paths": images(tmp_path, 0, 3), "val_paths": images(tmp_path, 3, 2)}
    exec(compile(code, "README.md", "exec"), names)
    found = names["found"]
    assert found["masks"].shape == (64, 64, len(found["rois"]))
    assert names["model"].epoch == 2 and np.isfinite(names["mean_ap"].result.map)
