"""VIA files of versions 1, 2 and 3."""

import logging

import numpy as np
import pytest
from format_files import masks_of, photo, rectangle, shared, write_json

from mrcnn.data import formats
from mrcnn.data.formats import coco, via
from mrcnn.data.formats.parsed import Report

SQUARE = {"name": "polygon", "all_points_x": [1, 4, 4, 1], "all_points_y": [1, 1, 3, 3]}
WIDE = {"name": "rect", "x": 0, "y": 4, "width": 8, "height": 2}


def region(shape, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


def write(folder, regions, name="a.jpg", project=False):
    photo(folder / name)
    images = {f"{name}123": {"filename": name, "size": 123, "regions": regions, "file_attributes": {}}}
    content = {"_via_settings": {"core": {"default_filepath": "x"}}, "_via_img_metadata": images, "_via_attributes": {}} if project else images
    return write_json(folder / "via.json", content)


def version_3(folder, *xys, options=None, value="0"):
    photo(folder / "a.jpg")
    return write_json(folder / "via3.json", {
        "project": {"pid": "__VIA_PROJECT_ID__"},
        "attribute": {"1": {"aname": "class", "options": options or {"0": "nut", "1": "fig"}}},
        "file": {"1": {"fid": "1", "fname": "a.jpg", "src": "http://somewhere/a.jpg"}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {f"1_{n}": {"vid": "1", "flg": 0, "z": [], "xy": xy, "av": {"1": value}} for n, xy in enumerate(xys)},
    })  # fmt: skip


@pytest.mark.parametrize("project", [False, True])
def test_version_2_has_a_list_of_regions(tmp_path, project):
    dataset = formats.load("via", write(tmp_path, [region(SQUARE, name="nut"), region(WIDE, name="fig")], project=project))
    assert dataset.class_names == ["BG", "fig", "nut"] and dataset.image_info[0]["id"] == "a.jpg"
    assert masks_of(dataset) == ([rectangle(1, 1, 3, 4), rectangle(4, 0, 6, 8)], [2, 1])


def test_version_1_has_a_dict_of_regions_and_balloon_no_attributes(tmp_path):
    path = write(tmp_path, {"0": region(SQUARE), "1": region(WIDE)})
    assert formats.load("via", path).class_names == ["BG", "object"]
    assert formats.load("via", path, class_name="balloon").class_names == ["BG", "balloon"]
    assert masks_of(formats.load("via", path))[1] == [1, 1]


def test_version_3_is_a_project(tmp_path):
    dataset = formats.load("via", version_3(tmp_path, [7, 1, 1, 4, 1, 4, 3, 1, 3], [2, 0, 4, 8, 2], [3, 4, 3, 2], [4, 4, 3, 3, 2], []))
    masks, class_ids = dataset.load_mask(0)
    assert dataset.class_names == ["BG", "nut"] and class_ids.tolist() == [1] * 4
    assert masks_of(dataset)[0][:2] == [rectangle(1, 1, 3, 4), rectangle(4, 0, 6, 8)]
    assert masks[..., 2].sum() in (12, 13) and masks[3, 1:7, 3].all()


def test_circles_and_ellipses_have_their_areas(tmp_path):
    round_one = {"name": "circle", "cx": 50, "cy": 50, "r": 30}
    long_one = {"name": "ellipse", "cx": 50, "cy": 50, "rx": 40, "ry": 10, "theta": np.pi / 2}
    path = write(tmp_path, [region(round_one, name="a"), region(long_one, name="a")])
    photo(tmp_path / "a.jpg", 100, 100)
    masks = formats.load("via", path).load_mask(0)[0]
    assert abs(masks[..., 0].sum() / (np.pi * 900) - 1) < 0.01 and abs(masks[..., 1].sum() / (np.pi * 400) - 1) < 0.02
    assert masks[85, 50, 1] and not masks[50, 70, 1]  # theta turns x into y


def test_the_class_is_the_likely_attribute_or_the_one_asked_for(tmp_path):
    path = write(tmp_path, [region(SQUARE, colour="red", Name="nut")])
    assert formats.load("via", path).class_names == ["BG", "nut"]
    assert formats.load("via", path, attribute="colour").class_names == ["BG", "red"]
    with pytest.raises(ValueError, match="no region has an attribute 'size'. They have: colour, Name"):
        formats.load("via", path, attribute="size")
    with pytest.raises(ValueError, match="attributes colour, weight. Say which holds the class, with attribute=NAME"):
        formats.load("via", write(tmp_path, [region(SQUARE, colour="red", weight="3")]))


def test_one_ticked_box_is_a_class(tmp_path):
    path = write(tmp_path, [region(SQUARE, type={"nut": True, "fig": False}), region(SQUARE, type={"nut": True, "fig": True})])
    dataset = formats.load("via", path)
    assert dataset.class_names == ["BG", "nut"] and len(dataset.report.broken) == 1


def test_broken_regions_are_left_out_and_named(tmp_path, caplog):
    bad = [
        region({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]}, name="a"),
        region({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]}, name="a"),
        region({"name": "polygon", "all_points_x": [1, 2, 3]}, name="a"),
        region({"name": "rect", "x": 1, "y": 1, "width": 0, "height": 3}, name="a"),
        region({"name": "circle", "cx": 1, "cy": 1, "r": 0}, name="a"),
        region({"name": "blob"}, name="a"), region(SQUARE, name=""), region(SQUARE), {},
    ]  # fmt: skip
    path = write(tmp_path, [*bad, region(SQUARE, name="a"), region({"name": "point", "cx": 1, "cy": 1}, name="a")])
    with caplog.at_level(logging.WARNING):
        assert masks_of(formats.load("via", path)) == ([rectangle(1, 1, 3, 4)], [1])
    assert "9 of 10 annotations can't be used and are left out: a.jpg, region 0: a polygon has at least 3 points; got 2" in caplog.text
    assert "a polygon has as many x as y; got 3 and 2" in caplog.text and "1 entries are points, which are not read" in caplog.text
    assert "a polygon with all_points_y is expected; got name, all_points_x" in caplog.text


