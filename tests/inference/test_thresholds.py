"""mrcnn.inference.thresholds and tuning: the file, detection with it, and that tuning counts what this detection does."""

import json
import os
import shutil

import numpy as np
import pytest
import tiny

from mrcnn import cli, fetch
from mrcnn.commands import explain, trained
from mrcnn.data import samples
from mrcnn.evaluation.tuning import Counts, Setting
from mrcnn.inference import thresholds, tuning
from mrcnn.inference.thresholds import Thresholds
from mrcnn.mask_rcnn import MaskRCNN
from mrcnn.ops import matching, paste, rle
from mrcnn.results import SmallMasks

NAMES = ("BG", "square", "disc")


class RandomConfig(tiny.TinyConfig):
    """Random weights give many boxes of nearly one score."""

    DETECTION_MIN_CONFIDENCE = 0.35
    DETECTION_NMS_THRESHOLD = 0.4


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import keras

    keras.utils.set_random_seed(0)
    model = MaskRCNN("inference", RandomConfig(), tmp_path_factory.mktemp("logs"))
    model.allow_random_weights = True
    kernel = model.keras_model.get_layer("mrcnn_class_logits").kernel
    kernel.assign(np.random.default_rng(0).standard_normal(kernel.shape) * 0.7)  # else one class wins everywhere
    return model


@pytest.fixture(scope="module")
def telling(tmp_path_factory):
    """A network with a head for attributes."""
    import keras

    class Telling(RandomConfig):
        NUM_ATTRIBUTES = 3
        ATTRIBUTE_MIN_CONFIDENCE = 0.4

    keras.utils.set_random_seed(0)
    model = MaskRCNN("inference", Telling(), tmp_path_factory.mktemp("telling"))
    model.allow_random_weights = True
    for name in ("mrcnn_class_logits", "mrcnn_attributes"):
        kernel = model.keras_model.get_layer(name).kernel
        kernel.assign(np.random.default_rng(0).standard_normal(kernel.shape) * 0.7)
    return model


@pytest.fixture(scope="module")
def data():
    return tiny.Squares(5, empty=4)


@pytest.fixture
def shared_parts(model, monkeypatch):
    """Tuning takes the parts that detection has made; tracing them takes seconds."""
    monkeypatch.setattr(tuning, "TwoParts", lambda *args: model._predictor.two_parts)


def photos(data):
    return [data.load_image(i) for i in data.image_ids]


def both(**setting):
    return Thresholds(NAMES, {i: Setting(**{"score": 0.35, "nms": 0.4, **setting}) for i in (1, 2)})


def test_configurations_own_thresholds_give_its_detections(model, data):
    for plain, found in zip(model.detect(photos(data)), model.detect(photos(data), thresholds=both()), strict=True):
        assert plain.num > 1
        np.testing.assert_array_equal(plain["rois"], found["rois"])
        np.testing.assert_array_equal(plain["class_ids"], found["class_ids"])
        np.testing.assert_allclose(plain["scores"], found["scores"], atol=1e-6)
        assert (plain["masks"] != found["masks"]).mean() < 1e-3 and found.window == plain.window


def test_attributes_are_told_with_thresholds_too(telling, data):
    for plain, found in zip(telling.detect(photos(data)), telling.detect(photos(data), thresholds=both()), strict=True):
        assert plain.num > 1 and np.ptp(plain.attributes) > 0
        np.testing.assert_array_equal(plain["rois"], found["rois"])
        np.testing.assert_allclose(plain.attributes, found.attributes, atol=1e-5)
        assert found.attribute_min_confidence == 0.4 and found.attributes.dtype == np.float32
    (none,) = telling.detect(photos(data)[:1], thresholds=both(score=1.0))
    assert none.num == 0 and none.attributes.shape == (0, 3)


