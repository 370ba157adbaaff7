"""What is written is read again: the same pixels, classes and ids, and by COCO's own tools too."""

import json
import logging

import cv2
import numpy as np
import pytest
from format_files import photo, shared, write_json
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mrcnn.data import formats
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats import writing
from mrcnn.data.merged import merge
from mrcnn.ops import rle
from mrcnn.results import Detections


class Drawn(Dataset):
    """A user's own data set: arrays, no files; every third instance a crowd, one mask empty."""

    def __init__(self):
        super().__init__()
        for number, name in enumerate(("nut", "fig, dried"), start=1):
            self.add_class("drawn", number, name)
        for name in ("one", "two", "none"):
            self.add_image("drawn", name, path=None)
        self.prepare()

    def load_image(self, image_id):
        return np.full((20, 30, 3), 7, np.uint8)

    def load_mask(self, image_id):
        if image_id == 2:
            return np.zeros((20, 30, 0), bool), np.zeros(0, np.int32)
        masks = np.random.default_rng(image_id).random((20, 30, 4)) < 0.3
        masks[..., 3] = False
        return masks, np.array([1, 2, -1, 2])


def instances(dataset, image_id):
    """The instances of an image by class name and sign, with their run lengths."""
    encoded, class_ids = dataset.load_rles(image_id)
    return sorted((dataset.class_info[abs(i)]["name"], i < 0, one["counts"]) for one, i in zip(encoded, class_ids.tolist(), strict=True))


def drawn_instances(dataset, image_id, crowds=True):
    masks, ids = dataset.load_mask(image_id)
    found = [(dataset.class_info[abs(i)]["name"], i < 0, rle.encode_coco(masks[..., n])["counts"]) for n, i in enumerate(ids) if masks[..., n].any()]
    return sorted(one for one in found if crowds or not one[1])


REAL = {
    "labelme": ("nuts_labelme/val", {}),
    "png_masks": ("dsb2018_mini/stage1_val", {"class_name": "nucleus"}),
    "via": ("via_car_damage/val/val_multiclass.json", {}),
    "coco": ("coco_ci/instances.json", {}),
    "imaterialist": ("ccp_ci/val.csv", {}),
}


def real(name):
    path, options = REAL[name]
    return formats.load(name, shared(path), **options)


@pytest.mark.parametrize("name", REAL)
def test_real_data_go_to_coco_and_back(name, tmp_path):
    source = real(name)
    written = formats.save("coco", source, tmp_path / "out.json")
    again = formats.load("coco", tmp_path / "out.json", images=writing.common_folder(source))
    assert written.images == again.num_images == source.num_images and not again.report.broken
    assert [info["name"] for info in again.class_info] == [info["name"] for info in source.class_info]
    for image_id in source.image_ids:
        assert instances(again, image_id) == instances(source, image_id)
        assert again.image_info[image_id]["path"] == source.image_info[image_id]["path"]
    assert written.instances == sum(len(again.image_class_ids(i)) for i in again.image_ids)


@pytest.mark.parametrize("name", REAL)
def test_real_data_go_to_yolo_and_back(name, tmp_path):
    source = real(name)
    formats.save("yolo", source, tmp_path / "out", photos_as="link")
    again = formats.load("yolo", tmp_path / "out")
    order = {info["id"]: image_id for image_id, info in enumerate(again.image_info)}
    assert [info["name"] for info in again.class_info] == [info["name"] for info in source.class_info]
    moved = 0
    for image_id, info in enumerate(source.image_info):
        ours = [one for one in instances(source, image_id) if not one[1]]
        theirs = instances(again, order[info["path"].split("/")[-1].rsplit(".", 1)[0]])
        assert len(theirs) == len(ours)
        for mine, other in zip(ours, theirs, strict=True):
            if mine != other:
                moved += 1
                size = list(writing.size(source, image_id))
                assert mine[:2] == other[:2] and rle.iou_coco(*([{"size": size, "counts": one[2]}] for one in (mine, other)))[0, 0] > 0.99
    # One LabelMe polygon has a point at x = 347.49999999999994, where the rasteriser has a step at 347.5.
    assert moved == (1 if name == "labelme" else 0)