def test_files_of_another_kind_are_refused(tmp_path):
    for content, reason in (([], "holds a list"), ({"images": []}, "'images': an image"), ({}, "describes no image")):
        with pytest.raises(ValueError, match=reason):
            formats.load("via", write_json(tmp_path / "other.json", content))
    broken = {"metadata": {"1": {"vid": "7", "xy": [2, 0, 0, 1, 1]}}, "file": {"1": {"fname": "a.jpg"}}, "view": {}}
    with pytest.raises(ValueError, match="its view names no file"):
        formats.load("via", write_json(tmp_path / "other.json", broken))


@pytest.mark.parametrize(("name", "classes", "instances"), [("via_region_data", 1, 12), ("val_multiclass", 5, 24), ("car-damage-val", 1, 12)])
def test_real_files_are_read(name, classes, instances):
    dataset = formats.load("via", shared(f"via_car_damage/val/{name}.json"))
    assert (dataset.num_images, dataset.num_classes) == (8, classes + 1) and not dataset.report.broken
    assert sum(dataset.load_mask(i)[0].any(axis=(0, 1)).sum() for i in dataset.image_ids) == instances
    assert dataset.load_image(0).shape[:2] == dataset.load_mask(0)[0].shape[:2]


def test_points_outside_real_photos_are_clipped(caplog):
    with caplog.at_level(logging.INFO):
        dataset = formats.load("via", shared("via_car_damage/train/train_multiclass.json"))
    assert "2 of 191 annotations reach outside their image and are clipped: 5.jpg, region 0; 33.jpg, region 3." in caplog.text
    assert sum(len(dataset.image_class_ids(i)) for i in dataset.image_ids) == 191


def test_the_balloon_samples_file_has_the_polygons_of_its_coco_twin():
    paths = [str(shared(f"balloon_annotations_only/{name}.json")) for name in ("via1_val_reconstructed", "coco_val")]
    ours, twin = via.read(paths[0], Report(paths[0])), coco.read(paths[1], Report(paths[1]))
    twins = {photo.name: photo for photo in twin.photos}
    assert len(ours.photos) == 13
    for found in ours.photos:
        assert len(found.instances) == len(twins[found.name].instances)
        for one, other in zip(found.instances, twins[found.name].instances, strict=True):
            # the COCO file was made with half a pixel added, and without the last point, which repeats the first
            assert np.allclose(one.shape.parts[0][: len(other.shape.parts[0])], other.shape.parts[0] - 0.5)
    with pytest.raises(FileNotFoundError, match="None of the 13 photos"):
        formats.load("via", paths[0])
