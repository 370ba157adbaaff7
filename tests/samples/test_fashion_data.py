"""The fashion sample reads the iMaterialist form, and says what is wrong with what it can't read."""

import json
import logging
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mrcnn.ops import rle

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "samples" / "fashion"))

import fashion_data  # noqa: E402  (the sample's folder is on the path only now)
import fashion_options  # noqa: E402

SHARED = ROOT.parent / "shared" / "data"
HEADER = "ImageId,EncodedPixels,Height,Width,ClassId"
CATEGORIES = [{"id": 0, "name": "shirt, blouse"}, {"id": 6, "name": "pants"}, {"id": 23, "name": "shoe"}]


def shared(name):
    if not (SHARED / name).is_dir():
        pytest.skip(f"no {SHARED / name}: the shared data are not here")
    return str(SHARED / name)


def write(folder, lines, header=HEADER, photos=("a", "b"), csv="train.csv", size=(6, 4)):
    """Write a data set: photos of height 6 and width 4 unless told otherwise."""
    (folder / "label_descriptions.json").write_text(json.dumps({"categories": CATEGORIES}))
    (folder / csv).write_text("\n".join([header, *lines]) + "\n")
    (folder / "train").mkdir(exist_ok=True)
    for number, name in enumerate(photos):
        photo = np.full((*size, 3), 40 + 9 * number, np.uint8)
        cv2.imwrite(str(folder / "train" / f"{name}.jpg"), photo)


def load(folder, subset="train", size=None, **kwargs):
    dataset = fashion_data.FashionDataset()
    dataset.load(str(folder), subset, size, **kwargs)
    dataset.prepare()
    return dataset


BOTH = ["a.jpg,1 6,6,4,6", "a.jpg,7 3,6,4,23_4_90", "b.jpg,19 6,6,4,0"]


def both(dataset_folder, **kwargs):
    """Return the photo a.jpg, whichever subset the split gave it to."""
    for subset in ("train", "val"):
        dataset = load(dataset_folder, subset, val_share=0.5, **kwargs)
        if dataset.image_info[0]["id"].startswith("a"):
            return dataset
    raise LookupError("a.jpg is in neither subset")


def test_lines_of_one_photo_are_its_garments(tmp_path):
    write(tmp_path, BOTH)
    dataset = both(tmp_path)
    masks, class_ids = dataset.load_mask(0)
    assert dataset.num_images == 1 and dataset.class_names == ["BG", "shirt", "pants", "shoe"]
    assert class_ids.tolist() == [2, 3] and masks.shape == (6, 4, 2)
    assert masks[:, :, 0].sum(axis=0).tolist() == [6, 0, 0, 0]  # the first column, counted from 1
    assert masks[:, 1, 1].tolist() == [True, True, True, False, False, False]


def test_attributes_follow_the_category(tmp_path):
    write(tmp_path, BOTH)
    garments = both(tmp_path).image_info[0]["instances"]
    named = [(6, (), "line 2, ImageId a.jpg"), (23, (4, 90), "line 3, ImageId a.jpg")]
    assert [(g.label, g.attributes, g.entry) for g in garments] == named


def test_rle_from_zero_shifts_by_a_pixel(tmp_path):
    write(tmp_path, ["a.jpg,0 6,6,4,6", "b.jpg,0 6,6,4,0"])
    assert both(tmp_path, rle_from=0).load_mask(0)[0][:, :, 0].sum(axis=0).tolist() == [6, 0, 0, 0]


def test_image_ids_without_suffix_find_their_photo(tmp_path):
    write(tmp_path, ["a,1 6,6,4,6", "b,1 6,6,4,6"])
    assert both(tmp_path).image_reference(0).endswith("a.jpg")


def test_photo_and_masks_become_one_square(tmp_path):
    write(tmp_path, BOTH)
    dataset = both(tmp_path, size=12)
    assert dataset.load_image(0).shape == (12, 12, 3)
    assert dataset.load_mask(0)[0][:, :, 0].sum(axis=0).tolist() == [12, 12, 12] + [0] * 9  # a quarter of the width


