"""The fashion sample's augmentations: their names, what a run remembers of them, and pictures of what training sees."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mrcnn.data import augment, images
from mrcnn.data.synthetic import SceneDataset

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "samples" / "fashion"))

import fashion  # noqa: E402  (the sample's folder is on the path only now)
import fashion_config  # noqa: E402
import fashion_options  # noqa: E402
import fashion_preview  # noqa: E402
import fashion_run  # noqa: E402

NAMES = ["flip", "jitter", "copypaste", "colour"]


@pytest.fixture
def dataset():
    scenes = SceneDataset()
    scenes.load(5, 1, 128, 0)
    scenes.prepare()
    return scenes


@pytest.fixture
def config(dataset):
    return fashion_config.make_config("small", dataset.num_classes, batch=2, steps=3, seed=4)


def test_names_become_functions_in_their_order():
    functions = [augment.flip, augment.scale_jitter, augment.copy_paste, augment.colour]
    assert fashion_preview.augmentation(NAMES) == functions and fashion_preview.augmentation([]) is None
    augment.check(fashion_preview.augmentation(list(fashion_preview.AUGMENTATIONS)))
    with pytest.raises(ValueError, match="no augmentation 'flap'; known are flip, jitter"):
        fashion_preview.augmentation(["flap"])


def test_the_command_line_reads_names():
    assert fashion_options.parse(["train", "--augment", "flip, colour"]).augment == ["flip", "colour"]
    assert fashion_options.parse(["train", "--augment", "none"]).augment == []
    assert fashion_options.parse(["train"]).augment is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--augment", "flip,flap"], "'flap' is no augmentation: write some of flip, jitter"),
        (["preview", "--output", "x"], "--augment"),
        (["preview", "--augment", "flip"], "--output"),
        (["preview", "--set", "NUM_ATTRIBUTES=3"], "NUM_ATTRIBUTES changes nothing in these pictures: leave it out"),
        (["preview", "--set", "LEARNING_RATE=0.1"], "LEARNING_RATE changes nothing in these pictures: leave it out"),
        (["preview", "--augment", "flip", "--output", "x", "--rle-from", "0"], "--rle-from needs --dataset"),
    ],
)
def test_nonsense_ends_with_a_message(words, message, capsys):
    with pytest.raises(SystemExit):
        fashion_options.parse(words)
    assert message in capsys.readouterr().err


def test_a_record_of_before_has_no_augmentation(tmp_path):
    fashion_run.Record("small", ["hat"], augment=["flip"]).write(str(tmp_path))
    assert fashion_run.Record.read(str(tmp_path / "x.h5")).augment == ["flip"]
    old = json.loads((tmp_path / "run.json").read_text())
    del old["augment"]
    (tmp_path / "run.json").write_text(json.dumps(old))
    assert fashion_run.Record.read(str(tmp_path / "x.h5")).augment == []


@pytest.mark.parametrize(("words", "expected"), [([], ["crop"]), (["--augment", "flip"], ["flip"]), (["--augment", "none"], [])])
def test_a_resumed_run_keeps_its_augmentation_unless_told_otherwise(words, expected, dataset):
    options, record = fashion_options.parse(["train", *words]), fashion_run.Record("small", ["hat"], augment=["crop"])
    assert fashion._record(options, record, "small", dataset, 0).augment == expected


def preview(dataset, config, folder, names=NAMES):
    fashion_preview.preview(dataset, config, names, 3, 2, str(folder))
    return cv2.imread(str(folder / "preview.png"))


def test_a_row_is_the_plain_photo_and_its_views(dataset, config, tmp_path, capsys):
    sheet = preview(dataset, config, tmp_path / "one")
    assert sheet.shape == (3 * (24 + 384), 3 * (384 + 6), 3)  # titles, margins, photos of 128 px three times enlarged
    assert (cv2.imread(str(tmp_path / "one" / "02.png")) == sheet[408:816]).all()
    assert "3 photos of 5, 2 views of each; augmentation: flip, jitter, copypaste, colour; seed 4" in capsys.readouterr().out
    plain, first, second = (sheet[24:408, 390 * i : 390 * i + 384] for i in range(3))
    assert (plain != first).mean() > 0.3 and (first != second).mean() > 0.3


def test_equal_seeds_draw_equal_pictures(dataset, config, tmp_path):
    first, again = preview(dataset, config, tmp_path / "one"), preview(dataset, config, tmp_path / "two")
    config.SEED = 5
    assert (first == again).all() and (first != preview(dataset, config, tmp_path / "three")).any()


def test_without_augmentation_each_view_is_the_plain_photo(dataset, config, tmp_path):
    sheet = preview(dataset, config, tmp_path, [])[24:408]
    assert (sheet[:, :384] == sheet[:, 390:774]).all() and (sheet[:, :384] == sheet[:, 780:1164]).all()


def test_the_views_are_what_training_is_fed(dataset, config, tmp_path, monkeypatch):
    from mrcnn.training import trainer

    drawn = []
    original = fashion_preview._drawn
    monkeypatch.setattr(
        fashion_preview, "_drawn", lambda item, config, names, title: drawn.append((title, item)) or original(item, config, names, title)
    )
    preview(dataset, config, tmp_path)
    feed, _ = trainer.feeds(
        dataset, None, config, epoch=0, augmentation=fashion_preview.augmentation(NAMES), no_augmentation_sources=None
    )
    views = [(title, item) for title, item in drawn if title != "plain"]
    assert len(views) == 6
    for title, item in views:
        epoch, step = (int(word.split()[1]) - 1 for word in title.split(","))
        trained = feed.at(epoch)
        trained.on_epoch_end()  # as Keras' fit does before its first epoch
        [batch] = trained[step]
        assert any((image == item.image).all() and (masks == item.masks).all() for image, masks in zip(batch[0], batch[6], strict=True))


def test_small_data_sets_and_photos_without_instances_are_drawn(config, tmp_path):
    scenes = SceneDataset()
    scenes.load(1, 1, 128, 0)
    scenes.prepare()
    assert preview(scenes, config, tmp_path / "one").shape[0] == 408  # one photo, though three were asked for
    item = fashion_preview.pipeline.Batches(scenes, config, batch_size=1, steps=1, anchors=np.array([[0.0, 0.0, 64.0, 64.0]])).item(0, 0)
    empty = item._replace(class_ids=np.zeros_like(item.class_ids))
    picture = fashion_preview._drawn(empty, config, scenes.class_names, "")
    photo = images.unmold(item.image, config.MEAN_PIXEL)
    assert (picture[24:] == np.repeat(np.repeat(photo, 3, axis=0), 3, axis=1)).mean() > 0.2  # enlarged smoothly, and bare


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_training_uses_and_records_the_augmentation_and_a_resumed_run_too(tmp_path, monkeypatch):
    from mrcnn.training import trainer

    used, feeds = [], trainer.feeds
    monkeypatch.setattr(trainer, "feeds", lambda *args, **kwargs: used.append(kwargs["augmentation"]) or feeds(*args, **kwargs))
    short = ["--steps", "1", "--batch", "1", "--validation-steps", "1", "--map-limit", "1", "--logs", str(tmp_path)]
    fashion.main(["train", *short, "--epochs", "1", "--augment", "flip,copypaste"])
    fashion.main(["train", *short, "--epochs", "2", "--weights", "last"])
    assert used == [[augment.flip, augment.copy_paste]] * 2
    (record,) = tmp_path.glob("*/run.json")
    assert json.loads(record.read_text())["augment"] == ["flip", "copypaste"]
