"""mrcnn.inference.tiled: what is cut by tiles comes out whole and once, with a detector that sees exactly what is there."""

import tracemalloc

import numpy as np
import pytest
from oracle import Oracle, photo

from mrcnn.inference import augmented, ensemble, tiled
from mrcnn.ops import rle
from mrcnn.ops.waiting import EncodedMasks
from mrcnn.results import Detections


def check(found, image):
    """Exactly the patches of the image, each once."""
    expected = Oracle(BATCH_SIZE=1).detect([image])[0]
    assert sorted(map(tuple, found["rois"].tolist())) == sorted(map(tuple, expected["rois"].tolist()))
    by_box = {(*box, class_id): i for i, (box, class_id) in enumerate(zip(map(tuple, expected["rois"].tolist()), expected["class_ids"], strict=True))}
    for i, (box, class_id) in enumerate(zip(found["rois"].tolist(), found["class_ids"], strict=True)):
        np.testing.assert_array_equal(found["masks"][:, :, i], expected["masks"][:, :, by_box[(*box, class_id)]])
    assert (np.diff(found["scores"]) <= 0).all()


@pytest.mark.parametrize("side", [100, 33, 32, 31, 1])
@pytest.mark.parametrize("overlap", [0, 0.25, 0.9])
def test_tiles_cover_every_pixel_and_overlap(side, overlap):
    tiles = tiled.cut(side, 70, 32, overlap)
    seen = np.zeros((side, 70), int)
    for y1, x1, y2, x2 in tiles:
        assert (y2 - y1, x2 - x1) == (min(32, side), 32)
        seen[y1:y2, x1:x2] += 1
    assert seen.min() >= 1 and len(set(tiles)) == len(tiles)
    starts = sorted({x1 for _, x1, _, _ in tiles})
    assert all(b - a <= 32 * (1 - overlap) for a, b in zip(starts[:-1], starts[1:], strict=True))


@pytest.mark.parametrize("whole", [False, True])
def test_objects_inside_across_and_larger_than_tiles_come_out_once(whole):
    image = photo(
        90, 120, (2, 2, 10, 10, 1), (5, 20, 12, 30, 1), (20, 40, 30, 52, 2), (40, 4, 48, 110, 3), (55, 60, 88, 70, 1), (60, 90, 62, 92, 1),
        (70, 100, 90, 120, 2), (22, 70, 26, 74, 4),
    )  # fmt: skip
    oracle = Oracle()
    found = tiled.Tiled(oracle, whole=whole).detect([image])[0]
    check(found, image)
    assert ((90, 120) in oracle.seen) == whole and set(oracle.seen) <= {(32, 32), (90, 120)}


def test_random_patches_come_out_once():
    rng = np.random.default_rng(0)
    for _ in range(5):
        image = np.zeros((100, 110, 3), np.uint8)
        for y, x in ((y, x) for y in range(2, 90, 22) for x in range(2, 100, 27)):  # apart from one another
            image[y : y + rng.integers(3, 20), x : x + rng.integers(3, 25)] = 50 * rng.integers(1, 5)
        check(tiled.Tiled(Oracle(), whole=False, overlap=0.4).detect([image])[0], image)


def test_a_photo_of_one_tile_is_looked_at_once():
    oracle, image = Oracle(), photo(32, 20, (4, 4, 9, 9, 2))
    check(tiled.Tiled(oracle).detect([image])[0], image)
    assert oracle.seen == [(32, 20)]


def test_nothing_found_and_several_photos():
    first, second = tiled.Tiled(Oracle()).detect([photo(70, 80), photo(20, 90, (3, 40, 9, 60, 1))])
    assert first.num == 0 and first.image_shape == (70, 80) and first["masks"].shape == (70, 80, 0)
    assert second["rois"].tolist() == [[3, 40, 9, 60]]
    assert tiled.Tiled(Oracle()).detect([]) == []
    nothing = Detections(np.zeros((0, 4)), [], [], np.zeros((4, 6, 0), bool), (0, 0, 4, 6), np.zeros((0, 3)), 0.3)
    merged = tiled.merge([nothing], [(0, 0, 4, 6)])
    assert merged.attributes.shape == (0, 3) and merged.attribute_min_confidence == 0.3 and merged.window is None


def of_tile(shape, *instances):
    """Detections of (box, class, score); a mask fills its box."""
    masks = np.zeros((*shape, len(instances)), bool)
    for i, ((y1, x1, y2, x2), _, _) in enumerate(instances):
        masks[y1:y2, x1:x2, i] = True
    boxes, class_ids, scores = ([instance[k] for instance in instances] for k in range(3))
    return Detections(np.array(boxes, int).reshape(-1, 4), class_ids, scores, EncodedMasks(rle.encode_coco(masks), shape))


TILES = [(0, 0, 100, 100), (0, 60, 100, 160)]


def test_of_two_whole_ones_the_better_stays():
    one, two = of_tile((100, 160), ((10, 65, 20, 90), 1, 0.6)), of_tile((100, 160), ((10, 66, 20, 90), 1, 0.8))
    found = tiled.merge([one, two], TILES)
    assert found["rois"].tolist() == [[10, 66, 20, 90]] and found["scores"].tolist() == pytest.approx([0.8])