@pytest.mark.parametrize("size", [7, 16, 40])
def test_decoding_at_the_square_samples_the_full_mask(size):
    mask = np.random.default_rng(size).random((30, 22)) < 0.4
    centres = (np.arange(size) + 0.5) / size
    expected = mask[(centres * 30).astype(int)][:, (centres * 22).astype(int)]
    assert np.array_equal(fashion_data.decode_resized(rle.encode(mask), (30, 22), size), expected)


def test_an_empty_mask_decodes_to_nothing():
    assert not fashion_data.decode_resized("", (30, 22), 8).any()


def test_runs_out_of_order_are_read_all_the_same():
    decoded = fashion_data.decode_resized("13 6 1 6", (6, 4), 4)
    assert decoded.shape == (4, 4)
    assert decoded.any(axis=0).tolist() == [True, False, True, False]


def test_a_garment_too_thin_for_the_square_is_left_out(tmp_path):
    mask = np.zeros((60, 40), bool)
    mask[:, 0] = True
    write(tmp_path, [f"a.jpg,{rle.encode(mask)},60,40,6", "a.jpg,1 2400,60,40,0", "b.jpg,1 9,60,40,6"], size=(60, 40))
    assert both(tmp_path, size=4).load_mask(0)[1].tolist() == [1]


def test_split_is_seeded_disjoint_and_complete(tmp_path):
    names = [f"p{number}" for number in range(20)]
    write(tmp_path, [f"{name}.jpg,1 6,6,4,6" for name in names], photos=names)
    parts = [{info["id"] for info in load(tmp_path, subset, seed=3).image_info} for subset in ("train", "val")]
    assert len(parts[1]) == 2 and not parts[0] & parts[1] and len(parts[0] | parts[1]) == 20
    assert parts[1] == {info["id"] for info in load(tmp_path, "val", seed=3).image_info}
    assert any(parts[1] != {info["id"] for info in load(tmp_path, "val", seed=seed).image_info} for seed in range(4))


def test_val_csv_replaces_the_split(tmp_path):
    write(tmp_path, ["a.jpg,1 6,6,4,6"], photos=("a",))
    write(tmp_path, ["b.jpg,1 6,6,4,0"], photos=("b",), csv="val.csv")
    assert [info["id"] for info in load(tmp_path, "train").image_info] == ["a.jpg"]
    assert [info["id"] for info in load(tmp_path, "val").image_info] == ["b.jpg"]


def test_line_without_pixels_is_no_garment_and_is_counted(tmp_path, caplog):
    write(tmp_path, ["a.jpg,,6,4,6", "b.jpg,1 6,6,4,0"])
    with caplog.at_level(logging.WARNING):
        dataset = both(tmp_path)
    assert dataset.load_mask(0)[0].shape == (6, 4, 0)
    assert "1 of 2 lines have no EncodedPixels" in caplog.text


def test_some_missing_photos_are_left_out_and_counted(tmp_path, caplog):
    lines = [f"{name}.jpg,1 6,6,4,6" for name in "abcdef"]
    write(tmp_path, lines, photos="abcd")
    write(tmp_path, lines, csv="val.csv", photos=())
    with caplog.at_level(logging.WARNING):
        assert load(tmp_path).num_images == 4
    assert "2 photos are missing and left out: e.jpg, f.jpg" in caplog.text