@pytest.mark.parametrize("name", ["imaterialist", "labelme"])
def test_real_data_go_to_imaterialist_and_back(name, tmp_path):
    source = real(name)
    formats.save("imaterialist", source, tmp_path / "out.csv")
    again = formats.load("imaterialist", tmp_path / "out.csv", images=writing.common_folder(source))
    assert [info["id"] for info in again.class_info] == [info["id"] for info in source.class_info]
    order = {info["path"]: image_id for image_id, info in enumerate(again.image_info)}
    for image_id, info in enumerate(source.image_info):
        assert instances(again, order[info["path"]]) == instances(source, image_id)
    assert again.attribute_names == source.attribute_names


def test_attributes_survive_coco_and_csv(tmp_path):
    source = formats.load("coco", shared("fashionpedia_sample/sample.json"))
    formats.save("coco", source, tmp_path / "out.json")
    formats.save("imaterialist", source, tmp_path / "out.csv")
    folder = writing.common_folder(source)
    for name, path in (("coco", "out.json"), ("imaterialist", "out.csv")):
        again = formats.load(name, tmp_path / path, images=folder)
        found = [sorted(one.attributes for info in each.image_info for one in info["instances"]) for each in (again, source)]
        assert found[0] == found[1]


def test_any_data_set_can_be_written(tmp_path, caplog):
    drawn = Drawn()
    written = formats.save("coco", drawn, tmp_path / "a.json")
    assert (written.images, written.instances, written.counts) == (3, 6, {1: 4, 2: 2})
    assert "a.json: 2 instances are not written: their masks are empty." in caplog.text
    again = formats.load("coco", tmp_path / "a.json", keep_missing=True)
    assert [info["id"] for info in again.image_info] == [1, 2, 3] and again.class_names == drawn.class_names
    for image_id in range(3):
        assert instances(again, image_id) == drawn_instances(drawn, image_id)


def test_formats_without_crowds_say_so(tmp_path, caplog):
    drawn = Drawn()
    assert formats.save("yolo", drawn, tmp_path / "y").left_out["YOLO knows no crowds"] == 2
    assert formats.save("imaterialist", drawn, tmp_path / "i.csv").left_out["iMaterialist knows no crowds"] == 2
    assert "2 instances are not written: iMaterialist knows no crowds." in caplog.text
    for name in ("one", "two", "none"):
        photo(tmp_path / "photos" / f"{name}.png", 20, 30)
    yolo = formats.load("yolo", tmp_path / "photos", labels=tmp_path / "y" / "labels", names=["nut", "fig, dried"])
    csv = formats.load("imaterialist", tmp_path / "i.csv", images=tmp_path / "photos")
    order = {"none": 2, "one": 0, "two": 1}
    for again in (yolo, csv):
        for image_id, info in enumerate(again.image_info):
            assert instances(again, image_id) == drawn_instances(drawn, order[info["id"]], crowds=False)


def test_polygons_stay_polygons_and_are_clipped(tmp_path):
    photo(tmp_path / "a.jpg")
    inside, over = [[1.5, 1.25], [4, 1], [4, 3]], [[6, 4], [20, 4], [20, 20], [6, 20]]
    write_json(tmp_path / "a.json", {"shapes": [{"label": "a", "points": points} for points in (inside, over)], "imagePath": "a.jpg"})
    formats.save("coco", formats.load("labelme", tmp_path / "a.json"), tmp_path / "out.json")
    annotations = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert annotations[0]["segmentation"] == [[1.5, 1.25, 4, 1, 4, 3]]
    assert sorted(map(tuple, np.reshape(annotations[1]["segmentation"], (-1, 2)))) == [(6, 4), (6, 6), (8, 4), (8, 6)]
    assert (annotations[1]["bbox"], annotations[1]["area"]) == ([6, 4, 2, 2], 4)


def test_photos_in_folders_are_named_from_the_one_they_share(tmp_path):
    source = real("png_masks")
    formats.save("coco", source, tmp_path / "out.json")
    names = [image["file_name"] for image in json.loads((tmp_path / "out.json").read_text())["images"]]
    assert all(name.split("/")[0] == info["id"] and len(name.split("/")) == 3 for name, info in zip(names, source.image_info, strict=True))