def test_each_class_has_its_own_thresholds(model, data):
    (plain,) = model.detect(photos(data)[:1])
    present = int(plain["class_ids"][0])
    one, other = (
        model.detect(photos(data)[:1], thresholds=Thresholds(NAMES, {**both().settings, class_id: Setting(1.0, 0.4)}))[0]
        for class_id in (present, 3 - present)
    )
    assert present not in one["class_ids"]
    assert (other["class_ids"] == present).sum() >= (plain["class_ids"] == present).sum() > 0


def test_network_with_thresholds_stands_in_for_a_model(model, data, monkeypatch):
    asked = []
    monkeypatch.setattr(model, "load_thresholds", lambda path: asked.append(path) or both(score=0.4))
    stands_in = thresholds.WithThresholds(model, "mine.json")
    (expected,), (found,) = model.detect(photos(data)[:1], thresholds=both(score=0.4)), stands_in.detect(photos(data)[:1], lazy_masks=True)
    assert asked == ["mine.json"] and stands_in.config is model.config and not found.pasted
    np.testing.assert_array_equal(found["rois"], expected["rois"])


def test_masks_are_cut_at_the_threshold_and_wait_if_asked_to(model, data):
    image = photos(data)[:1]
    (low,), (half,), (high,) = (model.detect(image, thresholds=both(mask=value), lazy_masks=True) for value in (0.3, 0.5, 0.7))
    assert not low.pasted and (low.areas >= half.areas).all() and (half.areas >= high.areas).all() and low.areas.sum() > high.areas.sum()


def test_small_masks_are_dropped(model, data):
    image = photos(data)[:1]
    (every,) = model.detect(image, thresholds=both())
    limit = int(np.sort(every.areas)[-1])
    (large,) = model.detect(image, thresholds=both(min_area=limit))
    assert (every.areas < limit).any() and large.areas.tolist() == every.areas[every.areas >= limit].tolist() and large.pasted


@pytest.mark.parametrize("class_id", [1, 2])
def test_a_least_area_is_of_its_own_class(model, data, class_id):
    image = photos(data)[:1]
    (every,) = model.detect(image, thresholds=both(), lazy_masks=True)
    none_of_it = Thresholds(NAMES, {**both().settings, class_id: Setting(0.35, 0.4, min_area=1e6)})
    (found,) = model.detect(image, thresholds=none_of_it, lazy_masks=True)
    assert found["class_ids"].tolist() == every["class_ids"][every["class_ids"] != class_id].tolist()


def test_mask_cut_elsewhere_is_the_scaled_mask_cut_at_half():
    masks = np.random.default_rng(0).random((3, 7, 7), np.float32)
    small = SmallMasks(masks, np.array([[0, 0, 40, 30], [5, 6, 12, 13], [-4, 2, 20, 50]]), (40, 40))
    cut = paste.planes(*thresholds.cut_at(small, np.array([0.3, 0.5, 0.8])))
    for i, value in enumerate((0.3, 0.5, 0.8)):
        assert (cut[..., i] != paste.plane(masks[i], small.boxes[i], (40, 40), threshold=value)).sum() <= 1


