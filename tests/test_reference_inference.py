"""The inference graph against the original, tensor by tensor. Tolerances: the last column of the reference's README, measured there."""

import keras
import numpy as np
import pytest
import reference_cases

from mrcnn.inference import predict
from mrcnn.mask_rcnn import MaskRCNN

CASES = reference_cases.case_paths("inference_*.npz")
LAST_BLOCK = {"resnet50": "f", "resnet101": "w"}


def run(case, tmp_path):
    """The model of a case, and all compared tensors by name."""
    config = case.config()
    mask_rcnn = MaskRCNN("inference", config, tmp_path)
    mask_rcnn.load_weights(case.write_weights(tmp_path), by_name=True, verbose=0)
    model = mask_rcnn.keras_model
    layers = {"C2": "res2c_out", "C3": "res3d_out", "C4": f"res4{LAST_BLOCK[config.BACKBONE]}_out", "C5": "res5c_out"}
    layers |= {f"P{i}": f"fpn_p{i}" for i in (2, 3, 4, 5, 6)}
    layers |= {n: n for n in ("rpn_class", "rpn_bbox", "roi_align_classifier", "roi_align_mask")}
    layers |= {n: n for n in ("mrcnn_class_logits", "mrcnn_class", "mrcnn_bbox", "mrcnn_mask")}
    layers |= {"rpn_rois": "ROI", "detections": "mrcnn_detection"}
    tensors = {name: model.get_layer(layer).output for name, layer in layers.items()}
    logits = [model.get_layer("rpn_model")(tensors[f"P{i}"])[0] for i in (2, 3, 4, 5, 6)]  # not on the way to an output of this graph
    probe = keras.Model(model.inputs, tensors | {"rpn_class_logits": keras.ops.concatenate(logits, axis=1)})
    anchors = np.broadcast_to(case["anchors"], (len(case.molded()), *case["anchors"].shape))
    return mask_rcnn, probe.predict_on_batch([case.molded(), case["image_metas"].astype("float32"), anchors])


@pytest.fixture(scope="module", params=CASES, ids=lambda p: p.stem)
def compared(request, tmp_path_factory):
    case = reference_cases.Case(request.param)
    mask_rcnn, outputs = run(case, tmp_path_factory.mktemp("weights"))
    results = [
        mask_rcnn.unmold_detections(
            outputs["detections"][i], outputs["mrcnn_mask"][i], case[f"image_{i}"].shape, case.molded().shape[1:], case["windows"][i]
        )
        for i in range(len(case.molded()))
    ]
    return case, outputs, results, mask_rcnn


def strided(case, outputs, name):
    index = tuple(slice(start, None, step) for start, step in case.meta["slices"][name])
    return outputs[name][index]


def close(actual, expected, atol):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def not_at_far_edge(case):
    """Rois that end on the border are rounded differently by every machine (quirk 12)."""
    return ~case["rpn_rois_touch_far_edge"]


def same_proposals(case, outputs):
    """Row of ours for each proposal of the reference: the nearest (neighbours may swap, see the README on `stability`)."""
    distance = np.abs(outputs["rpn_rois"][:, None] - case["rpn_rois"][:, :, None]).max(-1)  # [B, theirs, ours]
    return distance.argmin(-1)


def take(values, rows):
    return np.take_along_axis(values, rows.reshape(*rows.shape, *(1,) * (values.ndim - 2)), axis=1)


@pytest.mark.parametrize("name", ["C2", "C3", "C4", "C5", "P2", "P3", "P4", "P5", "P6"])
def test_feature_maps(compared, name):
    case, outputs, *_ = compared
    close(strided(case, outputs, name), case[f"{name}_slice"], 2e-4)
    full = outputs[name].reshape(len(outputs[name]), -1).astype("float64")
    stats = np.stack([full.mean(1), full.std(1), np.linalg.norm(full, axis=1), full.min(1), full.max(1)], axis=1)
    np.testing.assert_allclose(stats, case[f"stats_{name}"], rtol=1e-4, atol=2e-4)