def test_a_subset_and_a_merged_set_are_written_with_their_classes(tmp_path):
    nuts, cells = real("labelme"), real("png_masks")
    both = merge([nuts.subset([1]), cells.subset([0, 2])])
    formats.save("coco", both, tmp_path / "out.json")
    again = formats.load("coco", tmp_path / "out.json", images=writing.common_folder(both))
    assert again.class_names == ["BG", "date", "fig", "hazelnut", "nucleus"]
    assert instances(again, 0) == instances(nuts, 1) and instances(again, 2) == instances(cells, 2)


def test_coco_reads_it_and_finds_the_truth_perfect(tmp_path, capsys):
    source = real("coco")
    formats.save("coco", source, tmp_path / "truth.json")
    found = {}
    for image_id in source.image_ids:
        masks, class_ids = source.load_mask(image_id)
        some = class_ids > 0
        boxes = rle.boxes_coco(source.load_rles(image_id)[0])[some]
        found[int(image_id)] = Detections(boxes, class_ids[some], np.ones(some.sum()), masks[..., some])
    assert formats.save_results("coco", found, source, tmp_path / "results.json").instances == sum(len(one["class_ids"]) for one in found.values())
    truth = COCO(str(tmp_path / "truth.json"))
    evaluation = COCOeval(truth, truth.loadRes(str(tmp_path / "results.json")), "segm")
    evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)
    capsys.readouterr()


def test_results_have_the_sources_ids(tmp_path):
    source = real("coco")
    one = Detections(np.array([[0, 0, 2, 2]]), np.array([3]), np.array([0.5]), np.ones((*writing.size(source, 4), 1), bool))
    formats.save_results("coco", {4: one}, source, tmp_path / "results.json")
    entry = json.loads((tmp_path / "results.json").read_text())[0]
    assert entry["image_id"] == source.image_info[4]["id"] and entry["category_id"] == source.class_info[3]["id"]
    with pytest.raises(ValueError, match="1 detections for 12 images"):
        formats.save_results("coco", [one], source, tmp_path / "other.json")
    with pytest.raises(ValueError, match="out of range"):
        formats.save_results("coco", {99: one}, source, tmp_path / "other.json")


def test_a_submission_has_no_pixel_twice_and_a_line_for_every_image(tmp_path):
    drawn = Drawn()
    large, small = np.zeros((20, 30), bool), np.zeros((20, 30), bool)
    large[0:4, 0:6], small[2:4, 0:2] = True, True
    hidden = small.copy()  # as small as the one before it, which wins
    found = Detections(np.array([[0, 0, 4, 6], [2, 0, 4, 2], [2, 0, 4, 2]]), np.array([1, 2, 1]), np.ones(3), np.stack([large, small, hidden], -1))
    written = formats.save_results("imaterialist", [found, Detections.empty(20, 30), Detections.empty(20, 30)], drawn, tmp_path / "s.csv")
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert lines[0] == "ImageId,EncodedPixels,ClassId" and lines[3:] == ["two,1 1,23", "none,1 1,23"]
    masks = [rle.decode(line.split(",")[1], (20, 30)) for line in lines[1:3]]
    assert [line.split(",")[2] for line in lines[1:3]] == ["2", "1"]
    assert np.array_equal(masks[0], small) and np.array_equal(masks[1], large & ~small)
    assert written.left_out == {"smaller ones lie over all of their pixels": 1}


def test_nothing_is_overwritten_and_no_half_file_stays(tmp_path):
    drawn = Drawn()
    for name, path in (("coco", "a.json"), ("imaterialist", "a.csv"), ("yolo", "y")):
        formats.save(name, drawn, tmp_path / path)
        with pytest.raises(FileExistsError, match="is there already"):
            formats.save(name, drawn, tmp_path / path)
        formats.save(name, drawn, tmp_path / path, overwrite=True)
    drawn.load_mask = lambda image_id: 1 / 0
    with pytest.raises(ZeroDivisionError):
        formats.save("imaterialist", drawn, tmp_path / "b.csv", overwrite=True)
    assert not [path for path in tmp_path.iterdir() if "b.csv" in path.name]


