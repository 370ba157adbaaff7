"""Shapes become pixels: COCO's for polygons, cut off at the image's edges; run lengths agree with planes."""

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from mrcnn.data.formats import shapes
from mrcnn.ops import rle


def polygon(*points):
    return shapes.Polygons((np.array(points, float),))


def write(path, array):
    assert cv2.imwrite(str(path), array)
    return str(path)


def all_kinds(folder, mask):
    """The same mask in every form that holds pixels."""
    index = np.where(mask, 7, 3).astype(np.uint16)
    return [
        shapes.PixelRuns(rle.encode(mask), 1),
        shapes.PixelRuns(rle.encode(mask, first_pixel=0), 0),
        shapes.CocoRuns(rle.encode_coco(mask)),
        shapes.MaskFile(write(folder / "mask.png", mask.astype(np.uint8) * 255)),
        shapes.IndexFile(write(folder / "index.png", index), 7),
    ]


@pytest.mark.parametrize("case", ["random", "empty", "full", "last pixel"])
def test_every_form_gives_the_same_plane_and_runs(tmp_path, case):
    mask = np.random.default_rng(0).random((9, 7)) < 0.4
    mask = {"random": mask, "empty": mask & False, "full": mask | True, "last pixel": np.arange(63).reshape(9, 7) == 62}[case]
    for shape in all_kinds(tmp_path, mask):
        assert np.array_equal(shapes.decode(shape, 9, 7), mask), shape
        assert shapes.encode(shape, 9, 7) == rle.encode_coco(mask), shape


def test_polygons_have_the_pixels_of_pycocotools():
    rng = np.random.default_rng(1)
    for _ in range(50):
        parts = tuple(rng.uniform(0, 30, (rng.integers(3, 9), 2)) for _ in range(rng.integers(1, 3)))
        expected = coco_mask.merge(coco_mask.frPyObjects([part.ravel().tolist() for part in parts], 30, 30))
        assert shapes.encode(shapes.Polygons(parts), 30, 30) == expected


def test_parts_of_an_object_are_united():
    two = shapes.Polygons((np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]]), np.array([[1.0, 1], [4, 1], [4, 2], [1, 2]])))
    assert shapes.decode(two, 3, 4).astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]


def test_a_polygon_is_cut_off_at_the_image():
    assert shapes.decode(polygon((-3, -3), (2, -3), (2, 2), (-3, 2)), 4, 5).sum() == 4
    assert shapes.decode(polygon((3, 2), (90, 2), (90, 90), (3, 90)), 4, 5)[2:, 3:].all()


@pytest.mark.parametrize("far", [1e3, 1e9, 1e300])
def test_a_point_far_outside_costs_no_memory(far):
    mask = shapes.decode(polygon((1, 1), (far, 1), (far, 3), (1, 3)), 4, 5)
    assert np.argwhere(mask).tolist() == [[y, x] for y in (1, 2) for x in (1, 2, 3, 4)]


def test_a_polygon_beside_the_image_has_no_pixel():
    beside = polygon((50, 50), (60, 50), (60, 60))
    assert shapes.beside(beside, 4, 5) and not shapes.decode(beside, 4, 5).any()
    assert not shapes.beside(polygon((4, 3), (9, 3), (9, 9)), 4, 5)


def test_points_on_the_edge_do_not_leave_the_image():
    assert not shapes.leaves(polygon((0, 0), (5, 0), (5, 4)), 4, 5)
    assert shapes.leaves(polygon((0, 0), (5, 0), (5, 4.01)), 4, 5) and shapes.leaves(polygon((-0.01, 0), (5, 0), (5, 4)), 4, 5)


def test_clipping_twice_is_clipping_once():
    rng = np.random.default_rng(2)
    for _ in range(100):
        once = shapes.clip(rng.uniform(-10, 20, (rng.integers(3, 8), 2)), 8, 9)
        assert (once >= 0).all() and (once <= [9, 8]).all()
        assert np.allclose(shapes.clip(once, 8, 9), once)


def test_a_clipped_polygon_has_the_area_of_the_part_inside():
    triangle = shapes.clip(np.array([[-4.0, 0], [4, 0], [4, 8]]), 8, 8)
    x, y = triangle.T
    area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert area == 24  # of 32, the triangle left of x = 0 with sides 4 and 4 is 8


def test_a_mask_of_another_size_than_its_photo_is_refused(tmp_path):
    path = write(tmp_path / "mask.png", np.ones((3, 4), np.uint8))
    for shape in (shapes.MaskFile(path), shapes.IndexFile(path, 1)):
        with pytest.raises(ValueError, match=r"mask.png is 3 px high and 4 wide, its photo 4 and 3"):
            shapes.decode(shape, 4, 3)
    with pytest.raises(ValueError, match="height 3 and width 4 does not fit an image of 4 and 3"):
        shapes.decode(shapes.CocoRuns(rle.encode_coco(np.ones((3, 4)))), 4, 3)


def test_a_file_without_a_mask_is_refused(tmp_path):
    (tmp_path / "mask.png").write_bytes(b"no image")
    for shape in (shapes.MaskFile(str(tmp_path / "mask.png")), shapes.IndexFile(str(tmp_path / "mask.png"), 1)):
        with pytest.raises(ValueError, match=r"mask.png holds no image"):
            shapes.decode(shape, 2, 2)
    with pytest.raises(FileNotFoundError):
        shapes.decode(shapes.IndexFile(str(tmp_path / "gone.png"), 1), 2, 2)


def test_any_colour_is_mask_but_transparency_is_not(tmp_path):
    colour, clear = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 4), np.uint8)
    colour[0, 1, 2], clear[..., 3], clear[1, 0, 0] = 9, 255, 1
    assert np.argwhere(shapes.decode(shapes.MaskFile(write(tmp_path / "a.png", colour)), 2, 2)).tolist() == [[0, 1]]
    assert np.argwhere(shapes.decode(shapes.MaskFile(write(tmp_path / "b.png", clear)), 2, 2)).tolist() == [[1, 0]]


def test_colours_and_palettes_are_numbers(tmp_path):
    colour = np.zeros((1, 2, 3), np.uint8)
    colour[0, 1] = (1, 2, 3)  # blue, green, red for OpenCV
    assert shapes.read_index(write(tmp_path / "colour.png", colour)).tolist() == [[0, 3 + 2 * 256 + 65536]]
    palette = Image.fromarray(np.array([[0, 5]], np.uint8), mode=None).convert("P")
    palette.putdata([0, 5])
    palette.putpalette([200, 100, 50] * 256)
    palette.save(tmp_path / "palette.png")
    assert shapes.read_index(str(tmp_path / "palette.png")).tolist() == [[0, 5]]


def test_a_pasted_part_is_cut_off_at_the_image():
    part = np.arange(1, 10).reshape(3, 3) > 0
    for top, left, pixels in ((-1, -1, 4), (3, 4, 1), (1, 1, 9), (-9, 0, 0), (0, 9, 0)):
        assert rle.area_coco(shapes.pasted(part, top, left, 4, 5).encoded) == pixels, (top, left)