def test_tuning_counts_what_detection_with_its_thresholds_gives(model, data, shared_parts):
    tuned = tuning.tune(model, data, ious=(0.1, 0.3), min_instances=1)
    chosen = tuning.to_thresholds(tuned, data.class_names, None)
    for used, told in ((chosen, tuned.after), (both(), tuned.before)):
        counted = {class_id: np.zeros((3, 2), int) for class_id in (1, 2)}
        for image_id, found in zip(data.image_ids, model.detect(photos(data), thresholds=used), strict=True):
            masks, class_ids = data.load_mask(image_id)
            for class_id in (1, 2):
                mine, truth = found["class_ids"] == class_id, class_ids == class_id
                overlaps = rle.iou_coco([r for r, m in zip(found.rles, mine, strict=True) if m], rle.encode_coco(masks[:, :, truth]))
                for k, iou in enumerate((0.1, 0.3)):
                    right = (matching.greedy(overlaps, iou)[0] >= 0).sum()
                    counted[class_id][:, k] += right, mine.sum() - right, truth.sum() - right
        for class_id in (1, 2):
            assert np.array(told[class_id]).tolist() == counted[class_id].tolist()
    assert isinstance(tuned.after[1], Counts) and sum(tuned.before[1].wrong + tuned.before[2].wrong) > 0
    text = tuning.table(tuned, data.class_names)
    assert "cross-fitted" in text and "square" in text and f"{len(data.image_ids)} images" in text
    figures = chosen.figures
    assert figures["origins"] == {data.class_names[i]: origin for i, origin in tuned.origins.items()}
    lines = {line.split()[0]: line.split()[-1] for line in text.splitlines() if line}
    assert (lines["square"], lines["disc"]) == (tuned.origins[1], tuned.origins[2])
    assert [origin in text.split("images; F1")[1] for origin in ("shared:", "kept:")] == [o in tuned.origins.values() for o in ("shared", "kept")]
    low, high = figures["intervals_of_mean_f1"]["gain"]
    assert low <= tuned.gain <= high and f"gain {tuned.gain:.3f} ({low:.3f} – {high:.3f})" in text
    assert figures["images"] == 5 and figures["before"]["mean_f1"] == pytest.approx(np.mean([tuned.before[i].f1 for i in (1, 2)]))


def test_images_that_cannot_be_read_are_left_out(model, shared_parts, caplog):
    class Broken(tiny.Squares):
        def load_image(self, image_id):
            if image_id == 2:
                raise OSError("no such photo")
            return super().load_image(image_id)

    assert tuning.tune(model, Broken(4), min_instances=1).num_images == 3
    assert "image 2: OSError: no such photo" in caplog.text


def test_data_of_other_classes_are_refused(model):
    class More(tiny.Squares):
        def prepare(self, class_map=None):
            self.add_class("tiny", 3, "ring")
            super().prepare(class_map)

    with pytest.raises(ValueError, match="4 classes with background, the network NUM_CLASSES = 3"):
        tuning.tune(model, More(2))
    with pytest.raises(ValueError, match="IoUs above 0"):
        tuning.tune(model, tiny.Squares(2), ious=(50,))


def test_networks_that_were_never_trained_are_refused(tmp_path):
    untrained = MaskRCNN.__new__(MaskRCNN)  # as MaskRCNN.detect sees it: not loaded
    untrained.mode = "training"
    with pytest.raises(ValueError, match="detect needs MaskRCNN"):
        tuning.tune(untrained, tiny.Squares(2))


