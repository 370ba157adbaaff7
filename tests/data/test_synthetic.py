"""The embedded scenes keep their own rules, and stay what they are."""

import hashlib

import numpy as np
import pytest

from mrcnn.data import synthetic
from mrcnn.data import synthetic_figures as figures
from mrcnn.data import synthetic_paint as paint

SCENES = [synthetic.scene(seed=11, index=index) for index in range(60)]


def digest(drawn: synthetic.Scene) -> str:
    parts = (drawn.image, drawn.masks.astype(np.uint8), drawn.class_ids.astype("<i4"))
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def rectangle(class_id: int, top: int, left: int, height: int, width: int) -> synthetic.Placed:
    alpha = np.full((height, width), 255, np.uint8)
    colour = np.full((height, width, 3), 20 * class_id, np.uint8)
    return synthetic.Placed(figures.Layer(0, 0, alpha, colour, class_id), top, left)


def test_generator_is_frozen():
    hashes = {
        (0, 0, 128): "c9bb5ae6b372f2571a3b9b26e85fd5fb5aa8a5cc88186208a809c6c135c23ca7",
        (0, 1, 128): "5b93de55e65d3e9cad49426e5da91a9841be074a18428982cd5edc2bb90399c7",
        (7, 12, 128): "dc5ef6600a2a6e36cf810e6fbc9a8d15bf259881d5754f000f29c0cc85aef504",
        (2024, 999_999, 128): "3f106133113ae1422904102278a3682900c7edf444f9575e9b16d8f6c4e807d0",
        (3, 5, 96): "03d0cfcdd57ef118cc916ddf6ed1d3e771d429d8b021f520c699536b0a54e5f5",
        (3, 5, 256): "7556b073ded0f79d9566c79a65277d9316533ec06e25409e8fb6e93f2c3f01b4",
    }
    assert {key: digest(synthetic.scene(*key)) for key in hashes} == hashes


def test_scene_depends_on_nothing_but_its_arguments():
    first = digest(synthetic.scene(4, 2))
    synthetic.scene(9, 9)
    assert digest(synthetic.scene(4, 2)) == first
    assert digest(synthetic.scene(4, 3)) != first
    assert digest(synthetic.scene(5, 2)) != first


def test_masks_are_disjoint_visible_parts():
    for drawn in SCENES:
        assert drawn.masks.dtype == bool and drawn.image.dtype == np.uint8 and drawn.class_ids.dtype == np.int32
        assert drawn.masks.shape == (128, 128, len(drawn.class_ids))
        assert drawn.masks.sum(axis=2).max() <= 1


def test_every_instance_shows_the_stated_share_of_itself():
    for drawn in SCENES:
        assert drawn.shares.min() >= synthetic.MIN_VISIBLE_SHARE and drawn.shares.max() <= 1
        assert drawn.masks.sum(axis=(0, 1)).min() >= synthetic.MIN_VISIBLE_PIXELS


def test_scenes_hold_four_to_ten_garments_and_all_classes_occur():
    counts = [len(drawn.class_ids) for drawn in SCENES]
    assert min(counts) >= synthetic.MIN_INSTANCES and max(counts) <= synthetic.MAX_INSTANCES
    seen = np.bincount(np.concatenate([drawn.class_ids for drawn in SCENES]), minlength=9)
    assert seen[0] == 0 and len(seen) == 1 + len(synthetic.CLASS_NAMES) and seen[1:].min() >= 20


def test_shoes_come_in_pairs_mostly():
    shoes = [int((drawn.class_ids == figures.SHOE).sum()) for drawn in SCENES]
    assert sum(count % 2 == 0 for count in shoes) >= 0.8 * len(shoes)


def test_a_garment_hidden_too_far_is_neither_drawn_nor_annotated():
    hidden = rectangle(figures.SHIRT, 10, 10, 20, 20)  # 400 px, of which 30 % stay visible
    cover = rectangle(figures.BAG, 10, 10, 14, 20)
    kept, removed = synthetic.take_off([hidden, cover], 128)
    assert (kept, removed) == ([cover], 1)
    owners, visible = synthetic.owner_map(kept, 128)
    assert visible.tolist() == [14 * 20] and (owners >= 0).sum() == 14 * 20


def test_a_garment_showing_just_enough_stays():
    shown = rectangle(figures.SHIRT, 10, 10, 20, 20)  # 400 px, of which 35 % stay visible
    cover = rectangle(0, 10, 10, 13, 20)
    kept, removed = synthetic.take_off([shown, cover], 128)
    assert removed == 0 and synthetic.owner_map(kept, 128)[1].tolist() == [140, 260]