def test_of_a_cut_and_a_whole_one_the_whole_stays_though_its_score_is_lower():
    one, two = of_tile((100, 160), ((10, 80, 20, 100), 1, 0.9)), of_tile((100, 160), ((10, 81, 20, 130), 1, 0.4))
    found = tiled.merge([one, two], TILES)
    assert found["rois"].tolist() == [[10, 81, 20, 130]] and found["scores"].tolist() == pytest.approx([0.4])


def test_a_cut_one_that_another_tile_sees_whole_goes_whatever_that_tile_says():
    """The tile on the right sees all of x = 80 to 100 and beyond: it calls it class 2, or nothing."""
    cut = of_tile((100, 160), ((10, 80, 20, 100), 1, 0.9))
    assert tiled.merge([cut, of_tile((100, 160), ((10, 81, 20, 130), 2, 0.4))], TILES)["class_ids"].tolist() == [2]
    assert tiled.merge([cut, of_tile((100, 160))], TILES).num == 0


def test_the_photo_made_smaller_is_no_better_view():
    cut = of_tile((100, 160), ((10, 80, 20, 100), 1, 0.9))
    assert tiled.merge([of_tile((100, 160)), cut], [(0, 0, 100, 160), (0, 0, 100, 100)]).num == 1
    whole = of_tile((100, 160), ((10, 80, 20, 130), 1, 0.4))
    found = tiled.merge([whole, cut], [(0, 0, 100, 160), (0, 0, 100, 100)])
    assert found["rois"].tolist() == [[10, 80, 20, 130]] and found["scores"].tolist() == pytest.approx([0.4])


def test_two_cut_ones_that_agree_where_both_look_become_one():
    """Between x = 60 and 100 they share 10 of 12 rows."""
    one, two = of_tile((100, 160), ((10, 5, 20, 100), 1, 0.5)), of_tile((100, 160), ((10, 60, 22, 140), 1, 0.7))
    found = tiled.merge([one, two], TILES)
    assert found["rois"].tolist() == [[10, 5, 22, 140]] and found["scores"].tolist() == pytest.approx([0.7])
    assert found.areas.tolist() == [10 * 95 + 12 * 80 - 10 * 40]


def test_neighbours_other_classes_and_one_tile_stay_apart():
    below = of_tile((100, 160), ((10, 5, 20, 100), 1, 0.5)), of_tile((100, 160), ((21, 60, 31, 140), 1, 0.7))
    assert tiled.merge(below, TILES).num == 2
    other = of_tile((100, 160), ((10, 65, 20, 90), 1, 0.9)), of_tile((100, 160), ((10, 66, 20, 90), 2, 0.4))
    assert tiled.merge(other, TILES).num == 2
    same_tile = of_tile((100, 160), ((10, 10, 20, 30), 1, 0.9), ((10, 11, 20, 30), 1, 0.8))
    assert tiled.merge([same_tile, of_tile((100, 160))], TILES)["scores"].tolist() == pytest.approx([0.9, 0.8])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"tile": 0}, "tile = 0"), ({"tile": 10.5}, "tile = 10.5"), ({"overlap": 1}, "overlap = 1"), ({"threshold": 0}, "threshold = 0")],
)
def test_impossible_numbers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiled.Tiled(Oracle(), **arguments)


def test_mode_none_has_no_whole_view():
    with pytest.raises(ValueError, match="Pass whole=False"):
        tiled.Tiled(Oracle(IMAGE_RESIZE_MODE="none"))
    image = photo(64, 80, (3, 40, 9, 60, 1))
    check(tiled.Tiled(Oracle(IMAGE_RESIZE_MODE="none"), whole=False).detect([image])[0], image)


def test_memory_is_that_of_a_few_tiles():
    """20 objects on 1,200 x 1,500 pixels: their planes would be 36 MB."""
    patches = [(20 + 230 * i, 30 + 350 * j, 200 + 230 * i, 300 + 350 * j, 1 + (i + j) % 4) for i in range(5) for j in range(4)]
    image = photo(1200, 1500, *patches)
    model = tiled.Tiled(Oracle(BATCH_SIZE=1), tile=400, whole=False)
    tracemalloc.start()
    try:
        found = model.detect([image])[0]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sorted(map(tuple, found["rois"].tolist())) == sorted(patch[:4] for patch in patches)
    assert not found.copy().pasted and peak < 12e6


def test_a_tile_without_detections_takes_no_attributes_from_the_others():
    found, tiles = of_tile((10, 20), ((2, 2, 6, 6), 1, 0.9)), [(0, 0, 10, 10), (0, 10, 10, 20)]
    found.attributes = np.array([[0.2, 0.8]], np.float32)
    seen_twice = ensemble.fuse([found.select([])] * 2)  # what test-time augmentation says of an empty tile
    merged = tiled.merge([found, seen_twice], tiles)
    assert merged.attributes.tolist() == found.attributes.tolist()
    nothing = tiled.merge([seen_twice, seen_twice], tiles)
    assert (nothing.num, nothing.attributes.shape, nothing.window, nothing["masks"].shape) == (0, (0, 2), None, (10, 20, 0))


@pytest.mark.parametrize("looks", [tiled.Tiled, augmented.Augmented])
def test_one_photo_without_its_list_is_refused(looks):
    with pytest.raises(ValueError, match=r"one array of shape \(40, 20, 3\). Pass \[image\]"):
        looks(Oracle()).detect(photo(40, 20, (4, 4, 9, 9, 2)))
    with pytest.raises(ValueError, match="got None"):
        looks(Oracle()).detect(None)