def test_labels_of_other_photos_are_not_taken_into_a_data_set(tmp_path):
    drawn = Drawn()
    formats.save("yolo", drawn, tmp_path / "y")
    (tmp_path / "y" / "labels" / "classes.txt").touch()  # of a labelling program
    before = sorted(path.name for path in (tmp_path / "y" / "labels").iterdir())
    with pytest.raises(FileExistsError, match=r"labels has 2 label files of photos .* such as \w+\.txt: .* Delete them"):
        formats.save("yolo", drawn.subset([0]), tmp_path / "y", overwrite=True)
    assert sorted(path.name for path in (tmp_path / "y" / "labels").iterdir()) == before
    formats.save("yolo", drawn, tmp_path / "y", overwrite=True)


def test_a_broken_mask_is_named_and_counted(tmp_path, caplog):
    photo(tmp_path / "train" / "a.jpg")
    (tmp_path / "label_descriptions.json").write_text(json.dumps({"categories": [{"id": 6, "name": "pants"}]}))
    (tmp_path / "train.csv").write_text("ImageId,EncodedPixels,Height,Width,ClassId\na.jpg,1 6,6,8,6\na.jpg,1 6 9,6,8,6\n")
    with caplog.at_level(logging.WARNING):
        written = formats.save("coco", formats.load("imaterialist", tmp_path / "train.csv"), tmp_path / "out.json")
    assert (written.images, written.instances) == (1, 1) and "line 3, ImageId a.jpg: Run-length string holds 3 values" in caplog.text
    assert "1 instances are not written: their masks can't be read" in caplog.text


def test_what_yolo_cannot_hold_is_refused(tmp_path):
    drawn = Drawn()
    with pytest.raises(ValueError, match="photos_as='move' is unknown"):
        formats.save("yolo", drawn, tmp_path / "y", photos_as="move")
    with pytest.raises(ValueError, match="3 images, such as 'one', are no files"):
        formats.save("yolo", drawn, tmp_path / "y", photos_as="copy")
    for name in ("a.png", "a.jpg"):
        photo(tmp_path / name)
        drawn.add_image("drawn", name, path=str(tmp_path / name))
    drawn.prepare()
    with pytest.raises(ValueError, match="1 names of photos come twice, such as 'a'"):
        formats.save("yolo", drawn, tmp_path / "y")
    with pytest.raises(ValueError, match="'via' is unknown; use one of coco, imaterialist, yolo"):
        formats.save("via", drawn, tmp_path / "y")
    with pytest.raises(ValueError, match="coco has no option photos_as"):
        formats.save("coco", drawn, tmp_path / "y", photos_as="copy")


def test_masks_of_another_size_than_their_image_are_refused(tmp_path):
    drawn = Drawn()
    drawn.load_mask = lambda image_id: (np.ones((10, 15, 1), bool), np.array([1]))
    with pytest.raises(ValueError, match="Image one is 20 px high and 30 wide, its masks 10 and 15"):
        formats.save("coco", drawn, tmp_path / "a.json")


def test_photos_are_copied_as_they_are(tmp_path):
    source = real("labelme")
    formats.save("yolo", source, tmp_path / "y", photos_as="copy")
    for info in source.image_info:
        copied = tmp_path / "y" / "images" / info["path"].split("/")[-1]
        assert not copied.is_symlink() and np.array_equal(cv2.imread(str(copied)), cv2.imread(info["path"]))


def test_a_copy_takes_the_place_of_a_link_and_leaves_the_photo_that_it_led_to(tmp_path):
    sets = []
    for name, grey in (("a", 90), ("b", 200)):
        photo(tmp_path / name / "one.jpg")
        cv2.imwrite(str(tmp_path / name / "one.jpg"), np.full((20, 30, 3), grey, np.uint8))
        drawn = Drawn()
        drawn.add_image("drawn", "one.jpg", path=str(tmp_path / name / "one.jpg"))
        drawn.prepare()
        sets.append(drawn.subset([3]))
    originals = [(tmp_path / name / "one.jpg").read_bytes() for name in "ab"]
    placed = tmp_path / "y" / "images" / "one.jpg"
    for number, how in ((0, "link"), (1, "copy"), (0, "link"), (1, "link"), (1, "link")):
        formats.save("yolo", sets[number], tmp_path / "y", photos_as=how, overwrite=True)
        assert placed.is_symlink() == (how == "link") and placed.read_bytes() == originals[number]
        assert [(tmp_path / name / "one.jpg").read_bytes() for name in "ab"] == originals
    assert sorted(one.name for one in placed.parent.iterdir()) == ["one.jpg"]