def test_what_the_frame_cuts_off_counts_as_unseen():
    item = rectangle(figures.HAT, -14, 50, 20, 20)  # 6 of 20 rows in the frame
    assert synthetic.take_off([item], 128) == ([], 1)
    assert synthetic.take_off([rectangle(figures.HAT, -12, 50, 20, 20)], 128)[1] == 0
    assert synthetic.owner_map([rectangle(figures.HAT, 200, 200, 20, 20)], 128)[1].tolist() == [0]


def test_skin_is_never_taken_off():
    skin = rectangle(0, 0, 0, 4, 4)
    assert synthetic.take_off([skin, rectangle(figures.BAG, 0, 0, 30, 30)], 128)[1] == 0


def test_no_garment_is_visible_without_a_mask(monkeypatch):
    drawn = {}

    def recorded(placed, size):
        drawn["kept"] = take_off(placed, size)
        return drawn["kept"]

    take_off = synthetic.take_off
    monkeypatch.setattr(synthetic, "take_off", recorded)
    for index in range(20):
        made = synthetic.scene(seed=21, index=index)
        placed, _ = drawn["kept"]
        owners, _ = synthetic.owner_map(placed, 128)
        garment = np.array([item.layer.class_id > 0 for item in placed] + [False])[owners]  # owner -1: backdrop
        assert np.array_equal(garment, made.masks.any(axis=2))


def test_sizes_show_the_same_people():
    pairs = [[synthetic.scene(11, index, size).class_ids.tolist() for size in (96, 192)] for index in range(12)]
    assert synthetic.scene(11, 3, 192).image.shape == (192, 192, 3)
    assert sum(small == large for small, large in pairs) >= 10  # but for garments at the very limit of visibility


@pytest.mark.parametrize("arguments", [(-1, 0, 128), (0, -1, 128), (0, 0, 32)])
def test_scene_refuses_what_it_cannot_draw(arguments):
    with pytest.raises(ValueError, match="seed and index must be ≥ 0, size at least 64"):
        synthetic.scene(*arguments)


def test_cloth_colour_keeps_its_distance():
    dice = paint.Dice(0, 0)
    unlike = [(240, 240, 240), (20, 20, 20)]
    gaps = [min(paint.distance(paint.cloth_colour(dice, unlike), other) for other in unlike) for _ in range(50)]
    assert min(gaps) >= 120


@pytest.mark.parametrize("kind", paint.TEXTURES)
def test_every_texture_fills_its_rectangle(kind):
    cloth = paint.texture(paint.Dice(1, 2), kind, (200, 40, 40), 30, 20, 100.0)
    assert cloth.shape == (30, 20, 3) and cloth.dtype == np.uint8
    assert (len(np.unique(cloth.reshape(-1, 3), axis=0)) > 1) == (kind != "plain")


def test_dataset_draws_on_demand():
    scenes = synthetic.SceneDataset()
    scenes.load(count=4, seed=11, size=128, first=2)
    scenes.prepare()
    masks, class_ids = scenes.load_mask(1)
    assert scenes.num_images == 4 and scenes.num_classes == 9
    assert scenes.class_names == ["BG", *synthetic.CLASS_NAMES]
    assert np.array_equal(scenes.load_image(1), SCENES[3].image)
    assert np.array_equal(masks, SCENES[3].masks) and np.array_equal(class_ids, SCENES[3].class_ids)


def test_dataset_hands_out_copies():
    scenes = synthetic.SceneDataset()
    scenes.load(count=1, seed=11)
    scenes.prepare()
    scenes.load_image(0)[:] = 0
    scenes.load_mask(0)[0][:] = False
    assert np.array_equal(scenes.load_image(0), SCENES[0].image) and scenes.load_mask(0)[0].any()


def test_dataset_keeps_no_more_than_its_cache():
    scenes = synthetic.SceneDataset()
    scenes.CACHE_BYTES = 2 * 128 * 128 * 4
    scenes.load(count=3, seed=11)
    scenes.prepare()
    drawn = [scenes.load_image(image_id) for image_id in scenes.image_ids]
    assert len(scenes._kept) == 2
    assert np.array_equal(scenes.load_image(2), drawn[2]) and np.array_equal(drawn[2], SCENES[2].image)


@pytest.mark.parametrize(("count", "size"), [(0, 128), (3, 20)])
def test_dataset_refuses_nonsense(count, size):
    with pytest.raises(ValueError, match="at least"):
        synthetic.SceneDataset().load(count=count, seed=1, size=size)