def test_thresholds_come_back_from_their_file(tmp_path):
    saved = Thresholds(NAMES, {1: Setting(0.6, 0.3, 0.4, 25.0), 2: Setting(0.5, 0.5)}, "abc", {"images": 3})
    saved.save(tmp_path / "w.h5.thresholds.json")
    assert Thresholds.load(tmp_path / "w.h5.thresholds.json") == saved
    assert saved.of_classes("min_area").tolist() == [0, 25, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(format="other"), "its format is 'other'"),
        (lambda content: content.pop("classes"), "KeyError"),
        (lambda content: content["classes"].pop(), None),
        (lambda content: content["classes"][0].update(class_id=2), "a setting for each class id from 1"),
        (lambda content: content["classes"][0].update(mask=0), "mask between 0 and 1"),
        (lambda content: content["classes"][0].update(score="high"), "got .*'high'"),
    ],
)
def test_files_that_say_something_else_are_refused(tmp_path, change, message):
    path = tmp_path / "x.json"
    both().save(path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    if message is None:  # a file of fewer classes is one, but not this network's
        with pytest.raises(ValueError, match="2 classes with background, the network has NUM_CLASSES = 3"):
            thresholds.load_for(None, path, 3)
        return
    with pytest.raises(ValueError, match=message):
        Thresholds.load(path)


def test_thresholds_of_other_weights_or_none_are_refused(tmp_path):
    weights = tmp_path / "w.h5"
    weights.write_bytes(b"weights")
    with pytest.raises(FileNotFoundError, match="w.h5.thresholds.json: `python -m mrcnn tune"):
        thresholds.load_for(str(weights), None, 3)
    Thresholds(NAMES, both().settings, fetch.digest(str(weights), "sha256")).save(thresholds.beside(weights))
    assert thresholds.load_for(str(weights), None, 3).settings == both().settings
    weights.write_bytes(b"others")
    with pytest.raises(ValueError, match="was tuned for other weights"):
        thresholds.load_for(str(weights), None, 3)
    with pytest.raises(ValueError, match="No weights were loaded"):
        thresholds.load_for(None, None, 3)


def test_detect_refuses_what_are_no_thresholds(model, data):
    with pytest.raises(ValueError, match="what load_thresholds\\(\\) returns is expected"):
        model.detect(photos(data)[:1], thresholds=0.5)
    with pytest.raises(ValueError, match="of 2 classes"):
        model.detect(photos(data)[:1], thresholds=Thresholds(("BG", "a"), {1: Setting(0.5, 0.3)}))
    with pytest.raises(ValueError, match="leave out thresholds"):
        model.detect(photos(data)[:1], thresholds=both(), explain=True)
    with pytest.raises(ValueError, match="No weights were loaded"):
        model.load_thresholds()


CONFIG = "import tiny\nclass C(tiny.TinyConfig):\n    DETECTION_MIN_CONFIDENCE = 0.35\n"


@pytest.fixture(scope="module")
def on_disk(model, tmp_path_factory):
    """Weights, a configuration and a data set of two photos as files: words for a command."""
    import cv2

    folder = tmp_path_factory.mktemp("files")
    squares = tiny.Squares(2)
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "square"}, {"id": 2, "name": "disc"}]}
    for image_id in squares.image_ids:
        image_id = int(image_id)
        cv2.imwrite(str(folder / f"{image_id}.png"), squares.load_image(image_id)[:, :, ::-1])
        content["images"].append({"id": image_id, "file_name": f"{image_id}.png", "height": 64, "width": 64})
        masks, class_ids = squares.load_mask(image_id)
        for encoding, class_id in zip(rle.encode_coco(masks), class_ids.tolist(), strict=True):
            encoding = {**encoding, "counts": encoding["counts"].decode()}
            number = len(content["annotations"]) + 1
            content["annotations"].append({"id": number, "image_id": image_id, "category_id": class_id, "segmentation": encoding, "iscrowd": 0})
    (folder / "data.json").write_text(json.dumps(content))
    (folder / "c.py").write_text(CONFIG)
    model.keras_model.save_weights(str(folder / "w.h5"))
    network = ["--weights", str(folder / "w.h5"), "--config", f"{folder / 'c.py'}:C"]
    return folder, network, ["--format", "coco", "--data", str(folder / "data.json"), "--images", str(folder)]


def test_tune_writes_thresholds_beside_the_weights_and_load_thresholds_finds_them(on_disk, capsys):
    folder, network, data = on_disk
    assert cli.main(["tune", *network, *data, "--min-instances", "1"]) == 0
    assert "mean of the classes" in capsys.readouterr().out
    model = MaskRCNN("inference", RandomConfig(), folder)
    model.load_weights(folder / "w.h5", by_name=True)
    loaded = model.load_thresholds()
    assert loaded.class_names[1:] == NAMES[1:] and loaded.figures["images"] == 2 and loaded.figures["ious"] == [0.5, 0.75]
    assert loaded.weights_sha256 == fetch.digest(str(folder / "w.h5"), "sha256")


