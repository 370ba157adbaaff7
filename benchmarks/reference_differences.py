"""Largest differences from the original, over all reference cases: the figures of docs/results.md.

    python benchmarks/reference_differences.py        # reads the cases that the tests read (MRCNN_REFERENCE)
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import reference_cases  # noqa: E402
import test_reference_inference as inference  # noqa: E402


def differences(path: Path, worst: dict[str, float]) -> None:
    """Update `worst` with the largest absolute difference of each tensor of a case."""
    case = reference_cases.Case(path)
    with tempfile.TemporaryDirectory() as folder:
        model, outputs = inference.run(case, Path(folder))
    rows, inside = inference.same_proposals(case, outputs), inference.not_at_far_edge(case)

    def note(name: str, ours: np.ndarray, theirs: np.ndarray) -> None:
        worst[name] = max(worst.get(name, 0.0), float(np.abs(ours - theirs).max(initial=0)))

    for name in ("C2", "C3", "C4", "C5", "P2", "P3", "P4", "P5", "P6"):
        note(name, inference.strided(case, outputs, name), case[f"{name}_slice"])
    note("rpn_class_logits", outputs["rpn_class_logits"], case["rpn_class_logits"])
    note("rpn_class", outputs["rpn_class"][:, :, 1], case["rpn_class_fg"])
    note("rpn_bbox", outputs["rpn_bbox"], case["rpn_bbox"])
    note("rpn_rois", inference.take(outputs["rpn_rois"], rows), case["rpn_rois"])
    for name in ("mrcnn_class_logits", "mrcnn_class", "mrcnn_bbox"):
        note(name, inference.take(outputs[name], rows)[inside], case[name][inside])
    note("detections", outputs["detections"], case["detections"])
    class_ids = case["detections"][..., 4].astype(int)
    masks = np.take_along_axis(outputs["mrcnn_mask"], class_ids[..., None, None, None], axis=4)[..., 0]
    note("mrcnn_mask_of_class", masks, case["mrcnn_mask_of_class"])
    for i in range(len(case.molded())):
        result = model.unmold_detections(
            outputs["detections"][i], outputs["mrcnn_mask"][i], case[f"image_{i}"].shape, case.molded().shape[1:], case["windows"][i]
        )
        note("final rois (pixels)", result[0], case[f"detect_{i}_rois"])
        theirs = case[f"detect_{i}_masks"].astype(bool)
        worst["mask pixels that differ"] = worst.get("mask pixels that differ", 0) + int((result[3] != theirs).sum())
        worst["mask pixels in all"] = worst.get("mask pixels in all", 0) + int(theirs.sum())


def main() -> None:
    """Print the table."""
    worst: dict[str, float] = {}
    for path in inference.CASES:
        differences(path, worst)
    for name, value in worst.items():
        print(f"| {name} | {value:.1e} |" if isinstance(value, float) else f"| {name} | {value} |")


if __name__ == "__main__":
    main()