REFUSED = {
    "no train.csv": (None, "holds no train.csv"),
    "column missing": (
        ["ImageId,Pixels,Height,Width,ClassId", "a.jpg,1 6,6,4,6"],
        "has no column EncodedPixels. Found: ImageId, Pixels",
    ),
    "no line": ([HEADER], "no line but its header"),
    "no instance": ([HEADER, "a.jpg,,6,4,6", "b.jpg,,6,4,6"], "EncodedPixels is empty in all 2 lines"),
    "class out of range": ([HEADER, "a.jpg,1 6,6,4,6", "b.jpg,1 6,6,4,46"], "line 3, ImageId b.jpg: ClassId is '46'"),
    "class no number": ([HEADER, "a.jpg,1 6,6,4,shoe", "b.jpg,1 6,6,4,6"], "line 2, ImageId a.jpg: ClassId is 'shoe'"),
    "height no number": ([HEADER, "a.jpg,1 6,,4,6", "b.jpg,1 6,6,4,6"], "line 2, ImageId a.jpg: Height is ''"),
    "sizes differ": (
        [HEADER, "a.jpg,1 6,6,4,6", "a.jpg,1 6,6,5,6", "b.jpg,1 6,6,4,6", "b.jpg,1 6,6,5,6"],
        "a line before",
    ),
    "one photo": ([HEADER, "a.jpg,1 6,6,4,6"], "one photo only"),
    "all photos missing": ([HEADER, "y.jpg,1 6,6,4,6", "z.jpg,1 6,6,4,6"], "None of the 1 photos"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unusable_data_are_refused_with_a_reason(tmp_path, case):
    lines, message = REFUSED[case]
    write(tmp_path, lines[1:] if lines else [], header=lines[0] if lines else HEADER)
    if lines is None:
        (tmp_path / "train.csv").unlink()
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load(tmp_path)
    assert message in str(caught.value)


def test_missing_folder_and_labels_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Data set folder not found"):
        load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"label_descriptions.json is missing"):
        load(tmp_path)
    (tmp_path / "label_descriptions.json").write_text('{"classes": []}')
    with pytest.raises(ValueError, match="does not list categories"):
        load(tmp_path)


@pytest.mark.parametrize("size", [None, 8])
@pytest.mark.parametrize("text", ["20 6", "0 3", "1 2 3", "1 x", "3 4 5 2", "5 0"])
def test_broken_runs_name_file_line_and_photo(tmp_path, text, size):
    write(tmp_path, [f"a.jpg,{text},6,4,6", "b.jpg,1 6,6,4,0"])
    with pytest.raises(ValueError, match=r"train.csv, line 2, ImageId a.jpg: Run-length"):
        both(tmp_path, size=size).load_mask(0)


def test_photo_of_another_size_than_the_csv_says_is_refused(tmp_path):
    write(tmp_path, ["a.jpg,1 6,4,6,6", "b.jpg,1 6,4,6,6"])
    with pytest.raises(ValueError, match=r"6 px high and 4 wide, but .* says Height 4, Width 6"):
        both(tmp_path).load_image(0)


def test_damaged_photo_is_named(tmp_path):
    write(tmp_path, BOTH)
    (tmp_path / "train" / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(ValueError, match=r"a.jpg"):
        both(tmp_path).load_image(0)


def test_real_photos_in_the_form_are_read():
    folder = shared("ccp_ci")
    for subset, images, garments in (("train", 12, 71), ("val", 4, 23)):
        dataset = load(folder, subset, 128)
        assert (dataset.num_images, dataset.num_classes) == (images, 47)
        masks = [dataset.load_mask(image_id)[0] for image_id in dataset.image_ids]
        assert garments - 3 <= sum(mask.shape[2] for mask in masks) <= garments
        assert dataset.load_image(0).shape == (128, 128, 3) and masks[0].shape[:2] == (128, 128)


def test_masks_at_the_square_have_the_area_of_the_full_ones():
    full, square = load(shared("ccp_ci"), "val", None), load(shared("ccp_ci"), "val", 256)
    for image_id in full.image_ids:
        large, small = full.load_mask(image_id)[0], square.load_mask(image_id)[0]
        assert np.allclose(large.mean(axis=(0, 1)), small.mean(axis=(0, 1)), atol=2e-3)


def test_fashionpedia_csv_is_read(tmp_path):
    folder = Path(shared("fashionpedia_sample"))
    (tmp_path / "train").mkdir()
    for photo in folder.glob("*.jpg"):
        (tmp_path / "train" / photo.name).write_bytes(photo.read_bytes())
    (tmp_path / "train.csv").write_text((folder / "train_imaterialist2019_style.csv").read_text())
    labels = Path(shared("imaterialist_format")) / "label_descriptions_2019.json"
    (tmp_path / "label_descriptions.json").write_text(labels.read_text())
    parts = [load(tmp_path, subset, 256) for subset in ("train", "val")]
    assert sum(part.load_mask(0)[0].shape[2] for part in parts) == 12
    assert len(parts[0].attribute_names) == 92 and parts[0].num_classes == 47
    assert parts[0].load_image(0).shape == (256, 256, 3)


def test_stages_are_read():
    read = fashion_options.stages("heads:1e-3:5,4+:1e-3:10,(res5.*)|(fpn_.*):1e-4:15")
    assert [(stage.layers, stage.learning_rate, stage.epochs) for stage in read] == [
        ("heads", 1e-3, 5), ("4+", 1e-3, 10), ("(res5.*)|(fpn_.*)", 1e-4, 15),
    ]  # fmt: skip


def test_train_alone_means_the_embedded_scenes():
    options = fashion_options.parse(["train"])
    assert (options.variant, options.dataset, options.stages) == (None, None, None)
    assert fashion_options.default_variant(options) == "small"
    assert fashion_options.default_variant(fashion_options.parse(["train", "--dataset", "x"])) == "resnet50-256"


NONSENSE = {
    "train --stages heads:5": "is not layers:rate:epochs",
    "train --stages head:1e-3:5": "heads, 3+, 4+, 5+, all",
    "train --layers 6+": "heads, 3+, 4+, 5+, all",
    "train --layers (res": "no regular expression",
    "train --lr 0": "above 0 and below 1",
    "train --lr nan": "above 0 and below 1",
    "train --lr fast": "above 0 and below 1",
    "train --epochs 0": "at least 1",
    "train --steps -3": "at least 1",
    "train --stages all:1e-3:0": "at least 1",
    "train --stages all:1e-3:2:sine": "constant, cosine, step@8/11",
    "train --time-limit soon": "a time such as 8h",
    "train --keep-best val_loss": "needs --keep-last",
    "train --stages all:1e-3:2 --lr 1e-3": "leave out --lr",
    "train --variant resnet18": "invalid choice",
    "train --rle-from 0": "needs --dataset",
    "train --rle-from 2": "invalid choice",
    "evaluate --subset best": "invalid choice",
    "detect --image a.jpg": "--output",
    "detect --image a.jpg --output o --min-score 2": "above 0 and below 1",
    "dance": "invalid choice",
}


@pytest.mark.parametrize("line", NONSENSE)
def test_nonsense_is_refused_with_what_to_write(line, capsys):
    with pytest.raises(SystemExit) as caught:
        fashion_options.parse(line.split())
    assert caught.value.code == 2 and NONSENSE[line] in capsys.readouterr().err


def test_classes_are_told_without_decoding(tmp_path):
    write(tmp_path, ["a.jpg,1 6,6,4,6", "a.jpg,broken,6,4,23_4_90", "b.jpg,19 6,6,4,0", "b.jpg,,6,4,0"])
    dataset = load(tmp_path, "all")
    assert [dataset.image_class_ids(i).tolist() for i in dataset.image_ids] == [[2, 3], [1]]


def test_all_holds_nothing_back_and_leaves_val_csv_out(tmp_path):
    write(tmp_path, BOTH)
    assert load(tmp_path, "all").num_images == 2
    write(tmp_path, ["c.jpg,1 6,6,4,6"], photos=("c",), csv="val.csv")
    assert [info["id"] for info in load(tmp_path, "all").image_info] == ["a.jpg", "b.jpg"]
