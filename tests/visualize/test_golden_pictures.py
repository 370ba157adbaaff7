"""Each drawing function against a small picture that was looked at; tests/golden_pictures.py draws and writes them.

Tolerances. The files were drawn with matplotlib 3.11 and OpenCV 5.0, whose versions shape letters and lines differently: a blurred picture (9 × 9
pixels) of matplotlib 3.9 and 3.11 differs by up to 47 of 255 where text is, and by 16 or more on up to 6.5 % of the pixels. A mask, a plate or a
curve that is absent or elsewhere differs by more than that, as the last test shows. With the version that drew the files, 8 is enough for the
roundings of other processors. What OpenCV draws without text was the same bit for bit in 4.10 and 5.0; its letters are another font since 5.0
(4.5 % of pixels differ).
"""

import cv2
import golden_pictures as golden
import matplotlib
import numpy as np
import pytest

DRAWN_WITH = {"matplotlib": "3.11.", "cv2": "5."}
SAME_VERSION, OTHER_FIGURES, OTHER_SHARE = 8, 60, 0.09
NAMED = {"argvalues": (*golden.FIGURES, *golden.WRITTEN), "ids": lambda function: function.__name__}


def difference(one, other):
    """Where two pictures differ to the eye: [H, W], from 0 to 255."""
    one, other = (cv2.blur(picture, (9, 9)).astype(int) for picture in (one, other))
    return np.abs(one - other).max(axis=2)


def agrees(function, drawn, file):
    """Whether a picture is the one in the file, as far as the installed versions can tell."""
    if drawn.shape != file.shape:
        return False
    differs = difference(drawn, file)
    library = matplotlib if function in golden.FIGURES else cv2
    if library.__version__.startswith(DRAWN_WITH[library.__name__]):
        return differs.max() <= SAME_VERSION
    return (differs > 16).mean() <= OTHER_SHARE and (differs.max() <= OTHER_FIGURES or function in golden.WRITTEN)


@pytest.mark.parametrize("function", **NAMED)
def test_pictures_look_as_they_did(function):
    assert agrees(function, golden.draw(function), golden.load(function))


@pytest.mark.parametrize("function", golden.ARRAYS, ids=lambda function: function.__name__)
def test_pixels_without_text_are_the_same_bit_for_bit(function):
    np.testing.assert_array_equal(golden.draw(function), golden.load(function))


def test_the_files_are_small_and_each_has_its_function():
    names = {function.__name__ for function in (*golden.FIGURES, *golden.ARRAYS, *golden.WRITTEN)}
    files = list(golden.FOLDER.glob("*.png"))
    assert {file.stem for file in files} == names
    assert sum(file.stat().st_size for file in files) < 300_000


def test_an_absent_mask_plate_or_curve_differs_by_more_than_versions_do():
    full = golden.draw(golden.instances)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden.visualize.instances.figures, "write", lambda ax, labels: None)
        assert difference(full, golden.draw(golden.instances)).max() > OTHER_FIGURES
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden.visualize.instances.palette, "apply_mask", lambda image, *rest: image)
        assert difference(full, golden.draw(golden.instances)).max() > OTHER_FIGURES
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden.training_curves, "map_name", lambda metrics: None)
        assert difference(golden.draw(golden.run_curves), golden.load(golden.run_curves)).max() > OTHER_FIGURES