def test_tune_writes_beside_the_file_that_last_names(on_disk, loaded, monkeypatch):
    folder, network, data = on_disk
    last = folder / "logs" / "tiny20260101T1200" / "mask_rcnn_tiny_0001.h5"
    last.parent.mkdir(parents=True)
    shutil.copy(folder / "w.h5", last)
    monkeypatch.setattr(trained, "network_of_file", lambda *words, logs, **rest: (loaded, str(last)) if logs == "elsewhere" else None)
    assert cli.main(["tune", "--weights", "last", *network[2:], "--logs", "elsewhere", *data, "--min-instances", "1"]) == 0
    assert os.path.isfile(thresholds.beside(last))


@pytest.fixture
def loaded(model, monkeypatch):
    """Commands get the network that is there, whatever their words say."""
    monkeypatch.setattr(trained, "network_of_file", lambda weights, *words, **rest: (model, weights))
    return model


def test_explain_counts_the_objects_of_a_data_set_by_stage(on_disk, loaded, capsys):
    _, network, data = on_disk
    assert cli.main(["explain", *network, *data, "--list", "--limit", "1"]) == 0
    out = capsys.readouterr().out
    assert "1 photos, 2 objects" in out and "square at (" in out and ": lost" not in out


def test_explain_makes_no_planes_and_leaves_out_what_cannot_be_read(loaded, monkeypatch, capsys, caplog):
    class Encoded(tiny.Squares):
        """Instances as run lengths: a square, one without a pixel, and a crowd."""

        def load_rles(self, image_id):
            if image_id == 1:
                raise OSError("no such masks")
            masks = np.zeros((64, 64, 3), bool)
            masks[5:30, 8:40, 0] = masks[:, :, 2] = True
            return rle.encode_coco(masks), np.array([1, 2, -2])

    data = Encoded(2)
    monkeypatch.delattr(samples.Instances, "planes")
    tally = explain.of_dataset(loaded, data, [0, 1], each=True)
    assert tally.photos == 1 and {class_id: sum(stages.values()) for class_id, stages in tally.by_class.items()} == {1: 1}
    assert "OSError: no such masks" in caplog.text and ("square at (5, 8, 30, 40)" in capsys.readouterr().out) == ("found" not in tally.by_class[1])
    with pytest.raises(ValueError, match="None of the 1 images can be used"):
        explain.of_dataset(loaded, data, [1])


def test_explain_of_a_photo_has_the_names_that_the_run_wrote_down(on_disk, loaded, capsys, monkeypatch):
    folder, network, _ = on_disk
    monkeypatch.setattr(trained, "_recorded_names", lambda weights: ["BG", "square", "disc"])
    assert cli.main(["explain", str(folder / "0.png"), *network, "--box", "5,5,30,30,1"]) == 0
    assert "0  square at (5, 5, 30, 30): " in capsys.readouterr().out


def test_explain_of_a_photo_shows_the_table_and_the_object(on_disk, loaded, capsys):
    folder, network, _ = on_disk
    assert cli.main(["explain", str(folder / "0.png"), *network, "--box", "5,5,30,30,1"]) == 0
    out = capsys.readouterr().out
    assert "RPN score rank" in out and "0  class 1 at (5, 5, 30, 30): " in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Give photos, or a data set"),
        (["0.png", "--format", "coco", "--data", "x"], "Give photos, or a data set"),
        (["--format", "coco", "--data", "x", "--box", "1,2,3,4"], "--box and --point are for photos"),
        (["0.png", "--box", "1,2,3,4", "--point", "1,2"], "not both"),
        (["0.png"], "w.h5: there is no such file"),
    ],
)
def test_explain_refuses_contradictions(words, message, capsys):
    assert cli.main(["explain", *words, "--weights", "w.h5"]) == 1
    assert message in capsys.readouterr().err


def test_a_box_of_other_than_numbers_is_refused(capsys):
    for text in ("1,2,3", "a,b,c,d", "1,2,3,4,1.5", "1,2,3,nan"):
        with pytest.raises(SystemExit):
            cli.main(["explain", "0.png", "--weights", "w.h5", "--box", text])
        assert "write 4 numbers" in capsys.readouterr().err
