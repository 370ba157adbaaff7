"""benchmarks.paste: the contestants do the same work."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import paste as work
from mrcnn.ops import paste

ROOT = Path(__file__).parents[2]


def test_the_original_way_gives_our_planes():
    pytest.importorskip("skimage")
    masks, boxes = work.scene(1, count=12, shape=(150, 200))
    np.testing.assert_array_equal(work.pasted_by_skimage(masks, boxes, (150, 200)), paste.planes(masks, boxes, (150, 200)))


def test_boxes_are_inside_the_photo_and_have_an_area():
    _, boxes = work.scene(2, count=500)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= work.SHAPE).all() and (boxes[:, 2:] > boxes[:, :2]).all()


CALL = """
import json
import numpy as np
from benchmarks.paste import memory_beyond_result

def call():
    scratch = np.ones(300 * 2**20, np.uint8)
    return scratch[: 100 * 2**20].copy()

print(json.dumps(memory_beyond_result(call)))
"""


UNTOUCHED = """
import json
import numpy as np
from benchmarks.paste import memory_beyond_result

def call():
    scratch = np.ones(300 * 2**20, np.uint8)
    return np.zeros(400 * 2**20, np.uint8)

print(json.dumps(memory_beyond_result(call)))
"""


def test_pages_of_the_result_that_were_never_touched_hide_no_memory():
    result = subprocess.run([sys.executable, "-c", UNTOUCHED], cwd=ROOT, capture_output=True, text=True, check=True)
    memory = json.loads(result.stdout)
    assert memory["result_mb"] == 400 and memory["beyond_mb"] == pytest.approx(300, abs=30)


def test_memory_beyond_the_result_is_what_was_given_back():
    # In a process of its own: memory that other tests left resident would serve this call.
    result = subprocess.run([sys.executable, "-c", CALL], cwd=ROOT, capture_output=True, text=True, check=True)
    memory = json.loads(result.stdout)
    assert memory["result_mb"] == 100
    for name in ("beyond_mb", "temporary_mb"):
        assert memory[name] == pytest.approx(300, abs=30)  # pages that were resident before, or are kept for the next array
