"""README's program for a file of annotations: the doctor reads its configuration, and it trains."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import readme_code
import tiny

from mrcnn import cli

pytestmark = pytest.mark.usefixtures("untraced")


def coco_file(path, first, count):
    """Write photos and a COCO file of two rectangles a photo, its category ids with a gap."""
    entries = {"images": [], "annotations": [], "categories": [{"id": 3, "name": "car"}, {"id": 62, "name": "chair"}]}
    for i in range(first, first + count):
        photo = np.full((64, 80, 3), 60, np.uint8)
        entries["images"].append({"id": i, "file_name": f"{path.stem}{i}.png", "height": 64, "width": 80})
        for category, (x, y) in ((3, (5, 4 + 5 * i)), (62, (45, 36 - 6 * i))):
            photo[y : y + 24, x : x + 30] = (category * 4, 200, 30)
            corners = [x, y, x + 30, y, x + 30, y + 24, x, y + 24]
            annotation = {"id": len(entries["annotations"]) + 1, "image_id": i, "category_id": category, "segmentation": [corners], "iscrowd": 0}
            entries["annotations"].append({**annotation, "bbox": [x, y, 30, 24], "area": 720})
        cv2.imwrite(str(path.parent / "photos" / f"{path.stem}{i}.png"), photo)
    path.write_text(json.dumps(entries))


def test_the_program_for_a_coco_file_passes_the_doctor_and_trains(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(tiny.__file__).parent))
    (tmp_path / "photos").mkdir()
    coco_file(tmp_path / "train.json", 1, 3)
    coco_file(tmp_path / "val.json", 4, 2)
    parent = [("import Config\n", "import Config\nimport tiny\n"), ("StreetConfig(Config):", "StreetConfig(tiny.TinyConfig):")]
    sizes = [("= 512", "= 64"), ("= 50, max(1, val.num_images // 2)", "= 1, 1"), ("heads:1e-3:5,all:1e-4:15", "heads:1e-3:1")]
    code = readme_code.smaller(readme_code.example("StreetConfig"), parent + readme_code.BACKBONE + sizes)
    (tmp_path / "street.py").write_text(code)
    words = "doctor --format coco --train train.json --val val.json --images photos --config street.py:StreetConfig --no-cost"
    assert cli.main(words.split()) == 0 and "Training makes sense" in capsys.readouterr().out and not (tmp_path / "logs").exists()
    names = {"__name__": "__main__"}
    exec(compile(code.replace('"coco")', '"none")'), "street.py", "exec"), names)
    assert names["model"].epoch == 1 and np.isfinite(names["mean_ap"].result.map)