def test_rpn(compared):
    case, outputs, *_ = compared
    close(outputs["rpn_class_logits"], case["rpn_class_logits"], 1e-4)
    close(outputs["rpn_class"][:, :, 1], case["rpn_class_fg"], 2e-5)
    close(outputs["rpn_bbox"], case["rpn_bbox"], 2e-4)


def test_proposals(compared):
    case, outputs, *_ = compared
    close(take(outputs["rpn_rois"], same_proposals(case, outputs)), case["rpn_rois"], 1e-5)
    if case.meta["stability"]["1e-05"]["rois_same_order"]:
        close(outputs["rpn_rois"], case["rpn_rois"], 1e-5)


def test_heads(compared):
    case, outputs, *_ = compared
    rows, inside = same_proposals(case, outputs), not_at_far_edge(case)
    for name, atol in (("mrcnn_class_logits", 1e-3), ("mrcnn_class", 1e-4), ("mrcnn_bbox", 3e-4)):
        close(take(outputs[name], rows)[inside], case[name][inside], atol)


def test_roi_align(compared):
    case, outputs, *_ = compared
    batch, roi, *_ = case.meta["slices"]["roi_align_classifier"]
    rows = same_proposals(case, outputs)
    pooled = {"roi_align_classifier": take(outputs["roi_align_classifier"], rows)}
    inside = not_at_far_edge(case)[batch[0] :: batch[1], roi[0] :: roi[1]]
    close(strided(case, pooled, "roi_align_classifier")[inside], case["roi_align_classifier_slice"][inside], 2e-4)
    close(strided(case, outputs, "roi_align_mask"), case["roi_align_mask_slice"], 2e-4)


def test_detections(compared):
    case, outputs, *_ = compared
    ours, theirs = outputs["detections"], case["detections"]
    np.testing.assert_array_equal(ours[..., 4], theirs[..., 4])
    close(ours, theirs, 1e-4)


def test_masks_of_detections(compared):
    case, outputs, *_ = compared
    class_ids = case["detections"][..., 4].astype(int)
    masks = np.take_along_axis(outputs["mrcnn_mask"], class_ids[..., None, None, None], axis=4)[..., 0]
    close(masks, case["mrcnn_mask_of_class"], 5e-4)


def same_results(results, case):
    for i, (rois, class_ids, scores, masks) in enumerate(results):
        np.testing.assert_array_equal(class_ids, case[f"detect_{i}_class_ids"])
        expected = case[f"detect_{i}_rois"]
        assert np.abs(rois - expected).max(initial=0) <= 1  # a coordinate at .5 may be rounded either way
        assert (rois != expected).mean() <= 0.01 if rois.size else not expected.size
        close(scores, case[f"detect_{i}_scores"], 1e-4)
        theirs = case[f"detect_{i}_masks"].astype(bool)
        assert masks.shape == theirs.shape and masks.dtype == bool
        assert (masks != theirs).sum() <= 1e-3 * max(1, theirs.sum())


def test_results_on_the_original_images(compared):
    case, _, results, _ = compared
    same_results(results, case)


def test_anchors_and_metas(compared):
    case, _, _, model = compared
    close(model.get_anchors(case.molded().shape[1:]), case["anchors"], 1e-6)
    molded, metas, windows = model.mold_inputs([case[f"image_{i}"] for i in range(len(case.molded()))])
    np.testing.assert_array_equal(metas, case["image_metas"])
    np.testing.assert_array_equal(windows, case["windows"])
    difference = np.abs(molded - case.molded())
    assert difference.max() <= 1 + 1e-4 and (difference > 0.5).mean() <= 0.05  # resampling differs between library versions


def test_detect(compared, monkeypatch):
    """From the raw images on, but with the reference's resampled pixels: random weights answer to a difference of 1."""
    case, _, _, model = compared
    images = [case[f"image_{i}"] for i in range(len(case.molded()))]
    resize, molded = predict.images.resize, iter(case["molded_uint8"])
    monkeypatch.setattr(predict.images, "resize", lambda image, **kwargs: resize(image, **kwargs)._replace(image=next(molded)))
    same_results([tuple(r[k] for k in ("rois", "class_ids", "scores", "masks")) for r in model.detect(images)], case)
