"""The full-size file in the real network: time and memory of loading."""

import subprocess
import sys

import pytest
from weight_fakes import GOLDEN, make_weights

SCRIPT = """
import os, sys, threading, time
from mrcnn import build, config
from mrcnn.weights import legacy_h5, loader

class Coco(config.Config):
    NAME = "coco"
    NUM_CLASSES = 81

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def watch():
    global peak
    while not done:
        peak = max(peak, resident())
        time.sleep(0.002)

model = build.build(Coco(), "inference", saver=legacy_h5.save, loader=loader.load)
done, peak, before = False, 0, resident()
thread = threading.Thread(target=watch)
thread.start()
start = time.process_time()
loader.load(model, sys.argv[1])
seconds = time.process_time() - start
done = True
thread.join()
print(seconds, (peak - before) / os.path.getsize(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_full_size_file_loads_within_its_bounds(tmp_path):
    path = tmp_path / "coco.h5"
    make_weights.write_weights(make_weights.load_layout(GOLDEN / "layout_resnet101_coco.json"), path, seed=3)
    run = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True)
    seconds, memory = map(float, run.stdout.split()[-2:])
    # Measured on 2 cores: 1.3 s of processor time and 0.54 times the file's 257 MB.
    assert seconds <= 3
    assert memory <= 1.2
