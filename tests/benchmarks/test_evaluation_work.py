"""The synthetic results of benchmarks/evaluation.py, and that they are measured as pycocotools measures them."""

import json

from benchmarks import evaluation
from mrcnn.evaluation import from_coco


def test_results_are_the_same_for_the_same_numbers_and_not_trivial():
    one = evaluation.synthetic(3, 20, 4)
    assert from_coco.as_coco(one) == from_coco.as_coco(evaluation.synthetic(3, 20, 4))
    assert one.num_detections == 60 and one.has_masks and {len(image.gt_class_ids) for image in one.images} != {0}


def test_figures_and_seconds_are_written(tmp_path, capsys):
    result = evaluation.main(["--images", "12", "--detections", "30", "--classes", "4", "--reference", "--json", str(tmp_path / "b.json")])
    assert result["largest difference"] == 0 and result["seconds"]["segm"] > 0
    assert json.loads((tmp_path / "b.json").read_text()) == result
    assert "12 images" in capsys.readouterr().out