def test_photos_may_stay_in_the_folder_that_is_written(tmp_path):
    photo(tmp_path / "y" / "images" / "a.jpg")
    (tmp_path / "y" / "labels").mkdir()
    (tmp_path / "y" / "labels" / "a.txt").write_text("0 0 0 1 0 1 1")
    before = (tmp_path / "y" / "images" / "a.jpg").read_bytes()
    for how in ("copy", "link"):
        formats.save("yolo", formats.load("yolo", tmp_path / "y"), tmp_path / "y", photos_as=how, overwrite=True)
        assert not (tmp_path / "y" / "images" / "a.jpg").is_symlink() and (tmp_path / "y" / "images" / "a.jpg").read_bytes() == before


def test_images_without_a_photo_keep_their_names(tmp_path):
    content = {
        "images": [{"id": 17, "file_name": "street/b.jpg", "height": 6, "width": 8}],
        "annotations": [{"id": 1, "image_id": 17, "category_id": 1, "segmentation": [[1, 1, 4, 1, 4, 3]]}],
        "categories": [{"id": 1, "name": "nut"}],
    }
    source = formats.load("coco", write_json(tmp_path / "a.json", content), keep_missing=True)
    formats.save("coco", source, tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text())["images"] == content["images"]
    formats.save("yolo", source, tmp_path / "y")
    assert (tmp_path / "y" / "labels" / "b.txt").is_file()
    formats.save("imaterialist", source, tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_text().splitlines()[1].startswith("street/b.jpg,")


class Runs(Drawn):
    """As Drawn, with run lengths and no planes."""

    def load_rles(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        return rle.encode_coco(masks), class_ids

    def load_mask(self, image_id):
        raise AssertionError("planes were asked for")


def test_run_lengths_are_written_without_planes(tmp_path):
    written = formats.save("coco", Runs(), tmp_path / "a.json")
    assert written == formats.save("coco", Drawn(), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()


def test_masks_drawn_on_the_stored_pixels_are_written_upright(tmp_path):
    photo(tmp_path / "a.jpg", 20, 30)
    with Image.open(tmp_path / "a.jpg") as image:
        exif = image.getexif()
        exif[0x0112] = 3
        image.save(tmp_path / "turned.jpg", exif=exif)
    drawn = Drawn()
    drawn.add_image("drawn", 7, path=str(tmp_path / "turned.jpg"), mask_frame="stored")
    drawn.prepare()
    formats.save("coco", drawn.subset([3]), tmp_path / "a.json")
    masks = formats.load("coco", tmp_path / "a.json").load_mask(0)[0]
    assert np.array_equal(masks, drawn.load_mask(3)[0][::-1, ::-1, :3])


def test_the_background_is_no_class_to_write(tmp_path):
    drawn = Drawn()
    drawn.load_mask = lambda image_id: (np.ones((20, 30, 1), bool), np.array([0]))
    with pytest.raises(ValueError, match="Image one: an instance has class id 0"):
        formats.save("coco", drawn, tmp_path / "a.json")


def test_masks_that_a_subclass_of_a_reader_changed_are_written_as_changed(tmp_path):
    formats.save("coco", Drawn(), tmp_path / "a.json")
    read = formats.load("coco", tmp_path / "a.json", keep_missing=True)
    whole = read.load_mask(0)[0]
    read.load_mask = lambda image_id: (whole[..., :1] & (np.arange(30) < 15)[None, :, None], np.array([2]))
    formats.save("coco", read.subset([0]), tmp_path / "b.json")
    masks, class_ids = formats.load("coco", tmp_path / "b.json", keep_missing=True).load_mask(0)
    assert class_ids.tolist() == [2] and np.array_equal(masks, read.load_mask(0)[0])
