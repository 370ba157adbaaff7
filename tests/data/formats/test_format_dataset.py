"""What all formats share: choosing classes, finding photos, counting what is left out, never keeping a decoded mask."""

import logging
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
from format_files import masks_of, photo, rectangle, write_json

from mrcnn.config import Config
from mrcnn.data import formats, samples, splits
from mrcnn.data.dataset import Dataset

SQUARE, WIDE = [[1, 1], [4, 1], [4, 3], [1, 3]], [[0, 4], [8, 4], [8, 6], [0, 6]]


def labelme(folder, *shapes, name="a", **more):
    photo(folder / f"{name}.jpg")
    entries = [{"label": label, "points": points} for label, points in shapes]
    write_json(folder / f"{name}.json", {"shapes": entries, "imagePath": f"{name}.jpg", **more})
    return folder


def fruit(folder):
    return labelme(folder, ("nut", SQUARE), ("fig", WIDE), ("date", SQUARE))


def test_a_list_selects_classes_and_orders_them(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        dataset = formats.load("labelme", fruit(tmp_path), classes=["nut", "date"])
    assert dataset.class_names == ["BG", "nut", "date"] and masks_of(dataset)[1] == [1, 2]
    assert "instances of classes not asked for are left out: fig (1)" in caplog.text


def test_a_mapping_renames_and_joins_classes(tmp_path):
    dataset = formats.load("labelme", fruit(tmp_path), classes={"date": "soft", "fig": "soft", "nut": "hard"})
    assert dataset.class_names == ["BG", "soft", "hard"] and masks_of(dataset)[1] == [2, 1, 1]


def test_a_data_set_gives_its_classes_and_ids(tmp_path):
    train = formats.load("labelme", fruit(tmp_path / "train"))
    val = formats.load("labelme", labelme(tmp_path / "val", ("nut", SQUARE), ("plum", WIDE)), classes=train)
    assert val.class_info == train.class_info and masks_of(val)[1] == [3]
    assert val.report.other_classes == {"plum": 1}


def test_a_source_without_any_of_the_classes_is_refused(tmp_path):
    train = formats.load("labelme", fruit(tmp_path / "train"), classes={"nut": "seed", "fig": "soft"})
    val = labelme(tmp_path / "val", ("nut", SQUARE))
    with pytest.raises(ValueError, match=r"has none of the classes of the data set given as classes \(seed, soft\). It has: nut. Read it with"):
        formats.load("labelme", val, classes=train)
    with pytest.raises(ValueError, match=r"classes=\[\] takes no class of .* It has: nut. None takes all."):
        formats.load("labelme", val, classes=[])


def test_classes_that_a_part_lacks_are_named(tmp_path, caplog):
    train = formats.load("labelme", fruit(tmp_path / "train"))
    formats.load("labelme", labelme(tmp_path / "val", ("nut", SQUARE)), classes=train)
    formats.load("labelme", labelme(tmp_path / "more", ("nut", SQUARE)), classes=["nut", "plum"])
    assert f"{tmp_path / 'val'} has no class 'date', 'fig', which was asked for." in caplog.text
    assert f"{tmp_path / 'more'} has no class 'plum', which was asked for." in caplog.text


def test_listed_classes_keep_their_ids_when_selected(tmp_path):
    photo(tmp_path / "a.jpg")
    categories = [{"id": 4, "name": "nut, shelled"}, {"id": 9, "name": "fig"}, {"id": 11, "name": "date"}]
    entries = [{"id": n, "image_id": 1, "category_id": n, "segmentation": [[1, 1, 4, 1, 4, 3]]} for n in (4, 9, 11)]
    images = [{"id": 1, "file_name": "a.jpg"}]
    path = write_json(tmp_path / "c.json", {"images": images, "categories": categories, "annotations": entries})
    dataset = formats.load("coco", path, classes=["date", "nut"])
    assert [(info["id"], info["name"]) for info in dataset.class_info[1:]] == [(11, "date"), (4, "nut")]
    assert masks_of(dataset)[1] == [2, 1]
    joined = formats.load("coco", path, classes={"nut": "all", "fig": "all"})
    assert [info["id"] for info in joined.class_info] == [0, 4] and masks_of(joined)[1] == [1, 1]
    with pytest.raises(ValueError, match="has no class 'plum'. It has: nut, shelled, fig, date"):
        formats.load("coco", path, classes=["plum", "fig"])


def test_a_class_that_nothing_has_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no class 'plum'. It has: date, fig, nut"):
        formats.load("labelme", fruit(tmp_path), classes=["plum"])
    with pytest.raises(ValueError, match=r"a list of names is expected, such as \['nut'\]"):
        formats.load("labelme", str(tmp_path), classes="nut")


def test_a_class_that_one_part_lacks_is_no_error(tmp_path):
    dataset = formats.load("labelme", fruit(tmp_path), classes=["plum", "nut"])
    assert dataset.class_names == ["BG", "plum", "nut"] and masks_of(dataset)[1] == [2]


def test_what_reaches_outside_is_clipped_and_counted_in_one_line(tmp_path, caplog):
    over, beside = [[6, 4], [20, 4], [20, 20], [6, 20]], [[-9, 0], [-1, 0], [-1, 4]]
    with caplog.at_level(logging.INFO):
        dataset = formats.load("labelme", labelme(tmp_path, ("a", over), ("a", SQUARE), ("a", beside), ("a", over)))
    assert masks_of(dataset)[0] == [rectangle(4, 6, 6, 8), rectangle(1, 1, 3, 4), rectangle(4, 6, 6, 8)]
    assert [r.message for r in caplog.records if "clipped" in r.message] == [
        f"{tmp_path}: 2 of 4 annotations reach outside their image and are clipped: a.json, shape 1; a.json, shape 4."
    ]
    assert "1 of 4 annotations lie outside their image and are left out: a.json, shape 3." in caplog.text


def test_missing_photos_are_counted_or_kept(tmp_path, caplog):
    labelme(tmp_path, ("a", SQUARE), name="gone", imageHeight=6, imageWidth=8)
    (tmp_path / "gone.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"None of the 1 photos of .* \(such as gone.jpg\)"):
        formats.load("labelme", tmp_path)
    kept = formats.load("labelme", tmp_path, keep_missing=True)
    assert masks_of(kept)[0] == [rectangle(1, 1, 3, 4)] and kept.image_reference(0) == "gone.jpg"
    with pytest.raises(ValueError, match="has no path"):
        kept.load_image(0)
    assert formats.load("labelme", fruit(tmp_path)).num_images == 1
    assert "1 photos are missing and left out: gone.jpg." in caplog.text


def test_unreadable_photos_are_counted(tmp_path, caplog):
    fruit(tmp_path)
    (labelme(tmp_path, ("nut", SQUARE), name="b") / "b.jpg").write_bytes(b"no photo")
    assert formats.load("labelme", tmp_path).num_images == 1
    assert "1 photos can't be read and are left out" in caplog.text and "b.jpg" in caplog.text


def test_a_photo_of_another_size_than_its_masks_is_refused(tmp_path):
    dataset = formats.load("labelme", labelme(tmp_path, ("a", SQUARE), imageHeight=8, imageWidth=6))
    with pytest.raises(ValueError, match=r"a.jpg is 6 px high and 8 wide, but .*a.json says Height 8, Width 6"):
        dataset.load_image(0)


def test_sizes_are_those_of_the_upright_photo(tmp_path):
    from PIL import Image

    labelme(tmp_path, ("a", SQUARE))
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (8, 6)).save(tmp_path / "a.jpg", exif=turned)
    dataset = formats.load("labelme", tmp_path)
    assert dataset.load_image(0).shape[:2] == (8, 6) == dataset.load_mask(0)[0].shape[:2]
    labelme(tmp_path, ("a", SQUARE), imageHeight=6, imageWidth=8)  # drawn on the photo as it lies in the file
    Image.new("RGB", (8, 6)).save(tmp_path / "a.jpg", exif=turned)
    dataset = formats.load("labelme", tmp_path)
    assert dataset.load_image(0).shape[:2] == (8, 6) and dataset.load_mask(0)[0].shape[:2] == (6, 8)
    with pytest.raises(ValueError, match="EXIF"):
        samples.load(dataset, Config(), 0, rng=np.random.default_rng(0))


def test_training_takes_it(tmp_path):
    class Small(Config):
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
        NUM_CLASSES = 3

    labelme(tmp_path, ("nut", [[8, 8], [40, 8], [40, 24], [8, 24]]), ("fig", [[0, 30], [64, 30], [64, 64], [0, 64]]))
    photo(tmp_path / "a.jpg", 64, 64)
    found = samples.load(formats.load("labelme", tmp_path), Small(), 0, rng=np.random.default_rng(0))
    assert found.class_ids.tolist() == [2, 1] and found.boxes.tolist() == [[8, 8, 24, 40], [30, 0, 64, 64]]
    assert found.masks.sum(axis=(0, 1)).tolist() == [512, 2176]


def test_no_decoded_mask_is_kept(tmp_path):
    photo(tmp_path / "a.jpg", 400, 600)
    write_json(tmp_path / "a.json", {"shapes": [{"label": "a", "points": SQUARE}] * 50, "imagePath": "a.jpg"})
    dataset = formats.load("labelme", tmp_path)
    before = len(pickle.dumps(dataset.image_info))
    masks, _ = dataset.load_mask(0)
    assert masks.nbytes == 400 * 600 * 50 and len(pickle.dumps(dataset.image_info)) == before < 20000


def test_each_mask_lies_in_one_piece(tmp_path):
    masks, _ = formats.load("labelme", fruit(tmp_path)).load_mask(0)
    assert masks.shape == (6, 8, 3) and all(masks[..., i].flags.c_contiguous for i in range(3))


def test_a_data_set_travels_to_workers(tmp_path):
    dataset = formats.load("labelme", fruit(tmp_path))
    assert masks_of(pickle.loads(pickle.dumps(dataset))) == masks_of(dataset)


def test_subsets_and_splits_take_it(tmp_path):
    for name in "abcd":
        labelme(tmp_path, ("nut", SQUARE), name=name)
    dataset = formats.load("labelme", tmp_path)
    assert masks_of(dataset.subset([2]))[1] == [1]
    some, _ = splits.sample(dataset, 2)
    assert some.num_images == 2 and masks_of(some)[0] == [rectangle(1, 1, 3, 4)]


def test_unknown_formats_options_and_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Format 'pascal' is unknown; use one of coco, "):
        formats.load("pascal", tmp_path)
    with pytest.raises(ValueError, match="png_masks has no option size; it has: class_name"):
        formats.load("png_masks", tmp_path, size=4)
    with pytest.raises(FileNotFoundError, match="is no folder: give the one that holds the photos"):
        formats.load("labelme", fruit(tmp_path), images=tmp_path / "none")


def test_a_source_has_the_name_one_gives_it(tmp_path):
    dataset = formats.load("labelme", fruit(tmp_path), source="kitchen")
    assert dataset.map_source_class_id("kitchen.2") == 2 and isinstance(dataset, Dataset)


def test_readers_load_no_framework():
    code = "import sys, mrcnn.data.formats; print(sorted({'keras', 'tensorflow', 'pandas', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_photos_pixels_are_read(tmp_path):
    fruit(tmp_path)
    colour = np.zeros((6, 8, 3), np.uint8)
    colour[..., 2] = 200  # red, for OpenCV
    assert cv2.imwrite(str(tmp_path / "a.jpg"), colour)
    assert formats.load("labelme", tmp_path).load_image(0)[2, 2, 0] > 150
